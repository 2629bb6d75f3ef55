//! The SynthSeg network, and whole runs around it.

use std::hint::black_box;

use volkit_bench::{FnWorkload, Grid, HeadPhantom, SeededUNet, Workload};
use volkit_core::{BoxError, SilentProgress, Volume};
use volkit_kernels::{ConvOptions, Isa, Mode, Threads};
use volkit_seg::{NetworkBuild, SegmentationNet, SynthSeg, SynthSegOptions, preprocess};

use super::{Make, Setting};

pub(super) fn workloads<'a>(setting: &'a Setting<'a>) -> Vec<Make<'a>> {
    let forward = |mode| Box::new(move || forward(setting, mode)) as Make<'a>;
    let mut all: Vec<Make<'a>> = vec![Box::new(move || load(setting))];
    all.extend(Mode::ALL.into_iter().map(forward));
    all.extend([false, true].map(|fast| Box::new(move || whole(setting, fast)) as Make<'a>));
    all
}

/// The middle of a head, at 1 mm.
pub(super) fn head(size: usize) -> Result<Volume, BoxError> {
    Ok(HeadPhantom::new(Grid::new([size; 3])).with_seed(7).generate()?.image)
}

/// A network of the published size.
pub(super) fn network(mode: Mode, threads: &Threads) -> Result<SegmentationNet, BoxError> {
    let conv = ConvOptions::new(Isa::detect()).with_mode(mode).with_threads(threads);
    Ok(SegmentationNet::from_store(&SeededUNet::new().generate()?, &NetworkBuild::new().with_conv(conv))?)
}

fn load<'a>(setting: &'a Setting<'a>) -> Result<Box<dyn Workload + 'a>, BoxError> {
    let store = SeededUNet::new().generate()?;
    let conv = ConvOptions::new(Isa::detect()).with_mode(Mode::FastMath).with_threads(setting.threads);
    let run = move || {
        black_box(SegmentationNet::from_store(&store, &NetworkBuild::new().with_conv(conv))?);
        Ok(())
    };
    Ok(Box::new(FnWorkload::new("synthseg/pack/published/fast-math", run)))
}

fn forward<'a>(setting: &'a Setting<'a>, mode: Mode) -> Result<Box<dyn Workload + 'a>, BoxError> {
    let net = network(mode, setting.threads)?;
    let prepared = preprocess(&head(setting.size)?, &whole_options(setting.size, true).preprocess())?;
    let size = prepared.placement.padded_size;
    let n_voxels = size.iter().product::<usize>() as f64;
    let run = move || {
        black_box(net.forward(&prepared.net_input, size, setting.threads, &SilentProgress)?);
        Ok(())
    };
    let name = format!("synthseg/forward/{}x{}x{}/{}", size[0], size[1], size[2], mode.name());
    Ok(Box::new(FnWorkload::new(name, run).with_amount(n_voxels, "voxel")))
}

fn whole<'a>(setting: &'a Setting<'a>, fast: bool) -> Result<Box<dyn Workload + 'a>, BoxError> {
    let way = if fast { "fast" } else { "default" };
    whole_run(format!("synthseg/run/{}/{way}", setting.shape()), head(setting.size)?, setting, fast)
}

/// A run from a scan to labels and volumes, in fast-math.
pub(super) fn whole_run<'a>(
    name: String,
    scan: Volume,
    setting: &'a Setting<'a>,
    fast: bool,
) -> Result<Box<dyn Workload + 'a>, BoxError> {
    let synthseg = SynthSeg::new(volkit_seg::Networks::new(network(Mode::FastMath, setting.threads)?));
    let (n_voxels, smallest) = (scan.voxels().len() as f64, scan.shape().iter().copied().min().unwrap_or(0));
    let options = whole_options(smallest, fast);
    let run = move || {
        black_box(synthseg.run(&scan, &options, setting.threads, &SilentProgress)?);
        Ok(())
    };
    Ok(Box::new(FnWorkload::new(name, run).with_amount(n_voxels, "voxel")))
}

/// Options for a volume of that size, which is not to be padded.
fn whole_options(size: usize, fast: bool) -> SynthSegOptions {
    SynthSegOptions::new().with_fast(fast).with_smallest_size(size)
}
