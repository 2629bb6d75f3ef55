//! The rasterizer made of candle's operations.

use std::sync::Arc;

use candle_core::Device;
use volkit_kernels::{Isa, Splat, SplatGradient, Threads};

use super::blend::TensorBlend;
use crate::pipeline::Pipeline;
use crate::{Camera, GaussianSlices, Gradients, Rasterizer, RenderConfig, Rendering, RenderingGradient, SplatError};

/// Blends on any device that candle has, by its own operations: the check of the kernels, and the way to devices that
/// have none.
///
/// Gaussians are projected on the CPU, in `f64`, which Apple's GPUs do not have; that is `N` small sums. Splats are
/// blended on the device, tile by tile, each tile as a matrix of its splats and pixels, and so is the gradient. Sums of
/// several tiles are taken on the CPU in order of tiles, so that a device whose operations give the same bits gives the
/// same gradients.
#[derive(Debug)]
pub struct CompositeRasterizer {
    pipeline: Pipeline<TensorBlend>,
}

impl CompositeRasterizer {
    /// A rasterizer on `device`; `threads` project.
    #[must_use]
    pub fn new(threads: Arc<Threads>, device: &Device) -> Self {
        Self { pipeline: Pipeline::new(Isa::detect(), TensorBlend::new(device), threads) }
    }

    /// The splats of the last rendering, one a Gaussian; zeros for those that are not drawn.
    #[must_use]
    pub fn splats(&self) -> &[Splat] {
        &self.pipeline.splats
    }

    /// By what antialiasing lowers (or would lower) each opacity of the last rendering; zeros for those not drawn.
    #[must_use]
    pub fn compensations(&self) -> &[f32] {
        &self.pipeline.compensations
    }
}

impl Rasterizer for CompositeRasterizer {
    fn forward(
        &mut self,
        scene: &GaussianSlices<'_>,
        camera: &Camera,
        config: &RenderConfig,
        out: &mut Rendering,
    ) -> Result<(), SplatError> {
        self.pipeline.forward(scene, camera, config, out)
    }

    fn backward(
        &mut self,
        scene: &GaussianSlices<'_>,
        upstream: &RenderingGradient<'_>,
        gradients: &mut Gradients,
    ) -> Result<(), SplatError> {
        self.pipeline.backward(scene, upstream, gradients)
    }

    fn radii(&self) -> &[[u32; 2]] {
        self.pipeline.radii()
    }

    fn splat_gradients(&self) -> &[SplatGradient] {
        self.pipeline.splat_gradients()
    }
}
