//! Resampling of label maps by vote.

use volkit_core::{Affine, Volume, Voxels, with_real_voxels};

use crate::error::{check_len, zeros};
use crate::oblique::{Source, for_each_row, taps_at};
use crate::resample::by_frame;
use crate::taps::AxisRule;
use crate::{GeomError, Grid, Outside, Sample};

const OP: &str = "resample labels";

/// A label map on another grid: each label is interpolated linearly as if it were a mask, and the strongest one wins.
///
/// Boundaries come out smoother than by the nearest voxel, and no label appears that was not there. Among equally strong
/// labels the lowest wins. Positions outside the grid get label 0. For the nearest voxel take [`crate::resample`] with
/// [`crate::Resampling::nearest`].
///
/// # Errors
/// [`GeomError::DType`] for values that are not integers or floats, [`GeomError::Empty`], [`GeomError::TooLarge`], a
/// singular affine.
pub fn resample_labels(volume: &Volume, to: &Grid) -> Result<Volume, GeomError> {
    let from = Grid::of(volume);
    let in_from_out = from.affine.inverse()?.compose(&to.affine);
    let meta = to.meta_like(volume.meta())?;
    let refused = GeomError::DType { op: OP, dtype: volume.dtype() };
    let voxels = with_real_voxels!(
        Voxels,
        volume.voxels(),
        values => Voxels::from(by_frame(values, from.size, to.size, |frame, out| {
            vote(frame, from.size, &in_from_out, out, to.size);
            Ok(())
        })?),
        return Err(refused)
    );
    Ok(Volume::from_meta(meta, voxels)?)
}

/// [`resample_labels`] of a slice, in a new vector.
///
/// # Errors
/// As [`resample_labels`], and [`GeomError::Length`].
pub fn resample_labels_slice<T: Sample>(labels: &[T], from: &Grid, to: &Grid) -> Result<Vec<T>, GeomError> {
    check_len(OP, from.size, labels.len())?;
    if labels.is_empty() {
        return Err(GeomError::Empty { op: OP });
    }
    let mut out = zeros(OP, to.size)?;
    vote(labels, from.size, &from.affine.inverse()?.compose(&to.affine), &mut out, to.size);
    Ok(out)
}

fn vote<T: Sample>(labels: &[T], size: [usize; 3], in_from_out: &Affine, out: &mut [T], out_size: [usize; 3]) {
    let rules = size.map(|n| AxisRule::new(n, 0, Outside::Constant(0.0)));
    let source = Source { samples: labels, rules };
    let background = T::from_f64(0.0);
    for_each_row(out, out_size, |j, k, target| {
        for (i, voxel) in target.iter_mut().enumerate() {
            let p = in_from_out.apply([i as f64, j as f64, k as f64]);
            let Some([x, y, z]) = taps_at::<T, f64, 2>(&source, p) else {
                *voxel = background;
                continue;
            };
            let corner = |c: usize| {
                let (a, b, c) = (c & 1, c >> 1 & 1, c >> 2);
                let label = labels[x.index[a] + size[0] * (y.index[b] + size[1] * z.index[c])];
                (label, x.weight[a] * y.weight[b] * z.weight[c])
            };
            *voxel = strongest(std::array::from_fn(corner));
        }
    });
}

/// The label with the largest sum of weights, the lowest one on ties.
fn strongest<T: Sample>(votes: [(T, f64); 8]) -> T {
    let first = votes[0].0;
    if votes.iter().all(|(label, _)| *label == first) {
        return first;
    }
    let mut best = (first, -1.0);
    for &(label, _) in &votes {
        let strength: f64 = votes.iter().filter(|(other, _)| *other == label).map(|(_, weight)| weight).sum();
        let lower = label.rank_key() < best.0.rank_key();
        if strength > best.1 || (strength == best.1 && lower) {
            best = (label, strength);
        }
    }
    best.0
}
