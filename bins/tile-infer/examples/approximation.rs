//! Prints how far a network of `volkit-seg` in tiles is from the same network over the whole volume:
//! `cargo run --release -p tile-infer --example approximation -- MODEL VOLUME [TILE,TILE..]`.
//!
//! The volume is scaled to 0 .. 1 and cut to a multiple of what the network halves; its axes are those of the file. Logits pass
//! a softmax before they are compared. Overlaps are a quarter and a half of the tile.

use std::path::Path;
use std::sync::Arc;

use volkit_core::{
    Affine, Batch, BoxError, DType, MemorySink, Predictor, SilentProgress, Volume, VolumeMeta, VolumeSink as _,
};
use volkit_io::{ReadOptions, open_weights};
use volkit_kernels::{ConvOptions, Isa, Threads};
use volkit_seg::{NetworkBuild, TilePredictor};
use volkit_tile::{AxisSpec, Blend, NamedWindow, SmallAxis, Target, TilePlan, TiledInference};

/// Tiles where none are given.
const TILES: [usize; 2] = [64, 96];
const WINDOWS: [&str; 3] = ["crop", "hann", "gaussian"];

fn main() -> Result<(), BoxError> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [model, volume, rest @ ..] = arguments.as_slice() else {
        return Err("usage: approximation MODEL VOLUME [TILE,TILE..]".into());
    };
    let tiles: Vec<usize> = match rest {
        [] => TILES.to_vec(),
        [list, ..] => list.split(',').map(str::parse).collect::<Result<_, _>>()?,
    };
    let build = NetworkBuild::new().with_conv(ConvOptions::new(Isa::detect()));
    let net = TilePredictor::from_store(open_weights(Path::new(model))?.as_ref(), &build)?;
    let mut net = net.with_threads(Arc::new(Threads::new(0)));
    let (multiple, channels) = (net.spec().multiple_of, net.spec().outputs[0].channels);
    let (shape, image) = read(Path::new(volume), multiple)?;
    let whole = net.predict(&Batch::new([&[1, 1], shape.as_slice()].concat(), image.to_real()?)?)?.remove(0);
    let whole = Answer::new(whole.into_values(), channels);
    println!("{model} over {volume}, {shape:?}, {channels} channels");
    println!(
        "| tile | overlap | window | labels that differ | largest difference of a posterior | mean |\n|---|---|---|---|---|---|"
    );
    for tile in tiles {
        for overlap in [tile / 4, tile / 2] {
            let spec = AxisSpec::new(tile, overlap).with_align(multiple).with_small(SmallAxis::Shrink);
            let plan = TilePlan::new(&shape, &[spec; 3])?;
            for name in WINDOWS {
                let blend = if name == "crop" { Blend::Crop } else { name.parse::<NamedWindow>()?.into() };
                let [share, most, mean] = whole.compare(&Answer::new(run(&plan, blend, &image, &mut net)?, channels));
                println!("| {tile} | {overlap} | {name} | {:.2} % | {most:.1e} | {mean:.1e} |", 100.0 * share);
            }
        }
    }
    Ok(())
}

/// A volume in 0 .. 1 and its shape `[z, y, x]`, cut at its end.
fn read(path: &Path, multiple: usize) -> Result<([usize; 3], Volume), BoxError> {
    let source = volkit_io::open(path, &ReadOptions::default())?;
    let &[x, y, z, ..] = volkit_core::VolumeSource::meta(&source).shape() else {
        return Err(format!("{}: three axes are expected", path.display()).into());
    };
    let size = [x, y, z].map(|n| n / multiple * multiple);
    let region = volkit_core::Region::new([0; 3], size)?;
    let values: Vec<f32> = volkit_core::read_vec(&source, &region)?;
    let [low, high] = values.iter().fold([f32::INFINITY, f32::NEG_INFINITY], |[a, b], &v| [a.min(v), b.max(v)]);
    let scaled: Vec<f32> = values.iter().map(|v| (v - low) / (high - low).max(f32::MIN_POSITIVE)).collect();
    let [x, y, z] = size;
    Ok(([z, y, x], Volume::new([x, y, z, 1], scaled, Affine::IDENTITY)?))
}

fn run(plan: &TilePlan, blend: Blend, image: &Volume, net: &mut TilePredictor) -> Result<Vec<f32>, BoxError> {
    let mut shape: Vec<usize> = plan.shape().into_iter().rev().collect();
    shape.push(net.spec().outputs[0].channels);
    let (sink, slot) = MemorySink::new(VolumeMeta::new(shape, DType::F32, Affine::IDENTITY)?)?;
    let inference = TiledInference::new(plan).with_blend(blend);
    inference.run(image, &mut [net], vec![Target::new(&sink)], &SilentProgress)?;
    Box::new(sink).finish()?;
    let volume = slot.lock().map_err(|_| "the sink is broken")?.take().ok_or("the sink gave nothing")?;
    Ok(volume.to_real()?)
}

/// What a network says of a volume.
struct Answer {
    /// `[K][voxel]`.
    posteriors: Vec<f32>,
    labels: Vec<usize>,
}

impl Answer {
    fn new(mut values: Vec<f32>, channels: usize) -> Self {
        let n = values.len() / channels;
        let mut labels = Vec::with_capacity(n);
        for voxel in 0..n {
            let at = |k: usize| k * n + voxel;
            let label = (1..channels).fold(0, |best, k| if values[at(k)] > values[at(best)] { k } else { best });
            labels.push(label);
            let (most, sum) = (values[at(label)], (0..channels).map(|k| values[at(k)]).sum::<f32>());
            let is_posterior = (sum - 1.0).abs() < 1e-3 && (0..channels).all(|k| values[at(k)] >= 0.0);
            if !is_posterior {
                let total: f32 = (0..channels).map(|k| (values[at(k)] - most).exp()).sum();
                (0..channels).for_each(|k| values[at(k)] = (values[at(k)] - most).exp() / total);
            }
        }
        Self { posteriors: values, labels }
    }

    /// Share of other labels, largest and mean difference of a posterior.
    fn compare(&self, other: &Self) -> [f64; 3] {
        let differ = self.labels.iter().zip(&other.labels).filter(|(a, b)| a != b).count();
        let (mut most, mut sum) = (0.0f64, 0.0);
        for (a, b) in self.posteriors.iter().zip(&other.posteriors) {
            let difference = f64::from((a - b).abs());
            (most, sum) = (most.max(difference), sum + difference);
        }
        [differ as f64 / self.labels.len() as f64, most, sum / self.posteriors.len() as f64]
    }
}
