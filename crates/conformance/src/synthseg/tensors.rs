//! Golden tensors `[x][y][z][channel]` and what they are compared with.

use volkit_core::{ArrayStore, BoxError, Volume};
use volkit_seg::Posteriors;

use crate::check::Check;

/// A tensor whose last axis is fastest.
#[derive(Debug)]
pub(super) struct Tensor {
    pub(super) size: [usize; 3],
    pub(super) channels: usize,
    pub(super) values: Vec<f32>,
}

impl Tensor {
    /// Reads `[x, y, z]`, `[x, y, z, c]` or `[1, x, y, z, c]`.
    pub(super) fn read(store: &dyn ArrayStore, name: &str) -> Result<Self, BoxError> {
        let array = store.get(name)?;
        let ([x, y, z], channels) = match *array.shape() {
            [x, y, z] => ([x, y, z], 1),
            [x, y, z, c] | [1, x, y, z, c] => ([x, y, z], c),
            ref shape => return Err(format!("{name}: shape {shape:?}, expected [x, y, z, c]").into()),
        };
        Ok(Self { size: [x, y, z], channels, values: array.to_real()? })
    }

    /// Voxels in the order of the values, with theirs.
    pub(super) fn voxels(&self) -> impl Iterator<Item = ([usize; 3], &[f32])> {
        let [_, ny, nz] = self.size;
        let place = move |at: usize| [at / (ny * nz), at / nz % ny, at % nz];
        self.values.chunks_exact(self.channels.max(1)).enumerate().map(move |(at, values)| (place(at), values))
    }

    /// The values with x fastest, `[z][y][x][c]`.
    pub(super) fn x_fastest(&self) -> Vec<f32> {
        let ([nx, ny, nz], c) = (self.size, self.channels);
        let places = (0..nx * ny * nz).map(|i| (i % nx, i / nx % ny, i / (nx * ny)));
        let first = |(x, y, z): (usize, usize, usize)| ((x * ny + y) * nz + z) * c;
        places.flat_map(|place| self.values[first(place)..][..c].iter().copied()).collect()
    }
}

/// Posteriors as networks or as files have them.
pub(super) trait VoxelValues {
    /// Values of a voxel, one a channel; none outside.
    fn at(&self, p: [usize; 3]) -> Option<Vec<f32>>;
}

impl VoxelValues for Posteriors {
    fn at(&self, p: [usize; 3]) -> Option<Vec<f32>> {
        self.voxel(p).map(<[f32]>::to_vec)
    }
}

/// A volume `[x, y, z, channel]` with its values at hand.
pub(super) struct Channels<'a> {
    shape: [usize; 4],
    values: &'a [f32],
}

impl<'a> Channels<'a> {
    pub(super) fn of(volume: &'a Volume) -> Result<Self, BoxError> {
        let shape = <[usize; 4]>::try_from(volume.shape()).map_err(|_| "posteriors have four axes")?;
        Ok(Self { shape, values: volume.as_slice::<f32>().ok_or("posteriors are f32")? })
    }

    /// Difference of the two largest values of a voxel (position x fastest); infinite for one channel.
    pub(super) fn margin(&self, voxel: usize) -> f32 {
        let frame = self.shape[..3].iter().product::<usize>();
        let values = (0..self.shape[3]).map(|channel| self.values[voxel + frame * channel]);
        let (first, second) = values.fold((f32::NEG_INFINITY, f32::NEG_INFINITY), |(first, second), value| {
            if value > first { (value, first) } else { (first, second.max(value)) }
        });
        first - second
    }
}

impl VoxelValues for Channels<'_> {
    fn at(&self, [x, y, z]: [usize; 3]) -> Option<Vec<f32>> {
        let [nx, ny, nz, n] = self.shape;
        let first = x + nx * (y + ny * z);
        let is_inside = x < nx && y < ny && z < nz;
        is_inside.then(|| (0..n).map(|channel| self.values[first + nx * ny * nz * channel]).collect())
    }
}

/// How the values of a voxel are compared.
#[derive(Clone, Copy)]
pub(super) enum Kept {
    /// As they are.
    Whole,
    /// The stored tensor was worked on in place afterwards: channels below this one have another value, some others are
    /// zero, and the rest was normalised. What is left must have the same proportions.
    ProportionsFrom(usize),
}

/// Compares a tensor that has every `step`-th voxel from `start` on.
pub(super) fn compare(
    check: &mut Check,
    what: &str,
    (wanted, step, start): (&Tensor, usize, [usize; 3]),
    got: &dyn VoxelValues,
    kept: Kept,
) {
    let (mut worst, mut count) = (0.0f64, 0usize);
    for (p, wanted) in wanted.voxels() {
        let place = std::array::from_fn(|axis| start[axis] + step * p[axis]);
        let Some(got) = got.at(place).filter(|got| got.len() == wanted.len()) else {
            check.fail(format!("{what} has no voxel {place:?} with {} channels", wanted.len()));
            return;
        };
        let pairs: Vec<(f32, f32)> = match kept {
            Kept::Whole => got.into_iter().zip(wanted.iter().copied()).collect(),
            Kept::ProportionsFrom(first) => proportions(&got[first.min(got.len())..], &wanted[first..]),
        };
        count += pairs.len();
        let error = pairs.iter().map(|(a, b)| f64::from((a - b).abs()));
        worst = error.fold(worst, |worst, error| if error > worst || error.is_nan() { error } else { worst });
    }
    if count == 0 {
        check.fail(format!("{what}: nothing is left to compare"));
    }
    check.within(what, worst, super::POSTERIOR);
}

/// Both sides, of the channels that the wanted side has not set to zero, divided by their sums.
fn proportions(got: &[f32], wanted: &[f32]) -> Vec<(f32, f32)> {
    let left: Vec<(f32, f32)> = got.iter().copied().zip(wanted.iter().copied()).filter(|(_, w)| *w > 0.0).collect();
    let [sum, wanted_sum]: [f32; 2] = [left.iter().map(|(g, _)| g).sum(), left.iter().map(|(_, w)| w).sum()];
    left.into_iter().map(|(g, w)| (g / sum, w / wanted_sum)).collect()
}

#[cfg(test)]
mod tests {
    use super::{Check, Kept, Tensor, compare, proportions};
    use crate::report::Verdict;
    use volkit_core::{Array, MemoryStore};
    use volkit_seg::Posteriors;

    #[test]
    fn tensors_turn_and_are_compared_by_steps() {
        let mut store = MemoryStore::new();
        // Every second voxel of 3 x 1 x 3 voxels with value 10 x + z and 100 more in the second channel.
        let values = vec![0.0f32, 100.0, 2.0, 102.0, 20.0, 120.0, 22.0, 122.0];
        store.insert("t".to_owned(), Array::new([2, 1, 2, 2], values).unwrap());
        let tensor = Tensor::read(&store, "t").unwrap();
        assert_eq!(tensor.x_fastest(), [0.0, 100.0, 20.0, 120.0, 2.0, 102.0, 22.0, 122.0]);
        let whole = |off: f32| {
            let values = (0..9).flat_map(|v| [(10 * (v % 3) + v / 3) as f32, off + (10 * (v % 3) + v / 3) as f32]);
            Posteriors::new([3, 1, 3], 2, values.collect()).unwrap()
        };
        let verdict = |off: f32, step: usize| {
            let mut check = Check::new();
            compare(&mut check, "t", (&tensor, step, [0; 3]), &whole(off), Kept::Whole);
            check.into_result(String::new()).verdict
        };
        assert_eq!(verdict(100.0, 2), Verdict::Ok);
        assert!(matches!(verdict(100.5, 2), Verdict::Fail(why) if why.starts_with("t is off by 5e-1")));
        assert!(matches!(verdict(100.0, 3), Verdict::Fail(why) if why.contains("has no voxel")));
    }

    #[test]
    fn proportions_leave_out_what_was_set_to_zero() {
        assert_eq!(proportions(&[0.1, 0.2, 0.6], &[0.0, 0.5, 1.5]), [(0.25, 0.25), (0.75, 0.75)]);
        assert!(proportions(&[0.5], &[0.0]).is_empty());
    }
}
