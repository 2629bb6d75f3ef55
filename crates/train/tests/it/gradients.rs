//! Clipping, accumulation and loss scaling.

use volkit_train::{Accumulator, GradScaler, GradScalerOptions, Norm, TrainError, clip_grad_norm};

#[test]
fn clipping_keeps_the_direction() {
    for (norm, total) in [(Norm::One, 7.0 + 5.0), (Norm::Two, (9.0_f64 + 16.0 + 25.0).sqrt()), (Norm::Infinity, 5.0)] {
        let (mut a, mut b) = ([3.0_f64, -4.0], [5.0]);
        let found = clip_grad_norm(&mut [&mut a, &mut b], 1.0, norm).unwrap();
        assert!((found - total).abs() < 1e-12);
        for (got, before) in [a[0], a[1], b[0]].into_iter().zip([3.0, -4.0, 5.0]) {
            assert!((got - before / (total + 1e-6)).abs() < 1e-12);
        }
    }
    let mut short = [0.3_f32];
    assert!((clip_grad_norm(&mut [&mut short], 1.0, Norm::Two).unwrap() - 0.3).abs() < 1e-6);
    assert_eq!(short, [0.3]);
    assert_eq!(clip_grad_norm::<f32>(&mut [], 1.0, Norm::Infinity).unwrap(), 0.0);
    assert!(clip_grad_norm(&mut [&mut short], -1.0, Norm::Two).is_err());
    let mut bad = [1.0, f32::NAN];
    assert!(clip_grad_norm(&mut [&mut bad], 1.0, Norm::Infinity).unwrap().is_nan());
}

#[test]
fn parts_of_a_batch_count_by_their_samples() {
    // Mean squares of 7 samples, in one part and in parts of 3, 3 and 1.
    let x = [0.5, -1.0, 2.0, 0.1, 0.7, -0.3, 1.5];
    let of = |samples: &[f64]| {
        let n = samples.len() as f64;
        let loss = samples.iter().map(|x| x * x).sum::<f64>() / n;
        (loss, vec![2.0 * samples.iter().sum::<f64>() / n, 1.0])
    };
    let mut accumulator = Accumulator::new(&[2]);
    assert!(accumulator.take(|_, _| ()).is_none());
    for part in x.chunks(3) {
        let (loss, gradient) = of(part);
        accumulator.add(loss, &[&gradient], part.len()).unwrap();
    }
    assert_eq!(accumulator.samples(), 7);
    let (loss, gradient) = of(&x);
    let taken = accumulator.take(|loss, gradients| (loss, gradients[0].to_vec())).unwrap();
    assert!((taken.0 - loss).abs() < 1e-12);
    assert!(taken.1.iter().zip(&gradient).all(|(a, b)| (a - b).abs() < 1e-12));
    assert!(accumulator.take(|_, _| ()).is_none());
    assert!(matches!(accumulator.add(0.0, &[], 1), Err(TrainError::Arrays { .. })));
    assert!(matches!(accumulator.add(0.0, &[&[1.0]], 1), Err(TrainError::Length { .. })));
}

#[test]
fn the_scale_backs_off_and_grows() {
    let options = GradScalerOptions::default().with_initial_scale(8.0).with_growth_interval(2);
    let mut scaler = GradScaler::new(options).unwrap();
    let mut gradient = [16.0_f32, -8.0];
    assert!(!scaler.unscale(&mut [&mut gradient]));
    assert_eq!(gradient, [2.0, -1.0]);
    scaler.update(false).unwrap();
    assert_eq!((scaler.scale(), scaler.growth_tracker()), (8.0, 1));
    scaler.update(false).unwrap();
    assert_eq!((scaler.scale(), scaler.growth_tracker()), (16.0, 0));
    assert!(scaler.unscale(&mut [&mut [1.0, f32::INFINITY], &mut []]));
    scaler.update(true).unwrap();
    assert_eq!((scaler.scale(), scaler.growth_tracker()), (8.0, 0));
    let stored = serde_json::to_string(&scaler).unwrap();
    assert_eq!(serde_json::from_str::<GradScaler>(&stored).unwrap(), scaler);
}

#[test]
fn a_scale_ends_somewhere() {
    let huge = GradScalerOptions::default().with_initial_scale(3e38).with_growth_interval(1);
    let mut scaler = GradScaler::new(huge).unwrap();
    scaler.update(false).unwrap();
    assert_eq!(scaler.scale(), 3e38);
    let mut scaler = GradScaler::new(GradScalerOptions::default().with_initial_scale(0.0001)).unwrap();
    assert_eq!(
        scaler.update(true).unwrap_err().to_string(),
        "the loss scale fell to 5e-5: gradients are not finite at any scale"
    );
    for options in [
        GradScalerOptions::default().with_initial_scale(0.0),
        GradScalerOptions::default().with_factors(0.5, 0.5),
        GradScalerOptions::default().with_factors(2.0, 1.0),
        GradScalerOptions::default().with_growth_interval(0),
    ] {
        assert!(matches!(GradScaler::new(options), Err(TrainError::Option { .. })), "{options:?}");
    }
}
