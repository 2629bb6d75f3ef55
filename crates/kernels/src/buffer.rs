//! Large zeroed memory on cache lines and, where the system has them, on huge pages.
//!
//! A first touch of memory costs a page fault: with pages of 4 kB a network's activations take as long to appear as a
//! tenth of its arithmetic, and rows that lie on many pages miss the translation cache again and again. Linux maps pages
//! of 2 MB where a program asks for them.

use std::alloc::{Layout, alloc_zeroed, dealloc, handle_alloc_error};
use std::fmt;
use std::ops::{Deref, DerefMut};
use std::ptr::NonNull;

use crate::KernelError;

/// Buffers start at multiples of this many bytes: a cache line, and the widest vector.
const ALIGN_BYTES: usize = 64;

/// Zeroed values that start on a cache line and, from 2 MB on, lie on huge pages where the system has them.
///
/// Not a `Vec`: that can be neither aligned nor placed. Memory is given back to the system when the buffer is dropped;
/// keep it for the next run instead of allocating again.
///
/// ```
/// let mut buffer = volkit_kernels::Buffer::<f32>::zeroed(1000, "the posteriors")?;
/// buffer[3] = 1.0;
/// assert_eq!(buffer.iter().sum::<f32>(), 1.0);
/// # Ok::<(), volkit_kernels::KernelError>(())
/// ```
pub struct Buffer<T: Element> {
    start: NonNull<T>,
    len: usize,
    memory: Memory,
}

/// Numbers that a [`Buffer`] holds: those of which all zero bits are a value. Implemented here alone.
pub trait Element: Copy + Send + Sync + sealed::Sealed + 'static {}

mod sealed {
    /// Marks the types for which all zero bits are a value, and which have no padding.
    pub trait Sealed {}
}

macro_rules! elements {
    ($($t:ty)*) => {
        $(
            impl sealed::Sealed for $t {}
            impl Element for $t {}
        )*
    };
}

elements!(u8 u16 u32 u64 i8 i16 i32 i64 f32 f64);

/// The aligned start of no memory.
fn empty<T>() -> NonNull<T> {
    #[repr(align(64))]
    struct Line;
    const { assert!(align_of::<Line>() == ALIGN_BYTES) };
    NonNull::<Line>::dangling().cast()
}

/// Where a buffer's memory comes from.
#[derive(Debug)]
enum Memory {
    /// Nowhere: there is none.
    None,
    /// The global allocator.
    Heap(Layout),
    /// A mapping of its own, given back when it is dropped.
    #[cfg(target_os = "linux")]
    Mapped(#[expect(dead_code, reason = "held to be dropped")] pages::Mapping),
}

// SAFETY: a buffer owns its memory, and its elements are Send; access follows the borrow of the buffer.
unsafe impl<T: Element> Send for Buffer<T> {}
// SAFETY: as above; a shared buffer only gives out shared slices of elements that are Sync.
unsafe impl<T: Element> Sync for Buffer<T> {}

impl<T: Element> Buffer<T> {
    /// `len` zeros; `what` says in the error what they are for.
    ///
    /// # Errors
    /// [`KernelError::Memory`] when the system refuses them.
    pub fn zeroed(len: usize, what: &'static str) -> Result<Self, KernelError> {
        let refused = || KernelError::Memory { what, needed: len.saturating_mul(size_of::<T>()) };
        let layout = Self::layout(len).ok_or_else(refused)?;
        Self::allocate(len, layout).ok_or_else(refused)
    }

    /// The same for sizes that are at most those of data which is already in memory, where `Vec` would abort too.
    pub(crate) fn zeros(len: usize) -> Self {
        let layout = Self::layout(len);
        layout.and_then(|layout| Self::allocate(len, layout)).unwrap_or_else(|| {
            handle_alloc_error(layout.unwrap_or(Layout::new::<T>()));
        })
    }

    fn layout(len: usize) -> Option<Layout> {
        Layout::array::<T>(len).ok()?.align_to(ALIGN_BYTES).ok()
    }

    /// Memory of a layout from [`Buffer::layout`] for the same `len`.
    fn allocate(len: usize, layout: Layout) -> Option<Self> {
        if layout.size() == 0 {
            return Some(Self { start: empty(), len, memory: Memory::None });
        }
        #[cfg(target_os = "linux")]
        if layout.size() >= pages::HUGE {
            let mapping = pages::Mapping::new(layout.size())?;
            return Some(Self { start: mapping.start().cast(), len, memory: Memory::Mapped(mapping) });
        }
        // SAFETY: the layout has a size above zero.
        let start = NonNull::new(unsafe { alloc_zeroed(layout) })?;
        Some(Self { start: start.cast(), len, memory: Memory::Heap(layout) })
    }
}

impl<T: Element> Default for Buffer<T> {
    /// No value.
    fn default() -> Self {
        Self { start: empty(), len: 0, memory: Memory::None }
    }
}

impl<T: Element> fmt::Debug for Buffer<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Buffer").field("len", &self.len).field("memory", &self.memory).finish_non_exhaustive()
    }
}

impl<T: Element> Deref for Buffer<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        // SAFETY: `start` points to `len` elements that this buffer owns (or dangles, aligned, with `len` 0); they were
        // zeroed, which is a value of each `Element`, and lie below isize::MAX bytes because a `Layout` of them exists.
        unsafe { std::slice::from_raw_parts(self.start.as_ptr(), self.len) }
    }
}

impl<T: Element> DerefMut for Buffer<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        // SAFETY: as in `deref`; the exclusive borrow of the buffer makes the slice the only access.
        unsafe { std::slice::from_raw_parts_mut(self.start.as_ptr(), self.len) }
    }
}

impl<T: Element> Drop for Buffer<T> {
    fn drop(&mut self) {
        if let Memory::Heap(layout) = self.memory {
            // SAFETY: `start` came from `alloc_zeroed` with this very layout.
            unsafe { dealloc(self.start.as_ptr().cast(), layout) };
        }
    }
}

/// Mappings of whole pages.
#[cfg(target_os = "linux")]
mod pages {
    use std::ffi::c_void;
    use std::num::NonZeroUsize;
    use std::ptr::NonNull;

    use nix::sys::mman::{MapFlags, MmapAdvise, ProtFlags, madvise, mmap_anonymous, munmap};

    /// Bytes of a huge page.
    pub(super) const HUGE: usize = 2 << 20;

    /// Private zeroed memory that starts on a huge page.
    #[derive(Debug)]
    pub(super) struct Mapping {
        /// What the system mapped: a huge page more than asked for, to start on one. What is never touched takes no
        /// memory.
        base: NonNull<c_void>,
        mapped: usize,
    }

    impl Mapping {
        /// `bytes` zeros, or nothing where the system refuses them.
        pub(super) fn new(bytes: usize) -> Option<Self> {
            let mapped = bytes.checked_add(HUGE)?;
            let access = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
            // SAFETY: a new mapping at an address of the system's choice touches nothing that exists.
            let base =
                unsafe { mmap_anonymous(None, NonZeroUsize::new(mapped)?, access, MapFlags::MAP_PRIVATE) }.ok()?;
            let mapping = Self { base, mapped };
            // Only whole pages: a last one that is mostly unused would take memory for nothing.
            // SAFETY: the pages lie in the mapping, and the advice changes no content. A refusal costs speed alone.
            let _ = unsafe { madvise(mapping.start(), bytes / HUGE * HUGE, MmapAdvise::MADV_HUGEPAGE) };
            Some(mapping)
        }

        /// The first huge page, from which on the bytes asked for are mapped.
        pub(super) fn start(&self) -> NonNull<c_void> {
            let skipped = self.base.align_offset(HUGE);
            // SAFETY: at most `HUGE - 1` bytes are skipped, and `HUGE` more than asked for are mapped.
            unsafe { self.base.byte_add(skipped) }
        }
    }

    impl Drop for Mapping {
        fn drop(&mut self) {
            // SAFETY: these bytes were mapped by `new`, and the owner of the mapping has no more use for them.
            let _ = unsafe { munmap(self.base, self.mapped) };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_zero_and_aligned_at_every_size() {
        for len in [0, 1, 15, 16, 1000, (2 << 20) / 4 - 1, (2 << 20) / 4, 5_000_001] {
            let mut buffer = Buffer::<f32>::zeroed(len, "a test").unwrap();
            assert_eq!((buffer.len(), buffer.as_ptr() as usize % ALIGN_BYTES), (len, 0), "{len}");
            assert!(buffer.iter().all(|v| *v == 0.0), "{len}");
            buffer.fill(2.0);
            assert_eq!(buffer.last().copied(), (len > 0).then_some(2.0));
        }
        assert_eq!(Buffer::<u8>::zeros(3)[..], [0; 3]);
        assert!(Buffer::<u64>::default().is_empty());
    }

    #[test]
    fn too_much_is_an_error() {
        for len in [usize::MAX / 2, isize::MAX as usize / 8, usize::MAX] {
            let error = Buffer::<f32>::zeroed(len, "a test").unwrap_err();
            assert!(error.to_string().starts_with("a test needs"), "{error}");
        }
    }

    #[test]
    fn moves_between_threads() {
        let mut buffer = Buffer::<u16>::zeroed(1 << 21, "a test").unwrap();
        let buffer = std::thread::spawn(move || {
            buffer[77] = 5;
            buffer
        });
        assert_eq!(buffer.join().unwrap()[77], 5);
    }
}
