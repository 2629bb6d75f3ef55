//! Winograd's algorithms against an `f64` sum, and against themselves on other paths.

use volkit_kernels::{
    Activation, Algorithm, Conv3d, ConvOptions, ConvShape, Isa, KernelError, Layout, Mode, Planes, PlanesMut, Threads,
};

use crate::conv::{Case, Noise, Source, assert_same_bits, simd};

/// Tiled algorithms, and 4 times the errors (root mean square, largest) that `docs/conv3d.md` gives for them.
const TILED: [(Algorithm, [f64; 2]); 5] = [
    (Algorithm::Winograd222, [4.0 * 2.3e-7, 4.0 * 1.1e-6]),
    (Algorithm::Winograd122, [4.0 * 4.3e-7, 4.0 * 3.2e-6]),
    (Algorithm::Winograd144, [4.0 * 1.27e-6, 4.0 * 7.9e-6]),
    (Algorithm::Winograd244, [4.0 * 8.1e-7, 4.0 * 4.5e-6]),
    (Algorithm::Winograd444, [4.0 * 1.27e-6, 4.0 * 7.9e-6]),
];

/// Checks one algorithm on every available instruction set.
fn check(case: &mut Case, exact: &[(f64, f64)], algorithm: Algorithm, [rms, most]: [f64; 2]) {
    case.algorithm = algorithm;
    let name = format!("{algorithm:?}, {:?} on {:?}", case.shape, case.size);
    let scalar = case.run(Isa::Scalar, &Threads::single());
    assert_eq!(scalar.len(), exact.len(), "{name}");
    // The outputs' root mean square; that of a sum of independent terms where few outputs happen to be small.
    let n = exact.len() as f64;
    let terms = (case.shape.c_in * case.shape.taps()) as f64;
    let mean_square = |of: fn(&(f64, f64)) -> f64| exact.iter().map(of).sum::<f64>() / n;
    let scale = mean_square(|(value, _)| value * value).max(mean_square(|(_, sum)| sum * sum) / terms).sqrt();
    let (mut sum, mut largest) = (0.0, 0.0_f64);
    for (got, (value, _)) in scalar.iter().zip(exact) {
        let error = (f64::from(*got) - value).abs() / scale;
        sum += error * error;
        largest = largest.max(error);
    }
    let found = (sum / n).sqrt();
    assert!(
        found <= rms && largest <= most,
        "{name}: errors {found:.2e} (rms), {largest:.2e} of {rms:.2e}, {most:.2e}"
    );
    for isa in simd() {
        assert_same_bits(&case.run(isa, &Threads::single()), &scalar, &format!("{name}, {isa:?}"));
    }
}

fn check_all(mut case: Case) {
    let exact = case.exact();
    for (algorithm, bounds) in TILED {
        check(&mut case, &exact, algorithm, bounds);
    }
}

fn shape(c_in: usize, c_out: usize) -> ConvShape {
    ConvShape::new(c_in, c_out, [3; 3])
}

#[test]
fn channels() {
    for c_in in [1, 8, 24, 30] {
        for c_out in [1, 5, 21, 24, 40] {
            check_all(Case::new(shape(c_in, c_out), [3, 5, 7]));
        }
    }
    check_all(Case::new(shape(40, 48), [2, 5, 9]));
    check_all(Case::new(shape(72, 72), [5, 1, 3]));
}

/// Kernels of 1 x 3 x 3 taps: planes by themselves.
#[test]
fn flat_kernels() {
    for (channels, size) in [
        ([1, 5], [1, 1, 1]),
        ([8, 24], [1, 9, 9]),
        ([16, 32], [3, 5, 33]),
        ([30, 21], [2, 7, 2]),
        ([64, 32], [1, 4, 18]),
    ] {
        for dilation in [[1, 1, 1], [2, 3, 2]] {
            let flat = ConvShape::new(channels[0], channels[1], [1, 3, 3]).with_dilation(dilation);
            let mut case = Case::new(flat.clone(), size);
            let exact = case.exact();
            for (algorithm, bounds) in TILED.into_iter().filter(|(a, _)| a.supports(&flat)) {
                check(&mut case, &exact, algorithm, bounds);
            }
        }
    }
}

#[test]
fn sizes() {
    for depth in [1, 2, 5, 9] {
        for height in [1, 3, 7] {
            for width in [1, 2, 3, 5, 9, 33] {
                check_all(Case::new(shape(3, 6), [depth, height, width]));
            }
        }
    }
    check_all(Case::new(shape(8, 24), [7, 9, 9]));
}

#[test]
fn dilations_up_to_larger_than_the_image() {
    for dilation in [[2; 3], [4; 3], [8; 3], [16; 3], [1, 2, 4], [3, 1, 2], [usize::MAX / 4, 1, usize::MAX / 4]] {
        check_all(Case::new(shape(5, 8).with_dilation(dilation), [9, 7, 19]));
        check_all(Case::new(shape(2, 30).with_dilation(dilation), [18, 3, 37]));
    }
}

#[test]
fn activations_with_a_negative_scale() {
    for activation in [Activation::Relu, Activation::LeakyRelu(0.125), Activation::Elu, Activation::Gelu] {
        check_all(Case::new(shape(8, 24), [3, 5, 6]).epilogue(activation));
    }
}

#[test]
fn sources_are_concatenated_and_up_sampled() {
    let mut noise = Noise::new(5);
    for (c_out, size) in [(24, [2, 4, 6]), (5, [6, 2, 38]), (48, [4, 6, 10])] {
        for counts in [[8, 16], [3, 1], [24, 60]] {
            for ups in [[false, true], [true, false], [true, true], [false, false]] {
                let mut case = Case::new(shape(counts[0] + counts[1], c_out), size).epilogue(Activation::Elu);
                case.sources = (0..2)
                    .map(|i| match ups[i] {
                        true => Source::noise(size.map(|n| n / 2), counts[i], i, &mut noise).upsampled(),
                        false => Source::noise(size, counts[i], i + 1, &mut noise),
                    })
                    .collect();
                check_all(case);
            }
        }
    }
    let mut case = Case::new(shape(6, 9).with_dilation([2, 3, 5]), [10, 8, 22]);
    case.sources = vec![Source::noise([5, 4, 11], 6, 0, &mut noise).upsampled()];
    check_all(case);
}

/// Cases whose tiles make several blocks, rows that end within blocks and ragged ends on every axis.
fn several_cases() -> Vec<Case> {
    vec![
        Case::new(shape(24, 24), [9, 21, 37]).epilogue(Activation::Elu),
        Case::new(shape(8, 96), [6, 18, 10]).epilogue(Activation::Gelu),
        Case::new(shape(5, 21).with_dilation([2, 4, 16]), [11, 30, 40]),
        Case::new(shape(30, 30).with_dilation([16; 3]), [19, 20, 70]),
    ]
}

#[test]
fn bits_depend_neither_on_threads_nor_on_cuts() {
    let isa = Isa::detect();
    // Without the feature there is one thread, and what runs under an emulator takes its time.
    let (threads, steps): (&[usize], &[usize]) =
        if cfg!(feature = "rayon") { (&[2, 3, 7], &[1, 2, 3, 4, 5]) } else { (&[], &[1, 3]) };
    for mut case in several_cases() {
        for (algorithm, _) in TILED {
            case.algorithm = algorithm;
            let whole = case.run(isa, &Threads::single());
            for &n in threads {
                let name = format!("{algorithm:?}, {:?}, {n} threads", case.shape);
                assert_same_bits(&case.run(isa, &Threads::new(n)), &whole, &name);
            }
            for &step in steps {
                let name = format!("{algorithm:?}, {:?}, {step} planes a call", case.shape);
                assert_same_bits(&case.run_in_steps(isa, &Threads::new(2), step), &whole, &name);
            }
        }
    }
}

#[test]
fn rings_hold_exactly_the_planes_that_are_read() {
    for (algorithm, _) in TILED {
        for dilation in [1, 3] {
            let mut case = Case::new(shape(6, 24).with_dilation([dilation, 1, 1]), [40, 5, 18]);
            case.algorithm = algorithm;
            let expected = case.run(Isa::detect(), &Threads::single());
            let conv = case.conv(Isa::detect());
            let whole = &case.sources[0];
            let step = conv.plane_step(40);
            let ring = whole.layout.with_slots(step + 2 * dilation).with_pad_w(2);
            let out = Layout::dense(case.size, 24).with_slots(step);
            let mut result = vec![0.0; out.len()];
            for start in (0..40).step_by(step) {
                let planes = start..(start + step).min(40);
                let reads = conv.planes_read(&planes, 40);
                // Nothing but the planes that are read.
                let mut memory = vec![f32::NAN; ring.len()];
                for (z, y) in reads.clone().flat_map(|z| (0..5).map(move |y| (z, y))) {
                    memory[ring.row(z, y)].copy_from_slice(&whole.data[whole.layout.row(z, y)]);
                }
                let source = Planes::new(&memory, ring).expect("length");
                let mut view = PlanesMut::new(&mut result, out).expect("length");
                conv.run(&[source], &mut view, planes.clone(), &Threads::single()).expect("valid");
                for (z, y) in planes.flat_map(|z| (0..5).map(move |y| (z, y))) {
                    let dense = Layout::dense(case.size, 24).row(z, y);
                    assert_same_bits(&result[out.row(z, y)], &expected[dense], &format!("{algorithm:?}, {z}, {y}"));
                }
            }
            let short = Planes::new(&[], ring.with_slots(0).with_pad_w(0));
            assert!(short.is_err(), "a ring without slots");
            let short = vec![0.0; whole.layout.with_slots(step + 2 * dilation - 1).len()];
            let short = Planes::new(&short, whole.layout.with_slots(step + 2 * dilation - 1)).expect("length");
            let mut view = PlanesMut::new(&mut result, out).expect("length");
            let planes = step.max(6)..step.max(6) + step;
            let error = conv.run(&[short], &mut view, planes, &Threads::single()).expect_err("too few slots");
            assert!(matches!(error, KernelError::Shape { .. }), "{error}");
        }
    }
}

#[test]
fn a_hand_worked_row() {
    // Taps of the middle row only: 1 x[i - 1] + 2 x[i] + 4 x[i + 1] + 1/2. All steps are exact for F(2).
    let mut weight = [0.0; 27];
    weight[12..15].copy_from_slice(&[1.0, 2.0, 4.0]);
    let layout = Layout::dense([1, 1, 5], 1);
    for isa in simd().chain([Isa::Scalar]) {
        for (algorithm, _) in TILED {
            let options = ConvOptions::new(isa).with_algorithm(algorithm);
            let conv = Conv3d::new(shape(1, 1), &weight, Some(&[0.5]), Activation::Identity.into(), options);
            let (input, mut out) = ([1.0, 2.0, 3.0, 4.0, 5.0], [0.0; 5]);
            let source = Planes::new(&input, layout).expect("length");
            let mut view = PlanesMut::new(&mut out, layout).expect("length");
            conv.expect("valid").run(&[source], &mut view, 0..1, &Threads::single()).expect("valid");
            for (got, expected) in out.iter().zip([10.5, 17.5, 24.5, 31.5, 14.5]) {
                assert!((got - expected).abs() <= 2e-5, "{algorithm:?}, {isa:?}: {out:?}");
            }
        }
    }
}

#[test]
fn modes_choose_algorithms() {
    let algorithm = |shape: &ConvShape, mode| {
        let options = ConvOptions::new(Isa::Scalar).with_mode(mode);
        let weight = vec![0.5; shape.c_in * shape.c_out * shape.taps()];
        let conv = Conv3d::new(shape.clone(), &weight, None, Activation::Identity.into(), options).expect("valid");
        assert_eq!(options.algorithm_for(shape).expect("supported"), conv.algorithm());
        conv.algorithm()
    };
    let plain = shape(24, 24);
    assert_eq!(
        Mode::ALL.map(|mode| algorithm(&plain, mode)),
        [Algorithm::Direct, Algorithm::Winograd222, Algorithm::Winograd444]
    );
    let flat = ConvShape::new(24, 24, [1, 3, 3]);
    assert_eq!(
        Mode::ALL.map(|mode| algorithm(&flat, mode)),
        [Algorithm::Direct, Algorithm::Winograd122, Algorithm::Winograd144]
    );
    let point = ConvShape::new(24, 33, [1; 3]);
    assert_eq!(Mode::ALL.map(|mode| algorithm(&point, mode)), [Algorithm::Direct; 3]);
    assert_eq!(Mode::ALL.map(|mode| algorithm(&shape(1, 24), mode)), [Algorithm::Direct; 3]);
}

#[test]
fn an_algorithm_that_can_not_is_refused() {
    for kernel in [[1; 3], [5; 3], [1, 3, 3]] {
        let shape = ConvShape::new(1, 1, kernel);
        let weight = vec![1.0; shape.taps()];
        let options = ConvOptions::new(Isa::Scalar).with_algorithm(Algorithm::Winograd444);
        let error = Conv3d::new(shape, &weight, None, Activation::Identity.into(), options).expect_err("refused");
        assert!(error.to_string().contains("winograd444 with kernel"), "{error}");
    }
}

#[test]
fn packing_is_reported_and_does_not_depend_on_threads() {
    let case = Case::new(shape(24, 48), [5, 6, 7]);
    let (mut noise, threads) = (Noise::new(3), Threads::new(3));
    let weight = noise.vec(24 * 48 * 27);
    for (algorithm, points) in
        [(Algorithm::Winograd444, 216), (Algorithm::Winograd222, 64), (Algorithm::Winograd144, 108)]
    {
        let run = |threads: Option<&Threads>| {
            let mut options = ConvOptions::new(Isa::detect()).with_algorithm(algorithm);
            options.threads = threads;
            let conv = Conv3d::new(case.shape.clone(), &weight, None, Activation::Identity.into(), options);
            let conv = conv.expect("valid");
            assert_eq!(conv.packed_bytes(), points * 24 * 48 * 4);
            let layout = Layout::dense(case.size, 48);
            let mut out = vec![0.0; layout.len()];
            let mut view = PlanesMut::new(&mut out, layout).expect("length");
            conv.run(&[case.sources[0].view()], &mut view, 0..5, &Threads::single()).expect("valid");
            out
        };
        assert_same_bits(&run(Some(&threads)), &run(None), &format!("{algorithm:?}"));
    }
}
