//! Every layer against golden results of the published program, with reduced weights.

use std::path::PathBuf;

use volkit_core::ArrayStore as _;
use volkit_io::{KerasStore, SafetensorsStore};
use volkit_kernels::{
    Executor, GraphBuilder, Isa, Plan, PlanOptions, SliceSink, SliceSource, TensorId, Threads, no_progress,
};

use super::super::posteriors::Posteriors;
use super::super::smoothing::smoothed;
use super::super::weights::{Layers, Norm};
use super::{UNet, UNetKind};
use crate::NetworkBuild;

const KIND: UNetKind = UNetKind { prefix: "unet", c_in: 1, kernel: 3, n_skipless: 0 };
/// Of the largest value of a layer, as the golden folder's README says.
const TOLERANCE: f64 = 1e-5;

fn shared(path: &str) -> Option<PathBuf> {
    let root = std::env::var_os("VOLKIT_SHARED")
        .map_or_else(|| PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared")), PathBuf::from);
    let path = root.join(path);
    if !path.exists() {
        println!("skipped: {} is absent", path.display());
        return None;
    }
    Some(path)
}

/// From `[x][y][z][c]` to `[z][y][x][c]`; returns the values and the size `[d, h, w]`.
fn x_fastest(shape: &[usize], values: &[f32]) -> (Vec<f32>, [usize; 3]) {
    let [_, nx, ny, nz, c] = <[usize; 5]>::try_from(shape).unwrap();
    let voxels = (0..nx * ny * nz).map(|i| (i % nx, i / nx % ny, i / (nx * ny)));
    let turned = voxels.flat_map(|(x, y, z)| {
        let at = ((x * ny + y) * nz + z) * c;
        values[at..at + c].iter().copied()
    });
    (turned.collect(), [nz, ny, nx])
}

/// Name of a layer, the tensor that it is made of, and the batch norm that is to be undone (or else applied).
type Check = (String, TensorId, Option<(Norm, bool)>);

fn affine(values: &[f32], of: impl Fn(f64, usize) -> f64, channels: usize) -> Vec<f32> {
    values.iter().enumerate().map(|(i, v)| of(f64::from(*v), i % channels) as f32).collect()
}

#[test]
fn layers_equal_the_published_programs() {
    let (Some(weights), Some(golden)) =
        (shared("golden/synthseg/weights/v2.h5"), shared("golden/synthseg/unet_layers.safetensors"))
    else {
        return;
    };
    let (weights, golden) = (KerasStore::open(weights).unwrap(), SafetensorsStore::open(golden).unwrap());
    let layers = Layers::new(&weights, &NetworkBuild::new()).unwrap();
    let net = UNet::read(&layers, KIND).unwrap();
    assert_eq!((net.summary().as_str(), net.size_multiple()), ("unet: 3 levels, 8 features, 33 labels", 4));
    let mut builder = GraphBuilder::new(Isa::detect());
    let tensors = net.add_to(&mut builder, false).unwrap();
    let named = |name: &str| -> (Vec<f32>, [usize; 3], usize) {
        let array = golden.get(name).unwrap();
        let (values, size) = x_fastest(array.shape(), &array.to_real::<f32>().unwrap());
        (values, size, array.shape()[4])
    };
    // Batch norms of the first levels are part of pooling: here they are computed in f64 from the tensor before.
    let mut checks: Vec<Check> = Vec::new();
    for (level, pair) in tensors.down.iter().enumerate() {
        let norm = layers.norm(&format!("unet_bn_down_{level}"), 8 << level).unwrap();
        let is_last = level == 2;
        checks.push((format!("unet_conv_downarm_{level}_0"), pair[0], None));
        checks.push((format!("unet_conv_downarm_{level}_1"), pair[1], is_last.then(|| (norm.clone(), true))));
        checks.push((format!("unet_bn_down_{level}"), pair[1], (!is_last).then_some((norm, false))));
    }
    for (step, pair) in tensors.up.iter().enumerate() {
        let norm = layers.norm(&format!("unet_bn_up_{step}"), 16 >> step).unwrap();
        checks.push((format!("unet_conv_uparm_{}_0", 3 + step), pair[0], None));
        checks.push((format!("unet_conv_uparm_{}_1", 3 + step), pair[1], Some((norm, true))));
        checks.push((format!("unet_bn_up_{step}"), pair[1], None));
    }
    checks.push(("unet_likelihood".into(), tensors.likelihood, None));
    checks.push(("unet_prediction".into(), tensors.prediction, None));
    let wanted: Vec<_> = checks.iter().map(|(name, ..)| named(name)).collect();
    for (_, tensor, _) in &checks {
        builder.output(*tensor).unwrap();
    }
    let (input, size, _) = named("input");
    let plan = Plan::new(&builder.build().unwrap(), size, &PlanOptions::default()).unwrap();
    let mut outputs: Vec<Vec<f32>> = wanted.iter().map(|(values, ..)| vec![f32::NAN; values.len()]).collect();
    let mut sink = SliceSink::many(outputs.iter_mut().map(Vec::as_mut_slice).collect());
    let mut source = SliceSource::new(&input);
    Executor::new(plan).unwrap().run(&mut source, &mut sink, &Threads::new(2), &mut no_progress).unwrap();
    let mut worst = 0.0f64;
    let mut check = |name: &str, got: &[f32], wanted: &[f32]| {
        assert_eq!(got.len(), wanted.len(), "{name}");
        let largest = wanted.iter().fold(0.0f32, |most, v| most.max(v.abs()));
        let errors = got.iter().zip(wanted).map(|(a, b)| f64::from((a - b).abs()));
        let error = errors.fold(0.0, f64::max) / f64::from(largest);
        println!("{name}: {error:.1e} of the largest value");
        assert!(error <= TOLERANCE, "{name}: {error}");
        worst = worst.max(error);
    };
    for (((name, _, norm), got), (wanted, _, channels)) in checks.iter().zip(&outputs).zip(&wanted) {
        let got = match norm {
            None => got.clone(),
            Some((Norm { scale, shift }, is_undone)) => {
                let (scale, shift) = (|c: usize| f64::from(scale[c]), |c: usize| f64::from(shift[c]));
                if *is_undone {
                    affine(got, |v, c| (v - shift(c)) / scale(c), *channels)
                } else {
                    affine(got, |v, c| scale(c) * v + shift(c), *channels)
                }
            }
        };
        check(name, &got, wanted);
    }
    let [d, h, w] = size;
    let prediction = Posteriors::new([w, h, d], 33, outputs.pop().unwrap()).unwrap();
    let blurred = smoothed(&prediction, &Threads::new(2)).unwrap();
    check("gaussian_blur_0p5", &blurred.values, &named("gaussian_blur_0p5").0);
    println!("largest error of all layers: {worst:.1e}");
}

#[test]
fn the_first_level_again_gives_the_same_bits_in_less_memory() {
    let Some(weights) = shared("golden/synthseg/weights/v2.h5") else { return };
    let weights = KerasStore::open(weights).unwrap();
    let net = UNet::read(&Layers::new(&weights, &NetworkBuild::new()).unwrap(), KIND).unwrap();
    let input: Vec<f32> = (0..64 * 16 * 16).map(|i| (i * 7919 % 1009) as f32 / 1009.0).collect();
    let run = |again| {
        let plan =
            Plan::new(&net.graph(Isa::detect(), again, 1).unwrap(), [64, 16, 16], &PlanOptions::default()).unwrap();
        let (peak, mut output) = (plan.peak_bytes(), vec![0.0f32; input.len() * 33]);
        let (mut source, mut sink) = (SliceSource::new(&input), SliceSink::new(&mut output));
        Executor::new(plan).unwrap().run(&mut source, &mut sink, &Threads::single(), &mut no_progress).unwrap();
        (peak, output)
    };
    let (kept, again) = (run(false), run(true));
    assert!(again.0 <= kept.0, "{} > {}", again.0, kept.0);
    assert!(again.1.iter().zip(&kept.1).all(|(a, b)| a.to_bits() == b.to_bits()));
}
