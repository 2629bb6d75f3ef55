//! The error of this crate.

use volkit_core::{BoxError, CoreError};

/// What a phantom, a metric or a measurement refuses.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BenchError {
    /// Two arrays that are compared hold different numbers of values.
    #[error("{op}: the arrays hold {left} and {right} values, but must hold the same number")]
    Lengths {
        /// Metric that refused.
        op: &'static str,
        /// Values on the left.
        left: usize,
        /// Values on the right.
        right: usize,
    },
    /// A parameter is out of its range.
    #[error("{name} = {value} is not usable: {why}")]
    Parameter {
        /// Name of the parameter.
        name: &'static str,
        /// Value it had.
        value: String,
        /// What would be accepted.
        why: &'static str,
    },
    /// A workload failed.
    #[error("workload {name} failed")]
    Workload {
        /// Name of the workload.
        name: String,
        /// What it said.
        #[source]
        source: BoxError,
    },
    /// A command ended with another status than success, or could not be run.
    #[error("`{line}`: {status}{}{messages}", if messages.is_empty() { "" } else { "; its last messages:\n" })]
    Command {
        /// The line for the shell.
        line: String,
        /// How it ended.
        status: String,
        /// The end of what it wrote to standard error.
        messages: String,
    },
    /// A report of benchmarks that can not be used.
    #[error("{0}")]
    Report(String),
    /// A volume could not be made.
    #[error(transparent)]
    Core(#[from] CoreError),
}
