//! Memory that executors hand on to each other.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use super::arena::Arena;
use crate::KernelError;

/// Keeps the memory of an [`Executor`](crate::Executor) that is dropped for the next one.
///
/// The first touch of memory costs more than reading it, and on virtual machines, which give memory that was freed back to
/// their host, up to seconds per gigabyte. Clones are the same workspace. It keeps one arena, the largest; executors
/// that live at the same time have memory of their own.
///
/// ```
/// use volkit_kernels::{Executor, GraphBuilder, Isa, Plan, PlanOptions, Workspace};
///
/// let mut builder = GraphBuilder::new(Isa::detect());
/// let input = builder.input(1)?;
/// builder.output(input)?;
/// let plan = Plan::new(&builder.build()?, [4, 5, 6], &PlanOptions::default())?;
/// let workspace = Workspace::default();
/// drop(Executor::new_in(plan.clone(), &workspace)?);
/// assert_eq!(workspace.bytes(), plan.peak_bytes());
/// workspace.release();
/// assert_eq!(workspace.bytes(), 0);
/// # Ok::<(), volkit_kernels::KernelError>(())
/// ```
#[derive(Clone, Default)]
pub struct Workspace(Arc<Mutex<Option<Arena>>>);

impl Workspace {
    /// Bytes that are kept while no executor has them.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).as_ref().map_or(0, |arena| size_of_val::<[f32]>(arena))
    }

    /// Gives the memory back to the system.
    pub fn release(&self) {
        drop(self.spare());
    }

    fn spare(&self) -> Option<Arena> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// At least `len` floats of any value.
    pub(super) fn take(&self, len: usize) -> Result<Arena, KernelError> {
        match self.spare() {
            Some(arena) if arena.len() >= len => Ok(arena),
            // What is too small is given back before more is asked for.
            _ => Arena::zeroed(len),
        }
    }

    pub(super) fn give(&self, arena: Arena) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.as_ref().is_none_or(|kept| kept.len() < arena.len()) {
            *kept = Some(arena);
        }
    }
}

impl fmt::Debug for Workspace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Workspace").field("bytes", &self.bytes()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::Workspace;
    use crate::exec::arena::Arena;

    #[test]
    fn the_largest_arena_is_kept_and_found_again() {
        let workspace = Workspace::default();
        let arena = workspace.take(100).unwrap();
        let start = arena.as_ptr();
        workspace.give(arena);
        workspace.give(Arena::zeroed(50).unwrap());
        let other = workspace.clone().take(80).unwrap();
        assert_eq!((other.as_ptr(), other.len(), workspace.bytes()), (start, 100, 0));
        workspace.give(other);
        assert_eq!(workspace.take(200).unwrap().len(), 200);
        assert_eq!(workspace.bytes(), 0);
    }
}
