//! Which element type an op works in under mixed precision.

use candle_core::{DType, Device, Tensor};

use crate::TrainError;

/// How an op chooses its element type under mixed precision (Micikevicius et al., 2018; the lists are those of PyTorch's
/// autocast).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum OpClass {
    /// The low precision: products of matrices and what is made of them. Their sums are taken in f32.
    Low,
    /// f32: functions that lose or overflow in 16 bits, reductions and losses.
    Wide,
    /// The widest type among the inputs: ops that join tensors.
    Widest,
    /// The type of the first input.
    Input,
}

/// Ops of [`OpClass::Low`], by their names in PyTorch.
const LOW: &[&str] = &[
    "addbmm",
    "addmm",
    "addmv",
    "addr",
    "baddbmm",
    "bmm",
    "conv1d",
    "conv2d",
    "conv3d",
    "conv_transpose1d",
    "conv_transpose2d",
    "conv_transpose3d",
    "einsum",
    "gru_cell",
    "linear",
    "lstm_cell",
    "matmul",
    "mm",
    "mv",
    "prelu",
    "rnn_relu_cell",
    "rnn_tanh_cell",
    "scaled_dot_product_attention",
];

/// Ops of [`OpClass::Wide`].
const WIDE: &[&str] = &[
    "acos",
    "asin",
    "binary_cross_entropy_with_logits",
    "cdist",
    "cosh",
    "cosine_embedding_loss",
    "cross_entropy",
    "cumprod",
    "cumsum",
    "dist",
    "exp",
    "expm1",
    "group_norm",
    "hinge_embedding_loss",
    "huber_loss",
    "kl_div",
    "l1_loss",
    "layer_norm",
    "log",
    "log10",
    "log1p",
    "log2",
    "log_softmax",
    "margin_ranking_loss",
    "mse_loss",
    "nll_loss",
    "norm",
    "poisson_nll_loss",
    "pow",
    "prod",
    "reciprocal",
    "renorm",
    "rsqrt",
    "sinh",
    "smooth_l1_loss",
    "soft_margin_loss",
    "softmax",
    "softmin",
    "softplus",
    "sum",
    "tan",
    "triplet_margin_loss",
];

/// Ops of [`OpClass::Widest`].
const WIDEST: &[&str] = &[
    "addcdiv",
    "addcmul",
    "atan2",
    "bilinear",
    "cat",
    "cross",
    "dot",
    "grid_sample",
    "index_put",
    "scatter_add",
    "stack",
    "tensordot",
];

impl OpClass {
    /// The class of an op by its name in PyTorch. Ops that no list has work in the type of their input: `ReLU`, tanh, add,
    /// max-pooling, up-sampling, and batch norm, whose statistics and parameters stay f32.
    #[must_use]
    pub fn of(op: &str) -> Self {
        let listed = |list: &[&str]| list.binary_search(&op).is_ok();
        match () {
            () if listed(LOW) => Self::Low,
            () if listed(WIDE) => Self::Wide,
            () if listed(WIDEST) => Self::Widest,
            () => Self::Input,
        }
    }
}

/// The element type of convolutions and products of matrices: f32, bf16 or f16.
///
/// [`crate::Parameters::builder`] hands layers copies of their weights in it. A layer made of such weights casts its input
/// to their type, and one whose weights are asked for in f32 (`vb.to_dtype(DType::F32)`) casts it back: so regions opt out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Precision {
    dtype: DType,
}

impl Default for Precision {
    fn default() -> Self {
        Self::F32
    }
}

impl Precision {
    /// Everything in f32.
    pub const F32: Self = Self { dtype: DType::F32 };
    /// Eight bits of exponent, as f32 has; needs no loss scaling.
    pub const BF16: Self = Self { dtype: DType::BF16 };
    /// Five bits of exponent; needs a [`crate::GradScaler`].
    pub const F16: Self = Self { dtype: DType::F16 };

    /// The precision that a device gains from: bf16 on GPUs and on CPUs with instructions for it (AVX512-BF16), else f32 with the reason.
    #[must_use]
    pub fn auto(device: &Device) -> (Self, Option<&'static str>) {
        if !device.is_cpu() || cpu_has_bf16() {
            return (Self::BF16, None);
        }
        (Self::F32, Some("mixed precision: this CPU has no instructions for bf16 (AVX512-BF16), f32 is kept"))
    }

    /// The element type.
    #[must_use]
    pub fn dtype(self) -> DType {
        self.dtype
    }

    /// Whether gradients may vanish or overflow, so that the loss must be scaled.
    #[must_use]
    pub fn needs_scaler(self) -> bool {
        self.dtype == DType::F16
    }

    /// The type that an op of that name in PyTorch works in, given those of its inputs.
    #[must_use]
    pub fn for_op(self, op: &str, inputs: &[DType]) -> DType {
        let first = inputs.first().copied().unwrap_or(DType::F32);
        // Integers and f64 are never cast.
        if !inputs.iter().all(|dtype| matches!(dtype, DType::F32 | DType::F16 | DType::BF16)) {
            return first;
        }
        match OpClass::of(op) {
            OpClass::Low => self.dtype,
            OpClass::Wide => DType::F32,
            // f16 and bf16 have no common type of 16 bits.
            OpClass::Widest if inputs.iter().any(|&dtype| dtype != first) => DType::F32,
            OpClass::Widest | OpClass::Input => first,
        }
    }

    /// Inputs of an op in the type that it works in; gradients come back in that of the inputs.
    ///
    /// # Errors
    /// [`TrainError::Inner`] when the device can not convert.
    pub fn cast<const N: usize>(self, op: &str, inputs: [&Tensor; N]) -> Result<[Tensor; N], TrainError> {
        let dtype = self.for_op(op, &inputs.map(Tensor::dtype));
        let mut cast = inputs.map(Tensor::clone);
        for tensor in &mut cast {
            *tensor = tensor.to_dtype(dtype).map_err(|error| TrainError::inner("a cast", error))?;
        }
        Ok(cast)
    }
}

#[cfg(target_arch = "x86_64")]
fn cpu_has_bf16() -> bool {
    // Every CPU with tiles of bf16 (AMX) has these, too.
    std::arch::is_x86_feature_detected!("avx512bf16")
}

#[cfg(not(target_arch = "x86_64"))]
fn cpu_has_bf16() -> bool {
    false
}
