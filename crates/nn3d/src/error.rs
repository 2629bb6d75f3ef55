//! The error of this crate: op, what was wanted, what came.

use candle_core::{DType, DeviceLocation};
use volkit_kernels::DeviceRequest;

use crate::device::is_out_of_memory;
use crate::{DeviceRefusal, Op};

/// Result of the functions of this crate.
pub type Result<T> = std::result::Result<T, Nn3dError>;

/// What the ops refuse. Turns into a [`candle_core::Error`] with `?`, so layers fit `candle_nn::Module`.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Nn3dError {
    /// An input has another rank than the op works on.
    #[error("{op}: input must be {wanted}, got {got:?}")]
    Rank {
        /// Op that refused.
        op: Op,
        /// Layout that it works on.
        wanted: &'static str,
        /// Shape that came.
        got: Vec<usize>,
    },
    /// A parameter does not fit the input.
    #[error("{op}: {parameter} {shape:?} {wanted}, input {input:?}")]
    Mismatch {
        /// Op that refused.
        op: Op,
        /// Name of the parameter.
        parameter: &'static str,
        /// Shape of the parameter.
        shape: Vec<usize>,
        /// What the parameter expects of the input, or must be itself.
        wanted: String,
        /// Shape of the input.
        input: Vec<usize>,
    },
    /// The window does not fit into the padded input.
    #[error("{op}: kernel {kernel:?} (dilation {dilation:?}) does not fit input {input:?} with padding {padding:?}")]
    TooSmall {
        /// Op that refused.
        op: Op,
        /// Shape of the input.
        input: Vec<usize>,
        /// Size of the window, `[kD, kH, kW]`.
        kernel: [usize; 3],
        /// Zeros or -infinities put on both sides of each axis.
        padding: [usize; 3],
        /// Distance between the taps of the window.
        dilation: [usize; 3],
    },
    /// A field of a config has a value that the op can not use.
    #[error("{op}: {field} = {value} {reason}")]
    Config {
        /// Op that refused.
        op: Op,
        /// Field of the config.
        field: &'static str,
        /// Its value.
        value: String,
        /// Why it is refused.
        reason: &'static str,
    },
    /// [`OpPath::Kernel`](crate::OpPath::Kernel) was asked for and there is none.
    #[error("{op}: no kernel for {dtype:?} on {device:?}; use OpPath::Auto or OpPath::Composite")]
    NoKernel {
        /// Op that was asked for.
        op: Op,
        /// Device of the input.
        device: DeviceLocation,
        /// Element type of the input.
        dtype: DType,
    },
    /// A device that was asked for is not there, or not right.
    #[error("device {request}: {refusal}; auto and cpu do without it")]
    Device {
        /// Device that was asked for.
        request: DeviceRequest,
        /// Why it is not used.
        refusal: DeviceRefusal,
    },
    /// What candle refused: element types or devices that differ, a device out of memory.
    #[error(transparent)]
    Candle(#[from] candle_core::Error),
}

impl Nn3dError {
    /// Whether the memory of a device is exhausted: a smaller input may fit.
    #[must_use]
    pub fn is_out_of_memory(&self) -> bool {
        matches!(self, Self::Candle(error) if is_out_of_memory(&error.to_string()))
    }
}

impl From<Nn3dError> for candle_core::Error {
    fn from(error: Nn3dError) -> Self {
        match error {
            Nn3dError::Candle(inner) => inner,
            other => Self::wrap(other),
        }
    }
}
