//! Piston, tilt, roughness, masks.

use volkit_psi::Surface;

/// A tilted plane with a checkerboard of +-`step` on it, which has no plane of its own in an even number of pixels.
fn checkered([height, width]: [usize; 2], step: f64) -> Vec<f64> {
    let at = |i: usize| {
        let (x, y) = ((i % width) as f64, (i / width) as f64);
        3.0 + 0.5 * x - 0.25 * y + if (i % width + i / width).is_multiple_of(2) { step } else { -step }
    };
    (0..height * width).map(at).collect()
}

#[test]
fn a_plane_is_found_and_taken_away() {
    let mut surface = Surface::new([6, 8], checkered([6, 8], 0.0)).unwrap();
    let plane = surface.plane().unwrap();
    assert!((plane.tilt_x_um - 0.5).abs() < 1e-14 && (plane.tilt_y_um + 0.25).abs() < 1e-14, "{plane:?}");
    // At the middle: x = 3.5, y = 2.5.
    assert!((plane.piston_um - (3.0 + 1.75 - 0.625)).abs() < 1e-14);
    surface.subtract(&plane);
    assert!(surface.height_um().iter().all(|h| h.abs() < 1e-14));
}

#[test]
fn roughness_by_hand() {
    let mut surface = Surface::new([40, 40], checkered([40, 40], 0.02)).unwrap();
    let plane = surface.plane().unwrap();
    surface.subtract(&plane);
    let parameters = surface.parameters().unwrap();
    // A checkerboard has a trace of a plane, 1 / 1600 of its height.
    assert!((parameters.sa_um - 0.02).abs() < 1e-4 && (parameters.sq_um - 0.02).abs() < 1e-4, "{parameters:?}");
    assert!((parameters.pv_um - 0.04).abs() < 1e-3);
    let four = Surface::new([1, 4], vec![0.0, 1.0, 1.0, 2.0]).unwrap().parameters().unwrap();
    assert_eq!((four.sa_um, four.sq_um, four.pv_um, four.n_pixels), (0.5, 0.5f64.sqrt(), 2.0, 4));
}

#[test]
fn masked_pixels_do_not_count() {
    let mut heights = checkered([5, 5], 0.0);
    heights[7] = 1e6;
    heights[8] = f64::NAN;
    let mut surface = Surface::new([5, 5], heights).unwrap();
    let mut modulation = vec![50.0; 25];
    modulation[7] = 2.0;
    surface.mask_low_modulation(&modulation, 10.0).unwrap();
    assert_eq!(surface.is_valid().iter().filter(|valid| !**valid).count(), 2);
    let plane = surface.plane().unwrap();
    assert!((plane.tilt_x_um - 0.5).abs() < 1e-12 && (plane.tilt_y_um + 0.25).abs() < 1e-12);
    surface.subtract(&plane);
    let parameters = surface.parameters().unwrap();
    assert!(parameters.pv_um < 1e-12 && parameters.n_pixels == 23);
}

#[test]
fn little_surfaces_have_what_they_can() {
    let row = Surface::new([1, 3], vec![1.0, 2.0, 3.0]).unwrap().plane().unwrap();
    assert_eq!((row.tilt_x_um, row.tilt_y_um, row.piston_um), (1.0, 0.0, 2.0));
    let column = Surface::new([3, 1], vec![1.0, 2.0, 3.0]).unwrap().plane().unwrap();
    assert_eq!((column.tilt_x_um, column.tilt_y_um), (0.0, 1.0));
    let point = Surface::new([1, 1], vec![4.0]).unwrap();
    assert_eq!(point.plane().unwrap().piston_um, 4.0);
    let none = Surface::new([0, 3], vec![]).unwrap();
    assert!(none.plane().is_none() && none.parameters().is_none());
    assert!(Surface::new([2, 2], vec![0.0; 3]).is_err());
    let mut surface = Surface::new([1, 1], vec![4.0]).unwrap();
    assert!(surface.mask_low_modulation(&[], 1.0).is_err());
    assert_eq!(surface.size(), [1, 1]);
}
