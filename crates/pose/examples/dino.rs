//! Carves the dinosaur of the Middlebury pictures "dinoSparseRing" and fits Gaussians to 13 of its 16 views:
//! `cargo run --release -p volkit-pose --example dino -- FOLDER OUT [STEPS]`. The folder holds `dinoSR_par.txt`, the pictures
//! and `masks/`. Writes `hull.png` and `fitted.png` into OUT: the held-out views above, what is rendered below.

use std::fs::{self, File};
use std::io::BufReader;
use std::path::Path;
use std::sync::Arc;

use volkit_core::{BoxError, Volume};
use volkit_kernels::Threads;
use volkit_pose::{
    CarveGrid, CarveRules, Carver, ColourRules, CropFinder, Frame, FrameViews, ModelConfig, Pose, PoseModel, Recording,
    Rig, Track, TrackConfig, TrainConfig, Trainer, ViewMetrics, ViewStore, WorldFrame, evaluate_frame, read_png,
    track_frame,
};
use volkit_splat::{Rendering, encode_png};

/// Pictures are taken at half their size.
const STEP: usize = 2;
/// Views that the fit does not see.
const HELD_OUT: [usize; 3] = [4, 9, 14];
/// Edge of the cube that is carved, in metres, and points along it.
const EDGE_M: f64 = 0.12;
const GRID: usize = 96;

fn main() -> Result<(), BoxError> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [folder, out, rest @ ..] = &arguments[..] else {
        println!("usage: dino FOLDER OUT [STEPS]");
        return Ok(());
    };
    let steps = rest.first().map_or(Ok(100), |word| word.parse())?;
    let (folder, out) = (Path::new(folder), Path::new(out));
    fs::create_dir_all(out)?;
    let (names, rig) = Rig::from_middlebury(&fs::read_to_string(folder.join("dinoSR_par.txt"))?, "dinoSR_par.txt")?;
    let views = read_views(folder, &names)?;
    // The dinosaur stands on y.
    let frame = WorldFrame::upright(&rig, [0.0, 1.0, 0.0])?;
    let recording = recording(&frame.place(&rig.subsampled(STEP)), &frame, views.clone())?;
    let volume = recording.carve(0, &views, &recording.observed())?;
    let (low, high) = bounds(&recording, &frame, volume.occupied.iter().map(|(index, _)| *index));
    println!("hull: {} points of {:?}, from {low:.4?} to {high:.4?} m", volume.occupied.len(), volume.dims);

    let config = ModelConfig::new(recording.grid.dims());
    show(&PoseModel::new(config)?, &recording, "hull", out)?;
    let mut trainer = Trainer::new(config, TrainConfig::new(steps).with_learning_rate(2e-3))?;
    for step in 1..=steps {
        let parts = trainer.step(&recording, 0)?;
        if step % 10 == 0 {
            println!("step {step}: loss {:.4} (iou {:.4}, l1 {:.4})", parts.total, parts.iou, parts.l1);
        }
    }
    trainer.with_average(|model| {
        show(model, &recording, "fitted", out).map_err(|error| volkit_pose::PoseError::Seam("the pictures", error))
    })?;
    Ok(())
}

/// Pictures and masks, white outside of the masks.
fn read_views(folder: &Path, names: &[String]) -> Result<FrameViews, BoxError> {
    let mut views = FrameViews::default();
    for (view, name) in names.iter().enumerate() {
        let [mut picture, mut mask] = [Frame::default(), Frame::default()];
        for (path, frame) in [(folder.join(name), &mut picture), (folder.join("masks").join(name), &mut mask)] {
            read_png(BufReader::new(File::open(&path)?), &path.display().to_string(), frame)?;
        }
        let size = [picture.width, picture.height].map(|n| n / STEP);
        if view == 0 {
            views = FrameViews::new(names.len(), size);
        }
        let part = &mut views.rgba[view * size[0] * size[1] * 4..][..size[0] * size[1] * 4];
        for (i, pixel) in part.chunks_exact_mut(4).enumerate() {
            let (x, y) = (i % size[0] * STEP, i / size[0] * STEP);
            pixel.fill(255);
            pixel[3] = mask.grey(x, y);
            if pixel[3] >= 128 {
                pixel[..3].copy_from_slice(&picture.rgb(x, y));
            }
        }
    }
    Ok(views)
}

/// The pictures as a recording of one frame, its grid around the hull.
fn recording(rig: &Rig, frame: &WorldFrame, views: FrameViews) -> Result<Recording, BoxError> {
    let threads = Arc::new(Threads::new(0));
    let observed: Vec<usize> = (0..rig.len()).filter(|view| !HELD_OUT.contains(view)).collect();
    let (edge, rules) = (EDGE_M * frame.scale, CarveRules::Strict);
    let config = TrackConfig {
        edge: 1.5 * edge,
        grid_size: GRID,
        observed: observed.clone(),
        rules,
        threads: Arc::clone(&threads),
    };
    let moments = track_frame(rig, &views, &config)?.ok_or("no hull: masks and calibration do not meet")?;
    let grid = CarveGrid::new(edge, GRID);
    let carver = Carver::new(rig, &observed, rules, Arc::clone(&threads))?;
    let pose = Pose { centre: moments.centre, angle: 0.0 };
    let mut finder = CropFinder::new(GRID);
    finder.add(&carver.hull(&views, &grid, &pose)?)?;
    let grid = grid.with_crop(finder.find(1))?;
    let meta = ViewStore::meta(views.size, views.n_views, 1)?;
    let recording = Recording {
        store: ViewStore::new(Box::new(Volume::from_meta(meta, views.rgba)?))?,
        rig: rig.clone(),
        track: Track {
            centres: vec![pose.centre],
            angles: vec![0.0],
            covariances: vec![moments.covariance],
            missing: vec![],
        },
        grid,
        held_out: HELD_OUT.to_vec(),
        rules,
        colours: ColourRules::default(),
        threads,
    };
    recording.validate()?;
    Ok(recording)
}

/// Smallest and largest coordinates of points of the grid, in the units of the calibration.
fn bounds(recording: &Recording, frame: &WorldFrame, points: impl Iterator<Item = usize>) -> ([f64; 3], [f64; 3]) {
    let centre = recording.track.centres[0];
    points.fold(([f64::INFINITY; 3], [f64::NEG_INFINITY; 3]), |(low, high), index| {
        let p = recording.grid.point(index);
        let p = frame.to_rig(std::array::from_fn(|k| p[k] + centre[k]));
        (std::array::from_fn(|k| low[k].min(p[k])), std::array::from_fn(|k| high[k].max(p[k])))
    })
}

/// Prints measures and writes the held-out views, seen above and rendered below.
fn show(model: &PoseModel, recording: &Recording, name: &str, out: &Path) -> Result<(), BoxError> {
    let (metrics, renderings) = evaluate_frame(model, recording, 0)?;
    for (kind, is_held_out) in [("observed", false), ("held out", true)] {
        let chosen = metrics.iter().enumerate().filter(|(view, _)| HELD_OUT.contains(view) == is_held_out);
        let mean = ViewMetrics::mean(chosen.map(|(_, m)| m)).ok_or("no views")?;
        println!("{name}, {kind} views: PSNR {:.2} dB, IoU {:.4}, SSIM {:.4}", mean.psnr, mean.iou, mean.ssim);
    }
    let views = recording.store.read(0)?;
    let [width, height] = views.size;
    let seen =
        |view: &usize| Rendering { width, height, colour: views.colours(*view), ..Rendering::default() }.to_bytes();
    let rows =
        [HELD_OUT.iter().map(seen).collect::<Vec<_>>(), HELD_OUT.map(|view| renderings[view].to_bytes()).to_vec()];
    let lines = rows.iter().flat_map(|row| (0..height).flat_map(move |y| row.iter().map(move |picture| (picture, y))));
    let sheet: Vec<u8> = lines.flat_map(|(picture, y)| &picture[3 * width * y..3 * width * (y + 1)]).copied().collect();
    Ok(fs::write(out.join(format!("{name}.png")), encode_png([HELD_OUT.len() * width, 2 * height], &sheet)?)?)
}
