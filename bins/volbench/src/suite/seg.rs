//! What lies around the SynthSeg network.

use std::hint::black_box;

use volkit_bench::{FnWorkload, Workload, seeded_posteriors};
use volkit_core::{Affine, BoxError};
use volkit_seg::{Placement, Posteriors, PostprocessOptions, PreprocessOptions, Structures, postprocess, preprocess};

use super::{Make, Setting};

pub(super) fn workloads<'a>(setting: &'a Setting<'a>) -> Vec<Make<'a>> {
    vec![
        Box::new(move || prepare(setting)),
        Box::new(move || label(setting, false)),
        Box::new(move || label(setting, true)),
    ]
}

fn prepare<'a>(setting: &'a Setting<'a>) -> Result<Box<dyn Workload + 'a>, BoxError> {
    let (scan, options) = (setting.head()?, PreprocessOptions::new());
    let voxels = scan.voxels().len() as f64;
    let run = move || {
        black_box(preprocess(&scan, &options)?);
        Ok(())
    };
    Ok(Box::new(FnWorkload::new(format!("seg/preprocess/{}", setting.shape()), run).with_amount(voxels, "voxel")))
}

fn label<'a>(setting: &'a Setting<'a>, fast: bool) -> Result<Box<dyn Workload + 'a>, BoxError> {
    let (size, structures) = ([setting.size; 3], Structures::v2());
    let n = structures.count();
    let posteriors = Posteriors::new(size, n, seeded_posteriors(size, n, 7)?)?;
    let placement = Placement::whole(size, Affine::IDENTITY);
    let options = PostprocessOptions::new().with_fast(fast);
    let voxels = size.iter().product::<usize>() as f64;
    // Post-processing works in place: each run begins with a copy.
    let run = move || {
        black_box(postprocess(&posteriors, None, structures, &placement, &options)?);
        Ok(())
    };
    let way = if fast { "fast" } else { "default" };
    let name = format!("seg/postprocess/{}/{way}", setting.shape());
    Ok(Box::new(FnWorkload::new(name, run).with_amount(voxels, "voxel")))
}
