//! Gaussians out of the graph.

use volkit_splat::{Colours, GaussianTensors, Gaussians};

use crate::PoseError;

/// The Gaussians of tensors, as rasterizer and files take them.
///
/// # Errors
/// [`PoseError::Candle`] for tensors of other shapes.
pub fn scene_of(tensors: &GaussianTensors) -> Result<Gaussians, PoseError> {
    let flat = |tensor: &candle_core::Tensor| tensor.flatten_all()?.to_vec1::<f32>();
    let triples = |values: Vec<f32>| values.as_chunks::<3>().0.to_vec();
    Ok(Gaussians {
        means: triples(flat(&tensors.means)?),
        quats: flat(&tensors.quats)?.as_chunks::<4>().0.to_vec(),
        log_scales: triples(flat(&tensors.log_scales)?),
        logit_opacities: flat(&tensors.logit_opacities)?,
        colours: Colours::Rgb(triples(flat(&tensors.colours)?)),
    })
}
