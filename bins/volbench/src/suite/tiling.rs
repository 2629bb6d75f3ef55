//! The network of the tiling benchmark over whole images and tile by tile, and what tiling an identity leaves: the tables
//! of the program that volkit replaces, with our numbers beside its own.

use std::hint::black_box;

use volkit_bench::{FnWorkload, Series, Workload};
use volkit_core::{
    Affine, Batch, BoxError, DType, MemorySink, Predictor, SilentProgress, Volume, VolumeMeta, VolumeSink as _,
};
use volkit_kernels::{Isa, Threads};
use volkit_psi::{GraphPredictor, SimpleUNet};
use volkit_tile::{AxisSpec, Blend, Inset, ModelMemory, NamedWindow, Pointwise, Target, TilePlan, TiledInference};

use super::{Make, Setting};

/// Tile length and overlap of the original.
const TILE: usize = 512;
const OVERLAP: usize = 128;

/// The image of its targets.
const LARGE: [usize; 2] = [9344, 7000];

/// Image lengths, and what the original reports on an RTX 4060 Ti: seconds and MB, directly and tiled.
const ORIGINAL: [(usize, &str, &str); 3] = [
    (512, "0.331 s, 144 MB", "0.090 s, 162 MB"),
    (1024, "0.044 s, 455 MB", "0.116 s, 213 MB"),
    (2048, "not run", "0.473 s, 213 MB"),
];

/// Relative L2 error and largest error of an identity over 1024 x 1024, as the original reports them.
const ORIGINAL_ERRORS: [(&str, &str); 3] =
    [("uniform 0.5", "6.25e-2, 0.50"), ("gradient 0 to 2", "6.79e-2, 2.00"), ("noise in [0, 1)", "6.22e-2, 1.00")];

/// The original's functions and where their work is done here.
const FUNCTIONS: [(&str, &str); 5] = [
    ("tile_image", "TilePlan"),
    ("create_hanning_window", "NamedWindow, axis_weights"),
    ("blend_tiles", "the merge of TiledInference"),
    ("infer_with_tiling", "TiledInference::run"),
    ("estimate_memory_usage", "TiledInference::estimate"),
];

pub(super) fn workloads<'a>(setting: &'a Setting<'a>) -> Vec<Make<'a>> {
    let mut all: Vec<Make<'a>> = Vec::new();
    // Small volumes ask for a quick run.
    for (n, ..) in ORIGINAL.into_iter().filter(|(n, ..)| *n <= 16 * setting.size) {
        all.push(Box::new(move || direct(setting, n)));
        all.push(Box::new(move || tiled(setting, n)));
    }
    all
}

/// Prints the names and the three tables; series that were not recorded leave a gap.
pub(super) fn print_tables(series: &[Series]) -> Result<(), BoxError> {
    println!("\n| the original's function | ours |\n|---|---|");
    FUNCTIONS.iter().for_each(|(theirs, ours)| println!("| {theirs} | {ours} |"));
    println!("\n16-32-64-32-1 channels: infer_with_tiling (TiledInference::run) and the network directly");
    println!("| image | original, direct | ours | original, tiled | ours |\n|---|---|---|---|---|");
    for (n, direct, tiled) in ORIGINAL {
        let [ours_direct, ours_tiled] = ["direct", "tiled"].map(|how| figures(series, &name(n, how)));
        println!("| {n}^2 | {direct} | {ours_direct} | {tiled} | {ours_tiled} |");
    }
    println!("\nblend_tiles (the merge of TiledInference), identity, 1024 x 1024, tile {TILE}, overlap {OVERLAP}");
    println!("| image | original: relative L2, largest | ours, hann | ours, crop |\n|---|---|---|---|");
    for ((name, original), values) in ORIGINAL_ERRORS.into_iter().zip(images(1024)) {
        let [hann, crop] = [NamedWindow::Hann.into(), Blend::Crop].map(|blend| reconstruction(&values, 1024, blend));
        println!("| {name} | {original} | {} | {} |", hann?, crop?);
    }
    println!("\nits targets, on 1024 x 1024 through the network");
    println!("| what | target | ours, hann within the part that is right | ours, crop |\n|---|---|---|---|");
    let window = Inset::new(NamedWindow::Hann, vec![4; 2]);
    let [hann, crop] = [Blend::window(window), Blend::Crop].map(|blend| seams(1024, blend));
    let ([hann_most, hann_l2], [crop_most, crop_l2]) = (hann?, crop?);
    println!("| seam error, of the maximum | 1e-3 | {hann_most:.1e} | {crop_most:.1e} |");
    println!("| relative L2 | 5e-3 | {hann_l2:.1e} | {crop_l2:.1e} |");
    let plan = TilePlan::for_receptive_field(&LARGE, &[TILE; 2], &[4; 2], 1)?;
    let model = model()?;
    let memory = ModelMemory::new(model.weight_bytes(), 0).with_workspace_bytes(model.activation_bytes([TILE; 2])?);
    let estimate =
        TiledInference::new(&plan).with_blend(Blend::Crop).with_model_memory(memory).estimate(model.spec(), 1)?;
    let mb = estimate.total() as f64 / 1e6;
    println!("| memory for {} x {} | 6 GB | | {mb:.0} MB by the estimate |", LARGE[0], LARGE[1]);
    Ok(())
}

fn name(n: usize, how: &str) -> String {
    format!("psi/simple-unet/{n}x{n}/{how}")
}

/// CPU seconds, seconds and peak of a series.
fn figures(series: &[Series], id: &str) -> String {
    let Some(series) = series.iter().find(|series| series.id == id) else { return String::new() };
    let secs = series.wall().map_or(f64::NAN, |spread| spread.median);
    let cpu = series.cpu().map_or(f64::NAN, |spread| spread.median);
    let peak = series.peak_bytes.unwrap_or(0) as f64 / 1e6;
    format!("{secs:.3} s ({cpu:.3} CPU s), {peak:.0} MB")
}

fn model() -> Result<GraphPredictor, BoxError> {
    let weights = SimpleUNet::initial_weights(&SimpleUNet::CHANNELS, 1)?;
    Ok(SimpleUNet::from_store(&weights, Isa::detect())?.predictor())
}

fn direct<'a>(setting: &'a Setting<'a>, n: usize) -> Result<Box<dyn Workload + 'a>, BoxError> {
    let mut model = model()?.with_threads(Threads::new(setting.threads.count()).into());
    let batch = Batch::new([1, 16, n, n], noise(16 * n * n))?;
    let run = move || {
        black_box(model.predict(&batch)?);
        Ok(())
    };
    Ok(Box::new(FnWorkload::new(name(n, "direct"), run).with_amount((n * n) as f64, "sample")))
}

fn tiled<'a>(setting: &'a Setting<'a>, n: usize) -> Result<Box<dyn Workload + 'a>, BoxError> {
    let mut model = model()?.with_threads(Threads::new(setting.threads.count()).into());
    let image = Volume::new([n, n, 16], noise(16 * n * n), Affine::IDENTITY)?;
    let plan = TilePlan::for_receptive_field(&[n, n], &[TILE; 2], &[4; 2], 1)?;
    let run = move || {
        black_box(run_over(&plan, Blend::Crop, &image, &mut model)?);
        Ok(())
    };
    Ok(Box::new(FnWorkload::new(name(n, "tiled"), run).with_amount((n * n) as f64, "sample")))
}

/// Runs a model with one output channel.
fn run_over(plan: &TilePlan, blend: Blend, image: &Volume, model: &mut dyn Predictor) -> Result<Vec<f32>, BoxError> {
    let shape: Vec<usize> = plan.shape().into_iter().rev().collect();
    let (sink, slot) = MemorySink::new(VolumeMeta::new(shape, DType::F32, Affine::IDENTITY)?)?;
    let inference = TiledInference::new(plan).with_blend(blend);
    inference.run(image, &mut [model], vec![Target::new(&sink)], &SilentProgress)?;
    Box::new(sink).finish()?;
    let volume = slot.lock().map_err(|_| "the sink is broken")?.take().ok_or("the sink gave nothing")?;
    Ok(volume.to_real::<f32>()?)
}

/// Relative L2 error and largest error of an identity.
fn reconstruction(values: &[f32], n: usize, blend: Blend) -> Result<String, BoxError> {
    let image = Volume::new([n, n], values.to_vec(), Affine::IDENTITY)?;
    let plan = TilePlan::new(&[n, n], &[AxisSpec::new(TILE, OVERLAP); 2])?;
    let got = run_over(&plan, blend, &image, &mut Pointwise::identity(1, 2))?;
    let [_, l2, most] = errors(&got, values);
    Ok(format!("{l2:.1e}, {most:.1e}"))
}

/// Largest error of the maximum and relative L2 error of the network in tiles against the whole image.
fn seams(n: usize, blend: Blend) -> Result<[f64; 2], BoxError> {
    let (mut model, values) = (model()?, noise(16 * n * n));
    let wanted = model.predict(&Batch::new([1, 16, n, n], values.clone())?)?.remove(0);
    let image = Volume::new([n, n, 16], values, Affine::IDENTITY)?;
    let plan = TilePlan::new(&[n, n], &[AxisSpec::new(TILE, OVERLAP); 2])?;
    let [of_maximum, l2, _] = errors(&run_over(&plan, blend, &image, &mut model)?, wanted.values());
    Ok([of_maximum, l2])
}

/// Largest error of the maximum, relative L2 error, largest error.
fn errors(got: &[f32], wanted: &[f32]) -> [f64; 3] {
    let (mut error, mut whole, mut most, mut maximum) = (0.0, 0.0, 0.0f64, 0.0f64);
    for (a, b) in got.iter().zip(wanted) {
        let (d, b) = (f64::from(a - b), f64::from(*b));
        (error, whole) = (error + d * d, whole + b * b);
        (most, maximum) = (most.max(d.abs()), maximum.max(b.abs()));
    }
    [most / maximum, f64::sqrt(error / whole), most]
}

/// Uniform, gradient and noise.
fn images(n: usize) -> [Vec<f32>; 3] {
    let gradient = |i: usize| 2.0 * (i / n + i % n) as f32 / (2 * n - 2) as f32;
    [vec![0.5; n * n], (0..n * n).map(gradient).collect(), noise(n * n)]
}

/// Numbers in [0, 1) that look random.
fn noise(n: usize) -> Vec<f32> {
    let mut random = volkit_bench::Random::new(42);
    (0..n).map(|_| random.uniform() as f32).collect()
}
