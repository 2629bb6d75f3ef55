//! 3-D max and average pooling.

use candle_core::{Result as CandleResult, Tensor};
use candle_nn::Module;

use crate::computed::attach;
use crate::cpu;
use crate::setters::setters;
use crate::shape::{Triple, Window, dims5, positive};
use crate::taps::{Phases, Scatter, positions, window};
use crate::{Nn3dError, Op, OpPath, Result};

/// The window of a pooling. Axes are in the order depth, height, width.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Pool3dConfig {
    /// Size of the window.
    pub kernel: [usize; 3],
    /// Distance between neighbouring windows; the size of the window by default.
    pub stride: [usize; 3],
    /// Positions on both sides of each axis, at most half of the window: -infinity for a maximum, zeros that count as
    /// elements for an average; 0 by default.
    pub padding: [usize; 3],
    /// Kernel or composite; [`OpPath::Auto`] by default.
    pub path: OpPath,
}

impl Pool3dConfig {
    /// Windows of `kernel` elements side by side.
    pub fn new(kernel: [usize; 3]) -> Self {
        Self { kernel, stride: kernel, padding: [0; 3], path: OpPath::Auto }
    }

    setters! {
        /// Sets the distance between windows.
        with_stride stride: [usize; 3];
        /// Sets the positions on both sides of each axis.
        with_padding padding: [usize; 3];
        /// Sets the path.
        with_path path: OpPath;
    }

    /// Checks the fields by themselves, for errors of `op`.
    ///
    /// # Errors
    /// [`Nn3dError::Config`] for a zero kernel or stride, or a padding of more than half of the kernel.
    pub fn validate(&self, op: Op) -> Result<()> {
        positive(op, "kernel", self.kernel)?;
        positive(op, "stride", self.stride)?;
        if (0..3).any(|a| 2 * self.padding[a] > self.kernel[a]) {
            let value = format!("{:?} with kernel {:?}", self.padding, self.kernel);
            return Err(Nn3dError::Config {
                op,
                field: "padding",
                value,
                reason: "must be at most half of the kernel",
            });
        }
        Ok(())
    }

    fn start(&self) -> [isize; 3] {
        self.padding.map(|p| -(p as isize))
    }

    /// `x` with its padding, cut into the phases of the stride.
    fn phases(&self, x: &Tensor, n_out: Triple, fill: f64) -> CandleResult<Phases> {
        let len = std::array::from_fn(|a| (n_out[a] + (self.kernel[a] - 1) / self.stride[a]) * self.stride[a]);
        Phases::of(&window(x, self.start(), len, fill)?, self.stride)
    }

    fn output_size(&self, op: Op, x: &Tensor) -> Result<Triple> {
        let Self { kernel, stride, padding, .. } = *self;
        Window { kernel, stride, padding, dilation: [1; 3] }.output_size(op, x.dims())
    }
}

/// Largest element of each window: `[N, C, D, H, W]` to `[N, C, D', H', W']`, `D' = (D + 2 p - k) / s + 1`.
///
/// The gradient of a window goes to its first maximum in row-major order, whole. (That of candle's `max_pool2d` is divided
/// by the number of elements of the window.) In a window with a NaN the
/// kernel gives NaN, the composite may give the largest of its other elements.
///
/// # Errors
/// [`Nn3dError`] if `x` has not five axes or is smaller than the window, or `config` is refused.
///
/// ```
/// use candle_core::{Device, Tensor, Var};
/// use volkit_nn3d::{Pool3dConfig, max_pool3d};
///
/// let x = Var::from_tensor(&Tensor::new(&[[[[1f32, 5.0], [2.0, 5.0]]]], &Device::Cpu)?.unsqueeze(0)?)?;
/// let y = max_pool3d(&x, &Pool3dConfig::new([1, 2, 2]))?;
/// assert_eq!(y.flatten_all()?.to_vec1::<f32>()?, [5.0]);
/// let gradient = y.sum_all()?.backward()?;
/// assert_eq!(gradient.get(&x).unwrap().flatten_all()?.to_vec1::<f32>()?, [0.0, 1.0, 0.0, 0.0]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn max_pool3d(x: &Tensor, config: &Pool3dConfig) -> Result<Tensor> {
    let op = Op::MaxPool3d;
    config.validate(op)?;
    let (_, _, size) = dims5(op, x)?;
    let n_out = config.output_size(op, x)?;
    if config.path.takes_kernel(op, x)? {
        return Ok(cpu::max_pool(x, config)?);
    }
    let phases = config.phases(&x.detach(), n_out, f64::NEG_INFINITY)?;
    let mut largest = phases.tap([0; 3], n_out)?.contiguous()?;
    for at in positions(config.kernel).skip(1) {
        largest = largest.maximum(&phases.tap(at, n_out)?)?;
    }
    let config = config.clone();
    Ok(attach(op.name(), &[x], largest, move |node| {
        let phases = config.phases(&node.args[0], n_out, f64::NEG_INFINITY)?;
        let mut scatter = Scatter::new(config.kernel, config.stride, n_out);
        // What is left of a window's gradient: nothing once its first maximum was met.
        let mut left = node.grad.clone();
        let zeros = node.grad.zeros_like()?;
        for at in positions(config.kernel) {
            let is_largest = phases.tap(at, n_out)?.contiguous()?.eq(node.result()?)?;
            scatter.add(at, &is_largest.where_cond(&left, &zeros)?)?;
            left = is_largest.where_cond(&zeros, &left)?;
        }
        Ok(vec![Some(scatter.finish(node.grad, config.padding.map(|p| p as isize), size)?)])
    })?)
}

/// Mean of each window: `[N, C, D, H, W]` to `[N, C, D', H', W']`, `D' = (D + 2 p - k) / s + 1`; padded zeros count.
///
/// # Errors
/// [`Nn3dError`] if `x` has not five axes or is smaller than the window, or `config` is refused.
pub fn avg_pool3d(x: &Tensor, config: &Pool3dConfig) -> Result<Tensor> {
    let op = Op::AvgPool3d;
    config.validate(op)?;
    let (_, _, size) = dims5(op, x)?;
    let n_out = config.output_size(op, x)?;
    if config.path.takes_kernel(op, x)? {
        return Ok(cpu::avg_pool(x, config)?);
    }
    let share = 1.0 / config.kernel.iter().product::<usize>() as f64;
    let phases = config.phases(&x.detach(), n_out, 0.0)?;
    let mut sum = phases.tap([0; 3], n_out)?.contiguous()?;
    for at in positions(config.kernel).skip(1) {
        sum = sum.add(&phases.tap(at, n_out)?)?;
    }
    let config = config.clone();
    Ok(attach(op.name(), &[x], sum.affine(share, 0.0)?, move |node| {
        let each = node.grad.affine(share, 0.0)?;
        let mut scatter = Scatter::new(config.kernel, config.stride, n_out);
        for at in positions(config.kernel) {
            scatter.add(at, &each)?;
        }
        Ok(vec![Some(scatter.finish(node.grad, config.padding.map(|p| p as isize), size)?)])
    })?)
}

/// A layer that runs [`max_pool3d`].
#[derive(Clone, Debug)]
pub struct MaxPool3d {
    /// The window.
    pub config: Pool3dConfig,
}

impl MaxPool3d {
    /// A max-pooling with this window.
    ///
    /// # Errors
    /// [`Nn3dError::Config`] if the window is refused.
    pub fn new(config: Pool3dConfig) -> Result<Self> {
        config.validate(Op::MaxPool3d)?;
        Ok(Self { config })
    }
}

impl Module for MaxPool3d {
    fn forward(&self, x: &Tensor) -> CandleResult<Tensor> {
        Ok(max_pool3d(x, &self.config)?)
    }
}

/// A layer that runs [`avg_pool3d`].
#[derive(Clone, Debug)]
pub struct AvgPool3d {
    /// The window.
    pub config: Pool3dConfig,
}

impl AvgPool3d {
    /// An average-pooling with this window.
    ///
    /// # Errors
    /// [`Nn3dError::Config`] if the window is refused.
    pub fn new(config: Pool3dConfig) -> Result<Self> {
        config.validate(Op::AvgPool3d)?;
        Ok(Self { config })
    }
}

impl Module for AvgPool3d {
    fn forward(&self, x: &Tensor) -> CandleResult<Tensor> {
        Ok(avg_pool3d(x, &self.config)?)
    }
}
