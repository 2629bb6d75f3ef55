//! Cameras and the conventions that they are written down in.

use crate::SplatError;
use crate::matrix::{M3, V3, add, apply, cross, inverse, scaled, sub, transposed, unit};
use crate::rotation::Rotation;

/// Focal lengths, principal point and size of an image, in pixels. The centre of the first pixel is at (0.5, 0.5).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Intrinsics {
    /// Focal lengths along x and y.
    pub focal_px: [f64; 2],
    /// Principal point x, y.
    pub centre_px: [f64; 2],
    /// Columns of the image.
    pub width: usize,
    /// Rows of the image.
    pub height: usize,
}

impl Intrinsics {
    /// Square pixels and a horizontal field of view of `angle_x` radians, principal point in the middle: the
    /// `camera_angle_x` of Blender's files.
    #[must_use]
    pub fn from_field_of_view(angle_x: f64, width: usize, height: usize) -> Self {
        let focal = 0.5 * width as f64 / (0.5 * angle_x).tan();
        let centre_px = [0.5 * width as f64, 0.5 * height as f64];
        Self { focal_px: [focal; 2], centre_px, width, height }
    }

    /// From a 3 x 3 matrix of a program that puts pixel centres at whole numbers (OpenCV's calibration): the principal
    /// point moves by half a pixel. Skew is not known here, so `matrix[0][1]` must be zero.
    ///
    /// # Errors
    /// [`SplatError::Parameter`] for a matrix with skew or another last row than `0 0 1`.
    pub fn from_opencv(matrix: [[f64; 3]; 3], width: usize, height: usize) -> Result<Self, SplatError> {
        let [[fx, skew, cx], [low, fy, cy], last] = matrix;
        if skew != 0.0 || low != 0.0 || last != [0.0, 0.0, 1.0] {
            let value = format!("{matrix:?}");
            return Err(SplatError::Parameter {
                name: "intrinsics",
                value,
                why: "[[fx, 0, cx], [0, fy, cy], [0, 0, 1]]",
            });
        }
        Ok(Self { focal_px: [fx, fy], centre_px: [cx + 0.5, cy + 0.5], width, height })
    }

    /// The intrinsics of the same picture shrunk (or enlarged) to another size.
    #[must_use]
    pub fn resized(&self, width: usize, height: usize) -> Self {
        let scale = [width as f64 / self.width as f64, height as f64 / self.height as f64];
        let by = |v: [f64; 2]| [v[0] * scale[0], v[1] * scale[1]];
        Self { focal_px: by(self.focal_px), centre_px: by(self.centre_px), width, height }
    }
}

/// A pinhole camera. Axes of the camera: x right, y down, z forward (OpenCV, COLMAP).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Camera {
    /// Rows of the 3 x 4 matrix that takes a point of the world to the camera.
    pub camera_from_world: [[f64; 4]; 3],
    /// Focal lengths, principal point and size.
    pub intrinsics: Intrinsics,
}

impl Camera {
    /// A camera from the 3 x 4 matrix of a point of the world to the camera (OpenCV's `[R | t]`).
    ///
    /// # Errors
    /// [`SplatError::Parameter`] where a number is not finite or a focal length not positive.
    pub fn new(camera_from_world: [[f64; 4]; 3], intrinsics: Intrinsics) -> Result<Self, SplatError> {
        let camera = Self { camera_from_world, intrinsics };
        camera.validate()?;
        Ok(camera)
    }

    /// A camera from a pose as COLMAP writes it: unit quaternion `w, x, y, z` and translation, world to camera.
    ///
    /// # Errors
    /// [`SplatError::Parameter`] for a zero quaternion or a number that is not finite.
    pub fn from_colmap(quat_wxyz: [f64; 4], translation: [f64; 3], intrinsics: Intrinsics) -> Result<Self, SplatError> {
        let Some(rotation) = Rotation::new(quat_wxyz) else {
            let value = format!("{quat_wxyz:?}");
            return Err(SplatError::Parameter { name: "quaternion", value, why: "finite and not zero" });
        };
        Self::new(joined(&rotation.matrix(), translation), intrinsics)
    }

    /// A camera from the `transform_matrix` of Blender and nerfstudio: camera to world, camera axes x right, y up,
    /// z backward.
    ///
    /// # Errors
    /// [`SplatError::Parameter`] for a matrix that has no inverse or another last row than `0 0 0 1`.
    pub fn from_opengl(world_from_camera: [[f64; 4]; 4], intrinsics: Intrinsics) -> Result<Self, SplatError> {
        let rows = &world_from_camera;
        let refuse = |why| SplatError::parameter("transform_matrix", &format!("{world_from_camera:?}"), why);
        if rows[3] != [0.0, 0.0, 0.0, 1.0] {
            return Err(refuse("the last row must be 0 0 0 1"));
        }
        let axes: M3 = std::array::from_fn(|r| [rows[r][0], -rows[r][1], -rows[r][2]]);
        let rotation = inverse(&axes).ok_or_else(|| refuse("the matrix must have an inverse"))?;
        let centre = std::array::from_fn(|r| rows[r][3]);
        Self::new(joined(&rotation, scaled(apply(&rotation, centre), -1.0)), intrinsics)
    }

    /// A camera at `eye` that looks at `target`, `up` being up in the image.
    ///
    /// # Errors
    /// [`SplatError::Parameter`] where `up` is along the view or the points are the same.
    pub fn look_at(eye: [f64; 3], target: [f64; 3], up: [f64; 3], intrinsics: Intrinsics) -> Result<Self, SplatError> {
        let forward = unit(sub(target, eye));
        let right = unit(cross(forward, up));
        let rotation = [right, cross(forward, right), forward];
        if rotation.iter().flatten().any(|x| !x.is_finite()) {
            let value = format!("{eye:?} to {target:?}, up {up:?}");
            return Err(SplatError::Parameter {
                name: "look_at",
                value,
                why: "two points and an up that is not along them",
            });
        }
        Self::new(joined(&rotation, scaled(apply(&rotation, eye), -1.0)), intrinsics)
    }

    /// The rotation (left three columns) of [`Camera::camera_from_world`].
    #[must_use]
    pub fn rotation(&self) -> [[f64; 3]; 3] {
        self.camera_from_world.map(|[x, y, z, _]| [x, y, z])
    }

    /// The translation (last column) of [`Camera::camera_from_world`].
    #[must_use]
    pub fn translation(&self) -> [f64; 3] {
        self.camera_from_world.map(|row| row[3])
    }

    /// Where the camera stands in the world: `-A^T t`, which is the centre for a rigid matrix.
    #[must_use]
    pub fn centre(&self) -> [f64; 3] {
        scaled(apply(&transposed(&self.rotation()), self.translation()), -1.0)
    }

    /// A point of the world in the camera's axes.
    #[must_use]
    pub fn to_camera(&self, p_world: [f64; 3]) -> [f64; 3] {
        add(apply(&self.rotation(), p_world), self.translation())
    }

    /// The pixel position of a point of the world, if it lies in front of the camera.
    #[must_use]
    pub fn to_pixel(&self, p_world: [f64; 3]) -> Option<[f64; 2]> {
        let p = self.to_camera(p_world);
        let Intrinsics { focal_px, centre_px, .. } = self.intrinsics;
        (p[2] > 0.0).then(|| [0, 1].map(|axis| focal_px[axis] * p[axis] / p[2] + centre_px[axis]))
    }

    pub(crate) fn validate(&self) -> Result<(), SplatError> {
        let Intrinsics { focal_px, centre_px, .. } = self.intrinsics;
        if self.camera_from_world.iter().flatten().any(|x| !x.is_finite()) {
            let value = format!("{:?}", self.camera_from_world);
            return Err(SplatError::Parameter { name: "camera_from_world", value, why: "finite numbers" });
        }
        if !focal_px.iter().all(|f| f.is_finite() && *f > 0.0) {
            let value = format!("{focal_px:?}");
            return Err(SplatError::Parameter { name: "focal_px", value, why: "finite and positive" });
        }
        if !centre_px.iter().all(|c| c.is_finite()) {
            let value = format!("{centre_px:?}");
            return Err(SplatError::Parameter { name: "centre_px", value, why: "finite numbers" });
        }
        Ok(())
    }
}

/// The 3 x 4 matrix of a rotation and a translation.
fn joined(rotation: &M3, translation: V3) -> [[f64; 4]; 3] {
    std::array::from_fn(|r| [rotation[r][0], rotation[r][1], rotation[r][2], translation[r]])
}
