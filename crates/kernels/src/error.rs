//! The error of this crate.

/// What a kernel, a graph or a plan refuses.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KernelError {
    /// Two shapes that must agree do not; the text names the operation, what was wanted and what came.
    #[error("{op}: wanted {wanted}, got {got}")]
    Shape {
        /// Operation that refused.
        op: &'static str,
        /// What the operation needs.
        wanted: String,
        /// What it was given.
        got: String,
    },
    /// A parameter has a value that the operation does not know.
    #[error("{op}: {name} = {value} is not supported ({why})")]
    Parameter {
        /// Operation that refused.
        op: &'static str,
        /// Name of the parameter.
        name: &'static str,
        /// Value it had.
        value: String,
        /// What would be accepted.
        why: &'static str,
    },
    /// The instruction set asked for is not available on this machine or in this build.
    #[error("instruction set {0} is not available on this machine")]
    IsaUnavailable(&'static str),
    /// More memory is needed than may be used.
    #[error("{what} needs {needed} bytes, which can not be allocated")]
    Memory {
        /// What the memory is for.
        what: &'static str,
        /// Bytes needed.
        needed: usize,
    },
    /// A caller's source or sink of planes failed.
    #[error("the {0} of a network failed")]
    Stream(&'static str, #[source] Box<dyn std::error::Error + Send + Sync>),
    /// The caller stopped the run.
    #[error("the run was cancelled")]
    Cancelled,
}
