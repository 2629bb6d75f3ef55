//! Arrays in memory and runs over them.

use volkit_core::{Affine, DType, MemorySink, Predictor, SilentProgress, Volume, VolumeMeta, VolumeSink as _};
use volkit_tile::{InferReport, Target, TileError, TiledInference};

/// A row-major array as a volume: the last axis first.
pub(crate) fn volume(shape: &[usize], values: Vec<f32>) -> Volume {
    Volume::new(reversed(shape), values, Affine::IDENTITY).unwrap()
}

pub(crate) fn reversed(shape: &[usize]) -> Vec<usize> {
    shape.iter().rev().copied().collect()
}

/// Numbers in [-1, 1) that look random.
pub(crate) fn noise(n: usize, seed: u64) -> Vec<f32> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    (0..n)
        .map(|_| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 40) as f32 / (1u64 << 23) as f32 - 1.0
        })
        .collect()
}

/// A row-major array of noise.
pub(crate) fn noise_volume(shape: &[usize], seed: u64) -> Volume {
    volume(shape, noise(shape.iter().product(), seed))
}

/// Runs over a source into sinks in memory of these row-major shapes.
pub(crate) fn run(
    inference: TiledInference<'_>,
    source: &Volume,
    models: &mut [&mut dyn Predictor],
    outputs: &[&[usize]],
) -> Result<(Vec<Vec<f32>>, InferReport), TileError> {
    let sink = |shape: &&[usize]| {
        MemorySink::new(VolumeMeta::new(reversed(shape), DType::F32, Affine::IDENTITY).unwrap()).unwrap()
    };
    let (sinks, slots): (Vec<_>, Vec<_>) = outputs.iter().map(sink).unzip();
    let targets = sinks.iter().map(|sink| Target::new(sink)).collect();
    let report = inference.run(source, models, targets, &SilentProgress)?;
    sinks.into_iter().for_each(|sink| Box::new(sink).finish().unwrap());
    let values = |slot: volkit_core::MemorySlot| {
        let volume = slot.lock().unwrap().take().unwrap();
        volume.as_slice::<f32>().unwrap().to_vec()
    };
    Ok((slots.into_iter().map(values).collect(), report))
}

/// The same with one model and one output.
pub(crate) fn run_one(
    inference: TiledInference<'_>,
    source: &Volume,
    model: &mut dyn Predictor,
    output: &[usize],
) -> Vec<f32> {
    run(inference, source, &mut [model], &[output]).unwrap().0.remove(0)
}

pub(crate) fn bits(values: &[f32]) -> Vec<u32> {
    values.iter().map(|value| value.to_bits()).collect()
}

/// Largest difference.
pub(crate) fn largest_difference(a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}
