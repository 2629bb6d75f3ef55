//! Scenes, cameras and numbers that tests share.

use std::sync::Arc;

use volkit_splat::{
    Camera, Colours, CpuRasterizer, Gaussians, Gradients, Intrinsics, Rasterizer, RenderConfig, Rendering,
    RenderingGradient, Threads, sh_coefficients,
};

/// Uniform numbers.
pub(crate) struct Noise(pub(crate) u64);

impl Noise {
    /// In -1..1.
    pub(crate) fn next(&mut self) -> f32 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 40) as f32 / (1 << 23) as f32 - 1.0
    }

    pub(crate) fn array<const N: usize>(&mut self) -> [f32; N] {
        std::array::from_fn(|_| self.next())
    }

    pub(crate) fn many(&mut self, n: usize) -> Vec<f32> {
        (0..n).map(|_| self.next()).collect()
    }
}

/// `n` Gaussians in a box of two units around the origin; plain colours without a degree.
pub(crate) fn scene(n: usize, sh_degree: Option<usize>, seed: u64) -> Gaussians {
    let mut r = Noise(seed);
    let colours = match sh_degree {
        None => Colours::Rgb((0..n).map(|_| r.array().map(|x: f32| 0.5 + 0.5 * x)).collect()),
        Some(degree) => {
            let coefficients = (0..n * sh_coefficients(degree)).map(|_| r.array().map(|x: f32| 0.7 * x)).collect();
            Colours::Sh { degree, coefficients }
        }
    };
    Gaussians {
        means: (0..n).map(|_| r.array()).collect(),
        quats: (0..n).map(|_| r.array()).collect(),
        log_scales: (0..n).map(|_| r.array().map(|x: f32| -1.8 + 0.8 * x)).collect(),
        logit_opacities: (0..n).map(|_| 1.0 + 3.0 * r.next()).collect(),
        colours,
    }
}

/// A camera with unequal focal lengths and the principal point off the middle.
pub(crate) fn camera(width: usize, height: usize) -> Camera {
    // A picture without pixels has a camera all the same.
    let (w, h) = (width.max(1) as f64, height.max(1) as f64);
    let intrinsics = Intrinsics { focal_px: [1.1 * w, 1.3 * w], centre_px: [0.45 * w, 0.56 * h], width, height };
    Camera::look_at([1.5, -2.5, 1.0], [0.1, 0.0, -0.1], [0.1, 0.0, 1.0], intrinsics).unwrap()
}

pub(crate) fn rasterizer(threads: usize) -> CpuRasterizer {
    CpuRasterizer::new(Arc::new(Threads::new(threads))).unwrap()
}

/// Renders and goes back with seeded weights of colour, alpha and depth.
pub(crate) fn there_and_back(
    rasterizer: &mut impl Rasterizer,
    scene: &Gaussians,
    camera: &Camera,
    config: &RenderConfig,
) -> (Rendering, Gradients) {
    let mut picture = Rendering::default();
    rasterizer.forward(&scene.as_slices(), camera, config, &mut picture).unwrap();
    let [colour, alpha, depth] = weights(camera);
    let mut gradients = Gradients::zeros(&scene.as_slices());
    let depth = if config.depth { &depth[..] } else { &[] };
    let upstream = RenderingGradient { colour: &colour, alpha: &alpha, depth };
    rasterizer.backward(&scene.as_slices(), &upstream, &mut gradients).unwrap();
    (picture, gradients)
}

/// Weights of colour, alpha and depth.
pub(crate) fn weights(camera: &Camera) -> [Vec<f32>; 3] {
    let n = camera.intrinsics.width * camera.intrinsics.height;
    let mut r = Noise(4711);
    [r.many(3 * n), r.many(n), r.many(n)]
}
