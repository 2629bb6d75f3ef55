//! Percentiles, rescaling and statistics.

use proptest::prelude::*;
use volkit_geom::{GeomError, NanRule, Sample, Statistics, clip, percentile, percentiles, rescale_unit};

use crate::noise;

const Q: [f64; 9] = [0.0, 0.5, 25.0, 33.3333, 50.0, 75.0, 99.5, 99.9, 100.0];

/// The definition, on a full sort.
fn by_full_sort(values: &[f64], q: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let h = q / 100.0 * (sorted.len() - 1) as f64;
    let (lo, t) = (h.floor() as usize, h - h.floor());
    let (a, b) = (sorted[lo], sorted[(lo + 1).min(sorted.len() - 1)]);
    if t < 0.5 { a + (b - a) * t } else { b - (b - a) * (1.0 - t) }
}

fn check<T: Sample>(values: &[T]) {
    let wide: Vec<f64> = values.iter().map(|value| value.to_f64()).collect();
    let wanted: Vec<f64> = Q.iter().map(|&q| by_full_sort(&wide, q)).collect();
    assert_eq!(percentiles(values, &Q, NanRule::Propagate).unwrap(), wanted, "{} x {}", values.len(), T::DTYPE);
}

#[test]
fn large_arrays_of_every_type_agree_with_a_full_sort() {
    let values: Vec<f64> = noise(1, 150_001).iter().map(|x| (x - 0.5).powi(3) * 2000.0).collect();
    check(&values);
    check(&values.iter().map(|&x| x as f32).collect::<Vec<_>>());
    check(&values.iter().map(|&x| x as i16).collect::<Vec<_>>());
    check(&values.iter().map(|&x| x as u8).collect::<Vec<_>>());
    check(&values.iter().map(|&x| (x / 2.0) as i8).collect::<Vec<_>>());
    check(&values.iter().map(|&x| (x * 1e6) as i32).collect::<Vec<_>>());
    check(&values.iter().map(|&x| (x * 1e12) as i64).collect::<Vec<_>>());
    check(&values.iter().map(|&x| (x.abs() * 30.0) as u16).collect::<Vec<_>>());
    // Mostly background, as in a scan.
    check(&values.iter().map(|&x| x.max(0.0) as f32).collect::<Vec<_>>());
}

#[test]
fn nan_and_infinity() {
    let values = [3.0f32, f32::NAN, 1.0, f32::INFINITY, f32::NEG_INFINITY];
    assert!(percentile(&values, 50.0, NanRule::Propagate).unwrap().is_nan());
    // -inf + (1 + inf) * 0 is NaN.
    assert!(percentile(&values, 0.0, NanRule::Skip).unwrap().is_nan());
    assert_eq!(percentile(&values, 50.0, NanRule::Skip).unwrap(), 2.0);
    assert_eq!(percentile(&[f32::NAN], 50.0, NanRule::Skip), Err(GeomError::Empty { op: "percentile" }));
    assert_eq!(percentile::<f64>(&[], 50.0, NanRule::Propagate), Err(GeomError::Empty { op: "percentile" }));
    for wrong in [-0.1, 100.1, f64::NAN] {
        assert!(matches!(percentile(&[1u8], wrong, NanRule::Skip), Err(GeomError::Parameter { .. })));
    }
    let mut many: Vec<f64> = noise(2, 70_000);
    let clean = percentiles(&many, &Q, NanRule::Skip).unwrap();
    many.extend([f64::NAN, -f64::NAN]);
    assert_eq!(percentiles(&many, &Q, NanRule::Skip).unwrap(), clean);
    assert!(percentiles(&many, &Q, NanRule::Propagate).unwrap().iter().all(|x| x.is_nan()));
}

#[test]
fn rescaling_and_clipping() {
    let mut values = [-5.0f64, 0.0, 5.0, 10.0, 20.0, f64::NAN];
    rescale_unit(&mut values, 0.0, 10.0).unwrap();
    assert_eq!(values[..5], [0.0, 0.0, 0.5, 1.0, 1.0]);
    assert!(values[5].is_nan());
    let mut flat = [3.0f32; 4];
    rescale_unit(&mut flat, 3.0, 3.0).unwrap();
    assert_eq!(flat, [0.0; 4]);
    assert!(rescale_unit(&mut flat, 1.0, 0.0).is_err() && rescale_unit(&mut flat, f64::NAN, 0.0).is_err());
    assert!(rescale_unit(&mut flat, 0.0, f64::INFINITY).is_err());
    let mut counts = [-3i16, 40, 900];
    clip(&mut counts, 0.0, 80.0).unwrap();
    assert_eq!(counts, [0, 40, 80]);
    assert!(clip(&mut counts, 2.0, 1.0).is_err());
}

#[test]
fn statistics_count_what_is_not_finite() {
    let statistics = Statistics::of(&[1.0f32, f32::NAN, 3.0, f32::INFINITY, 5.0, f32::NEG_INFINITY]);
    assert_eq!((statistics.n_finite, statistics.n_nan, statistics.n_infinite), (3, 1, 2));
    assert_eq!((statistics.min, statistics.max, statistics.mean), (1.0, 5.0, 3.0));
    assert!((statistics.standard_deviation - (8.0f64 / 3.0).sqrt()).abs() < 1e-14);
    let many: Vec<f64> = noise(3, 200_000).iter().map(|x| x + 1e6).collect();
    let mean = many.iter().sum::<f64>() / 2e5;
    let variance = many.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / 2e5;
    let statistics = Statistics::of(&many);
    assert!((statistics.mean - mean).abs() < 1e-13 * mean);
    assert!((statistics.standard_deviation - variance.sqrt()).abs() < 1e-8);
    let nothing = Statistics::of::<u8>(&[]);
    assert!(nothing.n_finite == 0 && nothing.min.is_nan() && nothing.mean.is_nan());
}

proptest! {
    #[test]
    fn percentiles_are_those_of_a_full_sort(values in prop::collection::vec(-1e3f64..1e3, 1..200), q in 0.0f64..=100.0) {
        prop_assert_eq!(percentile(&values, q, NanRule::Propagate).unwrap(), by_full_sort(&values, q));
    }
}
