//! The error of this crate.

use std::path::PathBuf;

/// What a part of a trainer refuses.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TrainError {
    /// An option out of its range.
    #[error("{what}: {name} = {value}, {why}")]
    Option {
        /// Whose option.
        what: &'static str,
        /// Its name.
        name: &'static str,
        /// Its value.
        value: String,
        /// What is expected.
        why: &'static str,
    },
    /// Arrays that do not belong together.
    #[error("{what}: array {index}: {got} values, expected {wanted}")]
    Length {
        /// Who compared.
        what: &'static str,
        /// Number of the array.
        index: usize,
        /// Its length.
        got: usize,
        /// The length that it should have.
        wanted: usize,
    },
    /// Another number of arrays than before.
    #[error("{what}: {got} arrays, expected {wanted}")]
    Arrays {
        /// Who counted.
        what: &'static str,
        /// Arrays given.
        got: usize,
        /// Arrays expected.
        wanted: usize,
    },
    /// A loss that is NaN or infinite.
    #[error("the loss is {value} in step {step}")]
    Loss {
        /// The loss.
        value: f64,
        /// Number of the step, from 0.
        step: u64,
    },
    /// Gradients that overflow whatever they are scaled by.
    #[error("the loss scale fell to {scale:e}: gradients are not finite at any scale")]
    Scale {
        /// The scale.
        scale: f64,
    },
    /// A state that is not one of the optimiser, or of another kind of checkpoint.
    #[error("state '{name}': {why}")]
    State {
        /// Name of the array or count.
        name: String,
        /// What is wrong.
        why: String,
    },
    /// A file that can not be read or written.
    #[error("{path}: can not {action}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// `read`, `write` ..
        action: &'static str,
        /// What the system says.
        source: std::io::Error,
    },
    /// A file that is no checkpoint, or a damaged one.
    #[error("{path}: {why}")]
    Checkpoint {
        /// The file.
        path: PathBuf,
        /// What is wrong, with the field and its value.
        why: String,
    },
    /// A gradient that is NaN or infinite though the loss is a number.
    #[error("the gradient of '{name}' is not finite in step {step}")]
    Gradient {
        /// The first such parameter by name.
        name: String,
        /// Number of the step, from 0.
        step: u64,
    },
    /// Less data than a batch.
    #[error("the data has {samples} samples, a batch needs {batch_size}")]
    Data {
        /// Samples that there are.
        samples: usize,
        /// Samples of a batch.
        batch_size: usize,
    },
    /// What a network, a data set or an observer reports.
    #[error("{what} failed")]
    Inner {
        /// What was asked to do something.
        what: String,
        /// Its error.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// What a caller's closure reports.
    #[error(transparent)]
    Objective(Box<dyn std::error::Error + Send + Sync>),
}

impl TrainError {
    /// An error of something that was asked to do something.
    #[cfg(feature = "candle")]
    pub(crate) fn inner(what: impl Into<String>, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Inner { what: what.into(), source: source.into() }
    }
}
