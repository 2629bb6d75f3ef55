//! One plane of the grid: rows of points projected in vectors, pixels looked up one by one.

use super::{Ballot, Beyond};
use crate::simd::{Body, Lane, Math};

/// Points that are projected before their pixels are looked up; a multiple of every number of lanes.
const CHUNK: usize = 64;
/// Most lanes of a vector.
const MOST_LANES: usize = 16;
const COUNT: [f32; MOST_LANES] = [0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0, 10.0, 11.0, 12.0, 13.0, 14.0, 15.0];
/// What the depth is never divided by less than, with [`Beyond::Border`].
const DEPTH_SHIFT: f32 = 1e-8;

/// The points `(number, j, k)`.
pub(super) struct PlaneVotes<'a> {
    pub(super) ballots: &'a [Ballot],
    pub(super) number: usize,
    /// Rows and columns.
    pub(super) size: [usize; 2],
    pub(super) beyond: Beyond,
    pub(super) votes: &'a mut [u8],
    pub(super) misses: &'a mut [u8],
}

impl Body for PlaneVotes<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<L: Lane>(self) {
        let columns = self.size[1];
        let rows = self.votes.chunks_mut(columns).zip(self.misses.chunks_mut(columns));
        let mut places = [0.0f32; CHUNK];
        for (j, (votes, misses)) in rows.enumerate() {
            for start in (0..columns).step_by(CHUNK) {
                let end = columns.min(start + CHUNK);
                let mut sums = [0u16; CHUNK];
                for ballot in self.ballots {
                    let at = [self.number, j, start].map(|n| n as f32);
                    // SAFETY: the caller vouches for the instruction set.
                    unsafe { project::<L>(ballot, self.beyond, at, &mut places) };
                    for (sum, place) in sums[..end - start].iter_mut().zip(&places) {
                        *sum += ballot.adds[*place as u32 as usize];
                    }
                }
                for ((vote, miss), sum) in votes[start..end].iter_mut().zip(&mut misses[start..end]).zip(sums) {
                    [*vote, *miss] = sum.to_le_bytes();
                }
            }
        }
    }
}

/// The pixels of `CHUNK` points from `(i, j, k)` on along the last axis, as numbers of [`Ballot::adds`].
///
/// # Safety
/// The machine has the instruction set of `L`.
#[inline(always)]
unsafe fn project<L: Lane>(ballot: &Ballot, beyond: Beyond, [i, j, k]: [f32; 3], places: &mut [f32; CHUNK]) {
    let [rows, columns] = ballot.size;
    // SAFETY: the caller vouches for the instruction set.
    let zero = unsafe { L::splat(0.0) };
    let of_row = ballot.pixel_from_grid.map(|[x, y, _, shift]| zero.all(x * i + (y * j + shift)));
    let steps = ballot.pixel_from_grid.map(|row| zero.all(row[2]));
    let [last_row, last_column] = [rows, columns].map(|n| zero.all((n - 1) as f32));
    let (width, outside) = (zero.all(columns as f32), zero.all((rows * columns) as f32));
    for start in (0..CHUNK).step_by(L::N) {
        // SAFETY: the caller vouches for the instruction set; `COUNT` has as many floats as any vector has lanes.
        let count = unsafe { L::load(COUNT.as_ptr()) }.add(zero.all(k + start as f32));
        let [u, v, depth]: [L; 3] = std::array::from_fn(|r| steps[r].mul_add(count, of_row[r]));
        let place = match beyond {
            Beyond::Unknown => {
                let (x, y) = (u.div(depth).round(), v.div(depth).round());
                let shown = L::both(L::both(x.ge(zero), last_column.ge(x)), L::both(y.ge(zero), last_row.ge(y)));
                L::select(L::both(shown, depth.gt(zero)), y.mul_add(width, x), outside)
            }
            Beyond::Border => {
                let depth = depth.add(zero.all(DEPTH_SHIFT));
                // A comparison with NaN gives the second operand, so what comes out is a pixel.
                let clamped = |x: L, last: L| x.round().max(zero).min(last);
                clamped(v.div(depth), last_row).mul_add(width, clamped(u.div(depth), last_column))
            }
        };
        // SAFETY: `start + N <= CHUNK`, for `N` divides it.
        unsafe { place.store(places.as_mut_ptr().add(start)) };
    }
}
