//! Distortion of lenses after Brown and Conrady.

/// Steps of Newton's method for the inverse.
const MOST_STEPS: usize = 20;

/// Radial `k1, k2, k3` and tangential `p1, p2` distortion, as OpenCV's and MATLAB's calibrations give it.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Distortion {
    /// Factors of `r^2`, `r^4`, `r^6`.
    pub radial: [f64; 3],
    /// Shift of the lens.
    pub tangential: [f64; 2],
}

impl Distortion {
    /// Where the lens puts the ray `(x / z, y / z)`:
    /// `x' = x (1 + k1 r^2 + k2 r^4 + k3 r^6) + 2 p1 x y + p2 (r^2 + 2 x^2)`, and for y with `p1` and `p2` exchanged.
    #[must_use]
    pub fn apply(&self, [x, y]: [f64; 2]) -> [f64; 2] {
        let ([k1, k2, k3], [p1, p2]) = (self.radial, self.tangential);
        let r2 = x * x + y * y;
        let radial = 1.0 + r2 * (k1 + r2 * (k2 + r2 * k3));
        [
            x * radial + 2.0 * p1 * x * y + p2 * (r2 + 2.0 * x * x),
            y * radial + p1 * (r2 + 2.0 * y * y) + 2.0 * p2 * x * y,
        ]
    }

    /// The ray that the lens puts there; none where no step leads closer (far outside of the picture).
    #[must_use]
    pub fn undo(&self, seen: [f64; 2]) -> Option<[f64; 2]> {
        let mut ray = seen;
        for _ in 0..MOST_STEPS {
            let at = self.apply(ray);
            let error = [seen[0] - at[0], seen[1] - at[1]];
            if error[0].abs() + error[1].abs() < 1e-14 {
                return Some(ray);
            }
            // Jacobian by central differences: exact enough for a step.
            const H: f64 = 1e-6;
            let by = |dx: f64, dy: f64| {
                let (a, b) = (self.apply([ray[0] + dx, ray[1] + dy]), self.apply([ray[0] - dx, ray[1] - dy]));
                [(a[0] - b[0]) / (2.0 * H), (a[1] - b[1]) / (2.0 * H)]
            };
            let (jx, jy) = (by(H, 0.0), by(0.0, H));
            let determinant = jx[0] * jy[1] - jy[0] * jx[1];
            ray[0] += (jy[1] * error[0] - jy[0] * error[1]) / determinant;
            ray[1] += (jx[0] * error[1] - jx[1] * error[0]) / determinant;
        }
        let at = self.apply(ray);
        ((seen[0] - at[0]).abs() + (seen[1] - at[1]).abs() < 1e-9).then_some(ray)
    }
}
