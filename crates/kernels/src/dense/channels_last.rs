//! Copies between `[C, D, H, W]` and channels-last memory `[D][H][W][C]`.

use std::cell::RefCell;
use std::ops::{Deref, DerefMut};

use super::Cores;
use super::elements::{Operand, SharedElements};
use super::shared::Shared;
use crate::conv::with_scratch;
use crate::simd::{Body, Lane, dispatch};
use crate::{Buffer, KernelError};

/// Floats behind channels-last memory that a vector may read and nothing depends on.
pub(super) const SLACK: usize = 64;

/// What the memory is for.
const COPY: &str = "a copy of a tensor with its channels last";

/// Channels-last memory in which a smaller volume lies, zeros around it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Frame {
    /// Voxels of the memory.
    pub(super) size: [usize; 3],
    pub(super) channels: usize,
    /// Where voxel 0 of the volume lies.
    pub(super) start: [usize; 3],
}

impl Frame {
    /// A volume without a border.
    pub(super) fn dense(size: [usize; 3], channels: usize) -> Self {
        Self { size, channels, start: [0; 3] }
    }

    /// Floats of the memory, with [`SLACK`] behind it.
    pub(super) fn floats(&self) -> Result<usize, KernelError> {
        let floats = self.size.into_iter().try_fold(self.channels, usize::checked_mul);
        let floats = floats.and_then(|n| n.checked_add(SLACK)).filter(|n| *n <= isize::MAX as usize / size_of::<f32>());
        floats.ok_or(KernelError::Memory { what: COPY, needed: usize::MAX })
    }

    /// Memory for a volume of `size` voxels that [`Frame::pack`] will fill: zeros where the volume is not.
    pub(super) fn memory_around(&self, size: [usize; 3]) -> Result<Memory, KernelError> {
        let mut memory = self.memory()?;
        if size != self.size {
            memory.fill(0.0);
        }
        Ok(memory)
    }

    /// Memory of any content, with [`SLACK`] behind it.
    pub(super) fn memory(&self) -> Result<Memory, KernelError> {
        Memory::new(self.floats()?)
    }

    /// Floats from one plane, row and voxel to the next.
    pub(super) fn strides(&self) -> [usize; 3] {
        let voxel = self.channels;
        [self.size[1] * self.size[2] * voxel, self.size[2] * voxel, voxel]
    }

    /// First float of voxel `at` of the volume.
    pub(super) fn offset(&self, at: [usize; 3]) -> usize {
        let strides = self.strides();
        (0..3).map(|a| (self.start[a] + at[a]) * strides[a]).sum()
    }

    /// Copies a sample `[C, size...]`, which begins at element `first` of a tensor, into memory of this frame.
    pub(super) fn pack(
        &self,
        (tensor, first): (Operand<'_>, usize),
        size: [usize; 3],
        memory: &mut [f32],
        cores: &Cores<'_>,
    ) {
        let [depth, height, width] = size;
        let voxels = depth * height * width;
        let memory = Shared::new(memory);
        let room = if tensor.plain().is_some() { 0 } else { self.channels * width };
        cores.threads.for_each(depth * height, |row| {
            with_scratch(room, |room| {
                let work = PackRow {
                    tensor,
                    first: first + row * width,
                    sizes: [self.channels, voxels, width],
                    room,
                    to: memory.at(self.offset([row / height, row % height, 0])),
                };
                // SAFETY: the row of each channel lies in the sample, and this task alone writes row `row` of the volume,
                // which lies in the frame.
                unsafe { dispatch(cores.isa, work) }
            });
        });
    }

    /// Copies the volume of this frame out to a sample `[C, size...]`, which begins at element `first` of a tensor.
    pub(super) fn unpack(
        &self,
        memory: &[f32],
        size: [usize; 3],
        (tensor, first): (SharedElements, usize),
        cores: &Cores<'_>,
    ) {
        let [depth, height, width] = size;
        let voxels = depth * height * width;
        let room = if matches!(tensor, SharedElements::F32(_)) { 0 } else { self.channels * width };
        cores.threads.for_each(depth * height, |row| {
            with_scratch(room, |room| {
                let work = UnpackRow {
                    from: memory[self.offset([row / height, row % height, 0])..].as_ptr(),
                    sizes: [self.channels, voxels, width],
                    room,
                    tensor,
                    first: first + row * width,
                };
                // SAFETY: the voxels of the row lie in the frame, and this task alone writes row `row` of each channel.
                unsafe { dispatch(cores.isa, work) }
            });
        });
    }
}

/// Copies a row of voxels into channels-last memory.
struct PackRow<'a> {
    tensor: Operand<'a>,
    /// Where the row of the first channel begins in the tensor.
    first: usize,
    /// Channels, elements from one to the next, voxels of the row.
    sizes: [usize; 3],
    /// For the row of each channel, where the tensor is not f32 as it is.
    room: &'a mut [f32],
    to: *mut f32,
}

impl Body for PackRow<'_> {
    type Output = ();

    /// # Safety
    /// The row of each channel lies in the tensor, that of the voxels at `to` is valid for writing.
    #[inline(always)]
    unsafe fn run<L: Lane>(self) {
        let [channels, step, width] = self.sizes;
        let (from, from_stride) = match self.tensor.plain() {
            Some(x) => (x[self.first..].as_ptr(), step),
            None => {
                for (c, row) in self.room.chunks_exact_mut(width).enumerate() {
                    self.tensor.widen(self.first + c * step, row);
                }
                (self.room.as_ptr(), width)
            }
        };
        let copy = Transpose { from, from_stride, rows: channels, columns: width, to: self.to, to_stride: channels };
        // SAFETY: the rows are those that the caller vouches for, or those of the room.
        unsafe { copy.run::<L>() }
    }
}

/// Copies a row of voxels out of channels-last memory.
struct UnpackRow<'a> {
    from: *const f32,
    /// Channels, elements from one to the next, voxels of the row.
    sizes: [usize; 3],
    /// For the row of each channel, where the tensor is not f32.
    room: &'a mut [f32],
    tensor: SharedElements,
    /// Where the row of the first channel begins in the tensor.
    first: usize,
}

impl Body for UnpackRow<'_> {
    type Output = ();

    /// # Safety
    /// The voxels at `from` are valid for reading, and the row of each channel lies in the tensor and is this body's alone.
    #[inline(always)]
    unsafe fn run<L: Lane>(self) {
        let [channels, step, width] = self.sizes;
        let (to, to_stride) = match self.tensor {
            SharedElements::F32(tensor) => (tensor.at(self.first), step),
            _ => (self.room.as_mut_ptr(), width),
        };
        let copy = Transpose { from: self.from, from_stride: channels, rows: width, columns: channels, to, to_stride };
        // SAFETY: the rows are those that the caller vouches for, or those of the room.
        unsafe { copy.run::<L>() }
        for (c, row) in self.room.chunks_exact(width).enumerate() {
            // SAFETY: the row of the channel is this body's alone.
            unsafe { self.tensor.write(self.first + c * step, row) };
        }
    }
}

/// Most memories that a thread keeps for later, and most floats of one.
const MOST_SPARE: usize = 3;
const MOST_SPARE_FLOATS: usize = 64 << 20;

thread_local! {
    static SPARE: RefCell<Vec<Buffer<f32>>> = const { RefCell::new(Vec::new()) };
}

/// Memory of a frame, which the calling thread keeps for the next one: the system clears fresh pages, which takes as long
/// as the copy itself.
pub(super) struct Memory {
    buffer: Buffer<f32>,
    len: usize,
}

impl Memory {
    /// The smallest spare memory of at least `len` floats, unless it is far too large, or new memory.
    fn new(len: usize) -> Result<Self, KernelError> {
        let spare = SPARE.with_borrow_mut(|spare| {
            let fits = |b: &Buffer<f32>| (len..=len.saturating_mul(4)).contains(&b.len());
            let best = (0..spare.len()).filter(|i| fits(&spare[*i])).min_by_key(|i| spare[*i].len())?;
            Some(spare.swap_remove(best))
        });
        let buffer = match spare {
            Some(buffer) => buffer,
            None => Buffer::zeroed(len, COPY)?,
        };
        Ok(Self { buffer, len })
    }
}

impl Deref for Memory {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        &self.buffer[..self.len]
    }
}

impl DerefMut for Memory {
    fn deref_mut(&mut self) -> &mut [f32] {
        &mut self.buffer[..self.len]
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        let buffer = std::mem::take(&mut self.buffer);
        if buffer.len() > MOST_SPARE_FLOATS {
            return;
        }
        // A thread that ends has no store any more: the memory then goes back to the system.
        let _ = SPARE.try_with(|spare| {
            let mut spare = spare.borrow_mut();
            spare.push(buffer);
            if spare.len() > MOST_SPARE {
                // Small ones cost least to make again.
                spare.sort_by_key(|b| std::cmp::Reverse(b.len()));
                spare.truncate(MOST_SPARE);
            }
        });
    }
}

/// Writes the matrix `from[rows][columns]` as `to[columns][rows]`.
struct Transpose {
    from: *const f32,
    from_stride: usize,
    rows: usize,
    columns: usize,
    to: *mut f32,
    to_stride: usize,
}

impl Body for Transpose {
    type Output = ();

    /// # Safety
    /// `rows` rows of `columns` floats are valid for reading, `columns` rows of `rows` floats for writing.
    #[inline(always)]
    unsafe fn run<L: Lane>(self) {
        for row in (0..self.rows).step_by(L::N) {
            let n = L::N.min(self.rows - row);
            for column in (0..self.columns).step_by(4) {
                let cols = 4.min(self.columns - column);
                // SAFETY: `n` rows and `cols` columns from here on lie in both matrices.
                unsafe {
                    let from = self.from.add(row * self.from_stride + column);
                    let vectors = L::columns(from, self.from_stride, n, cols);
                    for (i, vector) in vectors.into_iter().enumerate().take(cols) {
                        let to = self.to.add((column + i) * self.to_stride + row);
                        if n == L::N { vector.store(to) } else { vector.store_first(to, n) }
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dense::elements::ElementsMut;
    use crate::{Isa, Threads};

    #[test]
    fn a_volume_goes_in_and_comes_out() {
        let threads = Threads::new(2);
        for isa in Isa::ALL.into_iter().filter(|isa| isa.is_available()) {
            let cores = Cores { isa, threads: &threads };
            for (channels, size) in
                [(1, [1, 1, 1]), (3, [2, 3, 5]), (16, [1, 2, 16]), (21, [3, 1, 19]), (35, [2, 2, 4])]
            {
                let voxels: usize = size.iter().product();
                let sample: Vec<f32> = (0..channels * voxels).map(|i| i as f32 + 1.0).collect();
                let frame = Frame { size: size.map(|n| n + 3), channels, start: [1, 2, 0] };
                let mut memory = frame.memory_around(size).unwrap();
                let len = memory.len() - SLACK;
                frame.pack((Operand::from(&sample), 0), size, &mut memory, &cores);
                for c in 0..channels {
                    let at = frame.offset([size[0] - 1, 0, size[2] - 1]) + c;
                    let voxel = (size[0] - 1) * size[1] * size[2] + size[2] - 1;
                    assert_eq!(memory[at], sample[c * voxels + voxel]);
                }
                let written: f64 = memory[..len].iter().map(|x| f64::from(*x)).sum();
                assert_eq!(written, sample.iter().map(|x| f64::from(*x)).sum::<f64>());
                let mut back = vec![0.0; sample.len()];
                frame.unpack(&memory, size, (ElementsMut::from(&mut back).share(), 0), &cores);
                assert_eq!(back, sample);
            }
        }
    }
}
