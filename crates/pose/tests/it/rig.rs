//! Calibrations and lenses.

use volkit_core::{Array, MemoryStore};
use volkit_pose::{Distortion, PoseError, Rig, RigCamera};

use crate::scene::rig_of;

fn rig() -> Rig {
    rig_of(&volkit_bench::AnimalPhantom::new([64, 48]).cameras().unwrap())
}

#[test]
fn arrays_come_back() {
    let rig = rig();
    let store = rig.to_store().unwrap();
    assert_eq!(Rig::from_store(&store, "store").unwrap(), rig);
    let mut cameras = rig.cameras().to_vec();
    cameras[2].distortion = Some(Distortion { radial: [-0.1, 0.02, 0.003], tangential: [1e-3, -2e-3] });
    let bent = Rig::new(cameras, "bent").unwrap();
    assert_eq!(Rig::from_store(&bent.to_store().unwrap(), "store").unwrap(), bent);
    assert_eq!(bent.pinholes(), rig);
}

#[test]
fn json_by_hand() {
    let text = r#"{"cameras": [
        {"rotation": [[1,0,0],[0,1,0],[0,0,1]], "translation": [0,0,4], "intrinsic": [[500,0,320],[0,510,240],[0,0,1]]},
        {"rotation": [[0,0,1],[0,1,0],[-1,0,0]], "translation": [1,2,4], "intrinsic": [[500,0,320],[0,510,240],[0,0,1]],
         "radial_distortion": [0.1, 0.2], "tangential_distortion": [0.01, 0.02]}]}"#;
    let rig = Rig::from_json(text, "text").unwrap();
    assert_eq!(rig.cameras()[0].to_pixel([1.0, -1.0, 1.0]), Some([320.0 + 100.0, 240.0 - 102.0]));
    assert_eq!(rig.cameras()[0].to_pixel([0.0, 0.0, -5.0]), None);
    assert_eq!(rig.cameras()[1].distortion.unwrap().radial, [0.1, 0.2, 0.0]);
    assert_eq!(rig.cameras()[0].centre(), [0.0, 0.0, -4.0]);
    assert!(matches!(Rig::from_json("{}", "text"), Err(PoseError::Read { .. })));
}

#[test]
fn lenses_by_hand_and_back() {
    let lens = Distortion { radial: [0.5, 0.25, 0.125], tangential: [0.01, 0.02] };
    // r^2 = 0.25: radial factor 1 + 0.125 + 0.015625 + 0.001953125.
    let [x, y] = lens.apply([0.3, 0.4]);
    let radial = 1.142_578_125;
    assert!((x - (0.3 * radial + 0.0024 + 0.02 * (0.25 + 0.18))).abs() < 1e-15);
    assert!((y - (0.4 * radial + 0.01 * (0.25 + 0.32) + 0.0048)).abs() < 1e-15);
    for ray in [[0.0, 0.0], [0.3, 0.4], [-0.5, 0.2]] {
        let back = lens.undo(lens.apply(ray)).unwrap();
        assert!((back[0] - ray[0]).abs() + (back[1] - ray[1]).abs() < 1e-12);
    }
    assert_eq!(Distortion::default().undo([0.1, 0.2]), Some([0.1, 0.2]));
}

#[test]
fn cameras_of_fewer_pixels_see_the_same() {
    let camera = rig().cameras()[0];
    let p = [10.0, -5.0, 30.0];
    let (full, half) = (camera.to_pixel(p).unwrap(), camera.subsampled(2).to_pixel(p).unwrap());
    assert!((0..2).all(|k| (full[k] - 2.0 * half[k]).abs() < 1e-9));
    // The rasterizer's pixels have their centres half a pixel further.
    let splat = camera.to_splat([64, 48]).unwrap().to_pixel(p).unwrap();
    assert!((0..2).all(|k| (splat[k] - full[k] - 0.5).abs() < 1e-9));
    let q = camera.projection().map(|row| row[0] * p[0] + row[1] * p[1] + row[2] * p[2] + row[3]);
    assert!((q[0] / q[2] - full[0]).abs() + (q[1] / q[2] - full[1]).abs() < 1e-9);
}

#[test]
fn what_is_no_camera_is_refused() {
    let refused = |change: fn(&mut RigCamera)| {
        let mut cameras = rig().cameras().to_vec();
        change(&mut cameras[1]);
        let error = Rig::new(cameras, "rig.h5").unwrap_err();
        assert!(error.to_string().contains("rig.h5, camera 1"), "{error}");
        error.to_string()
    };
    assert!(refused(|c| c.rotation[0][0] += 0.1).contains("rotation"));
    assert!(refused(|c| c.rotation = c.rotation.map(|row| row.map(|x| -x))).contains("rotation"));
    assert!(refused(|c| c.translation[1] = f64::NAN).contains("finite"));
    assert!(refused(|c| c.intrinsic[0][0] = -3.0).contains("intrinsic"));
    assert!(refused(|c| c.intrinsic[2][0] = 32.0).contains("MATLAB"));
    assert!(Rig::new(rig().cameras()[..1].to_vec(), "one").is_err());
    let mut store = rig().to_store().unwrap();
    store.insert("camera_parameters/translation", Array::new([5, 3], vec![0.0f64; 15]).unwrap());
    let error = Rig::from_store(&store, "rig.h5").unwrap_err().to_string();
    assert!(error.contains("rig.h5") && error.contains("translation") && error.contains("[5, 3]"), "{error}");
    assert!(matches!(Rig::from_store(&MemoryStore::new(), "none"), Err(PoseError::Read { .. })));
}
