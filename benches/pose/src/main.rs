//! CPU time of carving a frame with the sizes of the published mouse: `cargo run --release -p volkit-benches-pose`.
#![forbid(unsafe_code)]

use std::sync::Arc;

use volkit_bench::cpu_secs;
use volkit_benches_pose::{Scene, scene};
use volkit_kernels::Threads;
use volkit_pose::{CarveGrid, CarveRules, Carver, Level};

/// Hulls that the time is the mean of.
const N_RUNS: u32 = 10;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let Scene { views, rig, pose } = scene()?;
    let observed: Vec<usize> = (0..rig.len()).collect();
    let carver = Carver::new(&rig, &observed, CarveRules::Strict, Arc::new(Threads::single()))?;
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
