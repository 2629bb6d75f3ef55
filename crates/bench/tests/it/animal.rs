//! The multi-view animal.

use volkit_bench::{AnimalCamera, AnimalPhantom, BenchError};

fn animal() -> AnimalPhantom {
    AnimalPhantom::new([96, 72])
}

fn to_pixel(camera: &AnimalCamera, p: [f64; 3]) -> [f64; 2] {
    let q: [f64; 3] =
        std::array::from_fn(|r| (0..3).map(|c| camera.rotation[r][c] * p[c]).sum::<f64>() + camera.translation[r]);
    [0, 1].map(|k| camera.focal_px * q[k] / q[2] + camera.centre_px[k])
}

#[test]
fn parts_and_cameras_by_hand() {
    let animal = animal();
    let parts = animal.parts(0.0);
    assert_eq!(parts.len(), 15);
    // At rest: centre (0, 0, 26), heading atan2(30 w, 30 w).
    let pose = animal.pose(0.0);
    assert!((pose.heading - std::f64::consts::FRAC_PI_4).abs() < 1e-12 && pose.centre == [0.0, 0.0, 26.0]);
    let belly = parts.iter().find(|part| part.name == "belly").unwrap();
    let along = -3.0 * std::f64::consts::FRAC_1_SQRT_2;
    assert!((belly.centre[0] - along).abs() < 1e-12 && (belly.centre[1] - along).abs() < 1e-12);
    assert_eq!((belly.centre[2], belly.semi_axes), (23.0, [20.0, 11.0, 10.0]));
    // Nothing reaches below the floor by more than a leg's tip.
    for t in 0..40 {
        for part in animal.parts(0.1 * f64::from(t)) {
            assert!(part.centre[2] - part.semi_axes[2] > -2.0, "{} at {t}", part.name);
        }
    }
    let cameras = animal.cameras().unwrap();
    assert_eq!(cameras.len(), 6);
    for (k, camera) in cameras.iter().enumerate() {
        let pixel = to_pixel(camera, [0.0, 0.0, 20.0]);
        assert!((pixel[0] - 47.5).abs() < 1e-9 && (pixel[1] - 35.5).abs() < 1e-9);
        // Up in the picture is +z, and +x for the camera above.
        let up = to_pixel(camera, if k == 5 { [10.0, 0.0, 20.0] } else { [0.0, 0.0, 30.0] });
        assert!(up[1] < 35.0 && (up[0] - 47.5).abs() < 1e-6, "{k}: {up:?}");
    }
}

#[test]
fn masks_are_the_silhouettes_of_the_parts() {
    let animal = animal().with_noise(0.0);
    for (k, camera) in animal.cameras().unwrap().iter().enumerate() {
        let view = animal.render(camera, 0.7, 0).unwrap();
        // Points on the surfaces of all parts lie within the mask, and fill it.
        let mut reached = vec![false; 96 * 72];
        for part in animal.parts(0.7) {
            for i in 0..4000u32 {
                let z = 1.0 - (2.0 * f64::from(i) + 1.0) / 4000.0;
                let (sin, cos) = (f64::from(i) * 2.399_963).sin_cos();
                let r = (1.0 - z * z).sqrt();
                let own = [r * cos * part.semi_axes[0], r * sin * part.semi_axes[1], z * part.semi_axes[2]];
                let p = std::array::from_fn(|row| {
                    part.centre[row] + (0..3).map(|c| part.rotation[row][c] * own[c]).sum::<f64>()
                });
                let [x, y] = to_pixel(camera, p).map(f64::round);
                assert!((0.0..96.0).contains(&x) && (0.0..72.0).contains(&y), "the animal stays in view");
                reached[y as usize * 96 + x as usize] = true;
            }
        }
        let both = reached.iter().zip(&view.mask).filter(|(r, m)| **r && **m > 0).count();
        let either = reached.iter().zip(&view.mask).filter(|(r, m)| **r || **m > 0).count();
        assert!(both as f64 / either as f64 > 0.9, "camera {k}: {both} of {either}");
        // Background where there is no animal, and never white.
        for (mask, colour) in view.mask.iter().zip(view.colour.chunks(3)) {
            assert!(*mask > 0 || colour == [153; 3]);
            assert!(colour.iter().all(|c| *c < 255));
        }
    }
}

#[test]
fn the_same_input_gives_the_same_picture() {
    let animal = animal();
    let cameras = animal.cameras().unwrap();
    let view = animal.render(&cameras[1], 1.25, 3).unwrap();
    assert_eq!(animal.render(&cameras[1], 1.25, 3).unwrap(), view);
    let other = animal.render(&cameras[1], 1.25, 4).unwrap();
    assert!(other.mask == view.mask && other.colour != view.colour, "another frame has other noise");
    let difference: f64 =
        view.colour.iter().zip(&other.colour).map(|(a, b)| (f64::from(*a) - f64::from(*b)).powi(2)).sum();
    let deviation = (difference / view.colour.len() as f64 / 2.0).sqrt();
    assert!((1.8..2.3).contains(&deviation), "{deviation}");
}

#[test]
fn bad_parameters_are_refused() {
    for bad in [
        AnimalPhantom::new([0, 5]),
        animal().with_cameras(3),
        animal().with_cameras(13),
        animal().with_noise(-1.0),
        animal().with_noise(f64::NAN),
        animal().with_background(1.5),
    ] {
        assert!(matches!(bad.cameras(), Err(BenchError::Parameter { .. })));
    }
}
