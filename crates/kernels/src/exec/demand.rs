//! Which planes of a source a stage needs for which of its own planes.

use std::ops::Range;

/// How far along depth a stage reads its source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reach {
    /// Planes `z - radius ..= z + radius`, of the source itself or of the source up-sampled by 2, for each plane `z` of
    /// the groups that are computed together.
    Window {
        /// Planes to either side.
        radius: usize,
        /// Planes of a group; groups begin at multiples of it.
        step: usize,
        /// Whether the source is read through up-sampling.
        upsampled: bool,
    },
    /// Planes `2 z` and `2 z + 1`.
    Pairs,
    /// The whole source before the first plane, then plane `z` only.
    Whole,
}

impl Reach {
    /// Source planes that must be there, and stay there, to compute planes `out` and all planes after them:
    /// everything before `start` may be forgotten, everything before `end` must have been computed.
    ///
    /// `out` must not be empty; `depth` is the depth of the source.
    pub(crate) fn needs(self, out: &Range<usize>, depth: usize) -> Range<usize> {
        match self {
            Self::Window { radius, step, upsampled } => {
                let start = (out.start / step * step).saturating_sub(radius);
                let last = (out.end.next_multiple_of(step) - 1).saturating_add(radius);
                if upsampled { start / 2..(last / 2 + 1).min(depth) } else { start..last.saturating_add(1).min(depth) }
            }
            Self::Pairs => 2 * out.start..(2 * out.end).min(depth),
            Self::Whole => out.start..depth,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_is_clipped_at_both_ends() {
        let reach = Reach::Window { radius: 3, step: 1, upsampled: false };
        assert_eq!(reach.needs(&(0..1), 10), 0..4);
        assert_eq!(reach.needs(&(4..6), 10), 1..9);
        assert_eq!(reach.needs(&(9..10), 10), 6..10);
    }

    #[test]
    fn a_window_serves_whole_groups() {
        let reach = |upsampled| Reach::Window { radius: 1, step: 4, upsampled };
        assert_eq!(reach(false).needs(&(4..8), 20), 3..9);
        assert_eq!(reach(false).needs(&(5..6), 20), 3..9);
        assert_eq!(reach(false).needs(&(16..18), 18), 15..18);
        assert_eq!(reach(true).needs(&(4..8), 10), 1..5);
        assert_eq!(reach(true).needs(&(0..1), 10), 0..3);
    }

    #[test]
    fn an_upsampled_window_covers_every_tap_and_no_more() {
        for radius in 0..5 {
            for start in 0..12 {
                for end in start + 1..=12 {
                    let taps = (start..end).flat_map(|z: usize| z.saturating_sub(radius)..(z + radius + 1).min(12));
                    let read: Vec<usize> = taps.map(|z| z / 2).collect();
                    let needs = Reach::Window { radius, step: 1, upsampled: true }.needs(&(start..end), 6);
                    assert_eq!(needs.start, *read.iter().min().unwrap());
                    assert_eq!(needs.end, read.iter().max().unwrap() + 1);
                }
            }
        }
    }

    #[test]
    fn pooling_needs_pairs_and_a_norm_needs_all() {
        assert_eq!(Reach::Pairs.needs(&(2..4), 9), 4..8);
        assert_eq!(Reach::Whole.needs(&(2..3), 9), 2..9);
    }
}
