//! The input rows that will be copied next, asked for while tiles are computed.
//!
//! Without it, a quarter of the time of a 24-channel layer went into waiting for rows from memory.

use std::ops::Range;

use super::tile::Hints;
use crate::Planes;

/// Source rows to prefetch, a share at a time, so that their reading hides behind the arithmetic.
#[derive(Debug, Default)]
pub(super) struct Ahead<'a> {
    rows: Vec<&'a [f32]>,
    /// Row and float up to which lines were asked for.
    at: (usize, usize),
    /// Floats of a share.
    share: usize,
}

impl<'a> Ahead<'a> {
    /// Takes the source rows under rows `rows` of the planes `planes`, to be asked for in `n_shares` shares.
    #[inline(always)]
    pub(super) fn begin(
        &mut self,
        sources: &[Planes<'a>],
        channels: &Range<usize>,
        (planes, rows): (&[usize], impl Iterator<Item = usize> + Clone),
        n_shares: usize,
    ) {
        self.rows.clear();
        self.at = (0, 0);
        let mut first = 0;
        for source in sources {
            let layout = source.layout();
            // Part of the channels of a voxel: the rest of its lines comes along.
            if channels.start < first + layout.channels && first < channels.end {
                let up = usize::from(source.is_upsampled());
                let at = planes.iter().flat_map(|z| rows.clone().map(move |y| layout.row(z >> up, y >> up)));
                self.rows.extend(at.map(|row| &source.data()[row]));
            }
            first += layout.channels;
        }
        let floats: usize = self.rows.iter().map(|row| row.len()).sum();
        self.share = floats.div_ceil(n_shares.max(1));
    }

    /// The next share.
    ///
    /// A share that begins near the end of its row hints at what lies behind the row; hints never fault.
    #[inline(always)]
    pub(super) fn share(&mut self) -> Hints {
        let Some(row) = self.rows.get(self.at.0) else {
            return Hints::NONE;
        };
        let start = row.as_ptr().wrapping_add(self.at.1);
        self.at.1 += self.share;
        if self.at.1 >= row.len() {
            self.at = (self.at.0 + 1, self.at.1 - row.len());
        }
        Hints::lines(start, self.share)
    }
}
