//! Boxes of row-major arrays: the chunks that they touch, and the dense runs in which they are copied.

/// A dense row-major array and the corner of a box in it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place<'a> {
    pub(crate) shape: &'a [usize],
    pub(crate) start: &'a [usize],
}

impl Place<'_> {
    /// Offset of the element that lies `index` behind the corner; axes that `index` lacks count 0.
    fn offset(&self, index: &[usize]) -> usize {
        let mut offset = 0;
        for (axis, (n, start)) in self.shape.iter().zip(self.start).enumerate() {
            offset = offset * n + start + index.get(axis).copied().unwrap_or(0);
        }
        offset
    }
}

/// Calls `f` with the element offsets, in both arrays, of every row (run along the last axis) of a box of `size`.
#[cfg(feature = "zarr")]
pub(crate) fn for_each_row(size: &[usize], a: Place<'_>, b: Place<'_>, f: impl FnMut(usize, usize)) {
    for_each_index(size, size.len().saturating_sub(1), a, b, f);
}

/// Calls `f(offset in a, offset in b, length)` for the runs of a box of `size` that are dense in both arrays.
pub(crate) fn for_each_run(size: &[usize], a: Place<'_>, b: Place<'_>, mut f: impl FnMut(usize, usize, usize)) {
    // Axes that are whole in both arrays melt into the run.
    let mut n_outer = size.len().saturating_sub(1);
    while n_outer > 0 && size[n_outer] == a.shape[n_outer] && size[n_outer] == b.shape[n_outer] {
        n_outer -= 1;
    }
    let len = size[n_outer..].iter().product();
    for_each_index(size, n_outer, a, b, |a, b| f(a, b, len));
}

fn for_each_index(size: &[usize], n_outer: usize, a: Place<'_>, b: Place<'_>, mut f: impl FnMut(usize, usize)) {
    if size.contains(&0) {
        return;
    }
    let mut index = vec![0; n_outer];
    loop {
        f(a.offset(&index), b.offset(&index));
        if !advance(&mut index, &size[..n_outer]) {
            return;
        }
    }
}

/// The next index in row-major order; false after the last.
pub(crate) fn advance(index: &mut [usize], shape: &[usize]) -> bool {
    for axis in (0..shape.len()).rev() {
        index[axis] += 1;
        if index[axis] < shape[axis] {
            return true;
        }
        index[axis] = 0;
    }
    false
}

/// Copies a box of `size` elements of `element` bytes each.
pub(crate) fn copy_bytes(
    size: &[usize],
    element: usize,
    (from, from_place): (&[u8], Place<'_>),
    (to, to_place): (&mut [u8], Place<'_>),
) {
    for_each_run(size, from_place, to_place, |a, b, len| {
        to[b * element..][..len * element].copy_from_slice(&from[a * element..][..len * element]);
    });
}

/// A chunk that a box touches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Part {
    /// Index of the chunk along each axis.
    pub(crate) chunk: Vec<usize>,
    /// Where the shared elements begin in the chunk.
    pub(crate) in_chunk: Vec<usize>,
    /// Where they begin in the box.
    pub(crate) in_box: Vec<usize>,
    /// How many they are along each axis.
    pub(crate) size: Vec<usize>,
}

impl Part {
    /// Number of shared elements.
    #[cfg(feature = "hdf5")]
    pub(crate) fn len(&self) -> usize {
        self.size.iter().product()
    }
}

/// The chunks of shape `chunk` that the box `start + size` touches, in row-major order.
pub(crate) struct Parts<'a> {
    start: &'a [usize],
    size: &'a [usize],
    chunk: &'a [usize],
    first: Vec<usize>,
    counts: Vec<usize>,
    next: Option<Vec<usize>>,
}

impl<'a> Parts<'a> {
    pub(crate) fn new(start: &'a [usize], size: &'a [usize], chunk: &'a [usize]) -> Self {
        let first: Vec<usize> = start.iter().zip(chunk).map(|(s, c)| s / c).collect();
        let counts = (0..start.len()).map(|a| (start[a] + size[a]).div_ceil(chunk[a]) - first[a]).collect();
        let next = (!size.contains(&0)).then(|| vec![0; start.len()]);
        Self { start, size, chunk, first, counts, next }
    }

    /// Chunks along each axis.
    #[cfg(feature = "zarr")]
    pub(crate) fn counts(&self) -> &[usize] {
        &self.counts
    }
}

impl Iterator for Parts<'_> {
    type Item = Part;

    fn next(&mut self) -> Option<Part> {
        let index = self.next.as_mut()?;
        let axes = 0..index.len();
        let chunk: Vec<usize> = axes.clone().map(|a| self.first[a] + index[a]).collect();
        let from: Vec<usize> = axes.clone().map(|a| (chunk[a] * self.chunk[a]).max(self.start[a])).collect();
        let to = |a: usize| ((chunk[a] + 1).saturating_mul(self.chunk[a])).min(self.start[a] + self.size[a]);
        let part = Part {
            in_chunk: axes.clone().map(|a| from[a] - chunk[a] * self.chunk[a]).collect(),
            in_box: axes.clone().map(|a| from[a] - self.start[a]).collect(),
            size: axes.map(|a| to(a) - from[a]).collect(),
            chunk,
        };
        if !advance(index, &self.counts) {
            self.next = None;
        }
        Some(part)
    }
}

#[cfg(test)]
mod tests {
    use super::{Part, Parts, Place, copy_bytes, for_each_run};
    use proptest::prelude::*;

    #[test]
    fn parts_of_a_box() {
        let parts: Vec<Part> = Parts::new(&[3, 0], &[4, 2], &[4, 5]).collect();
        assert_eq!(
            parts,
            [
                Part { chunk: vec![0, 0], in_chunk: vec![3, 0], in_box: vec![0, 0], size: vec![1, 2] },
                Part { chunk: vec![1, 0], in_chunk: vec![0, 0], in_box: vec![1, 0], size: vec![3, 2] },
            ]
        );
        assert_eq!(Parts::new(&[], &[], &[]).count(), 1);
        assert_eq!(Parts::new(&[1], &[0], &[2]).count(), 0);
        assert_eq!(Parts::new(&[0, 0], &[9, 9], &[2, 4]).counts, [5, 3]);
    }

    #[test]
    fn runs_melt_where_axes_are_whole() {
        let mut runs = Vec::new();
        let place = |shape, start| Place { shape, start };
        for_each_run(&[2, 4, 5], place(&[3, 4, 5], &[1, 0, 0]), place(&[2, 4, 5], &[0, 0, 0]), |a, b, len| {
            runs.push((a, b, len));
        });
        assert_eq!(runs, [(20, 0, 40)]);
        for_each_run(&[], place(&[], &[]), place(&[], &[]), |a, b, len| runs.push((a, b, len)));
        assert_eq!(runs[1], (0, 0, 1));
    }

    #[test]
    fn boxes_are_copied_where_they_lie() {
        let from: Vec<u8> = (0..12).collect();
        let mut to = vec![0; 6];
        let (a, b) = (Place { shape: &[3, 4], start: &[1, 2] }, Place { shape: &[3, 2], start: &[1, 0] });
        copy_bytes(&[2, 2], 1, (&from, a), (&mut to, b));
        assert_eq!(to, [0, 0, 6, 7, 10, 11]);
        let mut one = [0, 0];
        let nowhere = Place { shape: &[], start: &[] };
        copy_bytes(&[], 2, (&[7, 8], nowhere), (&mut one, nowhere));
        assert_eq!(one, [7, 8]);
    }

    proptest! {
        #[test]
        fn parts_make_up_the_box(
            axes in prop::collection::vec((1usize..7, 1usize..5, 0.0f64..1.0, 0.0f64..1.0), 1..4),
        ) {
            let shape: Vec<usize> = axes.iter().map(|a| a.0).collect();
            let chunk: Vec<usize> = axes.iter().map(|a| a.1).collect();
            let start: Vec<usize> = axes.iter().map(|a| (a.0 as f64 * a.2) as usize).collect();
            let size: Vec<usize> =
                axes.iter().zip(&start).map(|(a, s)| 1 + ((a.0 - s - 1) as f64 * a.3) as usize).collect();
            let array: Vec<u8> = (0..shape.iter().product::<usize>() as u8).collect();
            let zero = vec![0; shape.len()];
            let len: usize = size.iter().product();
            let mut direct = vec![0; len];
            let whole = Place { shape: &shape, start: &start };
            copy_bytes(&size, 1, (&array, whole), (&mut direct, Place { shape: &size, start: &zero }));
            let mut by_chunks = vec![255; len];
            for part in Parts::new(&start, &size, &chunk) {
                let corner: Vec<usize> =
                    part.chunk.iter().zip(&chunk).zip(&part.in_chunk).map(|((g, c), i)| g * c + i).collect();
                let from = Place { shape: &shape, start: &corner };
                let to = Place { shape: &size, start: &part.in_box };
                copy_bytes(&part.size, 1, (&array, from), (&mut by_chunks, to));
            }
            prop_assert_eq!(direct, by_chunks);
        }
    }
}
