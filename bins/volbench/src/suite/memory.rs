//! How much memory whole SynthSeg runs take, by size.

use volkit_bench::Workload;
use volkit_core::BoxError;

use super::synthseg::{head, whole_run};
use super::{Make, Setting};

/// Voxels of 1 mm along each axis.
const SIZES: [usize; 3] = [96, 192, 256];

pub(super) fn workloads<'a>(setting: &'a Setting<'a>) -> Vec<Make<'a>> {
    let ways = SIZES.into_iter().flat_map(|size| [(size, true), (size, false)]);
    ways.map(|(size, fast)| Box::new(move || run(setting, size, fast)) as Make<'a>).collect()
}

fn run<'a>(setting: &'a Setting<'a>, size: usize, fast: bool) -> Result<Box<dyn Workload + 'a>, BoxError> {
    let way = if fast { "fast" } else { "default" };
    whole_run(format!("memory/run/{size}x{size}x{size}/{way}"), head(size)?, setting, fast)
}
