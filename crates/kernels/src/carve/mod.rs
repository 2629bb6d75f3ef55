//! Votes of silhouettes for the points of a grid: the loop that shape carving spends its time in.

mod row;

use crate::simd::dispatch;
use crate::{Isa, KernelError, Threads};
use row::PlaneVotes;

/// Most pixels of a silhouette: indices of pixels are counted in `f32`.
const MOST_PIXELS: usize = 1 << 24;
/// Most silhouettes: votes are bytes.
const MOST_VIEWS: usize = 255;

/// What a silhouette says of a point that it does not show.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Beyond {
    /// Nothing: neither a vote nor a miss, outside of the picture and behind the camera (default).
    #[default]
    Unknown,
    /// What the nearest pixel of the border says, and points behind the camera are mirrored through it.
    Border,
}

/// A silhouette and the camera that saw it.
#[derive(Clone, Copy, Debug)]
pub struct Silhouette<'a> {
    /// `[rows, columns]`, 0 outside of the object and anything else inside.
    pub mask: &'a [u8],
    /// Rows and columns.
    pub size: [usize; 2],
    /// Takes `(i, j, k, 1)` to `(u w, v w, w)`: column, row and depth. The centre of the first pixel is at (0, 0).
    pub pixel_from_grid: [[f32; 4]; 3],
}

/// Counts, for each point of a grid, the silhouettes that it lies inside and outside of.
///
/// A point belongs to the pixel that its projection rounds to, halves to even. The same input gives the same bits for any
/// number of threads and any instruction set.
#[derive(Clone, Copy, Debug)]
pub struct Carve {
    isa: Isa,
    beyond: Beyond,
}

impl Carve {
    /// Counting on `isa`.
    ///
    /// # Errors
    /// [`KernelError::IsaUnavailable`].
    pub fn new(isa: Isa, beyond: Beyond) -> Result<Self, KernelError> {
        Ok(Self { isa: isa.require()?, beyond })
    }

    /// Fills `votes` and `misses`, both `[n0, n1, n2]` with the last axis fastest, with the numbers of silhouettes that
    /// the points lie inside and outside of.
    ///
    /// # Errors
    /// [`KernelError::Shape`] for arrays of other lengths; [`KernelError::Parameter`] for a picture without pixels or of
    /// more than 2^24, or more than 255 silhouettes.
    pub fn count(
        &self,
        silhouettes: &[Silhouette<'_>],
        grid: [usize; 3],
        [votes, misses]: [&mut [u8]; 2],
        threads: &Threads,
    ) -> Result<(), KernelError> {
        check(silhouettes, grid, [votes.len(), misses.len()])?;
        let [_, rows, columns] = grid;
        let plane = rows * columns;
        if votes.is_empty() {
            return Ok(());
        }
        let ballots: Vec<Ballot> = silhouettes.iter().map(Ballot::new).collect();
        let planes = votes.chunks_mut(plane).zip(misses.chunks_mut(plane));
        let mut planes: Vec<_> = planes.enumerate().collect();
        let (isa, beyond, ballots) = (self.isa, self.beyond, &ballots);
        threads.for_each_mut(&mut planes, |(i, (votes, misses))| {
            let work = PlaneVotes { ballots, number: *i, size: [rows, columns], beyond, votes, misses };
            // SAFETY: the body asks for nothing beyond the instruction set.
            unsafe { dispatch(isa, work) };
        });
        Ok(())
    }
}

/// Added to a point's count: a vote, a miss, nothing.
const VOTE: u16 = 1;
const MISS: u16 = 1 << 8;

/// What each pixel adds, and behind the last what a point outside of the picture gets.
struct Ballot {
    adds: Vec<u16>,
    size: [usize; 2],
    pixel_from_grid: [[f32; 4]; 3],
}

impl Ballot {
    fn new(silhouette: &Silhouette<'_>) -> Self {
        let of = |inside: &u8| if *inside > 0 { VOTE } else { MISS };
        let adds = silhouette.mask.iter().map(of).chain([0]).collect();
        Self { adds, size: silhouette.size, pixel_from_grid: silhouette.pixel_from_grid }
    }
}

fn check(silhouettes: &[Silhouette<'_>], grid: [usize; 3], lengths: [usize; 2]) -> Result<(), KernelError> {
    const OP: &str = "carve";
    let wrong = |wanted: String, got: String| Err(KernelError::Shape { op: OP, wanted, got });
    let refuse = |name, value: String, why| Err(KernelError::Parameter { op: OP, name, value, why });
    let wanted = grid.iter().try_fold(1usize, |n, m| n.checked_mul(*m));
    if lengths.iter().any(|n| Some(*n) != wanted) {
        return wrong(format!("{grid:?} votes and misses"), format!("{lengths:?}"));
    }
    if silhouettes.len() > MOST_VIEWS {
        return refuse("silhouettes", silhouettes.len().to_string(), "at most 255");
    }
    for silhouette in silhouettes {
        let [rows, columns] = silhouette.size;
        let n = rows.checked_mul(columns).filter(|n| (1..MOST_PIXELS).contains(n));
        let Some(n) = n else {
            return refuse("size", format!("{:?}", silhouette.size), "1 to 2^24 - 1 pixels");
        };
        if silhouette.mask.len() != n {
            return wrong(format!("a mask {:?}", silhouette.size), format!("{} pixels", silhouette.mask.len()));
        }
    }
    Ok(())
}
