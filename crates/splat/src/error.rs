//! The error of this crate.

use std::path::PathBuf;

use volkit_kernels::KernelError;
use volkit_train::TrainError;

/// What this crate refuses.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SplatError {
    /// An array has another length than the others ask for.
    #[error("{what} has {got} values, expected {wanted}")]
    Length {
        /// Name of the array.
        what: &'static str,
        /// Values it has.
        got: usize,
        /// Values it should have.
        wanted: usize,
    },
    /// A parameter has a value that makes no sense.
    #[error("{name} = {value} is not supported ({why})")]
    Parameter {
        /// Name of the parameter.
        name: &'static str,
        /// Value it had.
        value: String,
        /// What would be accepted.
        why: &'static str,
    },
    /// A backward pass without its forward pass.
    #[error("backward: {0}")]
    NoForward(&'static str),
    /// A file that can not be read or written.
    #[error("{}: can not be read or written", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// A PLY file that holds no scene, or half of one.
    #[error("{}: {what}: {why}", path.display())]
    Ply {
        /// The file.
        path: PathBuf,
        /// The part of it that is wrong.
        what: String,
        /// How.
        why: String,
    },
    /// A picture that can not be decoded.
    #[error("{}: no readable PNG", path.display())]
    Png {
        /// The file.
        path: PathBuf,
        /// What the decoder said.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A `transforms.json` that tells no cameras.
    #[error("{}: {what}: {why}", path.display())]
    Transforms {
        /// The file.
        path: PathBuf,
        /// The field that is wrong.
        what: String,
        /// How.
        why: String,
    },
    /// The optimiser refused.
    #[error("the optimiser refused")]
    Train(#[from] TrainError),
    /// A device refused, or its memory is exhausted.
    #[cfg(feature = "candle")]
    #[error("the device refused")]
    Device(#[from] candle_core::Error),
    /// The tile loops refused.
    #[error("the tile loops refused")]
    Kernel(#[from] KernelError),
}

impl SplatError {
    pub(crate) fn parameter(name: &'static str, value: &dyn ToString, why: &'static str) -> Self {
        Self::Parameter { name, value: value.to_string(), why }
    }

    /// Refuses an array of another length.
    pub(crate) fn check_len(what: &'static str, got: usize, wanted: usize) -> Result<(), Self> {
        if got == wanted { Ok(()) } else { Err(Self::Length { what, got, wanted }) }
    }
}
