//! Errors of height maps, and colours.

use volkit_psi::{ColourScale, HeightErrors, Summary};

#[test]
fn errors_by_hand() {
    let errors = HeightErrors::of(&[1.0, 2.0, -3.0, 0.5], &[2.0, 2.0, -1.0, 0.0]).unwrap();
    // Differences 1, 0, 2, 0.5; the last truth is 0 and has no relative error.
    assert!((errors.rmse_um - (5.25f64 / 4.0).sqrt()).abs() < 1e-15);
    assert_eq!((errors.mae_um, errors.max_um, errors.mape_percent), (0.875, 2.0, 100.0 * 2.5 / 3.0));
    assert_eq!(HeightErrors::of(&[], &[]).unwrap(), HeightErrors::default());
    assert!(HeightErrors::of(&[1.0], &[]).unwrap_err().to_string().contains("1 values, expected 0"));
    assert!(HeightErrors::of(&[f64::NAN, 1.0], &[0.0, 0.0]).unwrap().max_um.is_nan());
}

#[test]
fn summaries_by_hand() {
    let summary = Summary::of(&[1.0, 3.0, 5.0, 7.0]).unwrap();
    assert_eq!((summary.mean, summary.min, summary.max), (4.0, 1.0, 7.0));
    assert!((summary.std - 5.0f64.sqrt()).abs() < 1e-15);
    assert_eq!(Summary::of(&[]), None);
    assert_eq!(Summary::of(&[2.0]).unwrap().std, 0.0);
}

#[test]
fn colours_run_from_end_to_end() {
    let heights = [0.0, 1.0, f64::NAN, 2.0];
    assert_eq!(ColourScale::Sequential.range(&heights), [0.0, 2.0]);
    assert_eq!(ColourScale::Diverging.range(&[-1.0, 3.0]), [-3.0, 3.0]);
    let painted = ColourScale::Sequential.paint(&heights, [0.0, 2.0]);
    assert_eq!(
        (painted.len(), &painted[..3], &painted[6..9], &painted[9..]),
        (12, &[68, 1, 84][..], &[120; 3][..], &[253, 231, 37][..])
    );
    assert_eq!(ColourScale::Diverging.colour(0.5), [247; 3]);
    assert_eq!(ColourScale::Sequential.range(&[]), [0.0, 0.0]);
    assert_eq!(ColourScale::Sequential.paint(&[5.0], [5.0, 5.0]), [68, 1, 84]);
}
