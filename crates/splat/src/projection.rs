//! From a Gaussian in space to a splat on the image plane (elliptical weighted averaging).
//!
//! With `A, t` the pose, `p = A m + t = (X, Y, Z)`, `M = R diag(s)` and the Jacobian `J` of the perspective at `p`, the
//! covariance on the image is `S = T T^T` with `T = J A M`; the blur is added to its diagonal. (Zwicker et al., "EWA
//! splatting", 2002; Kerbl et al., "3D Gaussian Splatting", 2023.)

use volkit_kernels::Splat;

use crate::block::Block;
use crate::exponential::exp;
use crate::matrix::{M3, V3, add, apply, columns_scaled, cross, dot, product, sub};
use crate::rotation::Rotation;
use crate::sh::{basis, colour};
use crate::{Camera, ColourSlices, GaussianSlices, RenderConfig, sh_coefficients};

/// A camera and constants, as projection needs them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct View {
    pub(crate) a: M3,
    pub(crate) t: V3,
    pub(crate) centre: V3,
    pub(crate) focal: [f64; 2],
    principal: [f64; 2],
    size: [f64; 2],
    /// Least and largest `X / Z` and `Y / Z` at which the Jacobian is taken.
    limits: [[f64; 2]; 2],
    pub(crate) config: RenderConfig,
}

/// A projected Gaussian, with what its derivatives need.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Projected {
    /// Whether it can be drawn; all else is of no use otherwise.
    pub(crate) is_drawable: bool,
    pub(crate) p: V3,
    pub(crate) rotation: Rotation,
    /// Matrix of the rotation.
    pub(crate) r: M3,
    pub(crate) s: V3,
    /// `R diag(s)`.
    pub(crate) m: M3,
    /// `A M`.
    pub(crate) am: M3,
    pub(crate) j: [[f64; 3]; 2],
    /// `J A M`.
    pub(crate) jam: [[f64; 3]; 2],
    /// Where the Jacobian was taken: `X, Y`, clamped.
    pub(crate) clamped: [f64; 2],
    pub(crate) is_clamped: [bool; 2],
    pub(crate) mean: [f64; 2],
    /// Blurred variances along x and y.
    pub(crate) variances: [f64; 2],
    pub(crate) conic: [f64; 3],
    /// `sqrt(det S / det (S + blur))`, before its floor.
    pub(crate) compensation: f64,
}

/// A splat and what is told of it.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Seen {
    pub(crate) splat: Splat,
    pub(crate) radii: [u32; 2],
    pub(crate) compensation: f32,
}

impl View {
    pub(crate) fn new(camera: &Camera, config: &RenderConfig) -> Self {
        let i = &camera.intrinsics;
        let size = [i.width as f64, i.height as f64];
        let limits = [0, 1].map(|k| {
            let margin = config.clamp_margin * 0.5 * size[k] / i.focal_px[k];
            [-i.centre_px[k] / i.focal_px[k] - margin, (size[k] - i.centre_px[k]) / i.focal_px[k] + margin]
        });
        Self {
            a: camera.rotation(),
            t: camera.translation(),
            centre: camera.centre(),
            focal: i.focal_px,
            principal: i.centre_px,
            size,
            limits,
            config: *config,
        }
    }

    /// Projects a Gaussian, without branches.
    #[inline(always)]
    pub(crate) fn project(&self, mean: V3, quat: [f64; 4], log_scales: V3) -> Projected {
        let p = add(apply(&self.a, mean), self.t);
        let z = p[2];
        let [near, far] = self.config.depth_range;
        let rotation = Rotation::of(quat);
        let r = rotation.matrix();
        let s = [exp(log_scales[0]), exp(log_scales[1]), exp(log_scales[2])];
        let m = columns_scaled(&r, s);
        let am = product(&self.a, &m);
        let inverse_z = 1.0 / z;
        let tangent = [p[0] * inverse_z, p[1] * inverse_z];
        let cut = |x: f64, [low, high]: [f64; 2]| {
            let x = if x < low { low } else { x };
            if x > high { high } else { x }
        };
        let inside = [cut(tangent[0], self.limits[0]), cut(tangent[1], self.limits[1])];
        let is_clamped = [inside[0] != tangent[0], inside[1] != tangent[1]];
        let clamped = [z * inside[0], z * inside[1]];
        let [fx, fy] = self.focal;
        let (jx, jy) = (fx * inverse_z, fy * inverse_z);
        let j = [[jx, 0.0, -jx * inside[0]], [0.0, jy, -jy * inside[1]]];
        let jam = product(&j, &am);
        let [u, v] = jam;
        let [s00, s01, s11] = [dot(u, u), dot(u, v), dot(v, v)];
        // |u x v|^2 = det S without cancellation, and det (S + blur) as a sum of positive numbers.
        let normal = cross(u, v);
        let det = dot(normal, normal);
        let blur = self.config.blur_px2;
        let blurred = det + blur * (s00 + s11) + blur * blur;
        let variances = [s00 + blur, s11 + blur];
        let inverse = 1.0 / blurred;
        let conic = [variances[1] * inverse, -s01 * inverse, variances[0] * inverse];
        let mean = [fx * tangent[0] + self.principal[0], fy * tangent[1] + self.principal[1]];
        let compensation = (det * inverse).sqrt();
        let is_drawable = (z >= near) & (z <= far) & rotation.is_valid() & (blurred > 0.0) & (blurred < f64::INFINITY);
        Projected {
            is_drawable,
            p,
            rotation,
            r,
            s,
            m,
            am,
            j,
            jam,
            clamped,
            is_clamped,
            mean,
            variances,
            conic,
            compensation,
        }
    }

    /// The splat of Gaussian `i`, as projected to place `k` of a block, or zeros where nothing is to be drawn.
    pub(crate) fn see(&self, block: &Block, k: usize, scene: &GaussianSlices<'_>, i: usize) -> Seen {
        if block.is_drawable[k] > 0.0 { self.visible(block, k, scene, i).unwrap_or_default() } else { Seen::default() }
    }

    fn visible(&self, block: &Block, k: usize, scene: &GaussianSlices<'_>, i: usize) -> Option<Seen> {
        let compensation = block.compensation[k].max(self.config.compensation_min);
        let factor = if self.config.antialiased { compensation } else { 1.0 };
        let opacity = (block.opacity[k] * factor) as f32;
        if opacity.is_nan() || opacity < self.config.alpha_min {
            return None;
        }
        let sigmas = (2.0 * f64::from(opacity / self.config.alpha_min).ln()).sqrt();
        let deviations = block.deviations.each_ref().map(|d| d[k]);
        let radii = deviations.map(|d| (sigmas.min(self.config.extent_sigmas) * d).ceil());
        if radii.iter().all(|r| *r <= self.config.radius_clip_px) || radii.contains(&0.0) {
            return None;
        }
        let mean = block.mean.each_ref().map(|x| x[k]);
        if (0..2).any(|k| mean[k] + radii[k] <= 0.0 || mean[k] - radii[k] >= self.size[k]) {
            return None;
        }
        let [red, green, blue] = self.colour(scene, i);
        let splat = Splat {
            mean: mean.map(|x| x as f32),
            conic: block.conic.each_ref().map(|x| x[k] as f32),
            opacity,
            features: [red, green, blue, block.depth[k] as f32],
            extent: deviations.map(|d| (sigmas * d) as f32),
        };
        let numbers = [&splat.mean[..], &splat.conic, &splat.features, &splat.extent];
        if numbers.into_iter().flatten().any(|x| !x.is_finite()) {
            return None;
        }
        Some(Seen { splat, radii: radii.map(|r| r as u32), compensation: compensation as f32 })
    }

    /// Bands of spherical harmonics that are used of `degree`.
    pub(crate) fn degree(&self, degree: usize) -> usize {
        self.config.sh_degree.map_or(degree, |most| most.min(degree))
    }

    /// Unit vector from the camera to a Gaussian, and the distance.
    pub(crate) fn direction(&self, mean: [f32; 3]) -> (V3, f64) {
        let d = sub(mean.map(f64::from), self.centre);
        let length = dot(d, d).sqrt();
        // A camera in the centre of a Gaussian sees it from nowhere; any direction will do.
        if length > 0.0 { (d.map(|x| x / length), length) } else { ([0.0, 0.0, 1.0], 0.0) }
    }

    fn colour(&self, scene: &GaussianSlices<'_>, i: usize) -> [f32; 3] {
        match scene.colours {
            ColourSlices::Rgb(rgb) => rgb[i],
            ColourSlices::Sh { degree, coefficients } => {
                let (d, _) = self.direction(scene.means[i]);
                let (all, used) = (sh_coefficients(degree), self.degree(degree));
                let coefficients = &coefficients[i * all..][..sh_coefficients(used)];
                // Not `max`, which would turn NaN into black.
                colour(&basis(used, d), coefficients).map(|c| if c < 0.0 { 0.0 } else { c })
            }
        }
    }
}
