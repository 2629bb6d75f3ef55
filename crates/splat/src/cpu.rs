//! The rasterizer of this machine's processor.

use std::sync::Arc;

use volkit_kernels::{Isa, Raster, Splat, SplatGradient, Threads};

use crate::pipeline::Pipeline;
use crate::{Camera, GaussianSlices, Gradients, Rasterizer, RenderConfig, Rendering, RenderingGradient, SplatError};

/// Renders on the CPU. The same input gives the same bits for any number of threads and any instruction set.
///
/// Memory is kept from rendering to rendering: see [`CpuRasterizer::scratch_bytes`].
#[derive(Debug)]
pub struct CpuRasterizer {
    pipeline: Pipeline<Raster>,
}

impl CpuRasterizer {
    /// A rasterizer with the best instruction set of this machine.
    ///
    /// # Errors
    /// None on a machine that can run this program.
    pub fn new(threads: Arc<Threads>) -> Result<Self, SplatError> {
        Self::with_isa(threads, Isa::detect())
    }

    /// A rasterizer with kernels for `isa`.
    ///
    /// # Errors
    /// [`SplatError::Kernel`] where this machine lacks it.
    pub fn with_isa(threads: Arc<Threads>, isa: Isa) -> Result<Self, SplatError> {
        Ok(Self { pipeline: Pipeline::new(isa, Raster::new(isa)?, threads) })
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

    /// Pairs of tile and splat of the last rendering: what time and memory go by.
    #[must_use]
    pub fn n_intersections(&self) -> usize {
        self.pipeline.blend.n_intersections()
    }

    /// Bytes kept from rendering to rendering.
    #[must_use]
    pub fn scratch_bytes(&self) -> usize {
        self.pipeline.blend.scratch_bytes() + self.pipeline.scratch_bytes()
    }
}

impl Rasterizer for CpuRasterizer {
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
