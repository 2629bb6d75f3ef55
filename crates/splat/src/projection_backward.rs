//! Derivatives of [`projection`](crate::projection): from a splat to the Gaussian and the pose.

use volkit_kernels::SplatGradient;

use crate::matrix::{M3, V3, add, apply, dot, product, scaled, sub, transposed};
use crate::projection::{Projected, View, sigmoid};
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

/// Derivatives by the pose.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct PoseGradient {
    pub(crate) a: M3,
    pub(crate) t: V3,
}

impl PoseGradient {
    pub(crate) fn add(&mut self, other: &Self) {
        for (row, other) in self.a.iter_mut().zip(other.a) {
            *row = add(*row, other);
        }
        self.t = add(self.t, other.t);
    }

    pub(crate) fn is_finite(&self) -> bool {
        self.a.iter().flatten().chain(&self.t).all(|x| x.is_finite())
    }
}

/// `u v^T`.
fn outer(u: V3, v: V3) -> M3 {
    u.map(|x| scaled(v, x))
}

impl View {
    /// Derivatives of Gaussian `i` from those of its splat; those of its colour's coefficients are written to `colours`.
    pub(crate) fn gradient(
        &self,
        scene: &GaussianSlices<'_>,
        i: usize,
        splat: &SplatGradient,
        colours: &mut [[f32; 3]],
    ) -> Option<(GaussianGradient, PoseGradient)> {
        let projected = self.project(scene.means[i], scene.quats[i], scene.log_scales[i])?;
        let o = sigmoid(scene.logit_opacities[i]);
        let v_opacity = f64::from(splat.opacity);
        let floor = self.config.compensation_min;
        let rho = projected.compensation.max(floor);
        let mut v_s = covariance_gradient(&projected.conic, splat.conic.map(f64::from));
        let v_o = if self.config.antialiased { v_opacity * rho } else { v_opacity };
        if self.config.antialiased && projected.compensation > floor {
            let [a, b, c] = projected.conic;
            let (h, e) = (0.5 * v_opacity * o / rho, 1.0 - rho * rho);
            let blur = self.config.blur_px2 * (a * c - b * b);
            v_s[0] += h * (e * a - blur);
            v_s[1] += h * e * b;
            v_s[2] += h * (e * c - blur);
        }
        let mean = scene.means[i].map(f64::from);
        let (mut gradient, mut pose) = self.geometry(&projected, mean, v_s, splat);
        gradient.logit_opacity = o * (1.0 - o) * v_o;
        let v_direction = self.colour_gradient(scene, i, splat, colours);
        gradient.mean = add(gradient.mean, v_direction);
        // The camera's centre is -A^T t.
        pose.t = add(pose.t, apply(&self.a, v_direction));
        for (row, outer) in pose.a.iter_mut().zip(outer(self.t, v_direction)) {
            *row = add(*row, outer);
        }
        Some((gradient, pose))
    }

    /// From the covariance (`S00, S01 = S10, S11`), mean and depth on the image to the Gaussian and the pose.
    fn geometry(
        &self,
        projected: &Projected,
        mean: V3,
        v_s: [f64; 3],
        splat: &SplatGradient,
    ) -> (GaussianGradient, PoseGradient) {
        let Projected { p, r, s, m, am, j, jam, clamped, is_clamped, .. } = projected;
        let a_transposed = transposed(&self.a);
        // S = T T^T, T = J A M.
        let combine = |x: f64, y: f64| add(scaled(jam[0], 2.0 * x), scaled(jam[1], 2.0 * y));
        let v_jam = [combine(v_s[0], v_s[1]), combine(v_s[1], v_s[2])];
        let v_j = product(&v_jam, &transposed(am));
        let v_am: M3 = std::array::from_fn(|k| add(scaled(v_jam[0], j[0][k]), scaled(v_jam[1], j[1][k])));
        let mut v_p = [0.0, 0.0, f64::from(splat.features[3])];
        let inverse_z = 1.0 / p[2];
        let square = inverse_z * inverse_z;
        // Both axes alike.
        #[allow(clippy::needless_range_loop)]
        for k in 0..2 {
            let (f, u) = (self.focal[k], f64::from(splat.mean[k]));
            v_p[k] += f * inverse_z * u;
            v_p[2] -= f * p[k] * u * square;
            let v_last = v_j[k][2];
            if is_clamped[k] {
                v_p[2] -= f * square * inverse_z * clamped[k] * v_last;
            } else {
                v_p[k] -= f * square * v_last;
            }
            v_p[2] += -f * square * v_j[k][k] + 2.0 * f * clamped[k] * square * inverse_z * v_last;
        }
        let mut pose = PoseGradient { a: outer(v_p, mean), t: v_p };
        for (row, more) in pose.a.iter_mut().zip(product(&v_am, &transposed(m))) {
            *row = add(*row, more);
        }
        let v_m = product(&a_transposed, &v_am);
        let log_scales = std::array::from_fn(|k| s[k] * (0..3).map(|row| r[row][k] * v_m[row][k]).sum::<f64>());
        let v_r = v_m.map(|row| [row[0] * s[0], row[1] * s[1], row[2] * s[2]]);
        let quat = projected.rotation.gradient(&v_r);
        let mean = apply(&a_transposed, v_p);
        (GaussianGradient { mean, quat, log_scales, logit_opacity: 0.0 }, pose)
    }

    /// Writes the derivatives by the colour's coefficients; returns that by the Gaussian's centre through the direction
    /// of view.
    fn colour_gradient(
        &self,
        scene: &GaussianSlices<'_>,
        i: usize,
        splat: &SplatGradient,
        colours: &mut [[f32; 3]],
    ) -> V3 {
        let [red, green, blue, _] = splat.features;
        let ColourSlices::Sh { degree, coefficients } = scene.colours else {
            colours[0] = [red, green, blue];
            return [0.0; 3];
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
            return [0.0; 3];
        }
        let v_d = basis_gradient(used, d, &weights);
        scaled(sub(v_d, scaled(d, dot(v_d, d))), 1.0 / length)
    }
}

/// `-P G P` for the conic `P`: derivatives by `S00`, by each of `S01` and `S10`, and by `S11`.
fn covariance_gradient([a, b, c]: &[f64; 3], [va, vb, vc]: [f64; 3]) -> [f64; 3] {
    let half = 0.5 * vb;
    let (gp00, gp01) = (va * a + half * b, va * b + half * c);
    let (gp10, gp11) = (half * a + vc * b, half * b + vc * c);
    [-(a * gp00 + b * gp10), -(a * gp01 + b * gp11), -(b * gp01 + c * gp11)]
}
