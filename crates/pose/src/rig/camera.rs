//! A calibrated camera, and all of a recording.

use volkit_splat::{Camera, Intrinsics};

use super::Distortion;
use crate::PoseError;
use crate::matrix::{IDENTITY, M3, V3, add, apply, apply_transposed, determinant, product, scaled, transposed};

/// How far `R R^T` may be from the identity.
const ROTATION_TOLERANCE: f64 = 1e-3;
/// Most skew, as a part of the focal length.
const MOST_SKEW: f64 = 0.1;

/// A calibrated camera: `p_camera = rotation p_world + translation`, axes x right, y down, z forward; the centre of the
/// first pixel is at (0, 0).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RigCamera {
    /// Rotation of a point of the world to the camera.
    pub rotation: [[f64; 3]; 3],
    /// Translation behind the rotation, in the units of the world.
    pub translation: [f64; 3],
    /// `[[fx, skew, cx], [0, fy, cy], [0, 0, 1]]` in pixels.
    pub intrinsic: [[f64; 3]; 3],
    /// What the lens does; none for a pinhole.
    pub distortion: Option<Distortion>,
}

impl RigCamera {
    /// Where the camera stands in the world.
    #[must_use]
    pub fn centre(&self) -> [f64; 3] {
        scaled(apply_transposed(&self.rotation, self.translation), -1.0)
    }

    /// A point of the world in the camera's axes.
    #[must_use]
    pub fn to_camera(&self, p_world: [f64; 3]) -> [f64; 3] {
        add(apply(&self.rotation, p_world), self.translation)
    }

    /// Pixel of a point of the world, lens included; none for a point that is not in front of the camera.
    #[must_use]
    pub fn to_pixel(&self, p_world: [f64; 3]) -> Option<[f64; 2]> {
        let [x, y, z] = self.to_camera(p_world);
        let ray = (z > 0.0).then(|| [x / z, y / z])?;
        Some(self.ray_to_pixel(self.distortion.map_or(ray, |lens| lens.apply(ray))))
    }

    pub(crate) fn ray_to_pixel(&self, [x, y]: [f64; 2]) -> [f64; 2] {
        let [[fx, skew, cx], [_, fy, cy], _] = self.intrinsic;
        [fx * x + skew * y + cx, fy * y + cy]
    }

    pub(crate) fn pixel_to_ray(&self, [u, v]: [f64; 2]) -> [f64; 2] {
        let [[fx, skew, cx], [_, fy, cy], _] = self.intrinsic;
        let y = (v - cy) / fy;
        [(u - cx - skew * y) / fx, y]
    }

    /// The same without lens and skew: for pictures that have been undistorted.
    #[must_use]
    pub fn pinhole(&self) -> Self {
        let mut intrinsic = self.intrinsic;
        intrinsic[0][1] = 0.0;
        Self { intrinsic, distortion: None, ..*self }
    }

    /// The same camera with every `step`-th pixel, beginning with the first.
    #[must_use]
    pub fn subsampled(&self, step: usize) -> Self {
        let mut intrinsic = self.intrinsic;
        intrinsic[..2].iter_mut().flatten().for_each(|x| *x /= step as f64);
        Self { intrinsic, ..*self }
    }

    /// The pinhole of this camera as the rasterizer takes it, for a picture of `[width, height]`.
    ///
    /// # Errors
    /// [`PoseError::Splat`] for numbers that make no camera.
    pub fn to_splat(&self, [width, height]: [usize; 2]) -> Result<Camera, PoseError> {
        let [[fx, _, cx], [_, fy, cy], _] = self.intrinsic;
        let intrinsics = Intrinsics::from_opencv([[fx, 0.0, cx], [0.0, fy, cy], [0.0, 0.0, 1.0]], width, height)?;
        let row = |r: usize| {
            let [x, y, z] = self.rotation[r];
            [x, y, z, self.translation[r]]
        };
        Ok(Camera::new([row(0), row(1), row(2)], intrinsics)?)
    }

    /// Rows of `K [R | t]`: takes `(p_world, 1)` to `(u w, v w, w)`, without the lens.
    #[must_use]
    pub fn projection(&self) -> [[f64; 4]; 3] {
        let (m, t) = (product(&self.intrinsic, &self.rotation), apply(&self.intrinsic, self.translation));
        std::array::from_fn(|r| [m[r][0], m[r][1], m[r][2], t[r]])
    }

    /// # Errors
    /// [`PoseError::Input`] that names the field.
    pub(crate) fn check(&self, what: &str) -> Result<(), PoseError> {
        let refuse = |field: &str, value: String, why| Err(PoseError::input(what, field, value, why));
        let numbers = self.rotation.iter().chain(&self.intrinsic).flatten().chain(&self.translation);
        if numbers.clone().any(|x| !x.is_finite()) {
            return refuse("rotation, translation or intrinsic", "not finite".to_owned(), "finite numbers");
        }
        let square = product(&self.rotation, &transposed(&self.rotation));
        let off =
            square.as_flattened().iter().zip(IDENTITY.as_flattened()).any(|(a, b)| (a - b).abs() > ROTATION_TOLERANCE);
        if off || determinant(&self.rotation) < 0.0 {
            return refuse("rotation", format!("{:?}", self.rotation), "a rotation matrix, world to camera, by rows");
        }
        let [[fx, skew, _], [low, fy, _], last] = self.intrinsic;
        let is_row_vector = last[0] != 0.0 || last[1] != 0.0;
        if is_row_vector {
            return refuse("intrinsic", format!("{:?}", self.intrinsic), "last row 0 0 1 (MATLAB's is transposed)");
        }
        if !(fx > 0.0 && fy > 0.0) || last[2] != 1.0 || low != 0.0 || skew.abs() > MOST_SKEW * fx {
            let value = format!("{:?}", self.intrinsic);
            return refuse(
                "intrinsic",
                value,
                "[[fx, skew, cx], [0, fy, cy], [0, 0, 1]] with fx, fy > 0 and little skew",
            );
        }
        Ok(())
    }
}

/// The cameras of a recording, in the order of its videos.
#[derive(Clone, Debug, PartialEq)]
pub struct Rig {
    cameras: Vec<RigCamera>,
}

impl Rig {
    /// A rig; `what` names it in errors.
    ///
    /// # Errors
    /// [`PoseError::Input`] for fewer than two cameras, or numbers that are no camera.
    pub fn new(cameras: Vec<RigCamera>, what: &str) -> Result<Self, PoseError> {
        if cameras.len() < 2 {
            return Err(PoseError::input(what, "cameras", cameras.len(), "at least 2"));
        }
        for (i, camera) in cameras.iter().enumerate() {
            camera.check(&format!("{what}, camera {i}"))?;
        }
        Ok(Self { cameras })
    }

    /// The cameras.
    #[must_use]
    pub fn cameras(&self) -> &[RigCamera] {
        &self.cameras
    }

    /// How many cameras there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.cameras.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.cameras.is_empty()
    }

    /// Mean place of the cameras.
    #[must_use]
    pub fn mean_centre(&self) -> [f64; 3] {
        let sum = self.cameras.iter().fold([0.0; 3], |sum, camera| add(sum, camera.centre()));
        scaled(sum, 1.0 / self.len() as f64)
    }

    /// The same with every camera changed.
    pub(crate) fn map(&self, f: impl Fn(&RigCamera) -> RigCamera) -> Self {
        Self { cameras: self.cameras.iter().map(f).collect() }
    }

    /// Every camera with every `step`-th pixel.
    #[must_use]
    pub fn subsampled(&self, step: usize) -> Self {
        self.map(|camera| camera.subsampled(step))
    }

    /// Every camera without lens and skew.
    #[must_use]
    pub fn pinholes(&self) -> Self {
        self.map(RigCamera::pinhole)
    }

    /// The same cameras in a world that is moved: `p' = rotation (p - origin) * scale`.
    #[must_use]
    pub(crate) fn moved(&self, rotation: &M3, origin: V3, scale: f64) -> Self {
        self.map(|camera| RigCamera {
            rotation: product(&camera.rotation, &transposed(rotation)),
            translation: scaled(add(apply(&camera.rotation, origin), camera.translation), scale),
            ..*camera
        })
    }
}
