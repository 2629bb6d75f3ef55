//! A graph planned for one size, run with progress.

use std::ops::ControlFlow;
#[cfg(feature = "candle")]
use std::sync::Arc;

use volkit_core::Progress;
use volkit_kernels::{Executor, Graph, KernelError, Plan, PlanOptions, PlaneSink, PlaneSource, Threads, Workspace};

use crate::SegError;
#[cfg(feature = "candle")]
use crate::composite::{CompositeNet, CompositeRun};

/// Steps that each stage counts.
const PROGRESS_STEPS: u64 = 1000;

/// The plan of `graph` for inputs of `size` `[x, y, z]`.
pub(super) fn plan(graph: &Graph, [nx, ny, nz]: [usize; 3]) -> Result<Plan, KernelError> {
    Plan::new(graph, [nz, ny, nx], &PlanOptions::default())
}

/// What runs a network over one size.
pub(super) enum Engine {
    /// Kernels.
    Kernel(Box<Executor>),
    /// Composites: a pass for each input, one after the other.
    #[cfg(feature = "candle")]
    Composite { net: Arc<CompositeNet>, size: [usize; 3], n_passes: usize },
}

impl Engine {
    /// The executor of a plan, with memory from `workspace` where there is one.
    ///
    /// # Errors
    /// [`SegError::Kernel`] when the memory can not be had.
    pub(super) fn kernel(plan: Plan, workspace: Option<&Workspace>) -> Result<Self, SegError> {
        let executor = match workspace {
            Some(workspace) => Executor::new_in(plan, workspace)?,
            None => Executor::new(plan)?,
        };
        Ok(Self::Kernel(Box::new(executor)))
    }
}

/// Who works and who is told.
#[derive(Clone, Copy)]
pub(super) struct Work<'a> {
    pub(super) threads: &'a Threads,
    pub(super) progress: &'a dyn Progress,
}

impl Work<'_> {
    /// Runs a network once, as the stage `stage`.
    pub(super) fn run_on(
        self,
        engine: &mut Engine,
        stage: &str,
        source: &mut dyn PlaneSource,
        sink: &mut dyn PlaneSink,
    ) -> Result<(), SegError> {
        match engine {
            Engine::Kernel(executor) => self.run(executor, stage, source, sink),
            #[cfg(feature = "candle")]
            Engine::Composite { net, size, n_passes } => {
                let Self { threads, progress } = self;
                (0..*n_passes).try_for_each(|pass| {
                    net.run(&CompositeRun { size: *size, pass, stage, threads, progress }, source, sink)
                })
            }
        }
    }

    /// Runs an executor once, as the stage `stage`.
    pub(super) fn run(
        self,
        executor: &mut Executor,
        stage: &str,
        source: &mut dyn PlaneSource,
        sink: &mut dyn PlaneSink,
    ) -> Result<(), SegError> {
        let Self { threads, progress } = self;
        progress.begin(stage, PROGRESS_STEPS);
        progress.check()?;
        let mut told = 0;
        executor.run(source, sink, threads, &mut |done, total| {
            let now = (u128::from(done) * u128::from(PROGRESS_STEPS) / u128::from(total.max(1))) as u64;
            progress.advance(now - told);
            told = now;
            if progress.check().is_err() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })?;
        Ok(())
    }
}

/// Refuses an input whose size is not that of its values, or whose axes can not be halved as often as the network does.
pub(super) fn check_input(size: [usize; 3], len: usize, multiple: usize) -> Result<(), SegError> {
    let n_voxels = size.iter().try_fold(1usize, |product, &n| product.checked_mul(n));
    let why = if n_voxels != Some(len) || len == 0 {
        "is not the number of voxels of the input"
    } else if size.iter().any(|n| n % multiple != 0) {
        "each axis must be a multiple of 2 for each level of the network below the first"
    } else {
        return Ok(());
    };
    Err(SegError::Option { name: "size", value: format!("{size:?} for {len} voxels"), why })
}

#[cfg(test)]
mod tests {
    use super::check_input;

    #[test]
    fn sizes_are_checked() {
        assert!(check_input([4, 8, 12], 384, 4).is_ok());
        for (size, len, multiple) in [([4, 8, 12], 383, 4), ([4, 8, 12], 384, 8), ([0, 8, 12], 0, 4)] {
            assert!(check_input(size, len, multiple).is_err());
        }
        assert!(check_input([usize::MAX, 2, 1], 2, 1).is_err());
    }
}
