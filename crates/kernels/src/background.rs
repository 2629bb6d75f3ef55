//! Regions of a tensor in which all voxels are alike.
//!
//! Most of a scan of a head is air or was never measured: zeros. Where all inputs of some outputs are the background, the
//! outputs are one value too, which is computed once; the network is then run over the rest only.

use std::ops::Range;

use crate::{Layout, Threads};

/// Of each voxel of a ring, whether it is known to hold the background: one bit.
#[derive(Clone, Debug)]
pub(crate) struct BackgroundMask {
    /// The background, a float per channel.
    value: Vec<f32>,
    layout: Layout,
    /// Rows of slots, a bit for each voxel of a row.
    bits: Vec<u64>,
}

/// Row `y` of plane `z`, as `(z, y)`, and runs of its voxels, ascending.
pub(crate) type RowRuns = ((usize, usize), Vec<Range<usize>>);

/// What a kernel needs to leave out the background: where its source has it, and where its output will.
pub(crate) struct Background<'a> {
    pub(crate) source: &'a BackgroundMask,
    pub(crate) out: &'a mut BackgroundMask,
}

impl BackgroundMask {
    /// A tensor of which nothing is known yet.
    pub(crate) fn new(layout: &Layout, value: Vec<f32>) -> Self {
        debug_assert_eq!(value.len(), layout.channels);
        let rows = layout.slots * layout.height;
        Self { value, layout: *layout, bits: vec![0; rows * words(layout.width)] }
    }

    /// The background, a float per channel.
    pub(crate) fn value(&self) -> &[f32] {
        &self.value
    }

    /// The bits of row `y` of plane `z`.
    pub(crate) fn row(&self, z: usize, y: usize) -> &[u64] {
        &self.bits[self.words_of(z, y)]
    }

    fn words_of(&self, z: usize, y: usize) -> Range<usize> {
        let n = words(self.layout.width);
        let row = (z % self.layout.slots * self.layout.height + y) * n;
        row..row + n
    }

    /// Marks the voxels of plane `z` in `data`, the memory of the ring, that hold the background to the bit.
    pub(crate) fn find(&mut self, data: &[f32], z: usize) {
        let channels = self.layout.channels;
        for y in 0..self.layout.height {
            let (words, value) = (self.words_of(z, y), &self.value);
            let same = |voxel: &[f32]| voxel.iter().zip(value).all(|(a, b)| a.to_bits() == b.to_bits());
            let row = &data[self.layout.row(z, y)];
            for (word, voxels) in self.bits[words].iter_mut().zip(row.chunks(64 * channels)) {
                let voxels = voxels.chunks_exact(channels).enumerate();
                *word = voxels.fold(0, |word, (x, voxel)| word | u64::from(same(voxel)) << x);
            }
        }
    }

    /// Says which voxels of some rows hold the background from now on, and writes it where they do not hold it yet.
    ///
    /// `data` is the memory of the ring.
    pub(crate) fn set(&mut self, data: &mut [f32], rows: Vec<RowRuns>, threads: &Threads) {
        let mut missing = Vec::new();
        for ((z, y), runs) in rows {
            let words = self.words_of(z, y);
            let old = self.bits[words.clone()].to_vec();
            let new = &mut self.bits[words.clone()];
            new.fill(0);
            for run in runs {
                set(new, run);
            }
            let todo: Vec<u64> = new.iter().zip(&old).map(|(new, old)| new & !old).collect();
            if todo.iter().any(|word| *word != 0) {
                missing.push((z % self.layout.slots * self.layout.height + y, todo));
            }
        }
        missing.sort_unstable_by_key(|(row, _)| *row);
        let Layout { width, channels, pad_w, .. } = self.layout;
        let stride = self.layout.row_stride();
        let filled: Vec<f32> = self.value.iter().copied().cycle().take(width * channels).collect();
        let (mut todo, mut rest, mut first) = (Vec::with_capacity(missing.len()), data, 0);
        for (row, bits) in missing {
            let (head, tail) = rest.split_at_mut((row + 1 - first) * stride);
            todo.push((&mut head[(row - first) * stride + pad_w * channels..], bits));
            (rest, first) = (tail, row + 1);
        }
        threads.for_each_mut(&mut todo, |(row, bits)| {
            for run in ones(bits, width) {
                let floats = run.start * channels..run.end * channels;
                row[floats.clone()].copy_from_slice(&filled[..floats.len()]);
            }
        });
    }
}

/// Words of the bits of a row.
pub(crate) fn words(width: usize) -> usize {
    width.div_ceil(64)
}

/// The runs of ones among the first `len` bits.
pub(crate) fn ones(bits: &[u64], len: usize) -> impl Iterator<Item = Range<usize>> + '_ {
    let next = move |from: usize, flipped: u64| {
        let mut at = from;
        while at < len {
            let rest = (bits[at / 64] ^ flipped) >> (at % 64);
            if rest != 0 {
                return (at + rest.trailing_zeros() as usize).min(len);
            }
            at = (at / 64 + 1) * 64;
        }
        len
    };
    let mut at = 0;
    std::iter::from_fn(move || {
        let start = next(at, 0);
        at = next(start, u64::MAX);
        (start < len).then_some(start..at)
    })
}

fn set(bits: &mut [u64], run: Range<usize>) {
    for x in run {
        bits[x / 64] |= 1 << (x % 64);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_are_found_across_words() {
        for runs in
            [vec![], vec![0..64, 65..66], vec![3..5, 60..70, 127..128], vec![0..1, 2..130], vec![63..65, 128..129]]
        {
            let mut bits = vec![0; words(130)];
            runs.iter().for_each(|run| set(&mut bits, Range::clone(run)));
            assert_eq!(ones(&bits, 130).collect::<Vec<_>>(), runs);
        }
        assert!(ones(&[u64::MAX], 7).eq(std::iter::once(0..7)));
        assert_eq!(ones(&[], 0).count(), 0);
    }

    #[test]
    fn voxels_are_found_and_written() {
        let layout = Layout::dense([4, 2, 70], 2).with_slots(2).with_pad_w(1);
        let mut data = vec![9.0; layout.len()];
        let mut mask = BackgroundMask::new(&layout, vec![0.5, -0.0]);
        let rows = vec![((3, 1), vec![2..4, 63..70]), ((2, 0), vec![])];
        mask.set(&mut data, rows, &Threads::new(2));
        let row = &data[layout.row(3, 1)];
        for (x, voxel) in row.chunks_exact(2).enumerate() {
            let inside = (2..4).contains(&x) || x >= 63;
            assert_eq!(voxel, if inside { [0.5, -0.0] } else { [9.0, 9.0] }, "{x}");
        }
        assert_eq!(data.iter().filter(|v| **v == 0.5).count(), 9);
        // What is there is not written again: a voxel that was changed since stays.
        data[layout.row_offset(3, 1) + 4] = 7.0;
        mask.set(&mut data, vec![((1, 1), vec![1..2, 2..4])], &Threads::single());
        assert_eq!(data[layout.row_offset(3, 1) + 2], 0.5);
        assert_eq!(data[layout.row_offset(3, 1) + 4], 7.0);
        assert!(ones(mask.row(1, 1), 70).eq(std::iter::once(1..4)));
        mask.find(&data, 3);
        assert_eq!(ones(mask.row(3, 1), 70).collect::<Vec<_>>(), [1..2, 3..4, 63..70]);
        assert!(ones(mask.row(3, 0), 70).next().is_none());
        // Zeros of either sign are different values.
        data[layout.row_offset(3, 1) + 3] = 0.0;
        mask.find(&data, 3);
        assert_eq!(ones(mask.row(3, 1), 70).collect::<Vec<_>>(), [3..4, 63..70]);
    }
}
