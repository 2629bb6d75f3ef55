//! Boxes of row-major arrays: which chunks they touch, and copying between them.

use volkit_core::{CoreError, DType, VoxelsMut, VoxelsRef, with_voxels};

/// Checks that a box lies inside an array (row-major, any rank) and gives its number of elements.
pub(super) fn check_box(shape: &[usize], start: &[usize], size: &[usize], len: usize) -> Result<(), CoreError> {
    let axes = || start.iter().zip(size).zip(shape);
    let inside = start.len() == shape.len()
        && size.len() == shape.len()
        && axes().all(|((a, n), m)| a.checked_add(*n).is_some_and(|end| end <= *m));
    if !inside {
        return Err(CoreError::Region { start: start.to_vec(), size: size.to_vec(), shape: shape.to_vec() });
    }
    let wanted = size.iter().try_fold(1usize, |product, &n| product.checked_mul(n));
    match wanted {
        Some(wanted) if wanted == len => Ok(()),
        wanted => Err(CoreError::Length { shape: size.to_vec(), wanted: wanted.unwrap_or(usize::MAX), got: len }),
    }
}

/// A dense row-major array and the corner of the box in it.
#[derive(Clone, Copy)]
pub(super) struct Place<'a> {
    pub(super) shape: &'a [usize],
    pub(super) start: &'a [usize],
}

/// Calls `run(source offset, target offset, length)` for the runs of a box that are dense in both arrays.
pub(super) fn for_each_run(
    source: Place<'_>,
    target: Place<'_>,
    size: &[usize],
    mut run: impl FnMut(usize, usize, usize),
) {
    let rank = size.len();
    if size.contains(&0) {
        return;
    }
    // Axes that are whole in both arrays melt into the run.
    let mut n_outer = rank.saturating_sub(1);
    while n_outer > 0 && size[n_outer] == source.shape[n_outer] && size[n_outer] == target.shape[n_outer] {
        n_outer -= 1;
    }
    let len = size[n_outer..].iter().product();
    let (source_strides, target_strides) = (strides(source.shape), strides(target.shape));
    let origin =
        |place: Place<'_>, strides: &[usize]| -> usize { place.start.iter().zip(strides).map(|(a, s)| a * s).sum() };
    let (source_origin, target_origin) = (origin(source, &source_strides), origin(target, &target_strides));
    let mut index = vec![0; n_outer];
    loop {
        let offset = |strides: &[usize]| -> usize { index.iter().zip(strides).map(|(i, s)| i * s).sum() };
        run(source_origin + offset(&source_strides), target_origin + offset(&target_strides), len);
        let Some(axis) = (0..n_outer).rev().find(|&axis| index[axis] + 1 < size[axis]) else { return };
        index[axis] += 1;
        index[axis + 1..].fill(0);
    }
}

/// Copies a box between two row-major arrays, converted to the element type of the target.
pub(super) fn copy_box(
    (source, from): (Place<'_>, VoxelsRef<'_>),
    (target, mut to): (Place<'_>, VoxelsMut<'_>),
    size: &[usize],
) -> Result<(), CoreError> {
    let mut result = Ok(());
    if from.dtype() == to.dtype() {
        let bytes = from.dtype().size();
        let (from, to) = (from.bytes(), to.bytes_mut());
        for_each_run(source, target, size, |a, b, len| {
            to[b * bytes..(b + len) * bytes].copy_from_slice(&from[a * bytes..(a + len) * bytes]);
        });
        return Ok(());
    }
    for_each_run(source, target, size, |a, b, len| {
        if result.is_ok() {
            result = sub(from, a, len).convert_into(to.slice(b..b + len));
        }
    });
    result
}

/// Elements of a box, all of one value.
pub(super) fn fill_box(
    target: Place<'_>,
    mut to: VoxelsMut<'_>,
    size: &[usize],
    fill: VoxelsRef<'_>,
) -> Result<(), CoreError> {
    let mut one = volkit_core::Voxels::zeros(to.dtype(), 1)?;
    fill.convert_into(one.view_mut())?;
    let pattern = one.view().bytes().to_vec();
    let bytes = to.bytes_mut();
    for_each_run(target, target, size, |_, at, len| {
        for element in bytes[at * pattern.len()..(at + len) * pattern.len()].chunks_exact_mut(pattern.len()) {
            element.copy_from_slice(&pattern);
        }
    });
    Ok(())
}

/// Whether elements of one type can be read as another.
pub(super) fn converts(from: DType, to: DType) -> bool {
    from == to || (from.is_real() && to.is_real())
}

pub(super) fn sub(voxels: VoxelsRef<'_>, start: usize, len: usize) -> VoxelsRef<'_> {
    with_voxels!(VoxelsRef, voxels, values => (&values[start..start + len]).into())
}

fn strides(shape: &[usize]) -> Vec<usize> {
    let mut strides = vec![1usize; shape.len()];
    for axis in (1..shape.len()).rev() {
        strides[axis - 1] = strides[axis].saturating_mul(shape[axis]);
    }
    strides
}

/// The chunks that a box touches, in row-major order.
pub(super) struct TouchedChunks<'a> {
    chunk: &'a [usize],
    start: &'a [usize],
    size: &'a [usize],
    next: Option<Vec<usize>>,
}

/// One chunk and its share of a box.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Share {
    /// Index of the chunk along each axis.
    pub(super) grid: Vec<usize>,
    /// Where the share begins in the chunk.
    pub(super) in_chunk: Vec<usize>,
    /// Where it begins in the box.
    pub(super) in_box: Vec<usize>,
    /// Its size.
    pub(super) size: Vec<usize>,
}

impl<'a> TouchedChunks<'a> {
    pub(super) fn new(chunk: &'a [usize], start: &'a [usize], size: &'a [usize]) -> Self {
        let first = start.iter().zip(chunk).map(|(a, c)| a / c).collect();
        Self { chunk, start, size, next: if size.contains(&0) { None } else { Some(first) } }
    }
}

impl Iterator for TouchedChunks<'_> {
    type Item = Share;

    fn next(&mut self) -> Option<Share> {
        let grid = self.next.take()?;
        let rank = grid.len();
        let last = |axis: usize| (self.start[axis] + self.size[axis] - 1) / self.chunk[axis];
        let begin: Vec<usize> = (0..rank).map(|a| (grid[a] * self.chunk[a]).max(self.start[a])).collect();
        let end = |a: usize| ((grid[a] + 1).saturating_mul(self.chunk[a])).min(self.start[a] + self.size[a]);
        let share = Share {
            in_chunk: (0..rank).map(|a| begin[a] - grid[a] * self.chunk[a]).collect(),
            in_box: (0..rank).map(|a| begin[a] - self.start[a]).collect(),
            size: (0..rank).map(|a| end(a) - begin[a]).collect(),
            grid: grid.clone(),
        };
        if let Some(axis) = (0..rank).rev().find(|&axis| grid[axis] < last(axis)) {
            let mut next = grid;
            next[axis] += 1;
            for (next, (start, chunk)) in next.iter_mut().zip(self.start.iter().zip(self.chunk)).skip(axis + 1) {
                *next = start / chunk;
            }
            self.next = Some(next);
        }
        Some(share)
    }
}

#[cfg(test)]
mod tests {
    use super::{Place, TouchedChunks, copy_box};
    use proptest::prelude::*;
    use volkit_core::Voxels;

    #[test]
    fn runs_melt_where_axes_are_whole() {
        let mut runs = Vec::new();
        let place = |shape, start| Place { shape, start };
        super::for_each_run(place(&[3, 4, 5], &[1, 0, 0]), place(&[2, 4, 5], &[0, 0, 0]), &[2, 4, 5], |a, b, len| {
            runs.push((a, b, len));
        });
        assert_eq!(runs, [(20, 0, 40)]);
        super::for_each_run(place(&[], &[]), place(&[], &[]), &[], |a, b, len| runs.push((a, b, len)));
        assert_eq!(runs[1], (0, 0, 1));
    }

    proptest! {
        #[test]
        fn shares_of_chunks_make_up_the_box(
            axes in prop::collection::vec((1usize..7, 1usize..5, 0.0f64..1.0, 0.0f64..1.0), 1..4),
        ) {
            let shape: Vec<usize> = axes.iter().map(|a| a.0).collect();
            let chunk: Vec<usize> = axes.iter().map(|a| a.1).collect();
            let start: Vec<usize> = axes.iter().map(|a| (a.0 as f64 * a.2) as usize).collect();
            let size: Vec<usize> =
                axes.iter().zip(&start).map(|(a, s)| 1 + ((a.0 - s - 1) as f64 * a.3) as usize).collect();
            let n: usize = shape.iter().product();
            let array: Voxels = (0..n as i32).collect::<Vec<_>>().into();
            let zero = vec![0; shape.len()];
            let len: usize = size.iter().product();
            let mut direct = vec![0i32; len];
            let whole = Place { shape: &shape, start: &start };
            copy_box((whole, array.view()), (Place { shape: &size, start: &zero }, (&mut direct[..]).into()), &size).unwrap();
            let mut by_chunks = vec![-1i32; len];
            for share in TouchedChunks::new(&chunk, &start, &size) {
                let origin: Vec<usize> =
                    share.grid.iter().zip(&chunk).zip(&share.in_chunk).map(|((g, c), i)| g * c + i).collect();
                let from = Place { shape: &shape, start: &origin };
                let to = Place { shape: &size, start: &share.in_box };
                copy_box((from, array.view()), (to, (&mut by_chunks[..]).into()), &share.size).unwrap();
            }
            prop_assert_eq!(direct, by_chunks);
        }
    }
}
