//! Runs over images in memory.

use volkit_core::{
    Affine, BoxError, DType, MemorySink, Predictor, Region, SilentProgress, Volume, VolumeMeta, VolumeSink, Voxels,
    VoxelsRef,
};
use volkit_tile::{Target, TiledInference};

/// A sink that takes everything and keeps nothing.
#[derive(Debug)]
pub struct NullSink(VolumeMeta);

impl NullSink {
    /// A sink of a row-major shape `[K, s0, ..]`.
    ///
    /// # Errors
    /// When the shape is none.
    pub fn new(shape: &[usize]) -> Result<Self, BoxError> {
        Ok(Self(VolumeMeta::new(reversed(shape), DType::F32, Affine::IDENTITY)?))
    }
}

impl VolumeSink for NullSink {
    fn meta(&self) -> &VolumeMeta {
        &self.0
    }

    fn write_region(&self, _region: &Region, _values: VoxelsRef<'_>) -> Result<(), BoxError> {
        Ok(())
    }

    fn finish(self: Box<Self>) -> Result<(), BoxError> {
        Ok(())
    }
}

/// A row-major array as a volume.
///
/// # Errors
/// When values and shape do not fit.
pub fn volume(shape: &[usize], values: Vec<f32>) -> Result<Volume, BoxError> {
    Ok(Volume::new(reversed(shape), values, Affine::IDENTITY)?)
}

/// Numbers in [0, 1) that look random.
#[must_use]
pub fn noise(n: usize, seed: u64) -> Vec<f32> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let next = |_| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f32 / (1u64 << 24) as f32
    };
    (0..n).map(next).collect()
}

/// Runs a model; gives its output, of row-major shape `[K, s0, ..]`.
///
/// # Errors
/// As the run.
pub fn run_over(
    inference: TiledInference<'_>,
    image: &Volume,
    model: &mut dyn Predictor,
    output: &[usize],
) -> Result<Vec<f32>, BoxError> {
    let (sink, slot) = MemorySink::new(VolumeMeta::new(reversed(output), DType::F32, Affine::IDENTITY)?)?;
    inference.run(image, &mut [model], vec![Target::new(&sink)], &SilentProgress)?;
    Box::new(sink).finish()?;
    let volume = slot.lock().map_err(|_| "the sink is broken")?.take().ok_or("the sink gave nothing")?;
    match volume.into_voxels() {
        Voxels::F32(values) => Ok(values),
        other => Err(format!("the sink gave {}", other.dtype()).into()),
    }
}

fn reversed(shape: &[usize]) -> Vec<usize> {
    shape.iter().rev().copied().collect()
}
