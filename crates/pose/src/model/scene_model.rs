//! The seam of models.

use volkit_splat::{Gaussians, RenderConfig};

use super::evaluate::over_white;
use super::{PoseModel, scene_of};
use crate::PoseError;
use crate::carve::{CarveGrid, CarvedVolume, Pose};

/// A carved frame in, Gaussians out.
///
/// # Protocol
/// `scene` may be called for any frames in any order, from several threads at once; the same frame gives the same Gaussians.
/// Volume and grid have the size that the model was made for. Gaussians are in the frame of the world.
pub trait SceneModel: Send + Sync {
    /// The Gaussians of a carved frame, the animal being at `pose`.
    ///
    /// # Errors
    /// For a volume of another size, and where the network fails.
    fn scene(&self, volume: &CarvedVolume, grid: &CarveGrid, pose: &Pose) -> Result<Gaussians, PoseError>;

    /// How they are rendered: over white.
    fn render_config(&self) -> RenderConfig {
        over_white()
    }
}

impl SceneModel for PoseModel {
    fn scene(&self, volume: &CarvedVolume, grid: &CarveGrid, pose: &Pose) -> Result<Gaussians, PoseError> {
        scene_of(&self.forward(volume, grid, pose, false)?)
    }
}
