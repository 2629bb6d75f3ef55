//! Scenes of any size for the timing of volkit-splat.
#![forbid(unsafe_code)]

use std::sync::Arc;

use volkit_bench::Random;
use volkit_splat::{
    Camera, Colours, CpuRasterizer, Gaussians, Gradients, Intrinsics, Isa, Rasterizer as _, RenderConfig, Rendering,
    RenderingGradient, SplatError, Threads, sh_coefficients,
};

/// Standard deviation of a Gaussian on the image in pixels, before the blur; its median over the scene.
const SIGMA_PX: f64 = 1.4;
/// Distance from the camera to the middle of the box, in units of half its side.
const DISTANCE: f64 = 3.0;

/// A scene, what sees it, and the weights of a loss.
#[derive(Debug)]
pub struct Case {
    /// The Gaussians.
    pub scene: Gaussians,
    /// The camera.
    pub camera: Camera,
    /// How it is rendered.
    pub config: RenderConfig,
    /// Derivatives of the loss by colour, alpha and depth.
    pub weights: [Vec<f32>; 3],
    /// The last picture.
    pub picture: Rendering,
    /// The gradients of the last step.
    pub gradients: Gradients,
    rasterizer: CpuRasterizer,
}

impl Case {
    /// `n` Gaussians, uniform in a box that fills a picture of `side` x `side` pixels, with spherical harmonics of
    /// `degree` (plain colours without).
    ///
    /// # Errors
    /// None on a machine that has the instruction set.
    pub fn new(
        n: usize,
        side: usize,
        degree: Option<usize>,
        isa: Isa,
        threads: Arc<Threads>,
    ) -> Result<Self, SplatError> {
        let mut random = Random::new(7);
        let mut floats = |low: f64, high: f64| random.range(low, high) as f32;
        let focal = 0.5 * side as f64 * (DISTANCE - 1.0);
        let log_scale = (SIGMA_PX * DISTANCE / focal).ln();
        let means = (0..n).map(|_| [0; 3].map(|_| floats(-1.0, 1.0))).collect();
        let quats = (0..n).map(|_| [0; 4].map(|_| floats(-1.0, 1.0))).collect();
        let log_scales = (0..n).map(|_| [0; 3].map(|_| floats(log_scale - 0.5, log_scale + 0.5))).collect();
        let logit_opacities = (0..n).map(|_| floats(-3.0, 3.0)).collect();
        let colours = match degree {
            None => Colours::Rgb((0..n).map(|_| [0; 3].map(|_| floats(0.0, 1.0))).collect()),
            Some(degree) => {
                let n = n * sh_coefficients(degree);
                Colours::Sh { degree, coefficients: (0..n).map(|_| [0; 3].map(|_| floats(-0.5, 0.5))).collect() }
            }
        };
        let centre_px = [0.5 * side as f64; 2];
        let intrinsics = Intrinsics { focal_px: [focal; 2], centre_px, width: side, height: side };
        let camera = Camera::look_at([0.0, -DISTANCE, 0.0], [0.0; 3], [0.0, 0.0, 1.0], intrinsics)?;
        let pixels = side * side;
        let weights = [3 * pixels, pixels, pixels].map(|n| (0..n).map(|_| floats(-1.0, 1.0)).collect());
        Ok(Self {
            scene: Gaussians { means, quats, log_scales, logit_opacities, colours },
            camera,
            config: RenderConfig::new(),
            weights,
            picture: Rendering::default(),
            gradients: Gradients::default(),
            rasterizer: CpuRasterizer::with_isa(threads, isa)?,
        })
    }

    /// Renders.
    ///
    /// # Errors
    /// None that this scene can meet.
    pub fn forward(&mut self) -> Result<(), SplatError> {
        self.rasterizer.forward(&self.scene.as_slices(), &self.camera, &self.config, &mut self.picture)
    }

    /// Goes back after [`Case::forward`].
    ///
    /// # Errors
    /// None that this scene can meet.
    pub fn backward(&mut self) -> Result<(), SplatError> {
        let slices = self.scene.as_slices();
        self.gradients.reset(&slices);
        let [colour, alpha, depth] = &self.weights;
        let depth: &[f32] = if self.config.depth { depth } else { &[] };
        self.rasterizer.backward(&slices, &RenderingGradient { colour, alpha, depth }, &mut self.gradients)
    }

    /// The rasterizer.
    #[must_use]
    pub fn rasterizer(&self) -> &CpuRasterizer {
        &self.rasterizer
    }
}
