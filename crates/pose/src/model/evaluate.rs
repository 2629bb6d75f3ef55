//! A model judged on a frame.

use std::sync::Arc;

use volkit_splat::{CpuRasterizer, Gaussians, Rasterizer as _, RenderConfig, Rendering};

use super::{Recording, SceneModel, ViewMetrics, view_metrics};
use crate::PoseError;
use crate::views::FrameViews;

/// Renderings are laid over white, as the pictures are.
pub(crate) fn over_white() -> RenderConfig {
    let mut config = RenderConfig::default();
    (config.background, config.depth) = ([1.0; 3], false);
    config
}

impl Recording {
    /// The Gaussians that a model gives a frame, from the views that are not held out.
    ///
    /// # Errors
    /// Those of [`Recording::carve`] and [`SceneModel::scene`].
    pub fn scene(&self, model: &dyn SceneModel, frame: usize, views: &FrameViews) -> Result<Gaussians, PoseError> {
        let volume = self.carve(frame, views, &self.observed())?;
        model.scene(&volume, &self.grid, &self.track.pose(frame))
    }
}

/// Renders a frame from all cameras, the held-out ones too, and compares with what they saw.
///
/// # Errors
/// Those of the store, the model and the rasterizer.
pub fn evaluate_frame(
    model: &dyn SceneModel,
    recording: &Recording,
    frame: usize,
) -> Result<(Vec<ViewMetrics>, Vec<Rendering>), PoseError> {
    let views = recording.store.read(frame)?;
    let scene = recording.scene(model, frame, &views)?;
    let mut rasterizer = CpuRasterizer::new(Arc::clone(&recording.threads))?;
    let (config, mut metrics, mut renderings) = (model.render_config(), Vec::new(), Vec::new());
    for (view, camera) in recording.rig.cameras().iter().enumerate() {
        let mut rendering = Rendering::default();
        rasterizer.forward(&scene.as_slices(), &camera.to_splat(views.size)?, &config, &mut rendering)?;
        metrics.push(view_metrics(&rendering, &views, view, &recording.threads)?);
        renderings.push(rendering);
    }
    Ok((metrics, renderings))
}
