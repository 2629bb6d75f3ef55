//! Conventions of poses and intrinsics.

use volkit_splat::{Camera, Intrinsics, SplatError};

fn intrinsics() -> Intrinsics {
    Intrinsics { focal_px: [100.0, 100.0], centre_px: [32.0, 24.0], width: 64, height: 48 }
}

fn close(a: [f64; 2], b: [f64; 2]) {
    assert!((a[0] - b[0]).abs() < 1e-9 && (a[1] - b[1]).abs() < 1e-9, "{a:?} {b:?}");
}

#[test]
fn every_convention_sees_the_same_point() {
    // At (0, -2, 0), looking along +y, z up: x of the world is right in the picture, z is up.
    let eye = [0.0, -2.0, 0.0];
    let look = Camera::look_at(eye, [0.0; 3], [0.0, 0.0, 1.0], intrinsics()).unwrap();
    let point = [0.2, 0.0, 0.1];
    let pixel = [32.0 + 100.0 * 0.1, 24.0 - 100.0 * 0.05];
    close(look.to_pixel(point).unwrap(), pixel);
    assert_eq!(look.to_pixel([0.0, -3.0, 0.0]), None);

    let rows = [[1.0, 0.0, 0.0, 0.0], [0.0, 0.0, -1.0, 0.0], [0.0, 1.0, 0.0, 2.0]];
    let opencv = Camera::new(rows, intrinsics()).unwrap();
    close(opencv.to_pixel(point).unwrap(), pixel);

    // Blender: camera to world, x right, y up, z backward.
    let columns = [[1.0, 0.0, 0.0, 0.0], [0.0, 0.0, -1.0, -2.0], [0.0, 1.0, 0.0, 0.0], [0.0, 0.0, 0.0, 1.0]];
    let blender = Camera::from_opengl(columns, intrinsics()).unwrap();
    close(blender.to_pixel(point).unwrap(), pixel);

    // COLMAP: a quarter turn about x takes y to z and z to -y.
    let half = std::f64::consts::FRAC_1_SQRT_2;
    let colmap = Camera::from_colmap([half, half, 0.0, 0.0], [0.0, 0.0, 2.0], intrinsics()).unwrap();
    close(colmap.to_pixel(point).unwrap(), pixel);
    for camera in [look, opencv, blender, colmap] {
        let centre = camera.centre();
        assert!((0..3).all(|k| (centre[k] - eye[k]).abs() < 1e-12), "{centre:?}");
    }
}

#[test]
fn intrinsics_by_hand() {
    // A right angle: the focal length is half the width.
    let i = Intrinsics::from_field_of_view(std::f64::consts::FRAC_PI_2, 64, 48);
    assert!((i.focal_px[0] - 32.0).abs() < 1e-12 && i.focal_px[0] == i.focal_px[1] && i.centre_px == [32.0, 24.0]);
    let i = Intrinsics::from_opencv([[50.0, 0.0, 31.5], [0.0, 60.0, 23.5], [0.0, 0.0, 1.0]], 64, 48).unwrap();
    assert_eq!((i.focal_px, i.centre_px), ([50.0, 60.0], [32.0, 24.0]));
    let half = i.resized(32, 24);
    assert_eq!((half.focal_px, half.centre_px, half.width), ([25.0, 30.0], [16.0, 12.0], 32));
    let skewed = [[50.0, 0.1, 31.5], [0.0, 60.0, 23.5], [0.0, 0.0, 1.0]];
    assert!(Intrinsics::from_opencv(skewed, 64, 48).is_err());
}

#[test]
fn bad_poses_are_refused_by_name() {
    let message = |result: Result<Camera, SplatError>| result.unwrap_err().to_string();
    assert!(message(Camera::from_colmap([0.0; 4], [0.0; 3], intrinsics())).starts_with("quaternion = "));
    let nan = [[f64::NAN; 4]; 3];
    assert!(message(Camera::new(nan, intrinsics())).starts_with("camera_from_world = "));
    let singular = [[1.0, 0.0, 0.0, 0.0], [1.0, 0.0, 0.0, 0.0], [0.0, 0.0, 1.0, 0.0], [0.0, 0.0, 0.0, 1.0]];
    assert!(message(Camera::from_opengl(singular, intrinsics())).contains("inverse"));
    let projective = [[0.0; 4]; 4];
    assert!(message(Camera::from_opengl(projective, intrinsics())).contains("last row"));
    let rows = [[1.0, 0.0, 0.0, 0.0], [0.0, 1.0, 0.0, 0.0], [0.0, 0.0, 1.0, 0.0]];
    let flat = Intrinsics { focal_px: [0.0, 1.0], ..intrinsics() };
    assert!(message(Camera::new(rows, flat)).starts_with("focal_px = "));
    let off = Intrinsics { centre_px: [f64::INFINITY, 1.0], ..intrinsics() };
    assert!(message(Camera::new(rows, off)).starts_with("centre_px = "));
    for (eye, up) in [([0.0; 3], [0.0, 0.0, 1.0]), ([0.0, 0.0, 3.0], [0.0, 0.0, 1.0])] {
        assert!(message(Camera::look_at(eye, [0.0; 3], up, intrinsics())).starts_with("look_at = "));
    }
}
