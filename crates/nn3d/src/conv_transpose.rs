//! Transposed 3-D convolution.

use candle_core::{Result as CandleResult, Tensor};
use candle_nn::{Module, VarBuilder};
use volkit_kernels::CorrelationShape;

use crate::axis::Axis;
use crate::computed::attach;
use crate::conv::{
    ConvPlan, check_bias, default_init, default_slab_bytes, divides, gradients, kernel_of, positive_groups,
};
use crate::correlate::Correlation;
use crate::cpu::{KernelConv, Source};
use crate::setters::setters;
use crate::shape::{Triple, dims5, positive};
use crate::{Nn3dError, Op, OpPath, Result};

/// How [`conv_transpose3d`] spreads its input. Axes are in the order depth, height, width.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ConvTranspose3dConfig {
    /// Distance in the output between neighbouring inputs; 1 by default.
    pub stride: [usize; 3],
    /// Outputs cut off on both sides of each axis; 0 by default.
    pub padding: [usize; 3],
    /// Outputs added at the far side of each axis, less than stride or dilation; 0 by default.
    pub output_padding: [usize; 3],
    /// Distance between neighbouring taps; 1 by default.
    pub dilation: [usize; 3],
    /// Groups of channels that do not see each other; 1 by default.
    pub groups: usize,
    /// Most bytes the columns of one slab should take, [`default_slab_bytes`] if `None`; a slab has at least one row.
    pub slab_bytes: Option<usize>,
    /// Whether the layer has a bias; true by default. The free function has the bias that it is given.
    pub bias: bool,
    /// Kernel or composite; [`OpPath::Auto`] by default.
    pub path: OpPath,
}

impl Default for ConvTranspose3dConfig {
    fn default() -> Self {
        Self {
            stride: [1; 3],
            padding: [0; 3],
            output_padding: [0; 3],
            dilation: [1; 3],
            groups: 1,
            slab_bytes: None,
            bias: true,
            path: OpPath::Auto,
        }
    }
}

impl ConvTranspose3dConfig {
    /// Stride 1, no padding, no dilation, one group.
    pub fn new() -> Self {
        Self::default()
    }

    setters! {
        /// Sets the distance in the output between neighbouring inputs.
        with_stride stride: [usize; 3];
        /// Sets the outputs cut off on both sides.
        with_padding padding: [usize; 3];
        /// Sets the outputs added at the far side.
        with_output_padding output_padding: [usize; 3];
        /// Sets the distance between taps.
        with_dilation dilation: [usize; 3];
        /// Sets the number of groups.
        with_groups groups: usize;
        /// Sets whether the layer has a bias.
        with_bias bias: bool;
        /// Sets the path.
        with_path path: OpPath;
    }

    /// Sets the bytes of columns worked on at a time.
    #[must_use]
    pub fn with_slab_bytes(mut self, slab_bytes: usize) -> Self {
        self.slab_bytes = Some(slab_bytes);
        self
    }

    /// Checks the fields by themselves.
    ///
    /// # Errors
    /// [`Nn3dError::Config`] for a zero stride, dilation or number of groups, or an output padding that is not smaller
    /// than the larger of stride and dilation.
    pub fn validate(&self) -> Result<()> {
        let op = Op::ConvTranspose3d;
        positive(op, "stride", self.stride)?;
        positive(op, "dilation", self.dilation)?;
        if (0..3).any(|a| self.output_padding[a] >= self.stride[a].max(self.dilation[a])) {
            let value = format!("{:?}", self.output_padding);
            let reason = "must be smaller than stride or dilation on each axis";
            return Err(Nn3dError::Config { op, field: "output_padding", value, reason });
        }
        positive_groups(op, self.groups)
    }

    /// `(in - 1) s - 2 p + d (k - 1) + output_padding + 1` on each axis.
    fn output_size(&self, x: &Tensor, size: Triple, kernel: Triple) -> Result<Triple> {
        let mut out = [0; 3];
        for a in 0..3 {
            let full = (size[a] - 1) * self.stride[a] + self.dilation[a] * (kernel[a] - 1) + self.output_padding[a] + 1;
            if full <= 2 * self.padding[a] {
                return Err(Nn3dError::TooSmall {
                    op: Op::ConvTranspose3d,
                    input: x.dims().to_vec(),
                    kernel,
                    padding: self.padding,
                    dilation: self.dilation,
                });
            }
            out[a] = full - 2 * self.padding[a];
        }
        Ok(out)
    }
}

/// The transpose of [`conv3d`](crate::conv3d()): `x` `[N, C_in, D, H, W]`, `weight` `[C_in, C_out / G, kD, kH, kW]`, `bias`
/// `[C_out]` give `[N, C_out, D', H', W']` with `D' = (D - 1) s - 2 p + d (kD - 1) + output_padding + 1`.
///
/// Input `z` adds `weight[c, o, k] * x[c, z]` to the output `z s + k d - p`. All three arguments have gradients.
///
/// # Errors
/// [`Nn3dError`] if shapes do not fit each other, a field of `config` is refused by
/// [`validate`](ConvTranspose3dConfig::validate), nothing is left of the output, or a kernel path is asked for and absent.
pub fn conv_transpose3d(
    x: &Tensor,
    weight: &Tensor,
    bias: Option<&Tensor>,
    config: &ConvTranspose3dConfig,
) -> Result<Tensor> {
    let op = Op::ConvTranspose3d;
    config.validate()?;
    let kernel_path = config.path.takes_kernel(op, x)?;
    let (batch, c_in, size) = dims5(op, x)?;
    let (weight_in, per_group, kernel) = kernel_of(op, x, weight)?;
    if weight_in != c_in || c_in % config.groups != 0 {
        return Err(Nn3dError::Mismatch {
            op,
            parameter: "weight",
            shape: weight.dims().to_vec(),
            wanted: format!("expects C_in = {weight_in}, divisible by groups = {}", config.groups),
            input: x.dims().to_vec(),
        });
    }
    check_bias(op, x, bias, per_group * config.groups)?;
    let out_size = config.output_size(x, size, kernel)?;
    // The convolution whose transpose this is: it maps an output of this op to an input.
    let plan = if kernel_path {
        let shape = CorrelationShape::new(batch, [per_group * config.groups, c_in], out_size, kernel)
            .with_size_out(size)
            .with_stride(config.stride)
            .with_padding(config.padding)
            .with_dilation(config.dilation)
            .with_groups(config.groups);
        ConvPlan::Kernel(KernelConv::new(op.name(), shape)?)
    } else {
        let axes = std::array::from_fn(|a| {
            Axis::convolution(kernel[a], config.stride[a], config.padding[a], config.dilation[a], size[a])
        });
        let slab_bytes = config.slab_bytes.unwrap_or_else(|| default_slab_bytes(x.device()));
        ConvPlan::Composite(Correlation { axes, groups: config.groups, slab_bytes })
    };
    let (from, bias_now) = (x.detach(), bias.map(Tensor::detach));
    let y = plan.apply_transposed(Source::of(&from), &weight.detach(), out_size, bias_now.as_ref())?;
    let mut args = vec![x, weight];
    args.extend(bias);
    Ok(attach(op.name(), &args, y, move |node| {
        let (x, weight) = (&node.args[0], &node.args[1]);
        let for_x = || plan.apply(node.grad, weight, None)?.into_tensor();
        let for_weight = || plan.weight_gradient(node.grad, Source::of(x), weight);
        gradients(node, for_x, for_weight, || plan.bias_gradient(Source::of(node.grad)))
    })?)
}

/// A layer that runs [`conv_transpose3d`] with parameters `weight` `[C_in, C_out / G, kD, kH, kW]` and `bias` `[C_out]`, in
/// the element type of its parameters.
#[derive(Clone, Debug)]
pub struct ConvTranspose3d {
    /// Weight `[C_in, C_out / G, kD, kH, kW]`.
    pub weight: Tensor,
    /// Bias `[C_out]`, if the layer has one.
    pub bias: Option<Tensor>,
    /// How the input is spread.
    pub config: ConvTranspose3dConfig,
}

impl ConvTranspose3d {
    /// Takes `weight` and, if `config` says so, `bias` from `vb`; new variables get PyTorch's default initialisation.
    ///
    /// # Errors
    /// [`Nn3dError`] if `groups` does not divide both numbers of channels, or a parameter has another shape.
    pub fn new(
        c_in: usize,
        c_out: usize,
        kernel: [usize; 3],
        config: ConvTranspose3dConfig,
        vb: &VarBuilder,
    ) -> Result<Self> {
        config.validate()?;
        positive(Op::ConvTranspose3d, "kernel", kernel)?;
        divides(Op::ConvTranspose3d, config.groups, &[c_in, c_out])?;
        let per_group = c_out / config.groups;
        let init = default_init(per_group * kernel.iter().product::<usize>());
        let [kz, ky, kx] = kernel;
        let weight = vb.get_with_hints((c_in, per_group, kz, ky, kx), "weight", init)?;
        let bias = config.bias.then(|| vb.get_with_hints(c_out, "bias", init)).transpose()?;
        Ok(Self { weight, bias, config })
    }
}

impl Module for ConvTranspose3d {
    fn forward(&self, x: &Tensor) -> CandleResult<Tensor> {
        Ok(conv_transpose3d(&x.to_dtype(self.weight.dtype())?, &self.weight, self.bias.as_ref(), &self.config)?)
    }
}
