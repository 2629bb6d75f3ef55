//! The error of this crate.

use volkit_core::{BoxError, CoreError, OutOfMemory, Stopped};
use volkit_kernels::KernelError;

/// What the networks, solvers and losses of this crate refuse.
///
/// Messages name the tensor or option and its value; whoever opened the file puts its name in front.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PsiError {
    /// A store of weights that holds no network known here.
    #[error(
        "weights: {found}: neither a chain of 2-D convolutions (tensors 'NAME.weight' [C_out, C_in, 3, 3] and 'NAME.bias') \
         nor a U-Net ('inc.double_conv.0.weight' to 'outc.conv.bias')"
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
    /// An option out of its range.
    #[error("{name} = {value}: {why}")]
    Option {
        /// Name of the option.
        name: &'static str,
        /// Its value.
        value: String,
        /// What is expected.
        why: String,
    },
    /// Arrays of one call that do not fit each other.
    #[error("{what}: {got} values, expected {wanted}")]
    Length {
        /// Which array.
        what: &'static str,
        /// Values that it has.
        got: usize,
        /// Values that it should have.
        wanted: usize,
    },
    /// An image source that is not a stack of fringe images.
    #[error("image: shape {got:?} (first axis fastest), expected [W, H, {channels}]")]
    Stack {
        /// Shape of the source.
        got: Vec<usize>,
        /// Channels of the interferometer.
        channels: usize,
    },
    /// A source or sink of images that failed.
    #[error("image: can not {action} {region:?}")]
    Transfer {
        /// `read` or `write`.
        action: &'static str,
        /// First column and row, columns and rows.
        region: [usize; 4],
        /// What the source or sink says.
        #[source]
        source: BoxError,
    },
    /// Work that was stopped on request.
    #[error(transparent)]
    Stopped(#[from] Stopped),
    /// What candle refuses.
    #[cfg(feature = "training")]
    #[error(transparent)]
    Candle(#[from] candle_core::Error),
    /// What a layer refuses.
    #[cfg(feature = "training")]
    #[error(transparent)]
    Nn3d(#[from] volkit_nn3d::Nn3dError),
    /// What a part of the trainer refuses.
    #[cfg(feature = "training")]
    #[error(transparent)]
    Train(#[from] volkit_train::TrainError),
    /// What the kernels refuse.
    #[error(transparent)]
    Kernel(#[from] KernelError),
    /// What the vocabulary refuses.
    #[error(transparent)]
    Core(#[from] CoreError),
}
