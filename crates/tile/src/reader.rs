//! Reading tiles, padded where they stick out of the image.

use std::ops::Range;

use volkit_core::{BoxError, VolumeSource};

use crate::layout::ChannelFirst;
use crate::padding::AxisReads;
use crate::{Padding, Tile, TilePlan};

/// Reads the tiles of a plan from a source.
pub(crate) struct TileReader<'a> {
    source: &'a dyn VolumeSource,
    plan: &'a TilePlan,
    layout: ChannelFirst,
    /// `value * scale + offset`.
    intensity: (f32, f32),
    scratch: Vec<f32>,
    block: Vec<f32>,
}

impl<'a> TileReader<'a> {
    pub(crate) fn new(
        source: &'a dyn VolumeSource,
        plan: &'a TilePlan,
        layout: ChannelFirst,
        intensity: (f32, f32),
    ) -> Self {
        Self { source, plan, layout, intensity, scratch: Vec::new(), block: Vec::new() }
    }

    /// Fills `out`, `[C, T0 + 2 E0, T1 + 2 E1, ..]`.
    pub(crate) fn read(&mut self, image: usize, tile: &Tile, out: &mut [f32]) -> Result<(), BoxError> {
        let axes = || self.plan.axes().iter().zip(&tile.origin);
        let inside: Option<Vec<Range<usize>>> = axes()
            .map(|(axis, origin)| {
                let start = usize::try_from(origin - axis.context() as isize).ok()?;
                let end = start + axis.tile() + 2 * axis.context();
                (end <= axis.length()).then_some(start..end)
            })
            .collect();
        if let Some(ranges) = inside {
            self.read_box(image, &ranges, out)?;
        } else {
            let reads: Vec<AxisReads> = axes()
                .map(|(axis, origin)| {
                    let context = axis.context();
                    let (start, len) = (origin - context as isize, axis.tile() + 2 * context);
                    AxisReads::new(start, len, axis.length(), self.plan.padding())
                })
                .collect();
            self.read_padded(image, &reads, out)?;
        }
        if self.intensity != (1.0, 0.0) {
            let (scale, offset) = self.intensity;
            out.iter_mut().for_each(|value| *value = *value * scale + offset);
        }
        Ok(())
    }

    fn read_box(&self, image: usize, ranges: &[Range<usize>], out: &mut [f32]) -> Result<(), BoxError> {
        let start: Vec<_> = ranges.iter().map(|range| range.start).collect();
        let size: Vec<_> = ranges.iter().map(ExactSizeIterator::len).collect();
        self.source.read_region(&self.layout.region(image, &start, &size)?, out.into())
    }

    /// Reads what the padded tile is made of, then picks sample by sample.
    fn read_padded(&mut self, image: usize, reads: &[AxisReads], out: &mut [f32]) -> Result<(), BoxError> {
        let constant = match self.plan.padding() {
            Padding::Constant(value) => value,
            _ => 0.0,
        };
        let read_size: Vec<usize> = reads.iter().map(AxisReads::n_read).collect();
        let len = self.layout.channels * read_size.iter().product::<usize>();
        let mut scratch = std::mem::take(&mut self.scratch);
        scratch.resize(len, 0.0);
        let filled = self.fill_scratch(image, reads, &read_size, &mut scratch);
        if filled.is_ok() {
            let tile_len = out.len() / self.layout.channels;
            let read_len = len / self.layout.channels;
            for channel in 0..self.layout.channels {
                let from = &scratch[channel * read_len..][..read_len];
                pick(reads, from, Some(0), constant, &mut out[channel * tile_len..][..tile_len]);
            }
        }
        self.scratch = scratch;
        filled
    }

    /// Reads all boxes of a padded tile; there are several only where the image is continued by itself.
    fn fill_scratch(
        &mut self,
        image: usize,
        reads: &[AxisReads],
        size: &[usize],
        scratch: &mut [f32],
    ) -> Result<(), BoxError> {
        if reads.iter().all(|reads| reads.ranges.len() == 1) {
            let ranges: Vec<_> = reads.iter().map(|reads| reads.ranges[0].clone()).collect();
            return self.read_box(image, &ranges, scratch);
        }
        let mut block = std::mem::take(&mut self.block);
        for choice in choices(reads) {
            let ranges: Vec<_> = choice.iter().zip(reads).map(|(&i, reads)| reads.ranges[i].clone()).collect();
            let at: Vec<usize> = choice
                .iter()
                .zip(reads)
                .map(|(&i, reads)| reads.ranges[..i].iter().map(ExactSizeIterator::len).sum())
                .collect();
            let block_size: Vec<usize> = ranges.iter().map(ExactSizeIterator::len).collect();
            block.resize(self.layout.channels * block_size.iter().product::<usize>(), 0.0);
            self.read_box(image, &ranges, &mut block)?;
            place(&block, &block_size, scratch, size, &at, self.layout.channels);
        }
        self.block = block;
        Ok(())
    }
}

/// All combinations of one range per axis; none where an axis has no range.
fn choices(reads: &[AxisReads]) -> Vec<Vec<usize>> {
    reads.iter().fold(vec![Vec::new()], |choices, reads| {
        let longer = |choice: &Vec<usize>| {
            let choice = choice.clone();
            (0..reads.ranges.len()).map(move |i| [choice.as_slice(), &[i]].concat())
        };
        choices.iter().flat_map(longer).collect()
    })
}

/// Copies a box of `[C, ..]` into a larger one, at `at`.
fn place(block: &[f32], block_size: &[usize], out: &mut [f32], size: &[usize], at: &[usize], channels: usize) {
    let Some((&row_len, outer)) = block_size.split_last() else { return };
    let n_rows = outer.iter().product::<usize>();
    for (row, values) in block.chunks_exact(row_len.max(1)).enumerate().take(channels * n_rows) {
        let (channel, mut rest) = (row / n_rows, row % n_rows);
        let mut index = vec![0; outer.len()];
        for (i, n) in index.iter_mut().zip(outer).rev() {
            (*i, rest) = (rest % n, rest / n);
        }
        let outer_offset = (0..outer.len()).fold(channel, |offset, axis| offset * size[axis] + at[axis] + index[axis]);
        let offset = outer_offset * size[outer.len()] + at[outer.len()];
        out[offset..offset + row_len].copy_from_slice(values);
    }
}

/// Fills a padded box from the samples that were read; `base` is the row of these, none inside constant padding.
fn pick(reads: &[AxisReads], from: &[f32], base: Option<usize>, constant: f32, out: &mut [f32]) {
    let Some((axis, inner)) = reads.split_first() else { return };
    let Some(base) = base else {
        out.fill(constant);
        return;
    };
    let place_of = |place: Option<usize>| place.map(|place| base * axis.n_read() + place);
    if inner.is_empty() {
        for (value, &place) in out.iter_mut().zip(&axis.map) {
            *value = place_of(place).map_or(constant, |place| from[place]);
        }
        return;
    }
    let len = out.len() / axis.map.len();
    for (part, &place) in out.chunks_exact_mut(len).zip(&axis.map) {
        pick(inner, from, place_of(place), constant, part);
    }
}
