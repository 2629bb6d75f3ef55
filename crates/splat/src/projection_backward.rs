//! Derivatives of [`projection`](crate::projection): from a splat to the Gaussian and the pose.

use volkit_kernels::SplatGradient;

use crate::matrix::{M3, V3, add, apply, columns_scaled, dot, outer, product, row_times, scaled, sub, sum, transposed};
use crate::projection::{Projected, View};
use crate::sh::{basis, basis_gradient, colour};
use crate::{ColourSlices, GaussianSlices, sh_coefficients};

/// Derivatives by the parameters of one Gaussian (the coefficients of its colour apart).
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct GaussianGradient {
    pub(crate) mean: V3,
    pub(crate) quat: [f64; 4],
    pub(crate) log_scales: V3,
    pub(crate) logit_opacity: f64,
}

impl GaussianGradient {
    /// Whether all numbers are in the range of `f32`.
    pub(crate) fn fits_f32(&self) -> bool {
        let numbers = self.mean.into_iter().chain(self.quat).chain(self.log_scales).chain([self.logit_opacity]);
        numbers.into_iter().all(|x| (x as f32).is_finite())
    }
}

/// Derivatives by a splat (its colour apart).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Upstream {
    pub(crate) depth: f64,
    pub(crate) opacity: f64,
    pub(crate) mean: [f64; 2],
    pub(crate) conic: [f64; 3],
}

/// Derivatives by the pose.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct PoseGradient {
    pub(crate) a: M3,
    pub(crate) t: V3,
}

impl PoseGradient {
    pub(crate) fn add(&mut self, other: &Self) {
        self.a = sum(&self.a, &other.a);
        self.t = add(self.t, other.t);
    }

    /// Adds what a Gaussian gives through its direction of view: the camera's centre is `-A^T t`.
    pub(crate) fn add_direction(&mut self, view: &View, v_direction: V3) {
        self.a = sum(&self.a, &outer(view.t, v_direction));
        self.t = add(self.t, apply(&view.a, v_direction));
    }

    pub(crate) fn is_finite(&self) -> bool {
        self.a.iter().flatten().chain(&self.t).all(|x| x.is_finite())
    }
}

impl View {
    /// Derivatives of a Gaussian of opacity `o` from those of its splat, without branches and without its colour.
    #[inline(always)]
    pub(crate) fn gradient(
        &self,
        projected: &Projected,
        mean: V3,
        o: f64,
        splat: &Upstream,
    ) -> (GaussianGradient, PoseGradient) {
        let floor = self.config.compensation_min;
        let (antialiased, above) = (self.config.antialiased, projected.compensation > floor);
        let rho = if above { projected.compensation } else { floor };
        let [s00, s01, s11] = covariance_gradient(&projected.conic, splat.conic);
        let v_o = if antialiased { splat.opacity * rho } else { splat.opacity };
        let h = if antialiased & above { 0.5 * splat.opacity * o / rho } else { 0.0 };
        let [a, b, c] = projected.conic;
        let (e, blur) = (1.0 - rho * rho, self.config.blur_px2 * (a * c - b * b));
        let v_s = [s00 + h * (e * a - blur), s01 + h * e * b, s11 + h * (e * c - blur)];
        let (mut gradient, pose) = self.geometry(projected, mean, v_s, splat);
        gradient.logit_opacity = o * (1.0 - o) * v_o;
        (gradient, pose)
    }

    /// From the covariance (`S00, S01 = S10, S11`), mean and depth on the image to the Gaussian and the pose.
    #[inline(always)]
    fn geometry(
        &self,
        projected: &Projected,
        mean: V3,
        v_s: [f64; 3],
        splat: &Upstream,
    ) -> (GaussianGradient, PoseGradient) {
        let Projected { p, r, s, m, am, j, jam, clamped, is_clamped, .. } = projected;
        let a_transposed = transposed(&self.a);
        // S = T T^T, T = J A M.
        let combine = |x: f64, y: f64| add(scaled(jam[0], 2.0 * x), scaled(jam[1], 2.0 * y));
        let v_jam = [combine(v_s[0], v_s[1]), combine(v_s[1], v_s[2])];
        let v_j = product(&v_jam, &transposed(am));
        let row = |k: usize| add(scaled(v_jam[0], j[0][k]), scaled(v_jam[1], j[1][k]));
        let v_am = [row(0), row(1), row(2)];
        let inverse_z = 1.0 / p[2];
        let square = inverse_z * inverse_z;
        // By X or Y, and by Z.
        let along = |k: usize| {
            let (f, u, v_last) = (self.focal[k], splat.mean[k], v_j[k][2]);
            let cut = f * square * inverse_z * clamped[k] * v_last;
            let by_z = -f * p[k] * u * square - f * square * v_j[k][k] + 2.0 * cut;
            let free = f * inverse_z * u;
            if is_clamped[k] { (free, by_z - cut) } else { (free - f * square * v_last, by_z) }
        };
        let ((v_x, x_by_z), (v_y, y_by_z)) = (along(0), along(1));
        let v_p = [v_x, v_y, splat.depth + x_by_z + y_by_z];
        let pose = PoseGradient { a: sum(&outer(v_p, mean), &product(&v_am, &transposed(m))), t: v_p };
        let v_m = product(&a_transposed, &v_am);
        let scale = |k: usize| s[k] * (r[0][k] * v_m[0][k] + r[1][k] * v_m[1][k] + r[2][k] * v_m[2][k]);
        let log_scales = [scale(0), scale(1), scale(2)];
        let quat = projected.rotation.gradient(&columns_scaled(&v_m, *s));
        (GaussianGradient { mean: row_times(v_p, &self.a), quat, log_scales, logit_opacity: 0.0 }, pose)
    }

    /// Writes the derivatives by the colour's coefficients; returns that by the Gaussian's centre through the direction
    /// of view, where there is one.
    pub(crate) fn colour_gradient(
        &self,
        scene: &GaussianSlices<'_>,
        i: usize,
        splat: &SplatGradient,
        colours: &mut [[f32; 3]],
    ) -> Option<V3> {
        let [red, green, blue, _] = splat.features;
        let ColourSlices::Sh { degree, coefficients } = scene.colours else {
            colours[0] = [red, green, blue];
            return None;
        };
        let used = self.degree(degree);
        let coefficients = &coefficients[i * sh_coefficients(degree)..][..sh_coefficients(used)];
        let (d, length) = self.direction(scene.means[i]);
        let values = basis(used, d);
        let before = colour(&values, coefficients);
        let v: [f32; 3] = std::array::from_fn(|c| if before[c] < 0.0 { 0.0 } else { splat.features[c] });
        let mut weights = [0.0; 16];
        for (k, sh) in coefficients.iter().enumerate() {
            colours[k] = v.map(|v| values[k] * v);
            weights[k] = (0..3).map(|c| f64::from(sh[c]) * f64::from(v[c])).sum();
        }
        if used == 0 || length == 0.0 {
            return None;
        }
        let v_d = basis_gradient(used, d, &weights);
        Some(scaled(sub(v_d, scaled(d, dot(v_d, d))), 1.0 / length))
    }
}

/// `-P G P` for the conic `P`: derivatives by `S00`, by each of `S01` and `S10`, and by `S11`.
#[inline(always)]
fn covariance_gradient([a, b, c]: &[f64; 3], [va, vb, vc]: [f64; 3]) -> [f64; 3] {
    let half = 0.5 * vb;
    let (gp00, gp01) = (va * a + half * b, va * b + half * c);
    let (gp10, gp11) = (half * a + vc * b, half * b + vc * c);
    [-(a * gp00 + b * gp10), -(a * gp01 + b * gp11), -(b * gp01 + c * gp11)]
}
