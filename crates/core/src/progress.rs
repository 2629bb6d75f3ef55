//! How long work tells of itself.

/// Told by whoever asked for the work that it should end early.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("stopped on request")]
pub struct Stopped;

/// Receives the progress of long work, and may stop it.
///
/// # Protocol
/// `begin` opens a stage of `total` steps and closes the one before; `advance` adds finished steps to it. Both may
/// come from any thread and must return at once. Work asks `check` between steps, some times a second.
pub trait Progress: Send + Sync {
    /// A stage of `total` steps begins.
    fn begin(&self, stage: &str, total: u64);

    /// `steps` more of the stage are done.
    fn advance(&self, steps: u64);

    /// Whether to go on.
    ///
    /// # Errors
    /// [`Stopped`] when the work should end now, leaving what it has finished.
    fn check(&self) -> Result<(), Stopped> {
        Ok(())
    }
}

/// Nobody is told.
#[derive(Clone, Copy, Debug, Default)]
pub struct SilentProgress;

impl Progress for SilentProgress {
    fn begin(&self, _stage: &str, _total: u64) {}

    fn advance(&self, _steps: u64) {}
}
