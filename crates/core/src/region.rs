//! Boxes of voxels.

use crate::CoreError;

/// A box `[start, start + size)` of an array, one entry per axis.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Region {
    start: Vec<usize>,
    size: Vec<usize>,
}

impl Region {
    /// The box that begins at `start` and has `size` voxels along each axis.
    ///
    /// # Errors
    /// [`CoreError::Region`] when the two have different lengths or an end can not be counted.
    pub fn new(start: impl Into<Vec<usize>>, size: impl Into<Vec<usize>>) -> Result<Self, CoreError> {
        let (start, size) = (start.into(), size.into());
        let countable = start.iter().zip(&size).all(|(a, n)| a.checked_add(*n).is_some());
        if start.len() != size.len() || !countable {
            return Err(CoreError::Region { shape: Vec::new(), start, size });
        }
        Ok(Self { start, size })
    }

    /// The box that is a whole array.
    #[must_use]
    pub fn whole(shape: &[usize]) -> Self {
        Self { start: vec![0; shape.len()], size: shape.to_vec() }
    }

    /// First voxel.
    #[must_use]
    pub fn start(&self) -> &[usize] {
        &self.start
    }

    /// Voxels along each axis.
    #[must_use]
    pub fn size(&self) -> &[usize] {
        &self.size
    }

    /// One past the last voxel, along `axis`.
    #[must_use]
    pub fn end(&self, axis: usize) -> usize {
        self.start[axis] + self.size[axis]
    }

    /// Number of axes.
    #[must_use]
    pub fn n_axes(&self) -> usize {
        self.start.len()
    }

    /// Number of voxels; saturates where it can not be counted.
    #[must_use]
    pub fn len(&self) -> usize {
        self.size.iter().fold(1, |product, &n| product.saturating_mul(n))
    }

    /// Whether there is no voxel.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.size.contains(&0)
    }

    /// Checks that the box lies inside an array.
    ///
    /// # Errors
    /// [`CoreError::Region`].
    pub fn check_inside(&self, shape: &[usize]) -> Result<(), CoreError> {
        let inside = self.n_axes() == shape.len() && (0..shape.len()).all(|axis| self.end(axis) <= shape[axis]);
        if inside {
            return Ok(());
        }
        Err(CoreError::Region { start: self.start.clone(), size: self.size.clone(), shape: shape.to_vec() })
    }

    /// The voxels that both boxes hold, if there are any.
    #[must_use]
    pub fn intersection(&self, other: &Self) -> Option<Self> {
        if self.n_axes() != other.n_axes() {
            return None;
        }
        let axes = || 0..self.n_axes();
        let start: Vec<_> = axes().map(|a| self.start[a].max(other.start[a])).collect();
        let size: Vec<_> = axes().map(|a| self.end(a).min(other.end(a)).saturating_sub(start[a])).collect();
        if size.contains(&0) {
            return None;
        }
        Some(Self { start, size })
    }

    /// The runs of voxels that lie next to each other, both in an array of `shape` (first axis fastest) and in a
    /// dense copy of the box.
    ///
    /// # Errors
    /// [`CoreError::Region`] when the box does not lie inside.
    pub fn rows(&self, shape: &[usize]) -> Result<Rows, CoreError> {
        self.check_inside(shape)?;
        // Axes that the box holds whole melt into longer runs.
        let mut n_run_axes = usize::from(self.n_axes() > 0);
        while n_run_axes < self.n_axes() && self.size[n_run_axes - 1] == shape[n_run_axes - 1] {
            n_run_axes += 1;
        }
        let strides: Vec<usize> = shape
            .iter()
            .scan(1usize, |stride, &n| {
                let this = *stride;
                *stride = stride.saturating_mul(n);
                Some(this)
            })
            .collect();
        let origin = self.start.iter().zip(&strides).map(|(a, s)| a * s).sum();
        Ok(Rows {
            len: self.size[..n_run_axes].iter().product(),
            origin,
            counts: self.size[n_run_axes..].to_vec(),
            strides: strides[n_run_axes..].to_vec(),
            next: if self.is_empty() { None } else { Some(vec![0; self.n_axes() - n_run_axes]) },
        })
    }
}

/// Iterator over the array offsets of the runs of a [`Region`]; see [`Region::rows`]. Runs come in the order of a
/// dense copy: run `r` begins at `r * len` there.
#[derive(Clone, Debug)]
pub struct Rows {
    len: usize,
    origin: usize,
    counts: Vec<usize>,
    strides: Vec<usize>,
    next: Option<Vec<usize>>,
}

impl Rows {
    /// Voxels of each run.
    #[must_use]
    pub fn run_len(&self) -> usize {
        self.len
    }
}

impl Iterator for Rows {
    type Item = usize;

    fn next(&mut self) -> Option<usize> {
        let index = self.next.as_mut()?;
        let offset = self.origin + index.iter().zip(&self.strides).map(|(i, s)| i * s).sum::<usize>();
        let carry = index.iter_mut().zip(&self.counts).position(|(i, &n)| {
            *i += 1;
            let fits = *i < n;
            if !fits {
                *i = 0;
            }
            fits
        });
        if carry.is_none() {
            self.next = None;
        }
        Some(offset)
    }
}

#[cfg(test)]
mod tests {
    use super::Region;
    use proptest::prelude::*;

    #[test]
    fn refuses_what_is_outside() {
        assert!(Region::new([0, 0], [1]).is_err());
        assert!(Region::new([usize::MAX], [1]).is_err());
        let region = Region::new([1, 2], [3, 4]).unwrap();
        assert!(region.check_inside(&[4, 6]).is_ok());
        assert!(region.check_inside(&[4, 5]).is_err());
        assert!(region.check_inside(&[4, 6, 1]).is_err());
    }

    #[test]
    fn intersections() {
        let a = Region::new([0, 0], [4, 4]).unwrap();
        let b = Region::new([2, 3], [4, 4]).unwrap();
        assert_eq!(a.intersection(&b), Some(Region::new([2, 3], [2, 1]).unwrap()));
        assert_eq!(a.intersection(&Region::new([4, 0], [1, 1]).unwrap()), None);
    }

    #[test]
    fn whole_arrays_are_one_run_and_empty_boxes_none() {
        let rows = Region::whole(&[3, 4, 5]).rows(&[3, 4, 5]).unwrap();
        assert_eq!((rows.run_len(), rows.collect::<Vec<_>>()), (60, vec![0]));
        assert_eq!(Region::new([0, 0], [2, 0]).unwrap().rows(&[2, 2]).unwrap().count(), 0);
        assert_eq!(Region::whole(&[]).rows(&[]).unwrap().collect::<Vec<_>>(), vec![0]);
    }

    proptest! {
        #[test]
        fn rows_visit_every_voxel_in_order(
            shape in prop::collection::vec(1usize..5, 1..5),
            fractions in prop::collection::vec((0.0f64..1.0, 0.0f64..1.0), 4),
        ) {
            let start: Vec<_> = shape.iter().zip(&fractions).map(|(&n, f)| (n as f64 * f.0) as usize).collect();
            let size: Vec<_> = (0..shape.len())
                .map(|a| 1 + ((shape[a] - start[a] - 1) as f64 * fractions[a].1).round() as usize)
                .collect();
            let region = Region::new(start.clone(), size.clone()).unwrap();
            let rows = region.rows(&shape).unwrap();
            let len = rows.run_len();
            let visited: Vec<usize> = rows.flat_map(|offset| offset..offset + len).collect();
            let mut expected = Vec::new();
            for linear in 0..region.len() {
                let (mut rest, mut offset, mut stride) = (linear, 0, 1);
                for axis in 0..shape.len() {
                    offset += (start[axis] + rest % size[axis]) * stride;
                    rest /= size[axis];
                    stride *= shape[axis];
                }
                expected.push(offset);
            }
            prop_assert_eq!(visited, expected);
        }
    }
}
