//! Carves the procedural animal and tells how the hull compares with the truth: `cargo run --release -p volkit-pose
//! --example carve`.

use std::sync::Arc;

use volkit_bench::{AnimalPhantom, cpu_secs};
use volkit_core::BoxError;
use volkit_kernels::Threads;
use volkit_pose::{CarveGrid, CarveRules, Carver, FrameViews, Level, Pose, Rig, RigCamera, WorldFrame, up_from_rig};

/// Hulls that the time is the mean of.
const N_RUNS: u32 = 10;

fn main() -> Result<(), BoxError> {
    let animal = AnimalPhantom::new([288, 256]);
    let cameras = animal.cameras()?;
    let camera = |c: &volkit_bench::AnimalCamera| RigCamera {
        rotation: c.rotation,
        translation: c.translation,
        intrinsic: [[c.focal_px, 0.0, c.centre_px[0]], [0.0, c.focal_px, c.centre_px[1]], [0.0, 0.0, 1.0]],
        distortion: None,
    };
    let rig = Rig::new(cameras.iter().map(camera).collect(), "animal")?;
    let frame = WorldFrame::upright(&rig, up_from_rig(&rig)?)?;
    let mut views = FrameViews::new(cameras.len(), animal.size);
    for (camera, part) in cameras.iter().zip(views.rgba.chunks_mut(4 * animal.size[0] * animal.size[1])) {
        let seen = animal.render(camera, 0.5, 10)?;
        for ((out, colour), mask) in part.chunks_mut(4).zip(seen.colour.chunks(3)).zip(&seen.mask) {
            out[..3].copy_from_slice(colour);
            out[3] = *mask;
        }
    }
    let pose = animal.pose(0.5);
    let pose = Pose { centre: frame.from_rig(pose.centre), angle: pose.heading };
    let observed: Vec<usize> = (0..rig.len()).collect();
    let carver = Carver::new(&frame.place(&rig), &observed, CarveRules::Strict, Arc::new(Threads::single()))?;
    let grid = CarveGrid::new(0.40, 112);
    let mut hull = carver.hull(&views, &grid, &pose)?;
    let before = cpu_secs().unwrap_or(f64::NAN);
    for _ in 0..N_RUNS {
        hull = carver.hull(&views, &grid, &pose)?;
    }
    let millis = (cpu_secs().unwrap_or(f64::NAN) - before) * 1e3 / f64::from(N_RUNS);
    let count = |level| hull.occupied().filter(|(_, l)| *l == level).count();
    println!("112^3 points, {} views: {millis:.1} ms of CPU time", rig.len());
    println!("all views agree on {} points, all but one on {}", count(Level::Core), count(Level::Shell));
    Ok(())
}
