//! The frame of the world that tracking, carving and Gaussians live in.

use serde::{Deserialize, Serialize};

use super::Rig;
use crate::PoseError;
use crate::matrix::{add, apply, apply_transposed, norm, rotation_between, scaled, sub, transposed, unit};

/// Which frame of the world a project uses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FrameKind {
    /// The true vertical becomes +z, the mean place of the cameras the origin (default).
    #[default]
    Upright,
    /// As the published program has it, whose vertical is tilted: for projects that were made with it.
    Reference,
}

/// A frame: `p = scale * rotation (p_rig - origin)`. One unit is the largest distance of a camera from the origin.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct WorldFrame {
    /// By rows.
    pub rotation: [[f64; 3]; 3],
    /// In the units of the calibration.
    pub origin: [f64; 3],
    /// Units of the frame in one of the calibration.
    pub scale: f64,
}

impl WorldFrame {
    /// The frame whose +z is `up` and whose origin is the mean place of the cameras.
    ///
    /// # Errors
    /// [`PoseError::Parameter`] for an `up` of no direction, or cameras that stand all in one place.
    pub fn upright(rig: &Rig, up: [f64; 3]) -> Result<Self, PoseError> {
        let up = direction(up)?;
        Self::scaled_to(rig, rotation_between(up, [0.0, 0.0, 1.0]), rig.mean_centre())
    }

    /// The frame of the published program. `up` is that of its file `vertical_lines.npz`; without one, the mean of the
    /// cameras' y axes is taken for it.
    ///
    /// With `u = -up` and `R2` the rotation that takes +z onto `u`, it sets `R_i' = R_i R2^T` and `t_i' = s (R_i m + t_i)`
    /// for `m = mean_i(R_i^T t_i)`. The origin is thus minus the mean place of the cameras, and the vertical is not +z.
    ///
    /// # Errors
    /// As [`WorldFrame::upright`].
    pub fn reference(rig: &Rig, up: Option<[f64; 3]>) -> Result<Self, PoseError> {
        let columns = rig.cameras().iter().fold([0.0; 3], |sum, c| add(sum, c.rotation.map(|row| row[1])));
        let u = direction(up.map_or(columns, |up| scaled(up, -1.0)))?;
        Self::scaled_to(rig, rotation_between([0.0, 0.0, 1.0], u), scaled(rig.mean_centre(), -1.0))
    }

    fn scaled_to(rig: &Rig, rotation: [[f64; 3]; 3], origin: [f64; 3]) -> Result<Self, PoseError> {
        // `|R_i'^-1 t_i'|` is the distance of the camera from the origin that `R_i m + t_i` makes.
        let farthest = rig.cameras().iter().map(|camera| {
            let t = add(apply(&camera.rotation, origin), camera.translation);
            norm(apply_transposed(&camera.rotation, t))
        });
        let farthest = farthest.fold(0.0, f64::max);
        if farthest.is_nan() || farthest <= 0.0 {
            return Err(PoseError::parameter("rig", farthest, "cameras in more than one place"));
        }
        Ok(Self { rotation, origin, scale: 1.0 / farthest })
    }

    /// The rig in this frame.
    #[must_use]
    pub fn place(&self, rig: &Rig) -> Rig {
        rig.moved(&self.rotation, self.origin, self.scale)
    }

    /// A point of the calibration's world in this frame.
    #[must_use]
    pub fn from_rig(&self, p_rig: [f64; 3]) -> [f64; 3] {
        scaled(apply(&self.rotation, sub(p_rig, self.origin)), self.scale)
    }

    /// A point of this frame in the calibration's world.
    #[must_use]
    pub fn to_rig(&self, p: [f64; 3]) -> [f64; 3] {
        add(apply(&transposed(&self.rotation), scaled(p, 1.0 / self.scale)), self.origin)
    }
}

fn direction(up: [f64; 3]) -> Result<[f64; 3], PoseError> {
    unit(up).ok_or_else(|| PoseError::parameter("up", format!("{up:?}"), "a direction"))
}
