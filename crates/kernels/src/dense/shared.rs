//! Memory that tasks write in disjoint parts.

use crate::KernelError;

/// Start of a slice whose parts go to different tasks.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shared<T = f32>(*mut T);

// SAFETY: the pointer comes from an exclusive borrow that outlives the tasks, and tasks write disjoint elements.
unsafe impl<T: Send> Send for Shared<T> {}
// SAFETY: as above.
unsafe impl<T: Send> Sync for Shared<T> {}

impl<T: Copy> Shared<T> {
    pub(super) fn new(data: &mut [T]) -> Self {
        Self(data.as_mut_ptr())
    }

    /// Address of element `index`; only to be used within the slice.
    #[inline(always)]
    pub(super) fn at(self, index: usize) -> *mut T {
        self.0.wrapping_add(index)
    }

    /// The elements `start..start + len`.
    ///
    /// # Safety
    /// They lie in the slice, whose borrow lasts as long as `'a`, and no other task reaches them meanwhile.
    #[inline(always)]
    #[allow(clippy::mut_from_ref)]
    pub(super) unsafe fn part<'a>(self, start: usize, len: usize) -> &'a mut [T]
    where
        T: 'a,
    {
        // SAFETY: passed on from the caller.
        unsafe { std::slice::from_raw_parts_mut(self.at(start), len) }
    }
}

/// Errors unless a tensor has `wanted` floats, the product of `shape`.
pub(super) fn check_len(op: &'static str, what: &str, len: usize, shape: &[usize]) -> Result<(), KernelError> {
    let wanted = shape.iter().try_fold(1_usize, |product, n| product.checked_mul(*n));
    if wanted == Some(len) {
        return Ok(());
    }
    Err(KernelError::Shape { op, wanted: format!("{what} {shape:?}"), got: format!("{len} floats") })
}
