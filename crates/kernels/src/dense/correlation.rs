//! The correlation behind convolutions and transposed convolutions, with its gradients.

use super::axis::AxisShape;
use super::elements::{ElementsMut, Operand};
use super::general::General;
use super::same::Same;
use super::shared::check_len;
use super::{Cores, weight_gradient};
use crate::{KernelError, Mode};

const OP: &str = "correlation";

/// Sizes of a [`Correlation`]; axes are in the order depth, height, width.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CorrelationShape {
    /// Samples.
    pub batch: usize,
    /// `[C_in, C_out]`.
    pub channels: [usize; 2],
    /// Voxels of the input.
    pub size_in: [usize; 3],
    /// Voxels of the output; `None` for all that fit, `(in + 2 padding - dilation (kernel - 1) - 1) / stride + 1`.
    pub size_out: Option<[usize; 3]>,
    /// Taps.
    pub kernel: [usize; 3],
    /// Distance between neighbouring windows; 1 by default.
    pub stride: [usize; 3],
    /// Zeros on both sides; 0 by default.
    pub padding: [usize; 3],
    /// Distance between neighbouring taps; 1 by default.
    pub dilation: [usize; 3],
    /// Groups of channels that do not see each other; 1 by default.
    pub groups: usize,
}

impl CorrelationShape {
    /// Stride 1, no padding, no dilation, one group, as many outputs as fit.
    #[must_use]
    pub fn new(batch: usize, channels: [usize; 2], size_in: [usize; 3], kernel: [usize; 3]) -> Self {
        let (stride, padding, dilation) = ([1; 3], [0; 3], [1; 3]);
        Self { batch, channels, size_in, size_out: None, kernel, stride, padding, dilation, groups: 1 }
    }

    /// The same with fewer outputs than fit.
    #[must_use]
    pub fn with_size_out(self, size_out: [usize; 3]) -> Self {
        Self { size_out: Some(size_out), ..self }
    }

    /// The same with another distance between windows.
    #[must_use]
    pub fn with_stride(self, stride: [usize; 3]) -> Self {
        Self { stride, ..self }
    }

    /// The same with other zeros on both sides.
    #[must_use]
    pub fn with_padding(self, padding: [usize; 3]) -> Self {
        Self { padding, ..self }
    }

    /// The same with another distance between taps.
    #[must_use]
    pub fn with_dilation(self, dilation: [usize; 3]) -> Self {
        Self { dilation, ..self }
    }

    /// The same with so many groups of channels.
    #[must_use]
    pub fn with_groups(self, groups: usize) -> Self {
        Self { groups, ..self }
    }
}

/// Weight `[C_out, C_in / G, kD, kH, kW]`, and a bias with a value for each channel of the result.
#[derive(Clone, Copy, Debug)]
pub struct Filter<'a> {
    /// Weight, row-major.
    pub weight: &'a [f32],
    /// Bias, if there is one.
    pub bias: Option<&'a [f32]>,
}

/// A convolution on tensors `[N, C, D, H, W]`, its transpose, and the gradient of its weight.
///
/// `y[n, o, z, ..] = bias[o] + sum over c, k of weight[o, c, k, ..] * x[n, g C_in / G + c, z s + k d - p, ..]`, with `g`
/// the group of channel `o` and zeros outside `x`. The gradient of `x` is [`Correlation::apply_transposed`] of that of
/// `y`; a transposed convolution is `apply_transposed`, and the gradient of its input is `apply`. With stride 1, one
/// group and an odd kernel both run on [`Conv3d`](crate::Conv3d), from 16 channels and 1024 voxels on in the
/// [`Mode`] of [`Correlation::with_mode`]; otherwise sums are taken as defined.
///
/// Elements of 16 bits ([`Elements`](crate::Elements)) are converted row by row; sums are f32.
///
/// ```
/// use volkit_kernels::{Cores, Correlation, CorrelationShape, Filter, Threads};
///
/// // Two taps with stride 2 along the last axis.
/// let shape = CorrelationShape::new(1, [1, 1], [1, 1, 4], [1, 1, 2]).with_stride([1, 1, 2]);
/// let pairs = Correlation::new(shape)?;
/// let (threads, mut y) = (Threads::single(), [0.0; 2]);
/// let filter = Filter { weight: &[1.0, 10.0], bias: None };
/// pairs.apply(&[1.0, 2.0, 3.0, 4.0], &filter, &mut y, &Cores::detect(&threads))?;
/// assert_eq!(y, [21.0, 43.0]);
/// # Ok::<(), volkit_kernels::KernelError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Correlation {
    shape: CorrelationShape,
    size_out: [usize; 3],
    mode: Mode,
    rectifier: Option<f32>,
}

/// From inputs to outputs, or back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Direction {
    Forward,
    Transposed,
}

impl Correlation {
    /// Checks the sizes.
    ///
    /// # Errors
    /// [`KernelError::Parameter`] for a zero size, groups that do not divide both channels, a kernel that does not fit the
    /// padded input, or more outputs than fit.
    pub fn new(shape: CorrelationShape) -> Result<Self, KernelError> {
        let refuse = |name, value: String, why| Err(KernelError::Parameter { op: OP, name, value, why });
        let CorrelationShape { channels, size_in, kernel, stride, padding, dilation, groups, .. } = shape;
        let sizes = [("size_in", size_in), ("kernel", kernel), ("stride", stride), ("dilation", dilation)];
        for (name, value) in sizes {
            if value.contains(&0) {
                return refuse(name, format!("{value:?}"), "at least 1 on each axis");
            }
        }
        if groups == 0 || channels.iter().any(|c| *c == 0 || c % groups != 0) {
            return refuse("groups", format!("{groups} with channels {channels:?}"), "must divide each, none may be 0");
        }
        let mut size_out = [0; 3];
        for (a, size_out) in size_out.iter_mut().enumerate() {
            let reach = (kernel[a] - 1).checked_mul(dilation[a]).and_then(|r| r.checked_add(1));
            let padded = padding[a].checked_mul(2).and_then(|p| p.checked_add(size_in[a]));
            // Offsets are kept as signed numbers.
            let (Some(reach), Some(padded)) = (reach, padded.filter(|n| *n <= isize::MAX as usize / 2)) else {
                return refuse("padding", format!("{padding:?}"), "sizes exceed what memory can hold");
            };
            if reach > padded {
                return refuse("kernel", format!("{kernel:?}"), "must fit into the padded input");
            }
            let fit = (padded - reach) / stride[a] + 1;
            *size_out = shape.size_out.map_or(fit, |size| size[a]);
            if *size_out == 0 || *size_out > fit {
                return refuse("size_out", format!("{:?}", shape.size_out), "at least 1 and at most what fits");
            }
        }
        Ok(Self { shape, size_out, mode: Mode::FastMath, rectifier: None })
    }

    /// The same with another limit to the rounding error; [`Mode::FastMath`] by default.
    #[must_use]
    pub fn with_mode(self, mode: Mode) -> Self {
        Self { mode, ..self }
    }

    /// The same with a rectifier behind [`Correlation::apply`]: `y > 0 ? y : slope y`, with a slope that is not negative.
    #[must_use]
    pub fn with_rectifier(self, slope: Option<f32>) -> Self {
        Self { rectifier: slope, ..self }
    }

    pub(super) fn mode(&self) -> Mode {
        self.mode
    }

    pub(super) fn rectifier(&self, direction: Direction) -> Option<f32> {
        self.rectifier.filter(|_| direction == Direction::Forward)
    }

    /// The sizes.
    #[must_use]
    pub fn shape(&self) -> &CorrelationShape {
        &self.shape
    }

    /// Voxels of the output.
    #[must_use]
    pub fn size_out(&self) -> [usize; 3] {
        self.size_out
    }

    /// `y` `[N, C_out, size_out...]` from `x` `[N, C_in, size_in...]`.
    ///
    /// # Errors
    /// [`KernelError::Shape`] where a slice has another length, [`KernelError::Memory`] where copies find no memory.
    pub fn apply<'a>(
        &self,
        x: impl Into<Operand<'a>>,
        filter: &Filter<'_>,
        y: impl Into<ElementsMut<'a>>,
        cores: &Cores<'_>,
    ) -> Result<(), KernelError> {
        self.run(Direction::Forward, x.into(), (filter, y.into()), cores)
    }

    /// The transpose of [`Correlation::apply`]: `x` `[N, C_in, size_in...]` from `y` `[N, C_out, size_out...]`; the bias
    /// has a value for each of the `C_in` channels.
    ///
    /// # Errors
    /// As [`Correlation::apply`].
    pub fn apply_transposed<'a>(
        &self,
        y: impl Into<Operand<'a>>,
        filter: &Filter<'_>,
        x: impl Into<ElementsMut<'a>>,
        cores: &Cores<'_>,
    ) -> Result<(), KernelError> {
        self.run(Direction::Transposed, y.into(), (filter, x.into()), cores)
    }

    /// Gradient of the weight, `[C_out, C_in / G, kD, kH, kW]`, for the gradient `grad` of the output of
    /// [`Correlation::apply`]. Sums over the outputs of a few rows, and of the rows of a part, are f32; those of the parts f64.
    ///
    /// # Errors
    /// As [`Correlation::apply`].
    pub fn weight_gradient<'a>(
        &self,
        x: impl Into<Operand<'a>>,
        grad: impl Into<Operand<'a>>,
        gradient: &mut [f32],
        cores: &Cores<'_>,
    ) -> Result<(), KernelError> {
        let (x, grad) = (x.into(), grad.into());
        check_len(OP, "x", x.len(), &self.tensor(0))?;
        check_len(OP, "the gradient of y", grad.len(), &self.tensor(1))?;
        check_len(OP, "the gradient of the weight", gradient.len(), &self.weight())?;
        weight_gradient::weight_gradient(self, [x, grad], gradient, cores)
    }

    fn run(
        &self,
        direction: Direction,
        from: Operand<'_>,
        (filter, to): (&Filter<'_>, ElementsMut<'_>),
        cores: &Cores<'_>,
    ) -> Result<(), KernelError> {
        let (source, target) = if direction == Direction::Forward { (0, 1) } else { (1, 0) };
        check_len(OP, "input", from.len(), &self.tensor(source))?;
        check_len(OP, "weight", filter.weight.len(), &self.weight())?;
        check_len(OP, "output", to.len(), &self.tensor(target))?;
        if let Some(bias) = filter.bias {
            check_len(OP, "bias", bias.len(), &[self.shape.channels[target]])?;
        }
        match Same::new(self, direction) {
            Some(same) => same.run(from, filter, to, cores),
            None => General::new(self, direction, filter, cores)?.run(from, filter.bias, to, cores),
        }
    }

    /// `[N, C, D, H, W]` of the input (0) or output (1).
    fn tensor(&self, which: usize) -> [usize; 5] {
        let [d, h, w] = if which == 0 { self.shape.size_in } else { self.size_out };
        [self.shape.batch, self.shape.channels[which], d, h, w]
    }

    fn weight(&self) -> [usize; 5] {
        let [d, h, w] = self.shape.kernel;
        [self.shape.channels[1], self.shape.channels[0] / self.shape.groups, d, h, w]
    }

    /// The sizes along one axis.
    pub(super) fn axis(&self, a: usize) -> AxisShape {
        let CorrelationShape { size_in, kernel, stride, padding, dilation, .. } = self.shape;
        AxisShape {
            n_in: size_in[a],
            n_out: self.size_out[a],
            kernel: kernel[a],
            stride: stride[a],
            padding: padding[a],
            dilation: dilation[a],
        }
    }

    /// Taps of the kernel, all axes together.
    pub(super) fn taps(&self) -> usize {
        self.shape.kernel.iter().product()
    }
}
