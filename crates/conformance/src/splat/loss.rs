//! Losses of a pair of pictures.

use std::sync::Arc;

use volkit_core::BoxError;
use volkit_splat::{PhotometricLoss, PhotometricValue, SsimBorder, Threads};

use super::tensors::Tensors;
use crate::check::Check;

/// Tolerances from the README of the golden folder.
const LOSS_ATOL: f64 = 2e-6;
const GRADIENT_RTOL: f64 = 1e-3;

pub(super) fn check(tensors: &Tensors, threads: &Arc<Threads>) -> Result<Check, BoxError> {
    let shape = tensors.shape("pred")?;
    let &[n, h, w, 3] = shape.as_slice() else {
        return Err(format!("tensor 'pred' has shape {shape:?}, expected [B, H, W, 3]").into());
    };
    let (prediction, target) = (tensors.values("pred", &shape)?, tensors.values("target", &shape)?);
    if !tensors.has("total_same") && !tensors.has("total_valid") {
        return Err("has neither 'total_same' nor 'total_valid'".into());
    }
    let mut check = Check::new();
    for (name, border) in [("same", SsimBorder::Same), ("valid", SsimBorder::Valid)] {
        if !tensors.has(&format!("total_{name}")) {
            continue;
        }
        let mut loss = PhotometricLoss::new(border, Arc::clone(threads));
        let mut gradient = vec![0.0; prediction.len()];
        let mut mean = PhotometricValue { l1: 0.0, ssim: 0.0, total: 0.0 };
        let pictures = prediction.chunks(3 * h * w).zip(target.chunks(3 * h * w));
        for ((prediction, target), gradient) in pictures.zip(gradient.chunks_mut(3 * h * w)) {
            let value = loss.evaluate([h, w], [prediction, target], gradient)?;
            let share = 1.0 / n as f64;
            mean.l1 += share * value.l1;
            mean.ssim += share * value.ssim;
            mean.total += share * value.total;
            gradient.iter_mut().for_each(|g| *g /= n as f32);
        }
        for (what, got) in [
            ("l1".to_owned(), mean.l1),
            (format!("ssim_loss_{name}"), 1.0 - mean.ssim),
            (format!("total_{name}"), mean.total),
        ] {
            check.within(&what, (got - tensors.one(&what)?).abs(), LOSS_ATOL);
        }
        let what = format!("g_pred_{name}");
        super::gradients::compare(&mut check, &what, &gradient, &tensors.values(&what, &shape)?, GRADIENT_RTOL);
    }
    Ok(check)
}
