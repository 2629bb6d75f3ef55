//! A real calibration with lenses: points in space and the pixels that they were seen at.

use std::path::{Path, PathBuf};

use volkit_core::{Array, ArrayStore as _, DType, MemoryStore, Voxels};
use volkit_io::{Hdf5Backend, Limits, NpzStore, open_hdf5};
use volkit_pose::{Rig, WorldFrame, triangulate, up_from_rig};

/// The recording, where the shared folder is there.
fn folder() -> Option<PathBuf> {
    let shared = std::env::var_os("VOLKIT_SHARED").map(PathBuf::from);
    let shared = shared.unwrap_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared"));
    let folder = shared.join("real/multiview/markerless_mouse_1");
    if !folder.is_dir() {
        println!("skipped: {} is not there", folder.display());
        return None;
    }
    Some(folder)
}

fn rig(folder: &Path) -> Rig {
    let file = open_hdf5(folder.join("camera_params.h5"), Hdf5Backend::Auto, &Limits::default()).unwrap();
    let mut store = MemoryStore::new();
    for name in ["rotation", "translation", "intrinsic", "radial_distortion", "tangential_distortion"] {
        let path = format!("camera_parameters/{name}");
        let data_set = file.data_set(&path).unwrap();
        let shape = data_set.info().shape.clone();
        let mut values = Voxels::zeros(DType::F64, shape.iter().product()).unwrap();
        data_set.read_box(&vec![0; shape.len()], &shape, values.view_mut()).unwrap();
        store.insert(path, Array::new(shape, values).unwrap());
    }
    Rig::from_store(&store, "camera_params.h5").unwrap()
}

#[test]
fn labelled_points_fall_on_their_pixels() {
    let Some(folder) = folder() else { return };
    let rig = rig(&folder);
    assert!(rig.len() == 6 && rig.cameras().iter().all(|camera| camera.distortion.is_some()));
    let labels = NpzStore::open(folder.join("labels.npz")).unwrap();
    let points = labels.get("keypoints3d").unwrap().to_real::<f64>().unwrap();
    let pixels = labels.get("keypoints2d").unwrap().to_real::<f64>().unwrap();
    let n = points.len() / 3;
    for (view, camera) in rig.cameras().iter().enumerate() {
        let mut errors = Vec::new();
        for i in 0..n {
            let seen = &pixels[2 * (view * n + i)..][..2];
            let point = [points[3 * i], points[3 * i + 1], points[3 * i + 2]];
            if let Some(pixel) = camera.to_pixel(point).filter(|_| seen.iter().all(|x| x.is_finite())) {
                errors.push((pixel[0] - seen[0]).hypot(pixel[1] - seen[1]));
            }
        }
        errors.sort_by(f64::total_cmp);
        assert!(
            errors.len() > 500 && errors[errors.len() / 2] < 1e-3,
            "view {view}: {:?}",
            errors.get(errors.len() / 2)
        );
    }
    // Without its lens a camera sees the ray that the lens bends there: two of them meet at the point.
    let pinholes = rig.pinholes();
    let undistorted = |view: usize, i: usize| {
        let camera = &rig.cameras()[view];
        let seen = &pixels[2 * (view * n + i)..][..2];
        let [[fx, skew, cx], [_, fy, cy], _] = camera.intrinsic;
        let y = (seen[1] - cy) / fy;
        let ray = camera.distortion?.undo([(seen[0] - cx - skew * y) / fx, y])?;
        Some((&pinholes.cameras()[view], [fx * ray[0] + cx, fy * ray[1] + cy]))
    };
    let finite = |i: usize| (0..6).all(|view| pixels[2 * (view * n + i)].is_finite()) && points[3 * i].is_finite();
    let i = (0..n).find(|i| finite(*i)).unwrap();
    let seen: Vec<_> = (0..6).filter_map(|view| undistorted(view, i)).collect();
    let found = triangulate(&seen).unwrap();
    assert!((0..3).all(|k| (found[k] - points[3 * i + k]).abs() < 0.05), "{found:?}");
}

#[test]
fn the_floor_of_the_recording_is_level() {
    let Some(folder) = folder() else { return };
    let rig = rig(&folder);
    let up = up_from_rig(&rig).unwrap();
    // The calibration's z is up; the cameras are held level by hand.
    assert!(up[2] > 10f64.to_radians().cos(), "{up:?}");
    let placed = WorldFrame::upright(&rig, up).unwrap().place(&rig);
    assert!(placed.cameras().iter().all(|camera| camera.centre().iter().all(|x| x.abs() <= 1.0 + 1e-9)));
}
