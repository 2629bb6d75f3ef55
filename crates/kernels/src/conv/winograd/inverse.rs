//! Third stage: results back along depth and height, the epilogue, and into the output.

use std::marker::PhantomData;

use super::Task;
use super::points::{MOST, Points};
use super::room::{CHUNK, Parts};
use crate::conv::finish::Finish;
use crate::simd::{Body, Lane};

impl Task<'_> {
    /// Writes the outputs of the block's tiles.
    ///
    /// # Safety
    /// As for the whole task.
    #[inline(always)]
    pub(super) unsafe fn inverse<L: Lane, D: Points, P: Points>(&self, parts: &mut Parts<'_>) {
        let layout = &self.out.layout;
        let mut at = 0;
        for segment in self.grid.segments(&self.groups) {
            let voxels = self.grid.outputs(&segment);
            let mut rows = [[std::ptr::null_mut(); 4]; 4];
            for (k, rows) in rows.iter_mut().enumerate().take(D::M) {
                let z = segment.plane + k * self.grid.depth.dilation;
                for (j, row) in rows.iter_mut().enumerate().take(P::M) {
                    let y = segment.row + j * self.grid.rows.dilation;
                    if self.planes.contains(&z) && y < layout.height {
                        let offset = layout.row_offset(z, y) + voxels.start * layout.channels;
                        *row = self.out.data.wrapping_add(offset);
                    }
                }
            }
            let body = Outputs::<D, P> {
                results: parts.results[at..].as_ptr(),
                point: self.room.result_point,
                chunk: parts.chunk.as_mut_ptr(),
                rows,
                len: voxels.len() * layout.channels,
                channels: layout.channels,
                finish: &self.conv.finish,
                points: PhantomData,
            };
            // SAFETY: the rows' voxels lie in the volume and belong to this segment alone; the room has a line behind
            // the last result of each point.
            unsafe { L::vectorize(body) };
            at += segment.groups.len() * self.grid.columns.group() * layout.channels;
        }
    }
}

/// Rows of outputs.
struct Outputs<'a, D, P> {
    results: *const f32,
    point: usize,
    chunk: *mut f32,
    /// Null where the row lies outside the volume.
    rows: [[*mut f32; 4]; 4],
    /// Floats of a row.
    len: usize,
    channels: usize,
    finish: &'a Finish,
    points: PhantomData<(D, P)>,
}

impl<D: Points, P: Points> Body for Outputs<'_, D, P> {
    type Output = ();

    /// # Safety
    /// Each point of `results` is valid for `len` floats rounded up to whole vectors, `chunk` for `D::A * P::A` chunks
    /// and each row for writing `len` floats; the epilogue repeats its channels up to a vector beyond the last.
    #[inline(always)]
    unsafe fn run<L: Lane>(self) {
        let mut first_channel = 0;
        for start in (0..self.len).step_by(CHUNK) {
            let len = CHUNK.min(self.len - start);
            // SAFETY: passed on from the caller.
            unsafe {
                if D::M > 1 {
                    self.back_along_depth::<L>(start, len);
                }
                let mut p = [L::splat(0.0); MOST];
                for (k, rows) in self.rows.iter().enumerate().take(D::M) {
                    if rows[0].is_null() {
                        continue;
                    }
                    let (points, step) = if D::M > 1 {
                        (self.chunk.cast_const().wrapping_add(k * P::A * CHUNK), CHUNK)
                    } else {
                        (self.results.wrapping_add(start), self.point)
                    };
                    let mut channel = first_channel;
                    for i in (0..len).step_by(L::N) {
                        for (j, p) in p.iter_mut().enumerate().take(P::A) {
                            *p = L::load(points.add(j * step + i));
                        }
                        let bias = L::load(self.finish.bias().as_ptr().add(channel));
                        for (y, row) in P::inverse(p).into_iter().zip(rows).take(P::M) {
                            if row.is_null() {
                                break;
                            }
                            let value = self.finish.apply(y.add(bias), channel);
                            let out = row.add(start + i);
                            if len - i >= L::N { value.store(out) } else { value.store_first(out, len - i) }
                        }
                        channel = (channel + L::N) % self.channels;
                    }
                }
            }
            first_channel = (first_channel + CHUNK) % self.channels;
        }
    }
}

impl<D: Points, P: Points> Outputs<'_, D, P> {
    /// Transforms a chunk of all points of depth to planes: `[plane][point of height][CHUNK]`.
    ///
    /// # Safety
    /// As [`Body::run`].
    #[inline(always)]
    unsafe fn back_along_depth<L: Lane>(&self, start: usize, len: usize) {
        for j in 0..P::A {
            let results = self.results.wrapping_add(j * self.point + start);
            let out = self.chunk.wrapping_add(j * CHUNK);
            for i in (0..len).step_by(L::N) {
                // SAFETY: passed on from the caller.
                unsafe {
                    let mut p = [L::splat(0.0); MOST];
                    for (k, p) in p.iter_mut().enumerate().take(D::A) {
                        *p = L::load(results.add(k * P::A * self.point + i));
                    }
                    for (k, y) in D::inverse(p).into_iter().enumerate().take(D::M) {
                        y.store(out.add(k * P::A * CHUNK + i));
                    }
                }
            }
        }
    }
}
