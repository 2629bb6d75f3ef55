//! Losses and their gradients.

use volkit_kernels::Threads;
use volkit_psi::{AugmentedInterface, FringeLoss, Interferometer, interface_loss};

use crate::net::noise;

fn heights(n: usize) -> Vec<f64> {
    noise(n).iter().map(|&x| 10.0 * f64::from(x)).collect()
}

#[test]
fn gradients_are_differences() {
    for (instrument, size) in [
        (Interferometer::default(), [2, 3, 4]),
        (Interferometer::new([5.0, 7.0], 3), [1, 5, 2]),
        (Interferometer::new([5.0], 4), [3, 1, 1]),
    ] {
        let pixels: usize = size.iter().product();
        let target = heights(pixels).iter().map(|h| h + 0.3).collect::<Vec<_>>();
        let mut images = Vec::new();
        for target in target.chunks(size[1] * size[2]) {
            images.extend(instrument.images(target));
        }
        let loss = FringeLoss::new(instrument, 0.5).unwrap();
        let at = heights(pixels);
        let (parts, gradient) = loss.evaluate(&at, &images, size, &Threads::single()).unwrap();
        assert_eq!(parts.total, parts.data + 0.5 * parts.smooth);
        let step = 1e-5;
        for i in 0..pixels {
            let value = |by: f64| {
                let mut moved = at.clone();
                moved[i] += by;
                loss.evaluate(&moved, &images, size, &Threads::single()).unwrap().0.total
            };
            let difference = (value(step) - value(-step)) / (2.0 * step);
            let scale = gradient.iter().fold(0.0f64, |most, g| most.max(g.abs()));
            assert!((difference - gradient[i]).abs() < 1e-7 * scale, "{size:?} {i}: {difference} {}", gradient[i]);
        }
    }
}

#[test]
fn the_truth_has_no_data_loss() {
    let instrument = Interferometer::default();
    let truth = heights(30);
    let images = instrument.images(&truth);
    let loss = FringeLoss::new(instrument, 0.0).unwrap();
    let (parts, gradient) = loss.evaluate(&truth, &images, [1, 5, 6], &Threads::single()).unwrap();
    assert!(parts.data < 1e-24 && gradient.iter().all(|g| g.abs() < 1e-9), "{parts:?}");
    // Half a wavelength of one laser is no minimum for all four.
    let moved: Vec<f64> = truth.iter().map(|h| h + 2.5).collect();
    assert!(loss.evaluate(&moved, &images, [1, 5, 6], &Threads::single()).unwrap().0.data > 100.0);
}

#[test]
fn a_laplacian_by_hand() {
    // One pixel of 2: -8 at it, 2 at its four neighbours.
    let mut map = vec![0.0; 15];
    map[7] = 2.0;
    let instrument = Interferometer::new([1e9], 3);
    let images = instrument.images(&map);
    let loss = FringeLoss::new(instrument, 1.0).unwrap();
    let (parts, _) = loss.evaluate(&map, &images, [1, 3, 5], &Threads::single()).unwrap();
    assert!((parts.smooth - (64.0 + 4.0 * 4.0) / 15.0).abs() < 1e-15, "{parts:?}");
    // In a corner two neighbours are missing.
    map = vec![2.0];
    let (parts, _) = loss.evaluate(&map, &[0.0f32; 3], [1, 1, 1], &Threads::single()).unwrap();
    assert_eq!(parts.smooth, 64.0);
}

#[test]
fn threads_change_no_bit_and_f32_is_near() {
    let instrument = Interferometer::default();
    let at = heights(2 * 7 * 9);
    let mut images = instrument.images(&heights(63));
    images.extend(instrument.images(&at[63..]));
    let loss = FringeLoss::new(instrument, 1e-4).unwrap();
    let one = loss.evaluate(&at, &images, [2, 7, 9], &Threads::single()).unwrap();
    assert_eq!(loss.evaluate(&at, &images, [2, 7, 9], &Threads::new(3)).unwrap(), one);
    let single: Vec<f32> = at.iter().map(|&h| h as f32).collect();
    let (parts, gradient) = loss.evaluate(&single, &images, [2, 7, 9], &Threads::single()).unwrap();
    // Heights of 10 um in f32 are 5e-7 um off: phases of 1e-6, greys of 1e-4.
    assert!((parts.total / one.0.total - 1.0).abs() < 1e-4);
    assert_eq!(gradient.len(), at.len());
}

#[test]
fn sizes_and_weights_are_checked() {
    assert!(FringeLoss::new(Interferometer::default(), -1.0).unwrap_err().to_string().contains("smoothness_weight"));
    let loss = FringeLoss::new(Interferometer::default(), 1.0).unwrap();
    assert_eq!((loss.channels(), loss.smoothness_weight()), (16, 1.0));
    let threads = Threads::single();
    assert!(loss.evaluate(&[0.0f32; 3], &[0.0f32; 64], [1, 2, 2], &threads).is_err());
    assert!(loss.evaluate(&[0.0f32; 4], &[0.0f32; 63], [1, 2, 2], &threads).is_err());
    let (parts, gradient) = loss.evaluate::<f32, f32>(&[], &[], [0, 4, 4], &threads).unwrap();
    assert_eq!((parts.total, gradient.len()), (0.0, 0));
}

#[test]
fn interfaces_by_hand() {
    let loss = interface_loss(&[1.0, 2.0], &[0.0, 4.0]).unwrap();
    assert_eq!((loss.value, loss.gradient, loss.rms_um), (2.5, vec![1.0, -2.0], 2.5f64.sqrt()));
    assert!(interface_loss(&[1.0], &[]).is_err());
    assert_eq!(interface_loss(&[], &[]).unwrap().value, 0.0);
}

#[test]
fn multipliers_close_the_gap() {
    // minimise (a - 1)^2 + (b - 3)^2 subject to a = b: both are 2.
    let mut interface = AugmentedInterface::new(1, 0.5).unwrap();
    let (mut a, mut b) = (1.0, 3.0);
    for _ in 0..60 {
        for _ in 0..200 {
            let slope = interface.evaluate(&[a], &[b]).unwrap().gradient[0];
            a -= 0.1 * (2.0 * (a - 1.0) + slope);
            b -= 0.1 * (2.0 * (b - 3.0) - slope);
        }
        interface.update(&[a], &[b]).unwrap();
    }
    assert!((a - 2.0).abs() < 1e-9 && (b - 2.0).abs() < 1e-9, "{a} {b}");
    // The multiplier is the force of the constraint.
    assert!((interface.multipliers()[0] + 2.0).abs() < 1e-8);
    assert!(interface.update(&[1.0, 2.0], &[1.0, 2.0]).is_err() && AugmentedInterface::new(1, 0.0).is_err());
}
