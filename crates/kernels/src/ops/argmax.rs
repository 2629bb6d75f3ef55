//! The label of a voxel: its channel with the largest value.

use std::ops::Range;

use super::rows::row;
use crate::simd::{Body, Lane, Math, dispatch};
use crate::{Isa, KernelError, Planes, Threads};

/// An unsigned integer that holds the number of a channel.
pub trait Label: Copy + Default + Send + Sync + private::Sealed {
    /// How many channels it can tell apart.
    const MAX_CHANNELS: usize;

    /// The label of a channel below [`Label::MAX_CHANNELS`].
    fn from_channel(channel: usize) -> Self;
}

mod private {
    pub trait Sealed {}
    impl Sealed for u8 {}
    impl Sealed for u16 {}
}

impl Label for u8 {
    const MAX_CHANNELS: usize = 1 << 8;

    fn from_channel(channel: usize) -> Self {
        channel as Self
    }
}

impl Label for u16 {
    const MAX_CHANNELS: usize = 1 << 16;

    fn from_channel(channel: usize) -> Self {
        channel as Self
    }
}

/// Writes, for each voxel of `planes`, the channel with the largest value, the lowest such channel on ties.
///
/// `labels` is dense, `[planes][h][w]`. A NaN counts as minus infinity, so it wins nowhere, and a voxel that has only
/// NaN and minus infinity gets label 0.
///
/// # Errors
/// [`KernelError::Shape`] when `labels` has another length, `planes` does not fit, or the source is up-sampled;
/// [`KernelError::Parameter`] when it has no channel or more than the label type can tell apart.
pub fn argmax<T: Label>(
    source: &Planes<'_>,
    planes: Range<usize>,
    labels: &mut [T],
    isa: Isa,
    threads: &Threads,
) -> Result<(), KernelError> {
    let layout = *source.layout();
    super::rows::check_planes("argmax", &layout, &planes)?;
    super::rows::check_source("argmax", source, layout.size(), layout.channels)?;
    if layout.channels == 0 || layout.channels > T::MAX_CHANNELS {
        return Err(KernelError::Parameter {
            op: "argmax",
            name: "channels",
            value: layout.channels.to_string(),
            why: "at least one, and no more than the label type can tell apart",
        });
    }
    let wanted = planes.len() * layout.height * layout.width;
    if labels.len() != wanted {
        let (wanted, got) = (format!("{wanted} labels"), labels.len().to_string());
        return Err(KernelError::Shape { op: "argmax", wanted, got });
    }
    if labels.is_empty() {
        return Ok(());
    }
    let mut rows: Vec<&mut [T]> = labels.chunks_exact_mut(layout.width).collect();
    let mut rows: Vec<(usize, &mut &mut [T])> = rows.iter_mut().enumerate().collect();
    threads.for_each_mut(&mut rows, |(i, labels)| {
        let source = row(source, planes.start + *i / layout.height, *i % layout.height);
        // SAFETY: the body asks for nothing beyond the instruction set.
        unsafe { dispatch(isa, Row { source, labels, channels: layout.channels }) }
    });
    Ok(())
}

struct Row<'a, T> {
    source: &'a [f32],
    labels: &'a mut [T],
    channels: usize,
}

impl<T: Label> Body for Row<'_, T> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<L: Lane>(self) {
        let channels = self.channels;
        // SAFETY: the caller vouches for the instruction set.
        let lowest = unsafe { L::splat(f32::NEG_INFINITY) };
        for (x, labels) in self.source.chunks(L::N * channels).zip(self.labels.chunks_mut(L::N)) {
            // Channel numbers are kept as floats, which are exact to 2^24.
            let (mut best, mut winner) = (lowest, lowest.all(0.0));
            for c in (0..channels).step_by(4) {
                let cols = (channels - c).min(4);
                // SAFETY: `x` holds `labels.len()` voxels of `channels` floats: both rows have the same voxels.
                let columns = unsafe { L::columns(x.as_ptr().add(c), channels, x.len() / channels, cols) };
                for (k, column) in columns.into_iter().enumerate().take(cols) {
                    winner = column.select_gt(best, lowest.all((c + k) as f32), winner);
                    best = column.select_gt(best, column, best);
                }
            }
            let mut lanes = [0.0_f32; 16];
            assert!(L::N <= lanes.len());
            // SAFETY: `N` floats lie in `lanes`.
            unsafe { winner.store(lanes.as_mut_ptr()) };
            for (label, channel) in labels.iter_mut().zip(lanes) {
                *label = T::from_channel(channel as usize);
            }
        }
    }
}
