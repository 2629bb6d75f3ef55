//! Files of a synthetic recording: pictures, calibration, truth.

use std::fs;
use std::path::Path;

use volkit_bench::{AnimalCamera, AnimalPhantom, Random};
use volkit_core::{ArrayStore as _, BoxError, DType, Voxels};
use volkit_io::{Hdf5Backend, Hdf5Layout, Hdf5Writer, WriteOptions, create_hdf5};
use volkit_pose::{Rig, RigCamera};
use volkit_splat::encode_png;

/// Farthest that a random motion moves the world along an axis, in millimetres.
const MOST_SHIFT_MM: f64 = 500.0;

/// A rigid motion of the whole world: `p' = rotation p + shift`.
pub(crate) struct Motion {
    rotation: [[f64; 3]; 3],
    shift: [f64; 3],
}

impl Motion {
    pub(crate) fn none() -> Self {
        Self { rotation: [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]], shift: [0.0; 3] }
    }

    /// A uniformly random rotation and a shift.
    pub(crate) fn random(seed: u64) -> Self {
        let mut random = Random::new(seed);
        let [a, b] = [random.normal_pair(), random.normal_pair()];
        let length = (a[0] * a[0] + a[1] * a[1] + b[0] * b[0] + b[1] * b[1]).sqrt();
        let [w, x, y, z] = [a[0], a[1], b[0], b[1]].map(|q| q / length);
        let rotation = [
            [1.0 - 2.0 * (y * y + z * z), 2.0 * (x * y - w * z), 2.0 * (x * z + w * y)],
            [2.0 * (x * y + w * z), 1.0 - 2.0 * (x * x + z * z), 2.0 * (y * z - w * x)],
            [2.0 * (x * z - w * y), 2.0 * (y * z + w * x), 1.0 - 2.0 * (x * x + y * y)],
        ];
        Self { rotation, shift: [(); 3].map(|()| random.range(-MOST_SHIFT_MM, MOST_SHIFT_MM)) }
    }

    fn turn(&self, v: [f64; 3]) -> [f64; 3] {
        self.rotation.map(|row| (0..3).map(|k| row[k] * v[k]).sum())
    }

    fn apply(&self, p: [f64; 3]) -> [f64; 3] {
        let turned = self.turn(p);
        std::array::from_fn(|k| turned[k] + self.shift[k])
    }

    /// `rotation m`.
    fn times(&self, m: &[[f64; 3]; 3]) -> [[f64; 3]; 3] {
        self.rotation.map(|row| std::array::from_fn(|c| (0..3).map(|k| row[k] * m[k][c]).sum()))
    }

    /// The camera that sees the moved world as the camera saw the world.
    fn camera(&self, camera: &AnimalCamera) -> RigCamera {
        // R' = R Q^T, t' = t - R' s.
        let rotation: [[f64; 3]; 3] =
            camera.rotation.map(|row| std::array::from_fn(|c| (0..3).map(|k| row[k] * self.rotation[c][k]).sum()));
        let translation = std::array::from_fn(|r| {
            camera.translation[r] - (0..3).map(|k| rotation[r][k] * self.shift[k]).sum::<f64>()
        });
        let [cx, cy] = camera.centre_px;
        let intrinsic = [[camera.focal_px, 0.0, cx], [0.0, camera.focal_px, cy], [0.0, 0.0, 1.0]];
        RigCamera { rotation, translation, intrinsic, distortion: None }
    }
}

/// Writes a picture of bytes, grey or colours.
pub(crate) fn write_picture(path: &Path, size: [usize; 2], pixels: &[u8]) -> Result<(), BoxError> {
    Ok(fs::write(path, encode_png(size, pixels)?)?)
}

/// Writes the calibration as the published program reads it.
pub(crate) fn write_calibration(path: &Path, cameras: &[AnimalCamera], motion: &Motion) -> Result<(), BoxError> {
    let rig = Rig::new(cameras.iter().map(|camera| motion.camera(camera)).collect(), "synthetic rig")?;
    let store = rig.to_store()?;
    let file = create_hdf5(path, Hdf5Backend::Auto, &WriteOptions::default())?;
    file.create_group("camera_parameters")?;
    for name in store.names() {
        let array = store.get(&name)?;
        write_array(file.as_ref(), &name, array.shape(), array.values())?;
    }
    Ok(file.finish()?)
}

fn write_array(file: &dyn Hdf5Writer, name: &str, shape: &[usize], values: &Voxels) -> Result<(), BoxError> {
    let layout = Hdf5Layout::for_array(shape, DType::F64);
    file.create_data_set(name, shape, DType::F64, &layout)?;
    Ok(file.write_box(name, &vec![0; shape.len()], shape, values.view())?)
}

/// Writes centres and headings of all frames, and centre, rotation and size of every part.
pub(crate) fn write_truth(path: &Path, animal: &AnimalPhantom, times: &[f64], motion: &Motion) -> Result<(), BoxError> {
    let poses: Vec<_> = times.iter().map(|t| animal.pose(*t)).collect();
    let parts: Vec<_> = times.iter().map(|t| animal.parts(*t)).collect();
    let n_parts = parts.first().map_or(0, Vec::len);
    let n = times.len();
    let centres = poses.iter().flat_map(|pose| motion.apply(pose.centre)).collect();
    let part_centres = parts.iter().flatten().flat_map(|part| motion.apply(part.centre)).collect();
    let rotations = parts.iter().flatten().flat_map(|part| motion.times(&part.rotation).as_flattened().to_vec());
    let axes = parts.iter().take(1).flatten().flat_map(|part| part.semi_axes).collect();
    let arrays: [(&str, Vec<usize>, Vec<f64>); 6] = [
        ("centers", vec![n, 3], centres),
        ("angles", vec![n], poses.iter().map(|pose| pose.heading).collect()),
        ("up", vec![3], motion.turn([0.0, 0.0, 1.0]).to_vec()),
        ("part_centers", vec![n, n_parts, 3], part_centres),
        ("part_rot", vec![n, n_parts, 3, 3], rotations.collect()),
        ("part_axes", vec![n_parts, 3], axes),
    ];
    let file = create_hdf5(path, Hdf5Backend::Auto, &WriteOptions::default())?;
    for (name, shape, values) in arrays {
        write_array(file.as_ref(), name, &shape, &values.into())?;
    }
    Ok(file.finish()?)
}
