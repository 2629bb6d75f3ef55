//! Differences between results.

use proptest::prelude::*;
use volkit_bench::{BenchError, compare, dice, different_labels, different_values, psnr};

#[test]
fn dice_by_hand() {
    // Label 0: 2 and 3 voxels, 2 in common; label 5: 2 and 0; label -1: 1 and 2, 1 in common.
    let overlap = dice(&[0i64, 0, 5, 5, -1], &[0i64, 0, 0, -1, -1]).unwrap();
    let got: Vec<_> = overlap.iter().map(|x| (x.label, x.n_left, x.n_right, x.n_both)).collect();
    assert_eq!(got, [(-1, 1, 2, 1), (0, 2, 3, 2), (5, 2, 0, 0)]);
    assert_eq!(overlap.iter().map(|x| x.dice).collect::<Vec<_>>(), [2.0 / 3.0, 0.8, 0.0]);
    assert_eq!(different_labels(&[0u8, 1, 2], &[0, 2, 1]).unwrap(), 2);
}

#[test]
fn differences_by_hand() {
    let nan = f64::NAN;
    let difference =
        compare(&[1.0, 2.0, nan, nan, f64::INFINITY, 5.0], &[1.0, 4.0, nan, 0.0, f64::INFINITY, 4.0]).unwrap();
    assert_eq!((difference.n, difference.n_different, difference.n_mismatch), (6, 3, 1));
    assert_eq!((difference.max, difference.mean), (2.0, -1.0 / 6.0));
    assert_eq!((difference.mean_absolute, difference.mean_squared), (0.5, 5.0 / 6.0));
    assert_eq!(difference.worst(), f64::INFINITY);
    assert_eq!(compare(&[1.0f32, 2.5], &[1.0, 2.0]).unwrap().worst(), 0.5);
    assert_eq!(compare::<f64>(&[], &[]).unwrap(), volkit_bench::Difference::default());
}

#[test]
fn values_beyond_a_tolerance() {
    let (nan, inf) = (f64::NAN, f64::INFINITY);
    let (left, right) = ([1.0, 2.0, nan, nan, inf, inf], [1.5, 2.0, nan, 0.0, inf, 1.0]);
    assert_eq!(different_values(&left, &right, 0.0).unwrap(), 3);
    assert_eq!(different_values(&left, &right, 0.5).unwrap(), 2);
    assert!(different_values(&left, &right[1..], 0.5).is_err());
}

#[test]
fn psnr_by_hand() {
    // Mean squared error 4: 10 log10(255^2 / 4).
    let value = psnr(&[10.0, 20.0], &[12.0, 18.0], 255.0).unwrap();
    assert!((value - 42.110_203_695_399_48).abs() < 1e-12, "{value}");
    assert_eq!(psnr(&[1.0], &[1.0], 1.0).unwrap(), f64::INFINITY);
    assert_eq!(psnr(&[f64::NAN], &[1.0], 1.0).unwrap(), f64::NEG_INFINITY);
    for peak in [0.0, -1.0, f64::NAN] {
        assert!(matches!(psnr(&[1.0], &[1.0], peak), Err(BenchError::Parameter { name: "peak", .. })));
    }
}

#[test]
fn lengths_must_agree() {
    let message = dice(&[0i64], &[0i64, 1]).unwrap_err().to_string();
    assert_eq!(message, "dice: the arrays hold 1 and 2 values, but must hold the same number");
    assert!(compare(&[0.0], &[0.0, 1.0]).is_err());
    assert!(different_labels(&[0u8], &[]).is_err());
}

proptest! {
    #[test]
    fn dice_is_symmetric_bounded_and_complete(pairs in prop::collection::vec((0i64..4, 0i64..4), 0..60)) {
        let (left, right): (Vec<i64>, Vec<i64>) = pairs.into_iter().unzip();
        let forth = dice(&left, &right).unwrap();
        let back = dice(&right, &left).unwrap();
        prop_assert_eq!(forth.iter().map(|x| x.n_left).sum::<u64>(), left.len() as u64);
        for (a, b) in forth.iter().zip(&back) {
            prop_assert_eq!((a.label, a.dice, a.n_left, a.n_right), (b.label, b.dice, b.n_right, b.n_left));
            prop_assert!((0.0..=1.0).contains(&a.dice));
            let expected = left.iter().zip(&right).filter(|&(l, r)| *l == a.label && *r == a.label).count() as u64;
            prop_assert_eq!(a.n_both, expected);
        }
        let same: u64 = forth.iter().map(|x| x.n_both).sum();
        prop_assert_eq!(left.len() as u64 - same, different_labels(&left, &right).unwrap());
    }
}
