//! Nearest-neighbour upsampling by whole factors, and the layer for both kinds of upsampling.

use candle_core::{Result as CandleResult, Tensor};
use candle_nn::Module;
use volkit_kernels::Interpolation;

use crate::computed::attach;
use crate::setters::setters;
use crate::shape::{dims5, positive};
use crate::taps::{Phases, positions};
use crate::trilinear::trilinear;
use crate::{Corners, Op, OpPath, Result, cpu};

/// Repeats each voxel `scale` times on each axis: `[N, C, D, H, W]` to `[N, C, D sz, H sy, W sx]`.
///
/// The gradient of a voxel is the sum over its copies. (candle's `upsample_nearest2d` loses what other uses of its
/// argument had added to the gradient.)
///
/// # Errors
/// [`Nn3dError`](crate::Nn3dError) if `x` has not five axes or a scale is zero.
///
/// ```
/// use candle_core::{Device, Tensor};
///
/// let x = Tensor::new(&[[[[1f32, 2.0]]]], &Device::Cpu)?.unsqueeze(0)?;
/// let y = volkit_nn3d::upsample_nearest3d(&x, [1, 2, 2])?;
/// assert_eq!(y.flatten_all()?.to_vec1::<f32>()?, [1.0, 1.0, 2.0, 2.0, 1.0, 1.0, 2.0, 2.0]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn upsample_nearest3d(x: &Tensor, scale: [usize; 3]) -> Result<Tensor> {
    nearest(x, scale, OpPath::Auto)
}

fn nearest(x: &Tensor, scale: [usize; 3], path: OpPath) -> Result<Tensor> {
    let op = Op::UpsampleNearest3d;
    positive(op, "scale", scale)?;
    let (n, c, [d, h, w]) = dims5(op, x)?;
    if path.takes_kernel(op, x)? {
        return Ok(cpu::resize(op, x, [d * scale[0], h * scale[1], w * scale[2]], Interpolation::Nearest)?);
    }
    let [sz, sy, sx] = scale;
    let y = x
        .detach()
        .reshape(vec![n, c, d, 1, h, 1, w, 1])?
        .broadcast_as(vec![n, c, d, sz, h, sy, w, sx])?
        .reshape((n, c, d * sz, h * sy, w * sx))?;
    Ok(attach(op.name(), &[x], y, move |node| {
        let copies = Phases::of(node.grad, scale)?;
        let mut sum = copies.tap([0; 3], [d, h, w])?.contiguous()?;
        for at in positions(scale).skip(1) {
            sum = sum.add(&copies.tap(at, [d, h, w])?)?;
        }
        Ok(vec![Some(sum)])
    })?)
}

/// How [`Upsample3d`] fills the voxels between.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum UpsampleMode {
    /// Copies of the nearest voxel.
    #[default]
    Nearest,
    /// Linear interpolation along each axis.
    Trilinear(Corners),
}

/// A layer that runs [`upsample_nearest3d`] or [`upsample_trilinear3d`](crate::upsample_trilinear3d) by whole factors.
#[derive(Clone, Debug)]
pub struct Upsample3d {
    /// Factor on each axis.
    pub scale: [usize; 3],
    /// What fills the voxels between.
    pub mode: UpsampleMode,
    /// Kernel or composite; [`OpPath::Auto`] by default.
    pub path: OpPath,
}

impl Upsample3d {
    /// An upsampling by these factors.
    ///
    /// # Errors
    /// [`Nn3dError::Config`](crate::Nn3dError::Config) for a zero factor.
    pub fn new(scale: [usize; 3], mode: UpsampleMode) -> Result<Self> {
        positive(Op::UpsampleNearest3d, "scale", scale)?;
        Ok(Self { scale, mode, path: OpPath::Auto })
    }

    setters! {
        /// Sets the path.
        with_path path: OpPath;
    }
}

impl Module for Upsample3d {
    fn forward(&self, x: &Tensor) -> CandleResult<Tensor> {
        Ok(match self.mode {
            UpsampleMode::Nearest => nearest(x, self.scale, self.path)?,
            UpsampleMode::Trilinear(corners) => {
                let (_, _, size) = dims5(Op::UpsampleTrilinear3d, x)?;
                trilinear(x, std::array::from_fn(|a| size[a] * self.scale[a]), corners, self.path)?
            }
        })
    }
}
