//! What turns Gaussians into pictures, and derivatives by pixels into derivatives by Gaussians.

use volkit_kernels::SplatGradient;

use crate::{Camera, GaussianSlices, Gradients, RenderConfig, SplatError};

/// A picture of a scene, row-major.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Rendering {
    /// Columns.
    pub width: usize,
    /// Rows.
    pub height: usize,
    /// `[H, W, 3]`, background included; may leave 0..1.
    pub colour: Vec<f32>,
    /// `[H, W]`: one minus the light that the background is seen by.
    pub alpha: Vec<f32>,
    /// `[H, W]`: the sum of weight times depth (divide by alpha for the expected depth); empty where it was not asked
    /// for.
    pub depth: Vec<f32>,
}

impl Rendering {
    /// Takes the size of a camera's image; what the pixels hold is left open.
    pub fn resize(&mut self, camera: &Camera, with_depth: bool) {
        self.width = camera.intrinsics.width;
        self.height = camera.intrinsics.height;
        let n = self.width * self.height;
        self.colour.resize(3 * n, 0.0);
        self.alpha.resize(n, 0.0);
        self.depth.resize(if with_depth { n } else { 0 }, 0.0);
    }

    /// The colours as bytes, `[H, W, 3]`, to the nearest; values beyond 0..1 are cut.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        self.colour.iter().map(|c| (255.0 * c.clamp(0.0, 1.0) + 0.5) as u8).collect()
    }
}

/// Derivatives of a loss by a [`Rendering`], row-major.
#[derive(Clone, Copy, Debug)]
pub struct RenderingGradient<'a> {
    /// `[H, W, 3]`.
    pub colour: &'a [f32],
    /// `[H, W]`, or empty for zeros.
    pub alpha: &'a [f32],
    /// `[H, W]`, or empty for zeros.
    pub depth: &'a [f32],
}

/// Renders scenes and differentiates the rendering.
///
/// # Protocol
/// `forward` may be called at any time and keeps what `backward` needs of the last rendering. `backward` follows it with
/// the same scene, as often as wanted; it adds to the gradients. Scratch memory is kept from call to call. After an error
/// of `forward` there is no last rendering; after an error of `backward` the gradients are as they were.
///
/// Gaussians that can not be drawn (a zero quaternion, a number that is not finite, a depth outside of the range, an
/// opacity below `alpha_min`) are left out and have zero gradients. Gradients are finite.
pub trait Rasterizer: Send {
    /// Renders the scene as the camera sees it.
    ///
    /// # Errors
    /// Arrays that do not fit each other, constants that make no sense.
    fn forward(
        &mut self,
        scene: &GaussianSlices<'_>,
        camera: &Camera,
        config: &RenderConfig,
        out: &mut Rendering,
    ) -> Result<(), SplatError>;

    /// Adds the derivatives of a loss to `gradients`.
    ///
    /// # Errors
    /// [`SplatError::NoForward`] when the last forward pass was of another scene; [`SplatError::Length`].
    fn backward(
        &mut self,
        scene: &GaussianSlices<'_>,
        upstream: &RenderingGradient<'_>,
        gradients: &mut Gradients,
    ) -> Result<(), SplatError>;

    /// Radii in pixels of the splats of the last rendering, along x and y; zeros for those that are not drawn.
    fn radii(&self) -> &[[u32; 2]];

    /// Derivatives by the splats of the last backward pass: the gradients of the projected centres are what densification
    /// goes by.
    fn splat_gradients(&self) -> &[SplatGradient];
}
