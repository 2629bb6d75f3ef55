//! Losses of pictures, with their gradients.

mod iou;
mod l1;
mod photometric;
mod ssim;

pub use iou::iou_loss;
pub use l1::l1_loss;
pub use photometric::{PhotometricLoss, PhotometricValue};
pub use ssim::{Ssim, SsimBorder};

use crate::SplatError;

/// Refuses arrays of another length than the first.
fn check_pair(prediction: &[f32], target: &[f32], gradient: &[f32]) -> Result<(), SplatError> {
    SplatError::check_len("target", target.len(), prediction.len())?;
    SplatError::check_len("gradient", gradient.len(), prediction.len())
}
