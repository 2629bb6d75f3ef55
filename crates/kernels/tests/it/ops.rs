//! Element-wise operations, pooling and norms: worked cases, every instruction set, ragged sizes, rings, padding.

use std::ops::Range;

use volkit_kernels::{
    Activate, Activation, Add, InstanceNorm, Isa, KernelError, Layout, MaxPool, Planes, PlanesMut, ScaleShift, Softmax,
    Threads, argmax, upsample,
};

use crate::exec_naive::Random;

const SIZES: [[usize; 3]; 6] = [[1, 1, 1], [2, 2, 2], [3, 1, 5], [4, 6, 17], [5, 3, 33], [6, 8, 2]];
const CHANNELS: [usize; 8] = [1, 3, 8, 16, 18, 24, 33, 48];

fn isas() -> impl Iterator<Item = Isa> {
    Isa::ALL.into_iter().filter(|isa| isa.is_available())
}

type Run<'a> = &'a dyn Fn(Isa, &Planes<'_>, &mut PlanesMut<'_>, Range<usize>, &Threads) -> Result<(), KernelError>;

/// Runs an operation whole on dense tensors with scalar code, and again on every instruction set, on 3 threads, plane
/// by plane from padded memory into a padded ring of 2 planes; checks that all give the same bits and leave the
/// padding alone. Returns the result.
fn every_way(size: [usize; 3], out_size: [usize; 3], channels: usize, input: &[f32], run: Run<'_>) -> Vec<f32> {
    let dense = Layout::dense(size, channels);
    let out_layout = Layout::dense(out_size, channels);
    let mut expected = vec![f32::NAN; out_layout.len()];
    let source = Planes::new(input, dense).expect("len");
    let mut out = PlanesMut::new(&mut expected, out_layout).expect("len");
    run(Isa::Scalar, &source, &mut out, 0..out_size[0], &Threads::single()).expect("run");

    let padded = dense.with_pad_w(3);
    let mut memory = vec![f32::NAN; padded.len()];
    for z in 0..size[0] {
        for y in 0..size[1] {
            memory[padded.row(z, y)].copy_from_slice(&input[dense.row(z, y)]);
        }
    }
    let source = Planes::new(&memory, padded).expect("len");
    let ring = out_layout.with_pad_w(2).with_slots(2.min(out_size[0]));
    let threads = Threads::new(3);
    for isa in isas() {
        let mut memory = vec![7.0; ring.len()];
        for z in 0..out_size[0] {
            let mut out = PlanesMut::new(&mut memory, ring).expect("len");
            run(isa, &source, &mut out, z..z + 1, &threads).expect("run");
            let mut paddings = memory.clone();
            for y in 0..out_size[1] {
                let (got, want) = (&memory[ring.row(z, y)], &expected[out_layout.row(z, y)]);
                // Which NaN it is, the language leaves open.
                let same = got.iter().zip(want).all(|(a, b)| a.to_bits() == b.to_bits() || (a.is_nan() && b.is_nan()));
                assert!(same, "{isa:?} {size:?} x {channels}, row ({z}, {y}): {got:?} != {want:?}");
                for slot in 0..ring.slots {
                    paddings[ring.row(slot, y)].fill(7.0);
                }
            }
            assert!(paddings.iter().all(|x| *x == 7.0), "{isa:?} wrote padding");
        }
    }
    expected
}

fn cases() -> impl Iterator<Item = ([usize; 3], usize, Vec<f32>)> {
    SIZES.into_iter().flat_map(|size| {
        CHANNELS.into_iter().map(move |channels| {
            let n = size.iter().product::<usize>() * channels;
            (size, channels, Random::new(n as u64).floats(n, 3.0))
        })
    })
}

#[test]
fn scale_shift_is_one_fused_product() {
    for (size, channels, input) in cases() {
        let (scale, shift) = (Random::new(1).floats(channels, 2.0), Random::new(2).floats(channels, 2.0));
        let out = every_way(size, size, channels, &input, &|isa, source, out, planes, threads| {
            ScaleShift::new(channels, &scale, &shift, isa)?.run(source, out, planes, threads)
        });
        for (i, (x, y)) in input.iter().zip(&out).enumerate() {
            assert_eq!(*y, x.mul_add(scale[i % channels], shift[i % channels]));
        }
    }
}

#[test]
fn a_sum_is_added_and_then_activated() {
    for (size, channels, input) in cases() {
        let other = Random::new(9).floats(input.len(), 3.0);
        let dense = Layout::dense(size, channels);
        let out = every_way(size, size, channels, &input, &|isa, source, out, planes, threads| {
            let other = Planes::new(&other, dense)?;
            Add::new(Activation::Relu, isa)?.run([source, &other], out, planes, threads)
        });
        for ((a, b), sum) in input.iter().zip(&other).zip(&out) {
            assert_eq!(*sum, (a + b).max(0.0));
        }
    }
}

#[test]
fn activations_follow_their_formulas() {
    let all = [Activation::Identity, Activation::Relu, Activation::LeakyRelu(0.1), Activation::Elu, Activation::Gelu];
    for (size, channels, input) in cases() {
        for activation in all {
            let out = every_way(size, size, channels, &input, &|isa, source, out, planes, threads| {
                Activate::new(activation, isa)?.run(source, out, planes, threads)
            });
            for (x, y) in input.iter().zip(&out) {
                let wanted = match activation {
                    Activation::Relu => x.max(0.0),
                    Activation::LeakyRelu(slope) if *x < 0.0 => slope * x,
                    Activation::Elu if *x < 0.0 => f64::from(*x).exp_m1() as f32,
                    // erf(t) = 2 / sqrt(pi) * sum of (-1)^n t^(2n+1) / (n! (2n+1)), fine up to t = 3 / sqrt 2.
                    Activation::Gelu => {
                        let t = f64::from(*x) / std::f64::consts::SQRT_2;
                        let (mut power, mut sum) = (t, t);
                        for n in 1..60 {
                            power *= -t * t / f64::from(n);
                            sum += power / f64::from(2 * n + 1);
                        }
                        (f64::from(*x) * (1.0 + sum * std::f64::consts::FRAC_2_SQRT_PI) / 2.0) as f32
                    }
                    _ => *x,
                };
                // 2e-7 max(1, |x|) is what the lanes promise for GELU, the least exact of them; here |x| <= 3.
                assert!((y - wanted).abs() <= 6e-7, "{activation:?}({x}) = {y}, not {wanted}");
            }
        }
    }
}

#[test]
fn max_pool_is_the_largest_of_eight_after_scaling() {
    for (size, channels, input) in cases().filter(|(size, ..)| size.iter().all(|n| *n > 1)) {
        let half = size.map(|n| n / 2);
        let (scale, shift) = (Random::new(3).floats(channels, 2.0), Random::new(4).floats(channels, 2.0));
        let scaled = every_way(size, half, channels, &input, &|isa, source, out, planes, threads| {
            MaxPool::new(channels, Some((&scale, &shift)), isa)?.run(source, out, planes, threads)
        });
        let plain = every_way(size, half, channels, &input, &|isa, source, out, planes, threads| {
            MaxPool::new(channels, None, isa)?.run(source, out, planes, threads)
        });
        let (layout, out_layout) = (Layout::dense(size, channels), Layout::dense(half, channels));
        for z in 0..half[0] {
            for y in 0..half[1] {
                for i in 0..half[2] * channels {
                    let (x, c) = (i / channels, i % channels);
                    let window = (0..8).map(|k| {
                        let (z, y, x) = (2 * z + k / 4, 2 * y + k / 2 % 2, 2 * x + k % 2);
                        input[layout.row_offset(z, y) + x * channels + c]
                    });
                    let at = out_layout.row_offset(z, y) + i;
                    let most = |values: &mut dyn Iterator<Item = f32>| values.fold(f32::NEG_INFINITY, f32::max);
                    assert_eq!(plain[at], most(&mut window.clone()));
                    assert_eq!(scaled[at], most(&mut window.map(|v| v.mul_add(scale[c], shift[c]))));
                }
            }
        }
    }
}

#[test]
fn a_negative_scale_makes_the_least_voxel_win() {
    let input: Vec<f32> = (1..=8).map(|v| v as f32).collect();
    let mut out = [0.0];
    let mut planes = PlanesMut::new(&mut out, Layout::dense([1; 3], 1)).expect("len");
    let source = Planes::new(&input, Layout::dense([2; 3], 1)).expect("len");
    let pool = MaxPool::new(1, Some((&[-2.0], &[0.5])), Isa::detect()).expect("pool");
    pool.run(&source, &mut planes, 0..1, &Threads::single()).expect("run");
    assert_eq!(out, [-1.5]);
}

#[test]
fn upsampling_repeats_each_voxel_eight_times() {
    for (size, channels, input) in cases() {
        let twice = size.map(|n| 2 * n);
        let out = every_way(size, twice, channels, &input, &|_, source, out, planes, threads| {
            upsample(source, out, planes, threads)
        });
        let (layout, out_layout) = (Layout::dense(size, channels), Layout::dense(twice, channels));
        for z in 0..twice[0] {
            for y in 0..twice[1] {
                for i in 0..twice[2] * channels {
                    let from = layout.row_offset(z / 2, y / 2) + i / channels / 2 * channels + i % channels;
                    assert_eq!(out[out_layout.row_offset(z, y) + i], input[from]);
                }
            }
        }
    }
}

#[test]
fn softmax_sums_to_one_and_follows_its_formula() {
    for (size, channels, input) in cases() {
        let out = every_way(size, size, channels, &input, &|isa, source, out, planes, threads| {
            Softmax::new(isa)?.run(source, out, planes, threads)
        });
        for (x, y) in input.chunks(channels).zip(out.chunks(channels)) {
            let sum: f64 = x.iter().map(|x| f64::from(*x).exp()).sum();
            for (x, y) in x.iter().zip(y) {
                assert!((f64::from(*y) - f64::from(*x).exp() / sum).abs() < 1e-6);
            }
            assert!((y.iter().sum::<f32>() - 1.0).abs() < 1e-5);
        }
    }
}

#[test]
fn softmax_of_large_values_neither_overflows_nor_hides_a_nan() {
    let input = [1e30, 1e30, f32::NEG_INFINITY, 0.0, f32::NAN, 5.0, -200.0, 0.0, 200.0];
    let out = every_way([1, 1, 3], [1, 1, 3], 3, &input, &|isa, source, out, planes, threads| {
        Softmax::new(isa)?.run(source, out, planes, threads)
    });
    assert_eq!(out[..3], [0.5, 0.5, 0.0]);
    assert!(out[3..6].iter().all(|x| x.is_nan()));
    assert_eq!(out[8], 1.0);
}

#[test]
fn argmax_takes_the_lowest_of_equals_and_never_a_nan() {
    let (nan, low) = (f32::NAN, f32::NEG_INFINITY);
    let voxels =
        [[1.0, 3.0, 3.0], [nan, -5.0, nan], [nan, nan, nan], [low, low, low], [nan, low, -7.0], [0.0, -0.0, 0.0]];
    let input = voxels.as_flattened();
    let source = Planes::new(input, Layout::dense([1, 2, 3], 3)).expect("len");
    for isa in isas() {
        let mut labels = [9_u8; 6];
        argmax(&source, 0..1, &mut labels, isa, &Threads::single()).expect("argmax");
        assert_eq!(labels, [1, 1, 0, 0, 2, 0], "{isa:?}");
    }
}

#[test]
fn argmax_of_a_ring_follows_its_planes() {
    for (size, channels, input) in cases() {
        let layout = Layout::dense(size, channels);
        let expected: Vec<u16> = input
            .chunks(channels)
            .map(|x| (0..channels).rev().max_by(|&a, &b| x[a].total_cmp(&x[b])).expect("a channel") as u16)
            .collect();
        let plane = size[1] * size[2];
        for isa in isas() {
            let ring = layout.with_pad_w(1).with_slots(size[0].min(3));
            let mut memory = vec![f32::NAN; ring.len()];
            let last = size[0] - ring.slots..size[0];
            for z in last.clone() {
                for y in 0..size[1] {
                    memory[ring.row(z, y)].copy_from_slice(&input[layout.row(z, y)]);
                }
            }
            let mut labels = vec![999_u16; ring.slots * plane];
            let source = Planes::new(&memory, ring).expect("len");
            argmax(&source, last.clone(), &mut labels, isa, &Threads::new(2)).expect("argmax");
            assert_eq!(labels, expected[last.start * plane..], "{isa:?} {size:?} x {channels}");
        }
    }
}

#[test]
fn argmax_counts_its_channels() {
    let input = vec![0.0; 300];
    let source = Planes::new(&input, Layout::dense([1; 3], 300)).expect("len");
    let (threads, mut small, mut wide) = (Threads::single(), [0_u8], [7_u16]);
    let error = argmax(&source, 0..1, &mut small, Isa::Scalar, &threads).expect_err("300 labels in a byte");
    assert!(error.to_string().contains("channels = 300"), "{error}");
    argmax(&source, 0..1, &mut wide, Isa::Scalar, &threads).expect("300 labels in two bytes");
    assert_eq!(wide, [0]);
    assert!(argmax(&source, 0..1, &mut [0_u16; 2], Isa::Scalar, &threads).is_err());
}

#[test]
fn an_instance_norm_has_mean_zero_and_variance_one() {
    for (size, channels, input) in cases().filter(|(size, ..)| size.iter().product::<usize>() > 8) {
        // A mean far from zero: sums of squares in f32 would lose the variance.
        let input: Vec<f32> = input.iter().map(|x| x + 1000.0).collect();
        let out = every_way(size, size, channels, &input, &|isa, source, out, planes, threads| {
            let norm = InstanceNorm::new(0.0, Activation::Identity, isa)?;
            norm.run(source, &norm.statistics(source, threads)?, out, planes, threads)
        });
        let n = (out.len() / channels) as f64;
        for c in 0..channels {
            let of = || out.iter().skip(c).step_by(channels).map(|x| f64::from(*x));
            let mean = of().sum::<f64>() / n;
            let var = of().map(|x| (x - mean).powi(2)).sum::<f64>() / n;
            // The mean, rounded to f32, is off by up to 3e-5.
            assert!(mean.abs() < 1e-4 && (var - 1.0).abs() < 1e-4, "{size:?} x {channels}: {mean}, {var}");
        }
    }
}

#[test]
fn an_instance_norm_worked_by_hand() {
    // Mean 2.5, biased variance 1.25; with eps 5.0 the root is 2.5.
    let input = [1.0, 2.0, 3.0, 4.0];
    let layout = Layout::dense([2, 1, 2], 1);
    let source = Planes::new(&input, layout).expect("len");
    let norm = InstanceNorm::new(5.0, Activation::Relu, Isa::detect()).expect("norm");
    let statistics = norm.statistics(&source, &Threads::single()).expect("statistics");
    let mut out = [0.0; 4];
    let mut planes = PlanesMut::new(&mut out, layout).expect("len");
    norm.run(&source, &statistics, &mut planes, 0..2, &Threads::single()).expect("run");
    for (got, want) in out.iter().zip([0.0, 0.0, 0.2, 0.6]) {
        assert!((got - want).abs() < 1e-7, "{out:?}");
    }
    let half = [0.0; 2];
    let ring = Planes::new(&half, layout.with_slots(1)).expect("len");
    assert!(norm.statistics(&ring, &Threads::single()).is_err());
}

#[test]
fn tensors_without_a_voxel_are_left_alone() {
    let threads = Threads::single();
    for size in [[0, 2, 2], [2, 0, 2], [2, 2, 0]] {
        let layout = Layout::dense(size, 3);
        let source = Planes::new(&[], layout).expect("len");
        let mut out = PlanesMut::new(&mut [], layout).expect("len");
        Softmax::new(Isa::detect()).and_then(|op| op.run(&source, &mut out, 0..size[0], &threads)).expect("run");
        argmax::<u8>(&source, 0..size[0], &mut [], Isa::detect(), &threads).expect("argmax");
        let norm = InstanceNorm::new(1e-5, Activation::Identity, Isa::detect()).expect("norm");
        assert!(norm.statistics(&source, &threads).is_err());
    }
}

#[test]
fn operations_refuse_what_does_not_fit() {
    let memory = vec![0.0; 4 * 4 * 4 * 2];
    let (mut same, mut half) = (memory.clone(), vec![0.0; 16]);
    let layout = Layout::dense([4; 3], 2);
    let source = Planes::new(&memory, layout).expect("len");
    let threads = Threads::single();
    let soft = Softmax::new(Isa::detect()).expect("softmax");
    let mut out = PlanesMut::new(&mut same, layout).expect("len");
    let error = soft.run(&source, &mut out, 3..5, &threads).expect_err("a plane too many");
    assert!(error.to_string().starts_with("softmax: wanted planes within 0..4"), "{error}");
    assert!(soft.run(&source.upsampled(), &mut out, 0..1, &threads).is_err());
    let pool = MaxPool::new(2, None, Isa::detect()).expect("pool");
    let error = pool.run(&source, &mut out, 0..1, &threads).expect_err("not half the size");
    assert!(error.to_string().contains("[2, 2, 2]"), "{error}");
    let mut out = PlanesMut::new(&mut half, Layout::dense([2; 3], 2)).expect("len");
    assert!(upsample(&source, &mut out, 0..1, &threads).is_err());
    assert!(soft.run(&source, &mut out, 0..1, &threads).is_err());
    let one = MaxPool::new(1, None, Isa::detect()).expect("pool");
    assert!(one.run(&source, &mut out, 0..1, &threads).is_err());
    assert!(pool.run(&source, &mut out, 0..2, &threads).is_ok());
}
