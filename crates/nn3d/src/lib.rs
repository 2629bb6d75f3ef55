//! What candle lacks for volumes: 3-D convolution, pooling, upsampling and normalisation of any rank, with gradients.
//!
//! Tensors are `[N, C, D, H, W]`, weights `[C_out, C_in / G, kD, kH, kW]` and have the names PyTorch gives them. Every
//! op is a free function beside a config, and a layer that owns its parameters: [`conv3d`] and [`Conv3d`],
//! [`max_pool3d`] and [`MaxPool3d`], [`batch_norm`] and [`BatchNorm`].
//!
//! Results are composed of candle's own ops, so they exist on every device candle has. Gradients do not come from the
//! graph of these ops: they are written by hand, again with candle's ops, because candle's own are wrong or imprecise in
//! places that matter for volumes (max-pool, upsampling, f32 sums), and because a hand-written one keeps no more than
//! the arguments alive. [`OpPath`] and [`has_kernel`] tell which path an op takes.
#![forbid(unsafe_code)]

mod activation;
mod axis;
mod blocks;
mod cat;
mod computed;
mod conv;
mod conv_transpose;
mod correlate;
mod cpu;
mod device;
mod error;
mod norm;
mod path;
mod planar;
mod pool;
mod rectifier;
mod setters;
mod shape;
mod softmax;
mod sums;
mod tape;
mod taps;
mod trilinear;
mod u_net;
mod upsample;

pub use activation::{Activation, GeluForm, elu, gelu, leaky_relu, relu};
pub use blocks::{DoubleConv3d, DoubleConv3dConfig};
pub use cat::cat;
pub use conv::{Conv3d, Conv3dConfig, conv3d, default_slab_bytes};
pub use conv_transpose::{ConvTranspose3d, ConvTranspose3dConfig, conv_transpose3d};
pub use device::{DeviceFinding, DeviceRefusal, OpenDevice, SELF_CHECK_RTOL, open_device, self_check, survey_devices};
pub use error::{Nn3dError, Result};
pub use norm::{
    BatchNorm, BatchNormConfig, BatchStatistics, GroupNorm, InstanceNorm, NormConfig, batch_norm, batch_norm_training,
    fold_batch_norm, group_norm, instance_norm,
};
pub use path::{Op, OpPath, has_kernel};
pub use planar::{Conv2d, ConvTranspose2d, conv_transpose2d, conv2d, max_pool2d, upsample_bilinear2d};
pub use pool::{AvgPool3d, MaxPool3d, Pool3dConfig, avg_pool3d, max_pool3d};
pub use softmax::softmax;
pub use sums::{channel_sums, sum_all};
pub use tape::{checkpoint, is_rerun, recorded};
pub use trilinear::{Corners, upsample_trilinear3d};
pub use u_net::{SimpleUNet2d, UNet2d, UNet2dConfig};
pub use upsample::{Upsample3d, UpsampleMode, upsample_nearest3d};
pub use volkit_kernels::{DeviceRequest, Mode};

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct ReadmeDoctests;
