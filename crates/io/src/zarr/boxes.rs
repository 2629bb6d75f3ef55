//! Boxes of row-major arrays of bytes: copying them, and walking over the chunks that they touch.

/// A dense row-major array and the place of a box in it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place<'a> {
    pub(crate) shape: &'a [usize],
    pub(crate) start: &'a [usize],
}

/// Calls `f` with the element offsets, in both arrays, of every row (run along the last axis) of a box of `size`.
pub(crate) fn for_each_row(size: &[usize], a: Place<'_>, b: Place<'_>, mut f: impl FnMut(usize, usize)) {
    if size.contains(&0) {
        return;
    }
    let n_outer = size.len().saturating_sub(1);
    let offset = |place: Place<'_>, index: &[usize]| {
        let mut offset = 0;
        for axis in 0..place.shape.len() {
            offset = offset * place.shape[axis] + place.start[axis] + index.get(axis).copied().unwrap_or(0);
        }
        offset
    };
    let mut index = vec![0; n_outer];
    loop {
        f(offset(a, &index), offset(b, &index));
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
pub(crate) fn copy_box(
    size: &[usize],
    element: usize,
    (from, from_place): (&[u8], Place<'_>),
    (to, to_place): (&mut [u8], Place<'_>),
) {
    let row = size.last().copied().unwrap_or(1) * element;
    for_each_row(size, from_place, to_place, |a, b| {
        to[b * element..][..row].copy_from_slice(&from[a * element..][..row]);
    });
}

/// Turns an array of `shape` so that axis `i` of the result is axis `order[i]`; `inverse` undoes it (`shape` is that of
/// the array before turning in both cases).
pub(crate) fn transpose(
    from: &[u8],
    to: &mut [u8],
    (shape, order): (&[usize], &[usize]),
    element: usize,
    inverse: bool,
) {
    let mut strides = vec![1; shape.len()];
    for axis in (0..shape.len().saturating_sub(1)).rev() {
        strides[axis] = strides[axis + 1] * shape[axis + 1];
    }
    let turned: Vec<usize> = order.iter().map(|&axis| shape[axis]).collect();
    if turned.contains(&0) {
        return;
    }
    let steps: Vec<usize> = order.iter().map(|&axis| strides[axis]).collect();
    let mut index = vec![0; shape.len()];
    let mut linear = 0;
    loop {
        let offset: usize = index.iter().zip(&steps).map(|(i, step)| i * step).sum();
        let (source, target) = if inverse { (linear, offset) } else { (offset, linear) };
        to[target * element..][..element].copy_from_slice(&from[source * element..][..element]);
        linear += 1;
        if !advance(&mut index, &turned) {
            return;
        }
    }
}

/// A chunk that a box touches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Part {
    /// Index of the chunk.
    pub(crate) chunk: Vec<usize>,
    /// Where the shared voxels begin in the chunk.
    pub(crate) in_chunk: Vec<usize>,
    /// Where they begin in the box.
    pub(crate) in_box: Vec<usize>,
    /// How many they are along each axis.
    pub(crate) size: Vec<usize>,
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
    use super::{Part, Parts, Place, copy_box, transpose};

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
        assert_eq!(Parts::new(&[0, 0], &[9, 9], &[2, 4]).counts(), [5, 3]);
    }

    #[test]
    fn boxes_are_copied_where_they_lie() {
        let from: Vec<u8> = (0..12).collect();
        let mut to = vec![0; 6];
        let (a, b) = (Place { shape: &[3, 4], start: &[1, 2] }, Place { shape: &[3, 2], start: &[1, 0] });
        copy_box(&[2, 2], 1, (&from, a), (&mut to, b));
        assert_eq!(to, [0, 0, 6, 7, 10, 11]);
        let mut one = [0, 0];
        let nowhere = Place { shape: &[], start: &[] };
        copy_box(&[], 2, (&[7, 8], nowhere), (&mut one, nowhere));
        assert_eq!(one, [7, 8]);
    }

    #[test]
    fn turning_and_back() {
        let from: Vec<u8> = (0..24).collect();
        let (shape, order) = ([2, 3, 4], [2, 0, 1]);
        let (mut turned, mut back) = (vec![0; 24], vec![0; 24]);
        transpose(&from, &mut turned, (&shape, &order), 1, false);
        // The result has shape [4, 2, 3]: its element [1, 0, 2] is [0, 2, 1] of the array.
        assert_eq!(turned[6 + 2], from[2 * 4 + 1]);
        transpose(&turned, &mut back, (&shape, &order), 1, true);
        assert_eq!(back, from);
    }
}
