//! Linear interpolation that leaves samples out which are not finite.

use volkit_core::Affine;

use crate::oblique::{Source, for_each_row, taps_at};
use crate::sample::Accumulator;
use crate::taps::AxisRule;
use crate::{Outside, Sample};

/// Whether a value is NaN or infinite.
pub(crate) fn has_gaps<T: Sample>(values: &[T]) -> bool {
    T::DTYPE.is_float() && values.iter().any(|value| !value.to_f64().is_finite())
}

/// Writes the mean of the finite samples around each position, weighed linearly.
pub(crate) fn linear<T: Sample>(
    values: &[T],
    size: [usize; 3],
    in_from_out: &Affine,
    outside: Outside,
    constant: T,
    out: &mut [T],
    out_size: [usize; 3],
) {
    // Without padding this rule blends with nothing beyond the ends; the blend is added below.
    let blends = if let Outside::GridConstant(value) = outside { Some(value) } else { None };
    let rules = size.map(|n| AxisRule::new(n, 0, if blends.is_some() { Outside::Nearest } else { outside }));
    let source = Source { samples: values, rules };
    for_each_row(out, out_size, |j, k, target| {
        for (i, voxel) in target.iter_mut().enumerate() {
            let p = in_from_out.apply([i as f64, j as f64, k as f64]);
            let Some(taps) = taps_at::<T, f64, 2>(&source, p) else {
                *voxel = constant;
                continue;
            };
            let (mut sum, mut total) = (0.0, 0.0);
            for corner in 0..8usize {
                let side = [corner & 1, corner >> 1 & 1, corner >> 2];
                let weight: f64 = (0..3).map(|axis| taps[axis].weight[side[axis]]).product();
                let [x, y, z]: [usize; 3] = std::array::from_fn(|axis| taps[axis].index[side[axis]]);
                let value = values[x + size[0] * (y + size[1] * z)].to_f64();
                if value.is_finite() && weight > 0.0 {
                    sum += weight * value;
                    total += weight;
                }
            }
            if let Some(beyond) = blends {
                let near: f64 = (0..3).map(|axis| part_inside(p[axis], size[axis])).product();
                (sum, total) = (sum * near + beyond * (1.0 - near) * total, total);
            }
            *voxel = T::from_acc(T::Acc::narrow(sum / total));
        }
    });
}

/// Linear weight that falls on voxels of the grid rather than beyond its ends.
fn part_inside(p: f64, n: usize) -> f64 {
    let beyond = (-p).max(p - (n as f64 - 1.0)).max(0.0);
    (1.0 - beyond).max(0.0)
}
