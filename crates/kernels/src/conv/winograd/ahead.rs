//! The rows that the thread's next task will read, asked for while this one multiplies.
//!
//! Reading them took a fifth of the time of a 24-channel layer: 36 rows at a time are more than processors foresee.

use super::Task;
use super::points::{MOST, Points};

/// Rows to prefetch, a share at a time.
#[derive(Debug, Default)]
pub(super) struct Ahead {
    /// First float and length.
    rows: Vec<(*const f32, usize)>,
    /// Row, and floats of it that were asked for.
    at: (usize, usize),
    share: usize,
}

impl Ahead {
    /// Takes the rows under the tiles of `task`, to be asked for in `n_shares` shares.
    pub(super) fn new<D: Points, P: Points>(task: &Task<'_>, n_shares: usize) -> Self {
        let mut rows = Vec::new();
        for source in task.sources {
            for segment in task.grid.segments(&task.groups) {
                let up = usize::from(source.is_upsampled());
                let len = task.grid.inputs(&segment, up).len() * source.layout().channels;
                let (inputs, steps) = task.inputs::<D, P>(source, &segment, &[]);
                let inputs = inputs.into_iter().flatten().zip(steps.into_iter().flatten());
                rows.extend(inputs.filter(|(_, step)| *step > 0).map(|(row, _)| (row, len)));
            }
        }
        let floats: usize = rows.iter().map(|(_, len)| len).sum();
        debug_assert!(rows.len() <= MOST * MOST * task.sources.len() * task.groups.len());
        Self { rows, at: (0, 0), share: floats.div_ceil(n_shares.max(1)) }
    }

    /// Where the next share begins, and its floats. It may run on behind the end of a row: hints never fault.
    #[inline(always)]
    pub(super) fn share(&mut self) -> (*const f32, usize) {
        let Some((row, len)) = self.rows.get(self.at.0) else {
            return (std::ptr::null(), 0);
        };
        let start = row.wrapping_add(self.at.1);
        self.at.1 += self.share;
        if self.at.1 >= *len {
            self.at = (self.at.0 + 1, self.at.1 - len);
        }
        (start, self.share)
    }
}
