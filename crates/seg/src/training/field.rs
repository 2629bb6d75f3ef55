//! Smooth random fields: few control points, enlarged linearly.

use super::random::Random;

/// Where a sample at index `i` of a resized axis lies in the axis it came from: at `i / zoom`, clamped, with `zoom` the
/// ratio of the lengths. This is the rule of the published generator; it has no shift by half a voxel.
#[derive(Clone, Copy, Debug)]
pub(super) struct Zoom {
    factor: f32,
    last: f32,
}

impl Zoom {
    /// From an axis of `from` samples to one of `to`.
    pub(super) fn new(from: usize, to: f64) -> Self {
        Self { factor: (from as f64 / to) as f32, last: from.saturating_sub(1) as f32 }
    }

    /// The sample below position `at` of the new axis, the one above, and the share of the latter.
    pub(super) fn locate(self, at: f32) -> (usize, usize, f32) {
        neighbours(at * self.factor, self.last)
    }
}

/// The samples around a position that is clamped to `0..=last`, and the share of the upper one.
#[inline]
pub(super) fn neighbours(at: f32, last: f32) -> (usize, usize, f32) {
    let at = at.clamp(0.0, last);
    let low = at.floor();
    (low as usize, (low + 1.0).min(last) as usize, at - low)
}

/// Values of `C` components on a grid, x fastest.
#[derive(Clone, Debug)]
pub(super) struct Field<const C: usize> {
    pub(super) size: [usize; 3],
    pub(super) values: Vec<[f32; C]>,
}

impl<const C: usize> Field<C> {
    /// Normal values with deviation `deviation`; components beyond `drawn` are 0.
    pub(super) fn random(size: [usize; 3], deviation: f64, drawn: usize, random: &mut Random) -> Self {
        let value = |random: &mut Random| {
            std::array::from_fn(|c| if c < drawn { (deviation * random.normal()) as f32 } else { 0.0 })
        };
        Self { size, values: (0..size.iter().product()).map(|_| value(random)).collect() }
    }

    /// Largest length of a component.
    pub(super) fn largest(&self) -> f32 {
        self.values.iter().flatten().fold(0.0, |largest: f32, value| largest.max(value.abs()))
    }

    /// Writes the row at rows `y` and `z` (below, above, share of the upper) of this field into `row`.
    pub(super) fn row(&self, y: (usize, usize, f32), z: (usize, usize, f32), row: &mut [[f32; C]]) {
        let [nx, ny, _] = self.size;
        let of = |y: usize, z: usize| &self.values[nx * (y + ny * z)..][..nx];
        let (a, b, c, d) = (of(y.0, z.0), of(y.1, z.0), of(y.0, z.1), of(y.1, z.1));
        for (x, out) in row.iter_mut().enumerate() {
            for k in 0..C {
                let low = lerp(a[x][k], b[x][k], y.2);
                out[k] = lerp(low, lerp(c[x][k], d[x][k], y.2), z.2);
            }
        }
    }

    /// The value at a position (clamped), linear between the grid's points.
    #[inline]
    pub(super) fn at(&self, p: [f32; 3]) -> [f32; C] {
        let [nx, ny, nz] = self.size;
        let (x0, x1, fx) = neighbours(p[0], (nx - 1) as f32);
        let (y0, y1, fy) = neighbours(p[1], (ny - 1) as f32);
        let (z0, z1, fz) = neighbours(p[2], (nz - 1) as f32);
        let rows = [nx * (y0 + ny * z0), nx * (y1 + ny * z0), nx * (y0 + ny * z1), nx * (y1 + ny * z1)];
        let along_x = rows.map(|row| mixed(&self.values[row + x0], &self.values[row + x1], fx));
        let low = mixed(&along_x[0], &along_x[1], fy);
        mixed(&low, &mixed(&along_x[2], &along_x[3], fy), fz)
    }
}

#[inline]
pub(super) fn lerp(a: f32, b: f32, share: f32) -> f32 {
    a + (b - a) * share
}

#[inline]
fn mixed<const C: usize>(a: &[f32; C], b: &[f32; C], share: f32) -> [f32; C] {
    std::array::from_fn(|k| lerp(a[k], b[k], share))
}

#[cfg(test)]
mod tests {
    use super::{Field, Random, Zoom};

    #[test]
    fn the_resize_rule() {
        // 3 samples to 6: positions 0, 0.5, 1, 1.5, 2, and 2.5, which is clamped to 2.
        let zoom = Zoom::new(3, 6.0);
        assert_eq!(zoom.locate(1.0), (0, 1, 0.5));
        assert_eq!(zoom.locate(4.0), (2, 2, 0.0));
        assert_eq!(zoom.locate(5.0), (2, 2, 0.0));
        // One sample: constant.
        assert_eq!(Zoom::new(1, 10.0).locate(7.0), (0, 0, 0.0));
    }

    #[test]
    fn a_linear_field_is_met_everywhere() {
        let size = [4, 3, 5];
        let value = |p: [f32; 3]| [1.0 + 2.0 * p[0] - p[1] + 0.5 * p[2]];
        let index = |at: usize| [at % 4, at / 4 % 3, at / 12].map(|v| v as f32);
        let field = Field::<1> { size, values: (0..60).map(|at| value(index(at))).collect() };
        for p in [[0.0, 0.0, 0.0], [2.25, 1.5, 3.75], [3.0, 2.0, 4.0]] {
            assert!((field.at(p)[0] - value(p)[0]).abs() < 1e-5);
        }
        assert_eq!(field.at([-3.0, 9.0, 9.0]), value([0.0, 2.0, 4.0]));
        let mut row = [[0.0f32]; 4];
        field.row((0, 1, 0.5), (2, 3, 0.25), &mut row);
        assert!(row.iter().enumerate().all(|(x, v)| (v[0] - value([x as f32, 0.5, 2.25])[0]).abs() < 1e-5));
    }

    #[test]
    fn deviations() {
        let field = Field::<4>::random([20, 20, 20], 3.0, 3, &mut Random::new(1, &[]));
        let n = 8_000.0;
        for k in 0..3 {
            let square: f32 = field.values.iter().map(|v| v[k] * v[k]).sum::<f32>() / n;
            assert!((square / 9.0 - 1.0).abs() < 5.0 * (2.0f32 / n).sqrt(), "{square}");
        }
        assert!(field.values.iter().all(|v| v[3] == 0.0));
        assert!(field.largest() > 9.0 && field.largest() < 18.0);
    }
}
