//! Correlations of whole tensors, their transposes and gradients, against the definition in f64.

use half::{bf16, f16};
use volkit_kernels::{
    Cores, Correlation, CorrelationShape, Elements, ElementsMut, Filter, Isa, KernelError, Mode, Operand, Threads,
    channel_sums,
};

use crate::exec_naive::Random;

/// Every pair of an output and an input that a tap joins: `each(output, input, weight)`, as indices.
fn pairs(correlation: &Correlation, each: &mut dyn FnMut(usize, usize, usize)) {
    let s = correlation.shape();
    let ([c_in, c_out], out) = (s.channels, correlation.size_out());
    let (per_in, per_out) = (c_in / s.groups, c_out / s.groups);
    let count = |size: [usize; 3]| size.iter().product::<usize>();
    let split = |i: usize, size: [usize; 3]| [i / (size[1] * size[2]), i / size[2] % size[1], i % size[2]];
    for n in 0..s.batch {
        for o in 0..c_out {
            for voxel in 0..count(out) {
                let at = split(voxel, out);
                for c in 0..per_in {
                    for tap in 0..count(s.kernel) {
                        let k = split(tap, s.kernel);
                        let from: [isize; 3] = std::array::from_fn(|a| {
                            (at[a] * s.stride[a] + k[a] * s.dilation[a]) as isize - s.padding[a] as isize
                        });
                        if (0..3).any(|a| from[a] < 0 || from[a] >= s.size_in[a] as isize) {
                            continue;
                        }
                        let [z, y, x] = from.map(|f| f as usize);
                        let channel = n * c_in + o / per_out * per_in + c;
                        let input = ((channel * s.size_in[0] + z) * s.size_in[1] + y) * s.size_in[2] + x;
                        let output = (n * c_out + o) * count(out) + voxel;
                        each(output, input, (o * per_in + c) * count(s.kernel) + tap);
                    }
                }
            }
        }
    }
}

/// A correlation with random arguments.
struct Case {
    correlation: Correlation,
    x: Vec<f32>,
    y: Vec<f32>,
    weight: Vec<f32>,
    bias: [Vec<f32>; 2],
}

impl Case {
    fn new(shape: CorrelationShape, seed: u64) -> Self {
        let correlation = Correlation::new(shape).expect("a valid shape");
        let (s, mut random) = (correlation.shape().clone(), Random::new(seed));
        let count = |size: [usize; 3]| size.iter().product::<usize>();
        Self {
            x: random.floats(s.batch * s.channels[0] * count(s.size_in), 1.0),
            y: random.floats(s.batch * s.channels[1] * count(correlation.size_out()), 1.0),
            weight: random.floats(s.channels[1] * s.channels[0] / s.groups * count(s.kernel), 1.0),
            bias: s.channels.map(|c| random.floats(c, 1.0)),
            correlation,
        }
    }

    /// Forward, transpose and weight gradient; memory is filled with NaN before, so that every value must be written.
    fn run(&self, cores: &Cores<'_>) -> [Vec<f32>; 3] {
        let [mut y, mut x, mut weight] = [self.y.len(), self.x.len(), self.weight.len()].map(|n| vec![f32::NAN; n]);
        let filter = |target: usize| Filter { weight: &self.weight, bias: Some(&self.bias[target]) };
        self.correlation.apply(&self.x, &filter(1), &mut y, cores).expect("forward");
        self.correlation.apply_transposed(&self.y, &filter(0), &mut x, cores).expect("transpose");
        self.correlation.weight_gradient(&self.x, &self.y, &mut weight, cores).expect("weight");
        [y, x, weight]
    }

    fn by_definition(&self) -> [Vec<f64>; 3] {
        let with_bias = |len: usize, bias: &[f32]| -> Vec<f64> {
            let positions = len / self.correlation.shape().batch / bias.len();
            (0..len).map(|i| f64::from(bias[i / positions % bias.len()])).collect()
        };
        let mut y = with_bias(self.y.len(), &self.bias[1]);
        let mut x = with_bias(self.x.len(), &self.bias[0]);
        let mut weight = vec![0.0; self.weight.len()];
        pairs(&self.correlation, &mut |output, input, w| {
            let [from, to, factor] = [self.x[input], self.y[output], self.weight[w]].map(f64::from);
            y[output] += from * factor;
            x[input] += to * factor;
            weight[w] += from * to;
        });
        [y, x, weight]
    }
}

fn close(got: &[f32], wanted: &[f64], what: &str) {
    let largest = wanted.iter().fold(0.0_f64, |m, w| m.max(w.abs()));
    for (at, (g, w)) in got.iter().zip(wanted).enumerate() {
        let off = (f64::from(*g) - w).abs();
        // A NaN is not within.
        assert!(off <= 2e-6 * largest, "{what}[{at}] is {g}, expected {w}");
    }
}

/// Ragged sizes with every option.
fn shapes() -> Vec<CorrelationShape> {
    let shape = CorrelationShape::new;
    vec![
        shape(1, [1, 1], [1, 1, 1], [1, 1, 1]),
        shape(2, [3, 5], [4, 5, 6], [3, 3, 3]).with_padding([1; 3]),
        shape(1, [9, 17], [3, 6, 19], [3, 3, 3]).with_padding([1; 3]),
        shape(1, [24, 8], [4, 4, 4], [1, 1, 1]),
        // Wide and large enough for fewer products than the sum has.
        shape(1, [17, 18], [8, 9, 15], [3, 3, 3]).with_padding([1; 3]),
        shape(1, [2, 3], [5, 6, 7], [3, 1, 5]),
        shape(1, [2, 3], [5, 4, 3], [3, 3, 3]).with_padding([2, 4, 0]),
        shape(1, [2, 2], [7, 5, 6], [3, 3, 3]).with_padding([2; 3]).with_dilation([2, 1, 3]),
        shape(1, [4, 6], [5, 4, 7], [2, 3, 1]).with_stride([1, 2, 3]).with_padding([1, 0, 0]).with_groups(2),
        shape(2, [3, 6], [4, 6, 5], [3, 1, 3]).with_stride([2, 1, 2]).with_padding([2, 0, 1]).with_groups(3),
        shape(1, [5, 33], [4, 6, 8], [2, 2, 2]).with_stride([2; 3]),
        shape(3, [18, 4], [2, 2, 14], [2, 2, 2]).with_stride([2; 3]),
        shape(1, [2, 3], [3, 7, 3], [1, 5, 2]).with_stride([3, 2, 1]).with_padding([0, 2, 1]),
        shape(1, [1, 1], [2, 9, 2], [1, 2, 1]).with_stride([2, 4, 2]).with_dilation([1, 3, 1]),
        shape(1, [4, 4], [2, 3, 5], [1, 1, 1]).with_stride([2, 3, 4]).with_padding([0, 1, 0]).with_groups(4),
        shape(1, [2, 3], [9, 4, 5], [2, 2, 2]).with_stride([2; 3]).with_dilation([3, 1, 2]).with_size_out([2, 1, 1]),
        shape(1, [6, 4], [3, 3, 5], [2, 2, 4]),
    ]
}

#[test]
fn every_option_follows_the_definition() {
    let threads = Threads::new(2);
    for (seed, shape) in shapes().into_iter().enumerate() {
        let case = Case::new(shape.clone(), seed as u64 + 1);
        let wanted = case.by_definition();
        let got = case.run(&Cores::detect(&threads));
        for ((got, wanted), what) in got.iter().zip(&wanted).zip(["y", "x", "weight"]) {
            close(got, wanted, &format!("{what} of {shape:?}"));
        }
    }
}

#[test]
fn each_mode_keeps_within_its_error() {
    // Root mean squares of the differences, as a part of that of the outputs: see docs/conv3d.md.
    let (threads, shape) =
        (Threads::new(2), CorrelationShape::new(1, [26, 25], [9, 11, 14], [3; 3]).with_padding([1; 3]));
    for (mode, limit) in [(Mode::Exact, 1e-6), (Mode::Strict, 5e-7), (Mode::FastMath, 3e-6)] {
        let case = Case::new(shape.clone(), 5);
        let case = Case { correlation: case.correlation.clone().with_mode(mode), ..case };
        let (got, wanted) = (case.run(&Cores::detect(&threads)), case.by_definition());
        for (got, wanted) in got.iter().zip(&wanted).take(2) {
            let square = |x: f64| x * x;
            let off: f64 = got.iter().zip(wanted).map(|(g, w)| square(f64::from(*g) - w)).sum();
            let all: f64 = wanted.iter().map(|w| square(*w)).sum();
            assert!((off / all).sqrt() < limit, "{mode}: {}", (off / all).sqrt());
        }
    }
}

/// The nearest numbers of 16 bits, and what these are.
fn narrow(values: &[f32]) -> (Vec<bf16>, Vec<f32>) {
    let narrow: Vec<bf16> = values.iter().map(|x| bf16::from_f32(*x)).collect();
    let wide = narrow.iter().map(|x| x.to_f32()).collect();
    (narrow, wide)
}

#[test]
fn elements_of_16_bits_are_those_of_f32_rounded_once() {
    let threads = Threads::new(2);
    let cores = Cores::detect(&threads);
    for (seed, shape) in shapes().into_iter().enumerate() {
        let case = Case::new(shape, 30 + seed as u64);
        let ((x16, x), (y16, y)) = (narrow(&case.x), narrow(&case.y));
        let case = Case { x, y, ..case };
        let wanted = case.run(&cores);
        let filter = |target: usize| Filter { weight: &case.weight, bias: Some(&case.bias[target]) };
        let (mut y, mut x) = (vec![bf16::ZERO; y16.len()], vec![f16::ZERO; x16.len()]);
        let mut weight = vec![f32::NAN; case.weight.len()];
        let correlation = &case.correlation;
        correlation.apply(Elements::Bf16(&x16), &filter(1), ElementsMut::Bf16(&mut y), &cores).expect("forward");
        let from = Elements::Bf16(&y16);
        correlation.apply_transposed(from, &filter(0), ElementsMut::F16(&mut x), &cores).expect("transpose");
        correlation.weight_gradient(Elements::Bf16(&x16), from, &mut weight, &cores).expect("weight");
        assert!(y.iter().zip(&wanted[0]).all(|(y, w)| *y == bf16::from_f32(*w)), "case {seed}");
        assert!(x.iter().zip(&wanted[1]).all(|(x, w)| *x == f16::from_f32(*w)), "case {seed}");
        assert_eq!(weight, wanted[2], "case {seed}");
    }
}

#[test]
fn a_rectifier_is_that_behind_the_sums() {
    let threads = Threads::new(2);
    let cores = Cores::detect(&threads);
    for (seed, shape) in shapes().into_iter().enumerate() {
        let case = Case::new(shape, 60 + seed as u64);
        let [plain, ..] = case.run(&cores);
        for slope in [0.0, 0.25] {
            let rectified = case.correlation.clone().with_rectifier(Some(slope));
            let mut y = vec![f32::NAN; plain.len()];
            let filter = Filter { weight: &case.weight, bias: Some(&case.bias[1]) };
            rectified.apply(&case.x, &filter, &mut y, &cores).expect("forward");
            assert!(y.iter().zip(&plain).all(|(y, p)| *y == if *p > 0.0 { *p } else { slope * p }), "case {seed}");

            // Gradients behind it are those of the sums for a gradient that is formed before.
            let formed = y.iter().zip(&case.y).map(|(y, g)| if *y > 0.0 { *g } else { slope * g }).collect();
            let before = Case { y: formed, ..Case::new(case.correlation.shape().clone(), 60 + seed as u64) };
            let [_, x, weight] = before.run(&cores);
            let grad = Operand::before_rectifier(&case.y, &y, slope).expect("one length");
            let (mut to_x, mut to_weight) = (vec![f32::NAN; x.len()], vec![f32::NAN; weight.len()]);
            let filter = Filter { weight: &case.weight, bias: Some(&case.bias[0]) };
            rectified.apply_transposed(grad, &filter, &mut to_x, &cores).expect("transpose");
            rectified.weight_gradient(&case.x, grad, &mut to_weight, &cores).expect("weight");
            assert_eq!((to_x, to_weight), (x, weight), "case {seed}");
        }
    }
}

#[test]
fn instruction_sets_and_threads_give_the_same_bits() {
    // Wide enough for tiles of several vectors, long enough for several strips and chunks.
    let large = [
        CorrelationShape::new(1, [19, 53], [3, 40, 33], [3, 3, 3]).with_padding([1; 3]),
        CorrelationShape::new(2, [50, 20], [4, 32, 34], [2, 2, 2]).with_stride([2; 3]),
    ];
    let counts = [Threads::single(), Threads::new(2), Threads::new(3)];
    for (seed, shape) in shapes().into_iter().chain(large).enumerate() {
        let case = Case::new(shape, seed as u64 + 1);
        let bits = |isa, threads| case.run(&Cores { isa, threads }).map(|v| v.iter().map(|x| x.to_bits()).collect());
        let wanted: [Vec<u32>; 3] = bits(Isa::Scalar, &counts[0]);
        for isa in Isa::ALL.into_iter().filter(|isa| isa.is_available()) {
            assert!(bits(isa, &counts[1]) == wanted, "{isa:?}, case {seed}");
        }
        assert!(bits(Isa::detect(), &counts[2]) == wanted, "three threads, case {seed}");
    }
}

#[test]
fn gradients_are_differences_of_the_forward_pass() {
    // The sum of y * g is linear in x and in the weight, so a difference of any step is exact up to rounding.
    let threads = Threads::single();
    let cores = Cores::detect(&threads);
    for (seed, shape) in shapes().into_iter().enumerate() {
        let case = Case::new(shape, 100 + seed as u64);
        let loss = |x: &[f32], weight: &[f32]| -> f64 {
            let mut y = vec![0.0; case.y.len()];
            case.correlation.apply(x, &Filter { weight, bias: None }, &mut y, &cores).expect("forward");
            y.iter().zip(&case.y).map(|(y, g)| f64::from(*y) * f64::from(*g)).sum()
        };
        let base = loss(&case.x, &case.weight);
        let mut gradient = vec![0.0; case.x.len()];
        let no_bias = Filter { weight: &case.weight, bias: None };
        case.correlation.apply_transposed(&case.y, &no_bias, &mut gradient, &cores).expect("transpose");
        let [_, _, weight_gradient] = case.run(&cores);
        let scale = (case.y.len() as f64).sqrt() * 1e-4;
        for at in [0, case.x.len() / 2, case.x.len() - 1] {
            let mut x = case.x.clone();
            x[at] += 1.0;
            let difference = loss(&x, &case.weight) - base;
            assert!((difference - f64::from(gradient[at])).abs() < scale, "x[{at}] of case {seed}");
        }
        for at in [0, case.weight.len() / 2, case.weight.len() - 1] {
            let mut weight = case.weight.clone();
            weight[at] += 1.0;
            let difference = loss(&case.x, &weight) - base;
            assert!((difference - f64::from(weight_gradient[at])).abs() < scale, "weight[{at}] of case {seed}");
        }
    }
}

#[test]
fn a_transposed_convolution_worked_by_hand() {
    // One input voxel of value 2 becomes 2 x 2 x 2 outputs: the kernel times 2, plus the bias.
    let shape = CorrelationShape::new(1, [1, 1], [2, 2, 2], [2, 2, 2]).with_stride([2; 3]);
    let (threads, weight) = (Threads::single(), [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0]);
    let (correlation, cores) = (Correlation::new(shape).expect("valid"), Cores::detect(&threads));
    let mut out = [0.0; 8];
    let filter = Filter { weight: &weight, bias: Some(&[0.5]) };
    correlation.apply_transposed(&[2.0], &filter, &mut out, &cores).expect("transpose");
    assert_eq!(out, weight.map(|w| 2.0 * w + 0.5));
    let mut gradient = [0.0; 8];
    correlation.weight_gradient(&out, &[2.0], &mut gradient, &cores).expect("gradient");
    assert_eq!(gradient, out.map(|x| 2.0 * x));
}

#[test]
fn sums_over_channels_keep_their_precision() {
    let threads = Threads::new(2);
    let cores = Cores::detect(&threads);
    // 0.1 in f32, a million times: a running f32 sum is off by a percent.
    let (x, mut sums) = (vec![0.1_f32; 2 * 3 * 700_001], [0.0; 3]);
    channel_sums(&x, [2, 3, 700_001], &mut sums, &cores).expect("sums");
    let wanted = (f64::from(0.1_f32) * 1_400_002.0) as f32;
    assert_eq!(sums, [wanted; 3]);
    channel_sums(&[], [0, 3, 5], &mut sums, &cores).expect("an empty batch");
    assert_eq!(sums, [0.0; 3]);
}

#[test]
fn bad_shapes_are_refused() {
    let valid = CorrelationShape::new(1, [4, 6], [5, 5, 5], [3, 3, 3]);
    let refused = |shape: CorrelationShape| match Correlation::new(shape) {
        Err(KernelError::Parameter { name, .. }) => name,
        other => panic!("{other:?}"),
    };
    assert_eq!(refused(valid.clone().with_stride([1, 0, 1])), "stride");
    assert_eq!(refused(valid.clone().with_dilation([0, 1, 1])), "dilation");
    assert_eq!(refused(valid.clone().with_groups(4)), "groups");
    assert_eq!(refused(valid.clone().with_groups(0)), "groups");
    assert_eq!(refused(valid.clone().with_dilation([3, 1, 1])), "kernel");
    assert_eq!(refused(valid.clone().with_dilation([usize::MAX, 1, 1])), "padding");
    assert_eq!(refused(valid.clone().with_padding([usize::MAX, 1, 1])), "padding");
    assert_eq!(refused(valid.clone().with_size_out([3, 4, 3])), "size_out");
    assert_eq!(refused(CorrelationShape::new(1, [1, 1], [0, 1, 1], [1; 3])), "size_in");

    let (threads, correlation) = (Threads::single(), Correlation::new(valid).expect("valid"));
    let cores = Cores::detect(&threads);
    let (x, weight, mut y) = (vec![0.0; 500], vec![0.0; 648], vec![0.0; 162]);
    let filter = Filter { weight: &weight, bias: None };
    let message = |result: Result<(), KernelError>| result.expect_err("refused").to_string();
    assert!(message(correlation.apply(&x[1..], &filter, &mut y, &cores)).contains("input [1, 4, 5, 5, 5], got 499"));
    assert!(message(correlation.apply(&x, &filter, &mut y[1..], &cores)).contains("output [1, 6, 3, 3, 3], got 161"));
    let short = Filter { weight: &weight[1..], bias: None };
    assert!(message(correlation.apply(&x, &short, &mut y, &cores)).contains("weight [6, 4, 3, 3, 3], got 647"));
    let biased = Filter { weight: &weight, bias: Some(&[0.0; 4]) };
    assert!(message(correlation.apply(&x, &biased, &mut y, &cores)).contains("bias [6], got 4"));
    assert!(message(correlation.weight_gradient(&x, &y, &mut [0.0; 3], &cores)).contains("[6, 4, 3, 3, 3], got 3"));

    // Zeros that no memory holds, though few outputs are wanted.
    let far = CorrelationShape::new(1, [1, 1], [2, 2, 2], [1, 1, 1]).with_padding([1 << 40; 3]).with_size_out([1; 3]);
    let far = Correlation::new(far).expect("within the range of offsets");
    let filter = Filter { weight: &[1.0], bias: None };
    assert!(matches!(far.apply(&[0.0; 8], &filter, &mut [0.0], &cores), Err(KernelError::Memory { .. })));
}
