//! Derivatives of a loss by everything that a rendering depends on.

use crate::GaussianSlices;

/// Derivatives by the parameters of a scene, the background and the pose of the camera.
///
/// [`Rasterizer::backward`](crate::Rasterizer::backward) adds to what is there, so that several views sum up.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Gradients {
    /// By the centres, `[N, 3]`.
    pub means: Vec<[f32; 3]>,
    /// By the quaternions, `[N, 4]`.
    pub quats: Vec<[f32; 4]>,
    /// By the logarithms of the scales, `[N, 3]`.
    pub log_scales: Vec<[f32; 3]>,
    /// By the logits of the opacities, `[N]`.
    pub logit_opacities: Vec<f32>,
    /// By the colours `[N, 3]` or coefficients `[N, K, 3]`.
    pub colours: Vec<[f32; 3]>,
    /// By the background.
    pub background: [f32; 3],
    /// By the 3 x 4 matrix [`Camera::camera_from_world`](crate::Camera::camera_from_world), its entries taken as
    /// independent.
    pub camera_from_world: [[f64; 4]; 3],
    /// Gaussians whose derivatives were beyond the range of `f32` and were left out, over all calls since
    /// [`Gradients::reset`].
    pub n_out_of_range: usize,
}

impl Gradients {
    /// Zeros for a scene.
    #[must_use]
    pub fn zeros(scene: &GaussianSlices<'_>) -> Self {
        let mut gradients = Self::default();
        gradients.reset(scene);
        gradients
    }

    /// Makes all zero, for the sizes of a scene, in the memory that is there.
    pub fn reset(&mut self, scene: &GaussianSlices<'_>) {
        let n = scene.len();
        refill(&mut self.means, n);
        refill(&mut self.quats, n);
        refill(&mut self.log_scales, n);
        refill(&mut self.logit_opacities, n);
        refill(&mut self.colours, n * scene.colours.triples());
        self.background = [0.0; 3];
        self.camera_from_world = [[0.0; 4]; 3];
        self.n_out_of_range = 0;
    }
}

fn refill<T: Copy + Default>(values: &mut Vec<T>, n: usize) {
    values.clear();
    values.resize(n, T::default());
}
