//! What tiling alone costs.

use volkit_bench::cpu_secs;
use volkit_core::BoxError;
use volkit_tile::{AxisSpec, NamedWindow, Pointwise, TilePlan, TiledInference};

use crate::{noise, run_over, volume};

/// Images and tiles that are measured.
pub const MERGES: [(&[usize], usize); 3] = [(&[1024; 2], 512), (&[2048; 2], 512), (&[192; 3], 96)];

/// The least CPU seconds of `repeats` runs of an identity through the Gaussian window, overlap 1/4, from an image in memory
/// to a new one, with so many batches read ahead (0: on one thread).
///
/// # Errors
/// As the run; where the system does not tell CPU time.
pub fn merge_secs(shape: &[usize], tile: usize, queue_depth: usize, repeats: usize) -> Result<f64, BoxError> {
    let now = || cpu_secs().ok_or("no CPU time");
    let n = shape.iter().product::<usize>();
    let image = volume(&[&[1], shape].concat(), noise(n, 1))?;
    let plan = TilePlan::new(shape, &vec![AxisSpec::fraction(tile, 0.25); shape.len()])?;
    let mut model = Pointwise::identity(1, shape.len());
    let mut least = f64::INFINITY;
    for _ in 0..repeats {
        let before = now()?;
        let inference = TiledInference::new(&plan).with_blend(NamedWindow::gaussian()).with_queue_depth(queue_depth);
        let result = run_over(inference, &image, &mut model, shape)?;
        least = least.min(now()? - before);
        drop(result);
    }
    Ok(least)
}
