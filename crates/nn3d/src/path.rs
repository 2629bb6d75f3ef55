//! Which implementation of an op runs, and how to ask what there is.

use std::fmt;

use candle_core::{DType, Device, Tensor};

use crate::{Nn3dError, Result};

/// The ops of this crate, as they are named in errors and in [`has_kernel`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Op {
    /// [`conv3d`](crate::conv3d()).
    Conv3d,
    /// [`conv_transpose3d`](crate::conv_transpose3d()).
    ConvTranspose3d,
    /// [`max_pool3d`](crate::max_pool3d()).
    MaxPool3d,
    /// [`avg_pool3d`](crate::avg_pool3d()).
    AvgPool3d,
    /// [`upsample_nearest3d`](crate::upsample_nearest3d()).
    UpsampleNearest3d,
    /// [`upsample_trilinear3d`](crate::upsample_trilinear3d()).
    UpsampleTrilinear3d,
    /// [`batch_norm`](crate::batch_norm()) and [`batch_norm_training`](crate::batch_norm_training()).
    BatchNorm,
    /// [`instance_norm`](crate::instance_norm()).
    InstanceNorm,
    /// [`group_norm`](crate::group_norm()).
    GroupNorm,
    /// [`softmax`](crate::softmax()).
    Softmax,
    /// [`channel_sums`](crate::channel_sums()).
    ChannelSums,
    /// [`relu`](crate::relu()).
    Relu,
    /// [`leaky_relu`](crate::leaky_relu()).
    LeakyRelu,
    /// [`elu`](crate::elu()).
    Elu,
    /// [`gelu`](crate::gelu()).
    Gelu,
}

impl Op {
    /// Name of the op, as its function is called.
    pub fn name(self) -> &'static str {
        match self {
            Self::Conv3d => "conv3d",
            Self::ConvTranspose3d => "conv_transpose3d",
            Self::MaxPool3d => "max_pool3d",
            Self::AvgPool3d => "avg_pool3d",
            Self::UpsampleNearest3d => "upsample_nearest3d",
            Self::UpsampleTrilinear3d => "upsample_trilinear3d",
            Self::BatchNorm => "batch_norm",
            Self::InstanceNorm => "instance_norm",
            Self::GroupNorm => "group_norm",
            Self::Softmax => "softmax",
            Self::ChannelSums => "channel_sums",
            Self::Relu => "relu",
            Self::LeakyRelu => "leaky_relu",
            Self::Elu => "elu",
            Self::Gelu => "gelu",
        }
    }
}

impl fmt::Display for Op {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Which implementation of an op to run. No path ever moves data to another device.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum OpPath {
    /// The kernel where [`has_kernel`] says there is one, else the composite.
    #[default]
    Auto,
    /// The op's own kernel; [`Nn3dError::NoKernel`] where there is none.
    Kernel,
    /// Composed of candle's own ops: runs on every device candle has.
    Composite,
}

impl OpPath {
    /// Whether the kernel is to run on `x`; an error if this path asks for one that does not exist.
    pub(crate) fn takes_kernel(self, op: Op, x: &Tensor) -> Result<bool> {
        let exists = has_kernel(op, x.device(), x.dtype());
        if self == Self::Kernel && !exists {
            return Err(Nn3dError::NoKernel { op, device: x.device().location(), dtype: x.dtype() });
        }
        Ok(exists && self != Self::Composite)
    }
}

/// Whether `op` has a kernel of its own on `device` for elements of `dtype`.
///
/// There is one on the CPU for f32, and for f16 and bf16, which it converts to f32 and back; for every op but
/// [`Op::Softmax`]. Everything else, f64 among it, is composed.
pub fn has_kernel(op: Op, device: &Device, dtype: DType) -> bool {
    device.is_cpu() && op != Op::Softmax && matches!(dtype, DType::F32 | DType::F16 | DType::BF16)
}
