//! Posteriors of which only what the clean-up can keep is stored.

use volkit_kernels::Threads;

use super::cleanup::{CHANNELS_KEPT, HEAD, mark_of};
use super::placement::Bounds;
use super::posterior_sink::PosteriorSink;
use crate::SegError;

/// Rows whose values are stored together.
const CHUNK_ROWS: usize = 8;
/// Least posterior of a structure that counts where classes are not cleaned up.
pub(super) const FAST_THRESHOLD: f32 = 0.2;

/// Which posteriors of a voxel the clean-up may keep.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct KeepRule {
    /// The bit of a mark that each channel needs.
    pub(super) class_bits: Vec<u32>,
    /// Posteriors up to [`FAST_THRESHOLD`] are dropped.
    pub(super) fast: bool,
    /// Voxels without any posterior become NaN instead of background.
    pub(super) nan: bool,
}

/// What the clean-up can keep of posteriors, gathered plane by plane.
///
/// A voxel keeps the background and the channels whose topological class is there (in fast mode those above the
/// threshold); a voxel where the head is not keeps nothing, for all that can become of it is background. Marks (see
/// [`super::cleanup`]) are those of the whole volume, or of the kept part in fast mode; values those of the kept part.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct SparsePosteriors {
    pub(super) rule: KeepRule,
    /// Where the kept part lies in the network's volume.
    kept: Bounds,
    /// Where the marks lie in the network's volume.
    region: Bounds,
    size: [usize; 3],
    /// A mark for each voxel of `region`, x fastest; bit [`CHANNELS_KEPT`] where channels are stored.
    pub(super) marks: Vec<u32>,
    /// For each plane of the kept part its rows, [`CHUNK_ROWS`] at a time.
    planes: Vec<Vec<Chunk>>,
}

/// Values of some rows, in the order of voxels.
#[derive(Clone, Debug, Default, PartialEq)]
struct Chunk {
    /// Channels that are stored, for each voxel with any.
    masks: Vec<u64>,
    /// Their values, channels ascending.
    values: Vec<f32>,
}

impl SparsePosteriors {
    /// Nothing yet, of a network's volume of `size`; `has_classes`: marks are needed everywhere.
    pub(super) fn new(size: [usize; 3], kept: Bounds, rule: KeepRule, has_classes: bool) -> Self {
        let region = if has_classes { Bounds::whole(size) } else { kept };
        let planes = vec![Vec::new(); kept.size()[2]];
        Self { rule, kept, region, size, marks: vec![0; region.len()], planes }
    }

    pub(super) fn channels(&self) -> usize {
        self.rule.class_bits.len()
    }

    pub(super) fn kept(&self) -> &Bounds {
        &self.kept
    }

    /// Size of the part that marks are of.
    pub(super) fn region_size(&self) -> [usize; 3] {
        self.region.size()
    }

    /// Visits the stored voxels of plane `z` of the kept part, in order: their place in the plane, mark and values of all
    /// channels.
    pub(super) fn for_each_stored(&self, z: usize, mut visit: impl FnMut(usize, u32, &[f32])) {
        let mut voxel = vec![0.0; self.channels()];
        self.walk(z, |at, mark, mask, values| {
            expand(mask, values, &mut voxel);
            visit(at, mark, &voxel);
        });
    }

    /// Visits the stored voxels of plane `z` of the kept part: place in the plane, mark, channels and their values.
    fn walk(&self, z: usize, mut visit: impl FnMut(usize, u32, u64, &[f32])) {
        let [nx, ny, _] = self.kept.size();
        let offset: [usize; 3] = std::array::from_fn(|axis| self.kept.start[axis] - self.region.start[axis]);
        let in_region =
            Bounds { start: offset, end: std::array::from_fn(|axis| offset[axis] + self.kept.size()[axis]) };
        for (chunk, y0) in self.planes[z].iter().zip((0..ny).step_by(CHUNK_ROWS)) {
            let (mut masks, mut values) = (chunk.masks.iter(), chunk.values.as_slice());
            for y in y0..(y0 + CHUNK_ROWS).min(ny) {
                let first = in_region.row_start(self.region.size(), y, z);
                for (x, &mark) in self.marks[first..first + nx].iter().enumerate() {
                    if mark & CHANNELS_KEPT == 0 {
                        continue;
                    }
                    let mask = masks.next().copied().unwrap_or(0);
                    let (own, rest) = values.split_at(mask.count_ones() as usize);
                    values = rest;
                    visit(y * nx + x, mark, mask, own);
                }
            }
        }
    }

    /// Replaces the stored values of plane `z` by what `change` makes of the values of all channels.
    pub(super) fn rewritten(&self, z: usize, mut change: impl FnMut(u32, &mut [f32])) -> Vec<f32> {
        let mut voxel = vec![0.0; self.channels()];
        let mut new = Vec::new();
        self.walk(z, |_, mark, mask, values| {
            expand(mask, values, &mut voxel);
            change(mark, &mut voxel);
            new.extend(channels_of(mask).map(|channel| voxel[channel]));
        });
        new
    }

    /// Takes over values in the order of [`SparsePosteriors::rewritten`].
    pub(super) fn set_values(&mut self, z: usize, values: &[f32]) {
        let mut values = values;
        for chunk in &mut self.planes[z] {
            let (own, rest) = values.split_at(chunk.values.len());
            chunk.values.copy_from_slice(own);
            values = rest;
        }
    }

    /// Channel `channel` of the kept part, x fastest, after normalisation: a voxel that stores nothing is background, one
    /// whose background is NaN is NaN in all channels.
    pub(super) fn frame_plane(&self, channel: usize, z: usize, frame: &mut [f32]) {
        frame.fill(if channel == 0 { 1.0 } else { 0.0 });
        let bit = 1u64 << channel;
        self.walk(z, |at, _, mask, values| {
            frame[at] = if values.first().is_some_and(|background| background.is_nan()) {
                f32::NAN
            } else if mask & bit != 0 {
                values[(mask & (bit - 1)).count_ones() as usize]
            } else {
                0.0
            };
        });
    }
}

impl PosteriorSink for SparsePosteriors {
    fn take(&mut self, z: usize, plane: &[f32], threads: &Threads) -> Result<(), SegError> {
        let [rx, ry, _] = self.region.size();
        if z < self.region.start[2] || z >= self.region.end[2] || rx * ry == 0 {
            return Ok(());
        }
        let n = self.channels();
        let is_kept_plane = (self.kept.start[2]..self.kept.end[2]).contains(&z);
        let first = (z - self.region.start[2]) * rx * ry;
        let marks = &mut self.marks[first..first + rx * ry];
        // Chunks begin at the first kept row; rows in front of it are a chunk that stores nothing.
        let lead = (self.kept.start[1] - self.region.start[1]) * rx;
        let (before, rest) = marks.split_at_mut(lead);
        let mut tasks: Vec<(usize, &mut [u32], Chunk)> = vec![(self.region.start[1], before, Chunk::default())];
        tasks.extend(
            rest.chunks_mut(CHUNK_ROWS * rx)
                .enumerate()
                .map(|(at, rows)| (self.kept.start[1] + at * CHUNK_ROWS, rows, Chunk::default())),
        );
        let (rule, kept, region, size) = (&self.rule, &self.kept, &self.region, &self.size);
        threads.for_each_mut(&mut tasks, |(y0, marks, chunk)| {
            for (i, marks) in marks.chunks_exact_mut(rx).enumerate() {
                let y = *y0 + i;
                let is_kept_row = is_kept_plane && (kept.start[1]..kept.end[1]).contains(&y);
                let voxels = plane[(y * size[0] + region.start[0]) * n..].chunks_exact(n);
                for (x, (mark, voxel)) in (region.start[0]..).zip(marks.iter_mut().zip(voxels)) {
                    *mark = mark_of(voxel, &rule.class_bits);
                    let is_kept = is_kept_row && (kept.start[0]..kept.end[0]).contains(&x);
                    if is_kept && (*mark & HEAD != 0 || rule.nan && (voxel[0].is_nan() || voxel[0] <= 0.0)) {
                        rule.store(*mark, voxel, chunk);
                        *mark |= CHANNELS_KEPT;
                    }
                }
            }
            chunk.masks.shrink_to_fit();
            chunk.values.shrink_to_fit();
        });
        if is_kept_plane {
            let n_chunks = self.kept.size()[1].div_ceil(CHUNK_ROWS);
            let chunks = tasks.into_iter().skip(1).take(n_chunks).map(|(_, _, chunk)| chunk);
            self.planes[z - self.kept.start[2]] = chunks.collect();
        }
        Ok(())
    }
}

impl KeepRule {
    /// Stores what may be kept of a voxel.
    fn store(&self, mark: u32, voxel: &[f32], chunk: &mut Chunk) {
        let mut mask = 1u64;
        chunk.values.push(voxel[0]);
        for (channel, (&value, bit)) in voxel.iter().zip(&self.class_bits).enumerate().skip(1) {
            if mark & bit != 0 && value != 0.0 && !(self.fast && value <= FAST_THRESHOLD) {
                mask |= 1 << channel;
                chunk.values.push(value);
            }
        }
        chunk.masks.push(mask);
    }
}

/// Numbers of the bits of a mask, ascending.
fn channels_of(mut mask: u64) -> impl Iterator<Item = usize> {
    std::iter::from_fn(move || {
        let channel = mask.trailing_zeros() as usize;
        mask &= mask.wrapping_sub(1);
        (channel < u64::BITS as usize).then_some(channel)
    })
}

/// Values of all channels, 0 where none is stored.
fn expand(mask: u64, values: &[f32], voxel: &mut [f32]) {
    voxel.fill(0.0);
    channels_of(mask).zip(values).for_each(|(channel, &value)| voxel[channel] = value);
}

#[cfg(test)]
mod tests {
    use volkit_kernels::Threads;

    use super::{Bounds, KeepRule, PosteriorSink as _, SparsePosteriors, channels_of};

    #[test]
    fn bits_are_numbered() {
        assert_eq!(channels_of(0).count(), 0);
        assert_eq!(channels_of(1 << 63 | 0b1010).collect::<Vec<_>>(), [1, 3, 63]);
    }

    /// Voxels with a background and structures of the classes 1, 1, 2 and none.
    #[test]
    fn only_what_can_stay_is_stored() {
        let rule = KeepRule { class_bits: vec![1, 2, 2, 4, 1], fast: false, nan: false };
        let kept = Bounds { start: [1, 0, 0], end: [4, 1, 1] };
        let mut sparse = SparsePosteriors::new([4, 1, 1], kept, rule, true);
        let voxels = [
            [0.1, 0.9, 0.0, 0.0, 0.0],
            [0.3, 0.4, 0.1, 0.15, 0.05],
            [0.9, 0.1, 0.0, 0.0, 0.0],
            [0.0, 0.2, 0.2, 0.6, 0.0],
        ];
        sparse.take(0, &voxels.concat(), &Threads::single()).unwrap();
        let mut seen = Vec::new();
        sparse.for_each_stored(0, |at, mark, values| seen.push((at, mark & 7, values.to_vec())));
        // The first voxel is not kept, the third is background; of the others class 2 (bit 4) or class 1 is away.
        assert_eq!(seen, [(0, 3, vec![0.3, 0.4, 0.1, 0.0, 0.05]), (2, 5, vec![0.0, 0.0, 0.0, 0.6, 0.0])]);
        assert_eq!(sparse.marks[0] & 7, 3, "marks are those of the whole volume");
        let mut frame = [f32::NAN; 3];
        sparse.frame_plane(3, 0, &mut frame);
        assert_eq!(frame, [0.0, 0.0, 0.6]);
        sparse.frame_plane(0, 0, &mut frame);
        assert_eq!(frame, [0.3, 1.0, 0.0]);
    }

    #[test]
    fn the_fast_rule_drops_small_posteriors() {
        let rule = KeepRule { class_bits: vec![1; 4], fast: true, nan: true };
        let kept = Bounds { start: [0; 3], end: [2, 1, 1] };
        let mut sparse = SparsePosteriors::new([3, 1, 1], kept, rule, false);
        let voxels = [[0.3, 0.5, 0.2, 0.0], [0.0, 0.1, 0.1, 0.0], [0.0, 1.0, 0.0, 0.0]];
        sparse.take(0, &voxels.concat(), &Threads::single()).unwrap();
        let mut seen = Vec::new();
        sparse.for_each_stored(0, |at, mark, values| seen.push((at, mark & 1, values.to_vec())));
        // The second has neither head nor background: it is kept for becoming NaN.
        assert_eq!(seen, [(0, 1, vec![0.3, 0.5, 0.0, 0.0]), (1, 0, vec![0.0; 4])]);
        let values = sparse.rewritten(0, |_, voxel| voxel.iter_mut().for_each(|value| *value = f32::NAN));
        sparse.set_values(0, &values);
        let mut frame = [0.0; 2];
        sparse.frame_plane(2, 0, &mut frame);
        assert!(frame.iter().all(|value| value.is_nan()));
    }
}
