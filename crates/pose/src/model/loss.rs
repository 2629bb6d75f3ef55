//! How far a rendering is from what a camera saw.

use std::sync::Arc;

use candle_core::{CpuStorage, CustomOp2, Device, Layout, Shape, Tensor};
use serde::{Deserialize, Serialize};
use volkit_kernels::Threads;
use volkit_splat::{RenderingTensors, Ssim, SsimBorder, iou_loss, l1_loss};

use crate::PoseError;
use crate::views::{FrameViews, INSIDE, PIXEL};

/// Weights of the parts of the loss: `iou + image * l1 + ssim * (1 - ssim)`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct LossWeights {
    /// Of the absolute differences of all channels, divided by the area of the mask (0.5 as published).
    pub image: f32,
    /// Of the dissimilarity (0 as published).
    pub ssim: f32,
}

impl Default for LossWeights {
    fn default() -> Self {
        Self { image: 0.5, ssim: 0.0 }
    }
}

/// The parts of the loss, without their weights.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct LossParts {
    /// `1 - sum(a m) / sum(a + m - a m)` of alpha and mask.
    pub iou: f64,
    /// Absolute differences of all channels, divided by the area of the mask.
    pub l1: f64,
    /// `1 - ssim`; 0 where it has no weight.
    pub ssim: f64,
    /// The weighted sum.
    pub total: f64,
}

impl LossParts {
    /// Adds a share of other parts.
    pub(crate) fn add(&mut self, other: &Self, share: f64) {
        self.iou += share * other.iou;
        self.l1 += share * other.l1;
        self.ssim += share * other.ssim;
        self.total += share * other.total;
    }
}

/// What a view should look like.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    /// `[rows, columns, 3]`, 0 to 1, white outside of the mask.
    pub(crate) colour: Vec<f32>,
    /// `[rows, columns]`, 0 or 1.
    pub(crate) mask: Vec<f32>,
    /// Columns and rows.
    pub(crate) size: [usize; 2],
}

impl Target {
    pub(crate) fn new(views: &FrameViews, view: usize) -> Self {
        let mask = views.view(view).chunks_exact(PIXEL).map(|p| f32::from(u8::from(p[3] >= INSIDE))).collect();
        Self { colour: views.colours(view), mask, size: views.size }
    }

    /// Pixels of the mask; 1 for an empty one, so that nothing is divided by zero.
    pub(crate) fn area(&self) -> f64 {
        self.mask.iter().map(|m| f64::from(*m)).sum::<f64>().max(1.0)
    }
}

/// The loss of a rendering as a scalar of its graph, and its parts.
pub(crate) fn view_loss(
    rendering: &RenderingTensors,
    target: &Target,
    weights: LossWeights,
    threads: &Arc<Threads>,
) -> Result<(Tensor, LossParts), PoseError> {
    let colour = rendering.colour.contiguous()?;
    let alpha = rendering.alpha.contiguous()?;
    let pixels = colour.flatten_all()?.to_vec1::<f32>()?;
    let alphas = alpha.flatten_all()?.to_vec1::<f32>()?;
    let mut by_colour = vec![0.0; pixels.len()];
    let mut by_alpha = vec![0.0; alphas.len()];
    // `l1_loss` is a mean: as many terms over the area instead.
    let per_area = pixels.len() as f64 / target.area();
    let iou = iou_loss(&alphas, &target.mask, 1.0, &mut by_alpha)?;
    let l1 = per_area * l1_loss(&pixels, &target.colour, (f64::from(weights.image) * per_area) as f32, &mut by_colour)?;
    let ssim = if weights.ssim > 0.0 {
        let [width, height] = target.size;
        let mut ssim = Ssim::new(SsimBorder::Same, Arc::clone(threads));
        1.0 - ssim.evaluate([height, width], [&pixels, &target.colour], -weights.ssim, &mut by_colour)?
    } else {
        0.0
    };
    let total = iou + f64::from(weights.image) * l1 + f64::from(weights.ssim) * ssim;
    let op = Known { value: total as f32, gradients: [by_colour, by_alpha] };
    Ok((colour.apply_op2(&alpha, op)?, LossParts { iou, l1, ssim, total }))
}

/// A function whose value and derivatives at its arguments are known.
struct Known {
    value: f32,
    gradients: [Vec<f32>; 2],
}

impl CustomOp2 for Known {
    fn name(&self) -> &'static str {
        "view-loss"
    }

    fn cpu_fwd(
        &self,
        _: &CpuStorage,
        _: &Layout,
        _: &CpuStorage,
        _: &Layout,
    ) -> candle_core::Result<(CpuStorage, Shape)> {
        Ok((CpuStorage::F32(vec![self.value]), Shape::from(())))
    }

    fn bwd(
        &self,
        colour: &Tensor,
        alpha: &Tensor,
        _res: &Tensor,
        upstream: &Tensor,
    ) -> candle_core::Result<(Option<Tensor>, Option<Tensor>)> {
        let factor = f64::from(upstream.to_scalar::<f32>()?);
        let scaled = |gradient: &[f32], like: &Tensor| {
            Tensor::from_slice(gradient, like.shape(), &Device::Cpu)?.affine(factor, 0.0)
        };
        Ok((Some(scaled(&self.gradients[0], colour)?), Some(scaled(&self.gradients[1], alpha)?)))
    }
}
