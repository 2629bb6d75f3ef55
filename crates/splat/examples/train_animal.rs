//! Trains a scene from nothing: a procedural animal, seen by six cameras, becomes Gaussians in 500 steps.
//!
//! `cargo run --release -p volkit-splat --example train_animal [STEPS]` prints loss, PSNR and time, and writes
//! `animal.ply`.

use std::error::Error;
use std::sync::Arc;
use std::time::Instant;

use volkit_bench::{AnimalPhantom, Random};
use volkit_splat::{
    Camera, Intrinsics, RenderConfig, SplatTrainer, Threads, TrainerConfig, TrainingView, scene_from_points, write_ply,
};

/// Picture size, time of the frame, and points of the carved start.
const SIZE: [usize; 2] = [256, 192];
const TIME_SECS: f64 = 0.7;
const POINTS: usize = 4000;
/// Half the side of the box that is carved, in millimetres: 60 mm to each side of the trunk.
const REACH_MM: f64 = 80.0;

fn main() -> Result<(), Box<dyn Error>> {
    let steps: usize = std::env::args().nth(1).map_or(Ok(500), |n| n.parse())?;
    let animal = AnimalPhantom::new(SIZE);
    let background = [animal.background as f32; 3];
    let (mut views, mut masks) = (Vec::new(), Vec::new());
    for rig in animal.cameras()? {
        let view = animal.render(&rig, TIME_SECS, 0)?;
        // The rig puts pixel centres at whole numbers.
        let centre_px = rig.centre_px.map(|c| c + 0.5);
        let intrinsics = Intrinsics { focal_px: [rig.focal_px; 2], centre_px, width: SIZE[0], height: SIZE[1] };
        let pose = std::array::from_fn(|r| {
            let [x, y, z] = rig.rotation[r];
            [x, y, z, rig.translation[r]]
        });
        let camera = Camera::new(pose, intrinsics)?;
        views.push(TrainingView { camera, colour: view.colour.iter().map(|c| f32::from(*c) / 255.0).collect() });
        masks.push(view.mask);
    }

    // Random points that every camera sees within the animal's mask.
    let mut random = Random::new(1);
    let centre = animal.pose(TIME_SECS).centre;
    let (mut points, mut colours) = (Vec::new(), Vec::new());
    while points.len() < POINTS {
        let p: [f64; 3] = std::array::from_fn(|k| centre[k] + random.range(-REACH_MM, REACH_MM));
        let inside = views.iter().zip(&masks).all(|(view, mask)| {
            let Some([x, y]) = view.camera.to_pixel(p) else { return false };
            x >= 0.0
                && y >= 0.0
                && x < SIZE[0] as f64
                && y < SIZE[1] as f64
                && mask[y as usize * SIZE[0] + x as usize] > 0
        });
        if inside {
            points.push(p.map(|x| x as f32));
            colours.push([0.5; 3]);
        }
    }

    let threads = Arc::new(Threads::new(0));
    let render = RenderConfig::new().with_background(background).with_depth(false);
    let config = TrainerConfig::new().with_max_steps(steps).with_render(render);
    let mut trainer = SplatTrainer::new(scene_from_points(&points, &colours, 1, 0)?, views, config, threads)?;
    println!("{} points, mean PSNR of the six views {:.2} dB", points.len(), trainer.mean_psnr()?);
    let begun = Instant::now();
    for step in 0..steps {
        let report = trainer.step()?;
        if (step + 1) % 100 == 0 {
            let psnr = trainer.mean_psnr()?;
            let secs = begun.elapsed().as_secs_f64();
            println!(
                "step {:5}: loss {:.4}, PSNR {psnr:.2} dB, {} Gaussians, {secs:.1} s",
                step + 1,
                report.loss,
                report.n_gaussians
            );
        }
    }
    let n_left_out = write_ply("animal.ply", &trainer.scene().as_slices())?;
    println!("animal.ply: {} Gaussians", trainer.scene().len() - n_left_out);
    Ok(())
}
