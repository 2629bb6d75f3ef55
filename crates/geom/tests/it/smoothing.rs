//! Gaussian smoothing.

use approx::assert_relative_eq;
use volkit_core::{Affine, DType, Volume};
use volkit_geom::{Gaussian, Outside, fwhm_to_sigma, gaussian, sigma_voxels};

use crate::noise;

/// The value at an index, which may lie past the ends.
type Take<'a> = Box<dyn Fn(i64) -> f64 + 'a>;

/// The filter as its definition says, one output at a time.
fn by_definition(row: &[f64], sigma: f64, take: impl Fn(i64) -> f64) -> Vec<f64> {
    let radius = (4.0 * sigma + 0.5).floor() as i64;
    let weight = |x: i64| (-(x * x) as f64 / (2.0 * sigma * sigma)).exp();
    let sum: f64 = (-radius..=radius).map(weight).sum();
    let at = |i: i64| (-radius..=radius).map(|x| weight(x) * take(i + x)).sum::<f64>() / sum;
    (0..row.len() as i64).map(at).collect()
}

#[test]
fn every_axis_and_edge_follows_the_definition() {
    let row = noise(1, 7);
    let n = row.len() as i64;
    let edges: [(Outside, Take<'_>); 5] = [
        (Outside::Constant(3.0), Box::new(|i| if (0..n).contains(&i) { row[i as usize] } else { 3.0 })),
        (Outside::Nearest, Box::new(|i| row[i.clamp(0, n - 1) as usize])),
        (Outside::Reflect, Box::new(|i| row[(i.rem_euclid(2 * n)).min(2 * n - 1 - i.rem_euclid(2 * n)) as usize])),
        (
            Outside::Mirror,
            Box::new(|i| row[(i.rem_euclid(2 * n - 2)).min(2 * n - 2 - i.rem_euclid(2 * n - 2)) as usize]),
        ),
        (Outside::GridWrap, Box::new(|i| row[i.rem_euclid(n) as usize])),
    ];
    for (outside, take) in &edges {
        // The widest kernel reaches several times around the row.
        for sigma in [0.3, 1.0, 5.0] {
            let wanted = by_definition(&row, sigma, take);
            for axis in 0..3 {
                let (mut size, mut per_axis) = ([1; 3], [0.0; 3]);
                (size[axis], per_axis[axis]) = (7, sigma);
                let got = Gaussian::new(per_axis).with_outside(*outside).apply_slice(&row, size).unwrap();
                for (got, wanted) in got.iter().zip(&wanted) {
                    assert_relative_eq!(got, wanted, max_relative = 1e-13);
                }
            }
        }
    }
}

#[test]
fn constants_stay_and_no_blur_copies() {
    let constant = vec![4.25f32; 60];
    let smoothed = Gaussian::new([1.0, 2.0, 0.7]).apply_slice(&constant, [3, 4, 5]).unwrap();
    assert!(smoothed.iter().all(|x| (x - 4.25).abs() < 1e-5));
    let values = noise(2, 60);
    assert_eq!(Gaussian::new([0.0, 1e-16, 0.05]).apply_slice(&values, [3, 4, 5]).unwrap(), values);
    assert_eq!(Gaussian::new([2.0; 3]).apply_slice(&[7.5f64], [1, 1, 1]).unwrap(), [7.5]);
    assert!(Gaussian::new([2.0; 3]).apply_slice::<f64>(&[], [0, 4, 5]).unwrap().is_empty());
}

#[test]
fn nan_stays_within_the_kernel_and_bad_sigmas_are_refused() {
    let mut values = vec![1.0f64; 11];
    values[5] = f64::NAN;
    let smoothed = Gaussian::new([0.5, 0.0, 0.0]).apply_slice(&values, [11, 1, 1]).unwrap();
    let nan: Vec<usize> = (0..11).filter(|&i| smoothed[i].is_nan()).collect();
    assert_eq!(nan, [3, 4, 5, 6, 7]);
    for wrong in [-1.0, f64::NAN, f64::INFINITY, 1e9] {
        assert!(Gaussian::new([wrong, 0.0, 0.0]).apply_slice(&values, [11, 1, 1]).is_err());
    }
    assert!(Gaussian::new([1.0; 3]).apply_slice(&values, [5, 1, 1]).is_err());
}

#[test]
fn widths_in_millimetres() {
    assert_relative_eq!(fwhm_to_sigma(2.354_820_045_030_949), 1.0, max_relative = 1e-14);
    assert_eq!(sigma_voxels(2.0, &Affine::from_scale([1.0, 2.0, 4.0])), [2.0, 1.0, 0.5]);
    let volume = Volume::new([3, 1, 1, 2], vec![0i16, 8, 0, 0, 0, 0], Affine::IDENTITY).unwrap();
    let smoothed = gaussian(&volume, 0.4).unwrap();
    assert_eq!((smoothed.dtype(), smoothed.shape()), (DType::F32, &[3, 1, 1, 2][..]));
    let values = smoothed.as_slice::<f32>().unwrap();
    assert!(values[0] > 0.0 && values[0] == values[2] && values[1] > 6.0);
    assert_eq!(values[3..], [0.0; 3]);
}
