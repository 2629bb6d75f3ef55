//! Trilinear resizing.

use candle_core::{Device, Result as CandleResult, Tensor};
use volkit_kernels::Interpolation;

use crate::computed::attach;
use crate::shape::{Triple, dims5, positive};
use crate::{Op, OpPath, Result, cpu};

/// What the first and the last voxel of an axis are mapped to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Corners {
    /// The outer faces of the corner voxels coincide: output `i` reads at `(i + 0.5) in / out - 0.5`, and no further than
    /// the outermost voxel centres. PyTorch's `align_corners=False`.
    #[default]
    Edges,
    /// The centres of the corner voxels coincide: output `i` reads at `i (in - 1) / (out - 1)`. PyTorch's
    /// `align_corners=True`.
    Centres,
}

/// The two inputs that each output of an axis lies between, and the weight of the second.
struct Line {
    low: Vec<u32>,
    high: Vec<u32>,
    weight: Vec<f64>,
}

impl Line {
    fn new(n_in: usize, n_out: usize, corners: Corners) -> Self {
        let last = n_in - 1;
        let mut line = Self { low: vec![], high: vec![], weight: vec![] };
        for i in 0..n_out {
            let at = match corners {
                Corners::Edges => ((i as f64 + 0.5) * n_in as f64 / n_out as f64 - 0.5).max(0.0),
                Corners::Centres if n_out == 1 => 0.0,
                Corners::Centres => i as f64 * last as f64 / (n_out - 1) as f64,
            };
            let low = (at.floor() as usize).min(last);
            line.low.push(low as u32);
            line.high.push((low + 1).min(last) as u32);
            line.weight.push((at - low as f64).clamp(0.0, 1.0));
        }
        line
    }

    /// Indices of both inputs and weights of both, the weights shaped to broadcast along `axis` of five.
    fn tensors(&self, axis: usize, like: &Tensor) -> CandleResult<[Tensor; 4]> {
        let device: &Device = like.device();
        let mut shape = [1; 5];
        shape[axis] = self.low.len();
        let weights = |of: fn(f64) -> f64| -> CandleResult<Tensor> {
            let values: Vec<f32> = self.weight.iter().map(|&w| of(w) as f32).collect();
            // f64 keeps its precision; a Metal device never sees one.
            if like.dtype() == candle_core::DType::F64 {
                let values: Vec<f64> = self.weight.iter().map(|&w| of(w)).collect();
                return Tensor::from_vec(values, &shape, device);
            }
            Tensor::from_vec(values, &shape, device)?.to_dtype(like.dtype())
        };
        let low = Tensor::new(self.low.as_slice(), device)?;
        let high = Tensor::new(self.high.as_slice(), device)?;
        Ok([low, high, weights(|w| 1.0 - w)?, weights(|w| w)?])
    }

    /// Interpolates `x` along `axis`.
    fn apply(&self, x: &Tensor, axis: usize) -> CandleResult<Tensor> {
        let [low, high, weight_low, weight_high] = self.tensors(axis, x)?;
        let x = x.contiguous()?;
        x.index_select(&low, axis)?.broadcast_mul(&weight_low)?
            + x.index_select(&high, axis)?.broadcast_mul(&weight_high)?
    }

    /// The transpose of [`Self::apply`]: spreads `grad` over `n_in` elements of `axis`.
    fn apply_transposed(&self, grad: &Tensor, axis: usize, n_in: usize) -> CandleResult<Tensor> {
        let [low, high, weight_low, weight_high] = self.tensors(axis, grad)?;
        let mut shape = grad.dims().to_vec();
        shape[axis] = n_in;
        let zeros = Tensor::zeros(shape, grad.dtype(), grad.device())?;
        zeros.index_add(&low, &grad.broadcast_mul(&weight_low)?, axis)?.index_add(
            &high,
            &grad.broadcast_mul(&weight_high)?,
            axis,
        )
    }
}

/// Resizes `x` `[N, C, D, H, W]` to `[N, C, size...]` by linear interpolation along each axis, with a gradient.
///
/// # Errors
/// [`Nn3dError`](crate::Nn3dError) if `x` has not five axes or a size is zero.
pub fn upsample_trilinear3d(x: &Tensor, size: [usize; 3], corners: Corners) -> Result<Tensor> {
    trilinear(x, size, corners, OpPath::Auto)
}

/// [`upsample_trilinear3d`] on a path.
pub(crate) fn trilinear(x: &Tensor, size: Triple, corners: Corners, path: OpPath) -> Result<Tensor> {
    let op = Op::UpsampleTrilinear3d;
    positive(op, "size", size)?;
    let (_, _, size_in) = dims5(op, x)?;
    if path.takes_kernel(op, x)? {
        let interpolation = match corners {
            Corners::Edges => Interpolation::LinearEdges,
            Corners::Centres => Interpolation::LinearCentres,
        };
        return Ok(cpu::resize(op, x, size, interpolation)?);
    }
    let lines = std::array::from_fn::<_, 3, _>(|a| Line::new(size_in[a], size[a], corners));
    let mut y = x.detach();
    for a in order(size_in, size) {
        y = lines[a].apply(&y, 2 + a)?;
    }
    Ok(attach(op.name(), &[x], y, move |node| {
        let mut gradient = node.grad.clone();
        for a in order(size_in, size).into_iter().rev() {
            gradient = lines[a].apply_transposed(&gradient, 2 + a, size_in[a])?;
        }
        Ok(vec![Some(gradient)])
    })?)
}

/// Axes in the order that keeps intermediate results small: those that grow least come first; of equals the innermost,
/// whose elements are the slowest to pick.
fn order(from: Triple, to: Triple) -> [usize; 3] {
    let mut axes = [2, 1, 0];
    axes.sort_by(|&a, &b| (to[a] * from[b]).cmp(&(to[b] * from[a])));
    axes
}
