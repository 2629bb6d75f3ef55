//! Smoothing against plain sums over 27 voxels.

use volkit_kernels::{Layout, PlaneSink as _, Planes, Threads};

use super::{SmoothingSink, smoothed};
use crate::synthseg::Posteriors;

fn volume(size: [usize; 3], channels: usize, seed: usize) -> Posteriors {
    let len = size.iter().product::<usize>() * channels;
    let values = (0..len).map(|i| ((i * 7919 + seed * 31) % 1013) as f32 / 1013.0).collect();
    Posteriors::new(size, channels, values).unwrap()
}

/// Smoothed value of a voxel in f64, with weights from the definition: `exp(-x^2 / (2 sigma^2))`, sigma 0.5.
fn reference(volume: &Posteriors, at: [usize; 3], c: usize) -> f64 {
    let weight = |d: i64| (-(d * d) as f64 / 0.5).exp();
    let total: f64 = (-1..=1).map(weight).sum();
    let mut sum = 0.0;
    for i in 0..27i64 {
        let d = [i % 3 - 1, i / 3 % 3 - 1, i / 9 - 1];
        let place: Vec<i64> = at.iter().zip(d).map(|(a, d)| *a as i64 + d).collect();
        if let [Ok(x), Ok(y), Ok(z)] = [0, 1, 2].map(|a| usize::try_from(place[a]))
            && let Some(voxel) = volume.voxel([x, y, z])
        {
            sum += d.map(weight).iter().product::<f64>() / total.powi(3) * f64::from(voxel[c]);
        }
    }
    sum
}

fn voxels([nx, ny, nz]: [usize; 3]) -> impl Iterator<Item = [usize; 3]> {
    (0..nx * ny * nz).map(move |i| [i % nx, i / nx % ny, i / (nx * ny)])
}

#[test]
fn every_voxel_is_a_sum_over_its_neighbours() {
    for (size, channels) in [([5, 4, 3], 3), ([1, 1, 1], 2), ([1, 3, 2], 1), ([2, 1, 6], 5), ([40, 33, 4], 33)] {
        let volume = volume(size, channels, 1);
        let one = smoothed(&volume, &Threads::single()).unwrap();
        assert_eq!(one, smoothed(&volume, &Threads::new(3)).unwrap(), "threads");
        for at in voxels(size) {
            for (c, value) in one.voxel(at).unwrap().iter().enumerate() {
                assert!((f64::from(*value) - reference(&volume, at, c)).abs() < 1e-6, "{size:?} {at:?} {c}");
            }
        }
    }
}

#[test]
fn a_single_voxel_worked_by_hand() {
    // One voxel keeps the middle weight along each axis: (1 / (1 + 2 e^-2))^3.
    let result = smoothed(&Posteriors::new([1; 3], 1, vec![1.0]).unwrap(), &Threads::single()).unwrap();
    assert!((result.values[0] - 0.786_986_04f32.powi(3)).abs() < 1e-6, "{result:?}");
    let empty = Posteriors::new([0, 2, 2], 1, Vec::new()).unwrap();
    assert_eq!(smoothed(&empty, &Threads::single()).unwrap(), empty);
}

#[test]
fn a_mirrored_output_goes_back_with_its_channels() {
    let (size, flip) = ([5, 3, 4], [0, 2, 1]);
    let (straight, seen) = (volume(size, 3, 2), volume(size, 3, 5));
    // As a ring of two planes with padding, as a network may keep it; the mirrored output lags a block behind.
    let layout = Layout::dense([4, 3, 5], 3).with_pad_w(2).with_slots(2);
    let dense = Layout::dense([4, 3, 5], 3);
    let mut mean = Posteriors::zeros(size, 3).unwrap();
    let mut sink = SmoothingSink::new(size, 3, &mut mean).with_mirrored(&flip);
    for z in [0, 2] {
        for (output, volume) in [&straight, &seen].into_iter().enumerate() {
            let mut memory = vec![f32::NAN; layout.len()];
            for (z, y) in [(z, 0), (z, 1), (z, 2), (z + 1, 0), (z + 1, 1), (z + 1, 2)] {
                memory[layout.row(z, y)].copy_from_slice(&volume.values[dense.row(z, y)]);
            }
            let tensor = Planes::new(&memory, layout).unwrap();
            sink.write_planes(output, z..z + 2, &tensor, &Threads::new(2)).unwrap();
        }
    }
    for at in voxels(size) {
        for (c, (value, from)) in mean.voxel(at).unwrap().iter().zip(flip).enumerate() {
            let mirrored = reference(&seen, [4 - at[0], at[1], at[2]], from);
            let wanted = 0.5 * (reference(&straight, at, c) + mirrored);
            assert!((f64::from(*value) - wanted).abs() < 1e-6, "{at:?} {from}");
        }
    }
}

#[test]
fn planes_of_another_size_or_out_of_turn_are_refused() {
    let seen = volume([2; 3], 2, 3);
    let tensor = Planes::new(&seen.values, Layout::dense([2; 3], 2)).unwrap();
    let threads = Threads::single();
    let mut kept = Posteriors::zeros([2; 3], 2).unwrap();
    assert!(SmoothingSink::new([3, 2, 2], 2, &mut kept).write_planes(0, 0..1, &tensor, &threads).is_err());
    assert!(SmoothingSink::new([2; 3], 2, &mut kept).write_planes(0, 1..2, &tensor, &threads).is_err());
    let mut sink = SmoothingSink::new([2; 3], 2, &mut kept).with_mirrored(&[0]);
    assert!(sink.write_planes(1, 0..1, &tensor, &threads).is_err());
    assert!(sink.write_planes(2, 0..1, &tensor, &threads).is_err());
}
