//! First stage: rows of the sources at the points of depth and height.

use std::marker::PhantomData;

use super::Task;
use super::grid::Segment;
use super::points::{MOST, Points};
use super::room::{CHUNK, Parts};
use crate::Planes;
use crate::simd::{Body, Lane};

impl Task<'_> {
    /// Fills the transformed rows.
    ///
    /// # Safety
    /// As for the whole task.
    #[inline(always)]
    pub(super) unsafe fn forward<L: Lane, D: Points, P: Points>(&self, parts: &mut Parts<'_>) {
        parts.zeros.fill(0.0);
        let mut start = 0;
        for (source, point) in self.sources.iter().zip(&self.room.rows) {
            let n_channels = source.layout().channels;
            let rows = &mut parts.rows[start..start + D::A * P::A * point];
            start += rows.len();
            for row in rows.chunks_exact_mut(*point) {
                row[..n_channels].fill(0.0);
            }
            let mut at = n_channels;
            for segment in self.grid.segments(&self.groups) {
                let n_voxels = self.grid.inputs(&segment, usize::from(source.is_upsampled())).len();
                let (inputs, steps) = self.inputs::<D, P>(source, &segment, parts.zeros);
                let body = AlongDepthAndHeight::<D, P> {
                    inputs,
                    steps,
                    len: n_voxels * n_channels,
                    chunk: parts.chunk.as_mut_ptr(),
                    out: rows[at..].as_mut_ptr(),
                    point: *point,
                    points: PhantomData,
                };
                // SAFETY: the rows lie in the source, or are `CHUNK` zeros; the room has a line behind the last voxel
                // of each point, and what is written there is overwritten by the next segment.
                unsafe { L::vectorize(body) };
                at += n_voxels * n_channels;
            }
        }
    }

    /// The rows under the tiles of a segment, and 1 where they are rows, 0 where they are zeros.
    #[inline(always)]
    pub(super) fn inputs<D: Points, P: Points>(
        &self,
        source: &Planes<'_>,
        segment: &Segment,
        zeros: &[f32],
    ) -> ([[*const f32; MOST]; MOST], [[usize; MOST]; MOST]) {
        let layout = source.layout();
        let up = usize::from(source.is_upsampled());
        let first = self.grid.inputs(segment, up).start * layout.channels;
        let mut inputs = [[zeros.as_ptr(); MOST]; MOST];
        let mut steps = [[0; MOST]; MOST];
        for k in 0..D::A {
            // The taps of a plane by itself have no neighbours.
            let Some(z) = self.grid.depth.input(segment.plane, k + 1 - D::TAPS / 2) else { continue };
            for j in 0..P::A {
                let Some(y) = self.grid.rows.input(segment.row, j) else { continue };
                inputs[k][j] = source.data()[layout.row_offset(z >> up, y >> up) + first..].as_ptr();
                steps[k][j] = 1;
            }
        }
        (inputs, steps)
    }
}

/// `D::A` planes of `P::A` rows to `D::A * P::A` points.
struct AlongDepthAndHeight<D, P> {
    inputs: [[*const f32; MOST]; MOST],
    steps: [[usize; MOST]; MOST],
    len: usize,
    chunk: *mut f32,
    out: *mut f32,
    point: usize,
    points: PhantomData<(D, P)>,
}

impl<D: Points, P: Points> Body for AlongDepthAndHeight<D, P> {
    type Output = ();

    /// # Safety
    /// Each input is valid for `len` floats (where its step is 0, for [`CHUNK`]), `chunk` for `D::A * P::A` chunks and
    /// each point of `out` for `len` floats rounded up to whole vectors.
    #[inline(always)]
    unsafe fn run<L: Lane>(self) {
        for start in (0..self.len).step_by(CHUNK) {
            let len = CHUNK.min(self.len - start);
            // SAFETY: passed on from the caller.
            unsafe {
                let mut d = [L::splat(0.0); MOST];
                for j in 0..if D::M > 1 { P::A } else { 0 } {
                    let mut planes = [std::ptr::null(); MOST];
                    for (k, plane) in planes.iter_mut().enumerate().take(D::A) {
                        *plane = self.inputs[k][j].wrapping_add(start * self.steps[k][j]);
                    }
                    let out = self.chunk.wrapping_add(j * CHUNK);
                    for i in (0..len).step_by(L::N) {
                        let n = len - i;
                        for (d, plane) in d.iter_mut().zip(planes).take(D::A) {
                            *d = if n >= L::N { L::load(plane.add(i)) } else { L::load_first(plane.add(i), n) };
                        }
                        for (k, p) in D::forward(d).into_iter().enumerate().take(D::A) {
                            p.store(out.add(k * P::A * CHUNK + i));
                        }
                    }
                }
                for k in 0..D::A {
                    let mut rows = [std::ptr::null(); MOST];
                    for (j, row) in rows.iter_mut().enumerate().take(P::A) {
                        *row = if D::M > 1 {
                            self.chunk.cast_const().wrapping_add((k * P::A + j) * CHUNK)
                        } else {
                            self.inputs[k][j].wrapping_add(start * self.steps[k][j])
                        };
                    }
                    let out = self.out.wrapping_add(k * P::A * self.point + start);
                    for i in (0..len).step_by(L::N) {
                        // Without points of depth, rows are those of the source, behind which nothing may be read.
                        let n = if D::M > 1 { L::N } else { len - i };
                        for (d, row) in d.iter_mut().zip(rows).take(P::A) {
                            *d = if n >= L::N { L::load(row.add(i)) } else { L::load_first(row.add(i), n) };
                        }
                        for (j, p) in P::forward(d).into_iter().enumerate().take(P::A) {
                            p.store(out.add(j * self.point + i));
                        }
                    }
                }
            }
        }
    }
}
