//! Rows of the input, copied from channels-last memory into one short row per channel.

use std::ops::Range;

use crate::Planes;
use crate::simd::Lane;

/// Copies the channels `channels` of row `(z, y)` of the concatenation of `sources` to `out[channel][row_len]`, voxel 0
/// of a channel at `left`; floats beside the `width` voxels are left as they are.
///
/// # Safety
/// The machine has the instruction set of `L`; all sources have the size of the view, `width` voxels a row and more than
/// `z` planes of more than `y` rows, `channels` lies within their channels, and `left + width <= row_len`.
#[inline(always)]
pub(super) unsafe fn copy_row<L: Lane>(
    sources: &[Planes<'_>],
    channels: &Range<usize>,
    (z, y): (usize, usize),
    out: &mut [f32],
    (left, row_len): (usize, usize),
) {
    let mut first = 0;
    for source in sources {
        let layout = source.layout();
        let wanted = channels.start.max(first)..channels.end.min(first + layout.channels);
        if !wanted.is_empty() {
            let up = usize::from(source.is_upsampled());
            let row = &source.data()[layout.row(z >> up, y >> up)];
            let part = wanted.start - first..wanted.end - first;
            let out = &mut out[(wanted.start - channels.start) * row_len..][..wanted.len() * row_len];
            let out = &mut out[left..];
            // SAFETY: `row` is whole voxels of the source, `part` lies in its channels, and `out` has a row for each.
            unsafe {
                match (up, layout.channels) {
                    (0, 1) => out[..row.len()].copy_from_slice(row),
                    (0, n) => split::<L>(row, n, part, out, row_len),
                    (_, n) => split_twice::<L>(row, n, part, out, row_len),
                }
            }
        }
        first += layout.channels;
    }
}

/// Writes channel `part.start + i` of the voxels `row` to `out[i * row_len..]`.
///
/// # Safety
/// As [`copy_row`], with room for all voxels of `row` at each `out[i * row_len..]`.
#[inline(always)]
unsafe fn split<L: Lane>(row: &[f32], n_channels: usize, part: Range<usize>, out: &mut [f32], row_len: usize) {
    let width = row.len() / n_channels;
    debug_assert!((part.len() - 1) * row_len + width <= out.len());
    for x in (0..width).step_by(L::N) {
        let n = L::N.min(width - x);
        for c in (0..part.len()).step_by(4) {
            let cols = 4.min(part.len() - c);
            // SAFETY: `n` voxels from `x` on and `cols` channels from `part.start + c` on lie in the row.
            let vectors = unsafe { L::columns(row.as_ptr().add(x * n_channels + part.start + c), n_channels, n, cols) };
            for (i, vector) in vectors.into_iter().enumerate().take(cols) {
                // SAFETY: voxels `x..x + n` of channel `c + i` have room.
                unsafe { store(vector, out.as_mut_ptr().add((c + i) * row_len + x), n) };
            }
        }
    }
}

/// The same with every voxel written twice.
///
/// # Safety
/// As [`split`], with room for twice the voxels.
#[inline(always)]
unsafe fn split_twice<L: Lane>(row: &[f32], n_channels: usize, part: Range<usize>, out: &mut [f32], row_len: usize) {
    let width = row.len() / n_channels;
    debug_assert!((part.len() - 1) * row_len + 2 * width <= out.len());
    for x in (0..width).step_by(L::N) {
        let n = L::N.min(width - x);
        for c in (0..part.len()).step_by(4) {
            let cols = 4.min(part.len() - c);
            // SAFETY: `n` voxels from `x` on and `cols` channels from `part.start + c` on lie in the row.
            let vectors = unsafe { L::columns(row.as_ptr().add(x * n_channels + part.start + c), n_channels, n, cols) };
            for (i, vector) in vectors.into_iter().enumerate().take(cols) {
                let [low, high] = vector.duplicate();
                // SAFETY: voxels `2 x..2 (x + n)` of channel `c + i` have room.
                unsafe {
                    let p = out.as_mut_ptr().add((c + i) * row_len + 2 * x);
                    store(low, p, (2 * n).min(L::N));
                    store(high, p.wrapping_add(L::N), (2 * n).saturating_sub(L::N));
                }
            }
        }
    }
}

/// Writes the first `n` lanes.
///
/// # Safety
/// As [`Lane::store_first`].
#[inline(always)]
pub(super) unsafe fn store<L: Lane>(vector: L, p: *mut f32, n: usize) {
    // SAFETY: passed on from the caller.
    unsafe {
        if n == L::N {
            vector.store(p);
        } else {
            vector.store_first(p, n);
        }
    }
}
