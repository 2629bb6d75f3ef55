//! `inference` and `test`: heights by the network, and how far they are from the truth.

use std::path::PathBuf;

use anyhow::{Context as _, Result, bail};
use serde_json::{Value, json};
use volkit_core::{Progress as _, Region, read_vec};
use volkit_psi::{ColourScale, HeightErrors, Split, network_input};
use volkit_train::Precision;

use super::map_picture::MapPicture;
use super::report::Report;
use super::train::{NETWORK, Network, Stage};
use super::{Run, closed_form, files};

impl Run<'_> {
    fn inference_file(&self, index: usize) -> PathBuf {
        self.config.output_dir.join("inference").join(format!("scene-{index:04}.npy"))
    }

    /// The network of the last training that there is.
    fn trained_network(&self) -> Result<(Network, Stage)> {
        let network = self.new_network(Precision::F32)?;
        for stage in [Stage::Finetune, Stage::Pretrain] {
            let path = self.stage_folder(stage).join(NETWORK);
            if path.exists() {
                network.parameters.read(&path)?;
                return Ok((network, stage));
            }
        }
        bail!("{}: no network; run `pretrain` first", self.config.output_dir.display())
    }
}

/// Heights of the test scenes by the network.
pub(crate) fn run(run: &Run<'_>, report: &mut Report) -> Result<()> {
    let config = &run.config;
    let (network, stage) = run.trained_network()?;
    let (instrument, solver) = (config.instrument(), config.solver()?);
    files::make_folder(&config.output_dir.join("inference"))?;
    run.clock.begin("inference", config.n_scenes(Split::Test) as u64);
    for scene in config.files(Split::Test) {
        run.clock.check()?;
        let source = scene.open(instrument.channels())?;
        let &[width, height, _] = source.meta().shape() else { bail!("{}: not [W, H, C]", scene.images.display()) };
        let greys: Vec<f32> = read_vec(source.as_ref(), &Region::whole(source.meta().shape()))
            .map_err(|error| files::in_file(&scene.images, error))?;
        let input = network_input(config.net_input(), &instrument, &solver, &greys)?;
        let heights = network.net.predict(&input, [height, width])?;
        files::write_array(&run.inference_file(scene.index), &[height, width], &heights.into())?;
        run.clock.advance(1);
    }
    report.line(format!("inference: {} scenes by the network of {}", config.n_scenes(Split::Test), stage.name()));
    Ok(())
}

/// Errors of the network's heights, beside those of the closed form on the same scenes.
pub(crate) fn test(run: &Run<'_>, report: &mut Report) -> Result<()> {
    let config = &run.config;
    let mut all = Vec::new();
    for scene in config.files(Split::Test) {
        let (truth, size) = files::read_map(&scene.height).context("run `generate` first")?;
        let (heights, _) = files::read_map(&run.inference_file(scene.index)).context("run `inference` first")?;
        let errors = HeightErrors::of(&heights, &truth).with_context(|| scene.height.display().to_string())?;
        if scene.index < config.num_visualize {
            let name = |what: &str| run.inference_file(scene.index).with_extension(format!("{what}.png"));
            let difference: Vec<f64> = heights.iter().zip(&truth).map(|(a, b)| a - b).collect();
            let title = format!("network, test scene {}", scene.index);
            let map = MapPicture { title: &title, scale: ColourScale::Sequential, size };
            files::write_bytes(&name("height"), &map.png(&heights)?)?;
            let map = MapPicture { title: "truth", scale: ColourScale::Sequential, size };
            files::write_bytes(&name("truth"), &map.png(&truth)?)?;
            let title = format!("network - truth, RMSE {:.3} um", errors.rmse_um);
            let map = MapPicture { title: &title, scale: ColourScale::Diverging, size };
            files::write_bytes(&name("error"), &map.png(&difference)?)?;
        }
        all.push(errors);
    }
    let network = report.errors("network", &all);
    let solved = report.errors("closed form", &closed_form::test(run)?);
    let table = json!({ "network": network, "closed form": solved, "per_scene": per_scene(&all) });
    let path = config.output_dir.join("test.json");
    files::write_bytes(&path, format!("{table:#}\n").as_bytes())?;
    report.line(format!("both on {} held-out scenes: {}", all.len(), path.display()));
    Ok(())
}

fn per_scene(all: &[HeightErrors]) -> Value {
    let entry = |errors: &HeightErrors| {
        json!({ "rmse_um": errors.rmse_um, "mae_um": errors.mae_um, "mape_percent": errors.mape_percent,
            "max_um": errors.max_um })
    };
    all.iter().map(entry).collect()
}
