//! A turn around a scene.

use std::path::{Path, PathBuf};

use crate::{Camera, GaussianSlices, Intrinsics, Rasterizer, RenderConfig, Rendering, SplatError};

use super::write_png;

/// Cameras on a circle, all looking at one point.
#[derive(Clone, Debug, PartialEq)]
pub struct Orbit {
    /// What is looked at.
    pub target: [f64; 3],
    /// Which way is up; the circle lies across it.
    pub up: [f64; 3],
    /// Distance from the target.
    pub radius: f64,
    /// Angle above the plane of the target, in radians.
    pub elevation: f64,
    /// Size and focal lengths of the pictures.
    pub intrinsics: Intrinsics,
}

impl Orbit {
    /// `n` cameras, evenly around.
    ///
    /// # Errors
    /// [`SplatError::Parameter`] for an `up` or radius of zero, or an elevation along `up`.
    pub fn cameras(&self, n: usize) -> Result<Vec<Camera>, SplatError> {
        (0..n).map(|i| self.camera(std::f64::consts::TAU * i as f64 / n as f64)).collect()
    }

    /// The camera at an angle about `up`, in radians, anticlockwise seen from above. Angle 0 is towards the axis of the
    /// world that is the least along `up`: +x where up is z.
    ///
    /// # Errors
    /// As [`Orbit::cameras`].
    pub fn camera(&self, angle: f64) -> Result<Camera, SplatError> {
        use crate::matrix::{add, cross, dot, scaled, unit};
        let up = unit(self.up);
        let least = (0..3).min_by(|&a, &b| up[a].abs().total_cmp(&up[b].abs())).unwrap_or(0);
        let axis: [f64; 3] = std::array::from_fn(|k| f64::from(u8::from(k == least)));
        let right = unit(add(axis, scaled(up, -dot(axis, up))));
        let ahead = cross(up, right);
        let (height, reach) = self.elevation.sin_cos();
        let (sin, cos) = angle.sin_cos();
        let side = add(scaled(right, reach * cos), scaled(ahead, reach * sin));
        let eye = add(self.target, scaled(add(side, scaled(up, height)), self.radius));
        Camera::look_at(eye, self.target, self.up, self.intrinsics)
    }
}

/// Pictures of a scene from many cameras.
#[derive(Clone, Debug, PartialEq)]
pub struct Turntable {
    /// The cameras, in order.
    pub cameras: Vec<Camera>,
    /// How the scene is rendered.
    pub config: RenderConfig,
}

impl Turntable {
    /// Renders the scene from each camera into `folder/0000.png`, `folder/0001.png` and so on; the folder is made where
    /// it is not there.
    ///
    /// # Errors
    /// Those of the rasterizer and of [`write_png`].
    pub fn write(
        &self,
        folder: impl AsRef<Path>,
        rasterizer: &mut dyn Rasterizer,
        scene: &GaussianSlices<'_>,
    ) -> Result<Vec<PathBuf>, SplatError> {
        let folder = folder.as_ref();
        std::fs::create_dir_all(folder).map_err(|source| SplatError::Io { path: folder.to_owned(), source })?;
        let mut picture = Rendering::default();
        let mut paths = Vec::with_capacity(self.cameras.len());
        for (i, camera) in self.cameras.iter().enumerate() {
            rasterizer.forward(scene, camera, &self.config, &mut picture)?;
            let path = folder.join(format!("{i:04}.png"));
            write_png(&path, &picture)?;
            paths.push(path);
        }
        Ok(paths)
    }
}
