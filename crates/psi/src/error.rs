//! The error of this crate.

use volkit_core::{BoxError, CoreError, OutOfMemory};
use volkit_kernels::KernelError;

/// What a network refuses.
///
/// Messages name the tensor, the field and the value; whoever opened the file puts its name in front.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PsiError {
    /// A store of weights that holds no network known here.
    #[error(
        "weights: {found}: not a chain of 2-D convolutions (tensors 'NAME.weight' [C_out, C_in, 3, 3] and 'NAME.bias')"
    )]
    UnknownModel {
        /// What the store holds.
        found: String,
    },
    /// A tensor that does not fit the network.
    #[error("weights: tensor '{tensor}': {field} = {value}, expected {wanted}")]
    Tensor {
        /// Name of the tensor.
        tensor: String,
        /// What of it.
        field: &'static str,
        /// Value that it has.
        value: String,
        /// Value that it should have.
        wanted: String,
    },
    /// A tensor that could not be read.
    #[error("weights: tensor '{tensor}'")]
    ReadTensor {
        /// Name of the tensor.
        tensor: String,
        /// What the store says.
        #[source]
        source: BoxError,
    },
    /// An image that the network does not take.
    #[error("image: shape {got:?}, expected [B, {channels}, H, W]")]
    Image {
        /// Shape of the batch.
        got: Vec<usize>,
        /// Channels that the network takes.
        channels: usize,
    },
    /// There is no memory for a batch.
    #[error("image: shape {got:?}")]
    Memory {
        /// Shape of the batch.
        got: Vec<usize>,
        /// What was asked for.
        #[source]
        source: OutOfMemory,
    },
    /// What the kernels refuse.
    #[error(transparent)]
    Kernel(#[from] KernelError),
    /// What the vocabulary refuses.
    #[error(transparent)]
    Core(#[from] CoreError),
}
