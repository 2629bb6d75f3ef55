//! How a task ends when it does not succeed.

/// A task's result.
pub(crate) type Outcome<T = ()> = Result<T, Failure>;

/// Why a task stopped.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The command line makes no sense (exit code 2).
    Usage(String),
    /// The task was understood and did not hold (exit code 1).
    Failed(String),
}

impl Failure {
    /// A failure with its message.
    pub(crate) fn failed(message: impl Into<String>) -> Self {
        Self::Failed(message.into())
    }

    /// A failed file operation, with the file named.
    pub(crate) fn io(path: &std::path::Path, source: &std::io::Error) -> Self {
        Self::Failed(format!("{}: {source}", path.display()))
    }
}
