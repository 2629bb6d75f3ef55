//! `closed-form`: heights without training.

use std::path::Path;

use anyhow::{Context as _, Result};
use serde_json::json;
use volkit_core::{Affine, DType, Progress as _, VolumeMeta, VolumeSource};
use volkit_psi::{ColourScale, HeightErrors, HeightStream, Surface};

use super::map_picture::MapPicture;
use super::report::{Report, roughness};
use super::scenes::SceneFiles;
use super::{Run, files};

/// Solves `--input`, or the test scenes.
pub(crate) fn run(run: &Run<'_>, report: &mut Report) -> Result<()> {
    match &run.args.input {
        Some(input) => measure(run, input, report),
        None => {
            report.errors("closed form", &test(run)?);
            Ok(())
        }
    }
}

/// Solves the test scenes and compares with the truth.
pub(crate) fn test(run: &Run<'_>) -> Result<Vec<HeightErrors>> {
    let config = &run.config;
    let folder = config.output_dir.join("closed-form");
    files::make_folder(&folder)?;
    let mut all = Vec::new();
    for scene in config.files(volkit_psi::Split::Test) {
        let (truth, size) = files::read_map(&scene.height).context("run `generate` first")?;
        let height = solve_scene(run, &scene)?;
        files::write_array(&folder.join(format!("scene-{:04}.npy", scene.index)), &size, &height.clone().into())?;
        let errors = HeightErrors::of(&height, &truth).with_context(|| scene.height.display().to_string())?;
        if scene.index < config.num_visualize {
            let difference: Vec<f64> = height.iter().zip(&truth).map(|(a, b)| a - b).collect();
            let name = |what: &str| folder.join(format!("scene-{:04}.{what}.png", scene.index));
            let title = format!("closed form, test scene {}", scene.index);
            let map = MapPicture { title: &title, scale: ColourScale::Sequential, size };
            files::write_bytes(&name("height"), &map.png(&height)?)?;
            let title = format!("closed form - truth, RMSE {:.2e} um", errors.rmse_um);
            let map = MapPicture { title: &title, scale: ColourScale::Diverging, size };
            files::write_bytes(&name("error"), &map.png(&difference)?)?;
        }
        all.push(errors);
    }
    Ok(all)
}

fn solve_scene(run: &Run<'_>, scene: &SceneFiles) -> Result<Vec<f64>> {
    let solver = run.config.solver()?;
    let source = scene.open(solver.channels())?;
    let mut height = Vec::new();
    HeightStream::new(&solver, &run.threads)
        .run(source.as_ref(), &run.clock, &mut |_, band| height.extend_from_slice(&band.height_um))
        .with_context(|| scene.images.display().to_string())?;
    Ok(height)
}

/// Solves a measured stack: height map, mask of weak fringes, roughness without piston and tilt, picture.
fn measure(run: &Run<'_>, input: &Path, report: &mut Report) -> Result<()> {
    let (config, solver) = (&run.config, run.config.solver()?);
    let source = files::open_stack(input)?;
    let shape = source.meta().shape().to_vec();
    let (&[width, height] | &[width, height, _]) = shape.as_slice() else {
        anyhow::bail!("{}: axes {shape:?}, expected [W, H, {}]", input.display(), solver.channels());
    };
    let meta = VolumeMeta::new([width, height], DType::F32, Affine::IDENTITY)?;
    let sink = run.args.output.as_deref().map(|path| Ok::<_, anyhow::Error>((path, files::create(path, &meta)?)));
    let sink = sink.transpose()?;
    let mut stream = HeightStream::new(&solver, &run.threads);
    if let Some((_, sink)) = &sink {
        stream = stream.with_height(sink.as_ref());
    }
    let (mut heights, mut modulation) = (Vec::new(), Vec::new());
    let source: &dyn VolumeSource = source.as_ref();
    stream
        .run(source, &run.clock, &mut |_, band| {
            heights.extend_from_slice(&band.height_um);
            modulation.extend_from_slice(&band.modulation);
        })
        .with_context(|| input.display().to_string())?;
    if let Some((path, sink)) = sink {
        sink.finish().map_err(|error| files::in_file(path, error))?;
    }
    run.clock.begin("roughness", 1);
    let mut surface = Surface::new([height, width], heights)?;
    surface.mask_low_modulation(&modulation, config.closed_form.min_modulation)?;
    let n_pixels = width * height;
    let Some(plane) = surface.plane() else {
        let least = config.closed_form.min_modulation;
        anyhow::bail!("{}: no pixel has fringes of {least} greys (closed_form.min_modulation)", input.display());
    };
    surface.subtract(&plane);
    let parameters = surface.parameters().context("no pixel counts")?;
    files::make_folder(&config.output_dir)?;
    let name = config.output_dir.join("closed-form.png");
    files::write_bytes(&name, &MapPicture::of_surface("height without piston and tilt", &surface)?)?;
    report.line(format!(
        "{n_pixels} pixels, {} with fringes; Sa {:.4} um, Sq {:.4} um, PV {:.4} um without piston and tilt",
        parameters.n_pixels, parameters.sa_um, parameters.sq_um, parameters.pv_um
    ));
    report.line(format!(
        "piston {:.4} um, tilt {:.3e} and {:.3e} um a pixel along rows and columns; picture: {}",
        plane.piston_um,
        plane.tilt_x_um,
        plane.tilt_y_um,
        name.display()
    ));
    report.result("roughness", roughness(&parameters));
    let tilt = json!({ "piston_um": plane.piston_um, "tilt_x_um": plane.tilt_x_um, "tilt_y_um": plane.tilt_y_um });
    report.result("plane", tilt);
    report.result("masked_pixels", json!(n_pixels - parameters.n_pixels));
    Ok(())
}
