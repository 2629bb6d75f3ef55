//! Pooling, resizing, normalisation and activations of whole tensors against plain loops and central differences.

use half::{bf16, f16};
use volkit_kernels::{
    ChannelMoments, Cores, Elements, ElementsMut, Interpolation, Isa, KernelError, Pointwise, Pooling, PoolingShape,
    Resize, Standardisation, Threads, channel_sums, convert,
};

use crate::exec_naive::Random;

/// Runs `work` on every instruction set with one, two and three threads, and expects the same bits everywhere.
fn same_bits(work: impl Fn(&Cores<'_>) -> Vec<f32>) -> Vec<f32> {
    let scalar = work(&Cores { isa: Isa::Scalar, threads: &Threads::single() });
    let bits = |v: &[f32]| v.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
    for isa in Isa::ALL.into_iter().filter(|isa| isa.is_available()) {
        for count in [2, 3] {
            let got = work(&Cores { isa, threads: &Threads::new(count) });
            assert!(bits(&got) == bits(&scalar), "{isa:?} with {count} threads");
        }
    }
    scalar
}

#[track_caller]
fn close(got: &[f32], wanted: &[f64], tolerance: f64) {
    assert_eq!(got.len(), wanted.len());
    let largest = wanted.iter().fold(1e-30_f64, |m, w| m.max(w.abs()));
    for (at, (g, w)) in got.iter().zip(wanted).enumerate() {
        assert!((f64::from(*g) - w).abs() <= tolerance * largest, "[{at}] is {g}, expected {w}");
    }
}

/// For each window, its output and the inputs in it in row-major order.
fn windows(shape: &PoolingShape, size_out: [usize; 3]) -> Vec<Vec<usize>> {
    let range = |a: usize, at: usize| {
        let start = (at * shape.stride[a]) as isize - shape.padding[a] as isize;
        (start..start + shape.kernel[a] as isize).filter(move |i| (0..shape.size[a] as isize).contains(i))
    };
    let mut all = Vec::new();
    for plane in 0..shape.planes {
        for at in 0..size_out.iter().product::<usize>() {
            let [z, y, x] = [at / (size_out[1] * size_out[2]), at / size_out[2] % size_out[1], at % size_out[2]];
            let mut window = Vec::new();
            for z in range(0, z) {
                for y in range(1, y) {
                    for x in range(2, x) {
                        let [z, y, x] = [z, y, x].map(|i| i as usize);
                        window.push(((plane * shape.size[0] + z) * shape.size[1] + y) * shape.size[2] + x);
                    }
                }
            }
            all.push(window);
        }
    }
    all
}

/// Fills a slice.
type Pass<'a> = dyn Fn(&mut [f32], &Cores<'_>) -> Result<(), KernelError> + 'a;

#[test]
fn pooling_follows_the_definition() {
    let cases = [
        PoolingShape::new(1, [1, 1, 1], [1, 1, 1]),
        PoolingShape::new(3, [4, 6, 8], [2, 2, 2]),
        PoolingShape::new(2, [5, 7, 37], [2, 2, 2]),
        PoolingShape::new(2, [5, 4, 9], [3, 3, 3]).with_stride([2, 1, 2]).with_padding([1; 3]),
        PoolingShape::new(1, [4, 5, 6], [1, 2, 3]).with_stride([1, 3, 2]),
        PoolingShape::new(2, [3, 3, 5], [2, 3, 4]).with_stride([1; 3]).with_padding([1, 0, 2]),
    ];
    for (seed, shape) in cases.into_iter().enumerate() {
        let pooling = Pooling::new(shape.clone()).expect("valid");
        let mut random = Random::new(seed as u64 + 1);
        let n_in = shape.planes * shape.size.iter().product::<usize>();
        let n_out = shape.planes * pooling.size_out().iter().product::<usize>();
        // Few values, so that there are ties.
        let x: Vec<f32> = random.floats(n_in, 4.0).iter().map(|x| x.round()).collect();
        let grad = random.floats(n_out, 1.0);
        let taps = shape.kernel.iter().product::<usize>() as f64;
        let [mut max, mut mean] = [vec![0.0; n_out], vec![0.0; n_out]];
        let [mut max_gradient, mut mean_gradient] = [vec![0.0; n_in], vec![0.0; n_in]];
        for (o, window) in windows(&shape, pooling.size_out()).into_iter().enumerate() {
            let winner = window.iter().copied().reduce(|a, b| if x[b] > x[a] { b } else { a }).expect("not empty");
            max[o] = f64::from(x[winner]);
            max_gradient[winner] += f64::from(grad[o]);
            for i in window {
                mean[o] += f64::from(x[i]) / taps;
                mean_gradient[i] += f64::from(grad[o]) / taps;
            }
        }
        let run = |n: usize, f: &Pass<'_>| {
            same_bits(|cores| {
                let mut out = vec![f32::NAN; n];
                f(&mut out, cores).expect("valid");
                out
            })
        };
        close(&run(n_out, &|y, cores| pooling.max(&x, y, cores)), &max, 0.0);
        close(&run(n_in, &|d, cores| pooling.max_gradient(&x, &grad, d, cores)), &max_gradient, 1e-6);
        close(&run(n_out, &|y, cores| pooling.mean(&x, y, cores)), &mean, 1e-6);
        close(&run(n_in, &|d, cores| pooling.mean_gradient(&grad, d, cores)), &mean_gradient, 1e-6);
    }
}

#[test]
fn a_nan_wins_its_window_and_infinities_are_values() {
    let pooling = Pooling::new(PoolingShape::new(1, [1, 1, 6], [1, 1, 2])).expect("valid");
    let (threads, inf) = (Threads::single(), f32::INFINITY);
    let (cores, x) = (Cores::detect(&threads), [1.0, f32::NAN, -inf, -inf, f32::NAN, inf]);
    let (mut y, mut gradient) = ([0.0; 3], [0.0; 6]);
    pooling.max(&x, &mut y, &cores).expect("valid");
    assert!(y[0].is_nan() && y[1] == -inf && y[2].is_nan());
    pooling.max_gradient(&x, &[1.0, 2.0, 4.0], &mut gradient, &cores).expect("valid");
    assert_eq!(gradient, [0.0, 1.0, 2.0, 0.0, 4.0, 0.0]);
}

/// The matrix of linear interpolation along one axis.
fn line([n_in, n_out]: [usize; 2], interpolation: Interpolation) -> Vec<Vec<f64>> {
    (0..n_out)
        .map(|i| {
            let mut row = vec![0.0; n_in];
            let at = match interpolation {
                Interpolation::Nearest => {
                    row[i * n_in / n_out] = 1.0;
                    return row;
                }
                Interpolation::LinearEdges => (i as f64 + 0.5) * n_in as f64 / n_out as f64 - 0.5,
                Interpolation::LinearCentres => i as f64 * (n_in - 1) as f64 / (n_out - 1).max(1) as f64,
            };
            let at = at.clamp(0.0, (n_in - 1) as f64);
            row[at as usize] += 1.0 - at.fract();
            row[(at as usize + 1).min(n_in - 1)] += at.fract();
            row
        })
        .collect()
}

#[test]
fn resizing_is_the_product_of_three_lines_and_its_gradient_the_transpose() {
    for interpolation in [Interpolation::Nearest, Interpolation::LinearEdges, Interpolation::LinearCentres] {
        for (planes, from, to) in [
            (1, [1, 1, 1], [2, 1, 3]),
            (2, [2, 3, 5], [4, 6, 10]),
            (1, [3, 4, 2], [5, 4, 7]),
            (1, [4, 5, 6], [2, 1, 6]),
        ] {
            let resize = Resize::new(planes, [from, to], interpolation).expect("valid");
            let [n_in, n_out] = [from, to].map(|size| size.iter().product::<usize>());
            let mut random = Random::new(n_out as u64);
            let (x, g) = (random.floats(planes * n_in, 1.0), random.floats(planes * n_out, 1.0));
            let lines: [Vec<Vec<f64>>; 3] = std::array::from_fn(|a| line([from[a], to[a]], interpolation));
            let (mut y, mut dx) = (vec![0.0; g.len()], vec![0.0; x.len()]);
            for o in 0..g.len() {
                for i in 0..n_in {
                    let split =
                        |at: usize, size: [usize; 3]| [at / size[2] / size[1], at / size[2] % size[1], at % size[2]];
                    let (out, from_at) = (split(o % n_out, to), split(i, from));
                    let weight: f64 = (0..3).map(|a| lines[a][out[a]][from_at[a]]).product();
                    let i = o / n_out * n_in + i;
                    y[o] += weight * f64::from(x[i]);
                    dx[i] += weight * f64::from(g[o]);
                }
            }
            let got = same_bits(|cores| {
                let mut y = vec![f32::NAN; g.len()];
                resize.apply(&x, &mut y, cores).expect("valid");
                y
            });
            close(&got, &y, 1e-6);
            let got = same_bits(|cores| {
                let mut dx = vec![f32::NAN; x.len()];
                resize.gradient(&g, &mut dx, cores).expect("valid");
                dx
            });
            close(&got, &dx, 1e-6);
        }
    }
}

/// Batch norm with the moments of `x` in f64, and the sum of its products with `g`.
fn normalised(x: &[f64], [n, c, s]: [usize; 3], eps: f64, parameters: [&[f32]; 2]) -> Vec<f64> {
    let channel = |i: usize| i / s % c;
    let count = (n * s) as f64;
    let mut moments = vec![[0.0; 2]; c];
    x.iter().enumerate().for_each(|(i, x)| moments[channel(i)][0] += x / count);
    x.iter().enumerate().for_each(|(i, x)| moments[channel(i)][1] += (x - moments[channel(i)][0]).powi(2) / count);
    let value = |(i, x): (usize, &f64)| {
        let ([mean, variance], [weight, bias]) = (moments[channel(i)], parameters.map(|p| f64::from(p[channel(i)])));
        weight * (x - mean) / (variance + eps).sqrt() + bias
    };
    x.iter().enumerate().map(value).collect()
}

#[test]
fn normalisation_and_its_gradients() {
    const STEP: f64 = 1e-4;
    for (shape, offset, tolerance) in [([2, 3, 7], 0.0, 1e-6), ([1, 2, 1], 1.0, 1e-6), ([3, 1, 41], 300.0, 1e-4)] {
        let [n, c, s] = shape;
        let mut random = Random::new(s as u64);
        let x: Vec<f32> = random.floats(n * c * s, 2.0).iter().map(|x| x + offset).collect();
        let (weight, bias, g) = (random.floats(c, 1.0), random.floats(c, 1.0), random.floats(n * c * s, 1.0));
        let norm = Standardisation::new(shape, 1e-3).expect("valid");
        let exact: Vec<f64> = x.iter().map(|x| f64::from(*x)).collect();
        let y = same_bits(|cores| {
            let (moments, mut y) = (norm.moments(&x, cores).expect("valid"), vec![f32::NAN; x.len()]);
            norm.apply(&x, &moments, [&weight, &bias], &mut y, cores).expect("valid");
            y
        });
        close(&y, &normalised(&exact, shape, 1e-3, [&weight, &bias]), tolerance);
        let all = same_bits(|cores| {
            let (moments, mut dx) = (norm.moments(&x, cores).expect("valid"), vec![f32::NAN; x.len()]);
            let parameters = norm.gradient([&x, &g], &moments, [&weight, &bias], &mut dx, cores).expect("valid");
            [dx, parameters.weight, parameters.bias].concat()
        });
        let loss = |x: &[f64], weight: &[f32], bias: &[f32]| -> f64 {
            normalised(x, shape, 1e-3, [weight, bias]).iter().zip(&g).map(|(y, g)| y * f64::from(*g)).sum()
        };
        let mut wanted = Vec::new();
        for i in 0..x.len() {
            let moved = |by: f64| {
                let mut x = exact.clone();
                x[i] += by;
                loss(&x, &weight, &bias)
            };
            wanted.push((moved(STEP) - moved(-STEP)) / (2.0 * STEP));
        }
        // The loss is linear in the parameters.
        let unit = |at: usize| (0..c).map(|i| f32::from(u8::from(i == at))).collect::<Vec<_>>();
        let zero = vec![0.0; c];
        wanted.extend((0..c).map(|i| loss(&exact, &unit(i), &zero)));
        wanted.extend((0..c).map(|i| loss(&exact, &zero, &unit(i))));
        close(&all, &wanted, tolerance.max(1e-5));
    }
}

#[test]
fn a_rectifier_behind_a_norm_costs_no_pass() {
    // More positions than are converted together.
    let (shape, threads) = ([2, 3, 2_500], Threads::new(2));
    let cores = Cores::detect(&threads);
    let mut random = Random::new(12);
    let rounded = |values: Vec<f32>| -> Vec<bf16> { values.into_iter().map(bf16::from_f32).collect() };
    let (x16, g16) = (rounded(random.floats(15_000, 2.0)), rounded(random.floats(15_000, 1.0)));
    let wide = |values: &[bf16]| values.iter().map(|v| v.to_f32()).collect::<Vec<_>>();
    let (x, g) = (wide(&x16), wide(&g16));
    let (weight, bias) = (random.floats(3, 1.0), random.floats(3, 1.0));
    let parameters = [weight.as_slice(), &bias];
    let norm = Standardisation::new(shape, 1e-5).expect("valid");
    let moments = norm.moments(&x, &cores).expect("valid");
    assert_eq!(norm.moments(Elements::Bf16(&x16), &cores).expect("valid"), moments);
    let mut plain = vec![f32::NAN; x.len()];
    norm.apply(&x, &moments, parameters, &mut plain, &cores).expect("valid");
    for slope in [0.0, 0.1] {
        let behind = norm.clone().with_rectifier(Some(slope));
        let mut y = vec![f32::NAN; x.len()];
        behind.apply(&x, &moments, parameters, &mut y, &cores).expect("valid");
        assert!(y.iter().zip(&plain).all(|(y, p)| *y == if *p > 0.0 { *p } else { slope * p }));
        let formed: Vec<f32> = y.iter().zip(&g).map(|(y, g)| if *y > 0.0 { *g } else { slope * g }).collect();
        let (mut wanted, mut got, mut got16) =
            (vec![f32::NAN; x.len()], vec![f32::NAN; x.len()], vec![bf16::ZERO; x.len()]);
        let first = norm.gradient([&x, &formed], &moments, parameters, &mut wanted, &cores).expect("valid");
        let second = behind.gradient([&x, &g], &moments, parameters, &mut got, &cores).expect("valid");
        assert_eq!((&got, &second), (&wanted, &first));
        // The same from elements of 16 bits, rounded once.
        let narrow = [Elements::Bf16(&x16), Elements::Bf16(&g16)];
        let to = ElementsMut::Bf16(&mut got16);
        assert_eq!(behind.gradient(narrow, &moments, parameters, to, &cores).expect("valid"), first);
        assert!(got16.iter().zip(&wanted).all(|(g, w)| *g == bf16::from_f32(*w)));
    }
}

#[test]
fn activations_and_sums_of_16_bits() {
    let threads = Threads::new(2);
    let cores = Cores::detect(&threads);
    let x16: Vec<f16> = (0..70_001).map(|i| f16::from_f32((i % 977) as f32 * 0.01 - 4.0)).collect();
    let mut x = vec![0.0; x16.len()];
    convert(Elements::F16(&x16), &mut x, &cores).expect("one length");
    assert!(x.iter().zip(&x16).all(|(a, b)| *a == b.to_f32()));
    let (mut y, mut y16) = (vec![0.0; x.len()], vec![f16::ZERO; x.len()]);
    Pointwise::Gelu.apply(&x, &mut y, &cores).expect("one length");
    Pointwise::Gelu.apply(Elements::F16(&x16), ElementsMut::F16(&mut y16), &cores).expect("one length");
    assert!(y16.iter().zip(&y).all(|(a, b)| *a == f16::from_f32(*b)));
    let (mut sums, mut sums16) = ([0.0], [1.0]);
    channel_sums(&x, [1, 1, x.len()], &mut sums, &cores).expect("one channel");
    channel_sums(Elements::F16(&x16), [1, 1, x.len()], &mut sums16, &cores).expect("one channel");
    assert_eq!(sums, sums16);
    assert!(convert(&x, &mut y[1..], &cores).expect_err("short").to_string().contains("70000"));
}

#[test]
fn given_moments_are_constants_for_the_gradient() {
    let norm = Standardisation::new([1, 2, 2], 0.0).expect("valid");
    let (threads, moments) = (Threads::single(), ChannelMoments { mean: vec![1.0, 0.0], variance: vec![4.0, 0.25] });
    let (cores, mut dx) = (Cores::detect(&threads), [0.0; 4]);
    let (x, g) = ([1.0, 5.0, 1.0, 1.0], [1.0, 2.0, 3.0, 4.0]);
    let parameters =
        norm.gradient_of_fixed([&x, &g], &moments, [&[6.0, 1.0], &[0.0; 2]], &mut dx, &cores).expect("valid");
    assert_eq!(dx, [3.0, 6.0, 6.0, 8.0]);
    assert_eq!((parameters.weight, parameters.bias), (vec![4.0, 14.0], vec![3.0, 7.0]));
}

/// A function in f64.
type Exact = fn(f64) -> f64;

#[test]
fn activations_and_their_slopes() {
    let functions: [(Pointwise, Exact); 5] = [
        (Pointwise::Relu, |x| x.max(0.0)),
        (Pointwise::LeakyRelu(0.1), |x| if x > 0.0 { x } else { f64::from(0.1_f32) * x }),
        (Pointwise::Elu(0.5), |x| if x > 0.0 { x } else { 0.5 * x.exp_m1() }),
        (Pointwise::Gelu, |x| x / 2.0 * (1.0 + erf(x / 2.0_f64.sqrt()))),
        (Pointwise::GeluTanh, |x| {
            x / 2.0 * (1.0 + ((2.0 / std::f64::consts::PI).sqrt() * (x + 0.044_715 * x.powi(3))).tanh())
        }),
    ];
    let x: Vec<f32> = (-400..=400).map(|i| i as f32 * 0.025 + 0.01).collect();
    let g = vec![2.0; x.len()];
    for (function, exact) in functions {
        let y = same_bits(|cores| {
            let mut y = vec![f32::NAN; x.len()];
            function.apply(&x, &mut y, cores).expect("valid");
            y
        });
        let dx = same_bits(|cores| {
            let mut dx = vec![f32::NAN; x.len()];
            function.gradient(&x, &g, &mut dx, cores).expect("valid");
            dx
        });
        for (x, (y, dx)) in x.iter().zip(y.iter().zip(&dx)) {
            let at = f64::from(*x);
            assert!((f64::from(*y) - exact(at)).abs() <= 3e-7 * at.abs().max(1.0), "{function:?}({x}) = {y}");
            let slope = (exact(at + 1e-5) - exact(at - 1e-5)) / 1e-5;
            assert!((f64::from(*dx) - slope).abs() < 2e-6, "2 {function:?}'({x}) = {dx}, expected {slope}");
        }
    }
}

/// The error function: its series, and the continued fraction of its complement where the series cancels.
fn erf(x: f64) -> f64 {
    if x.abs() > 2.5 {
        let fraction = (1..200).rev().fold(1.0, |tail, k| 1.0 + f64::from(k) / (2.0 * x * x * tail));
        let complement = (-x * x).exp() / (x.abs() * std::f64::consts::PI.sqrt() * fraction);
        return (1.0 - complement).copysign(x);
    }
    let (mut term, mut sum) = (x, x);
    for n in 1..200 {
        term *= -x * x / f64::from(n);
        sum += term / f64::from(2 * n + 1);
    }
    sum * 2.0 / std::f64::consts::PI.sqrt()
}

#[test]
fn activations_at_zero_at_infinity_and_of_nan() {
    let threads = Threads::single();
    let cores = Cores::detect(&threads);
    let all = [Pointwise::Relu, Pointwise::LeakyRelu(0.25), Pointwise::Elu(2.0), Pointwise::Gelu, Pointwise::GeluTanh];
    let at_zero = [0.0, 0.25, 2.0, 0.5, 0.5];
    for (function, slope) in all.into_iter().zip(at_zero) {
        let mut out = [0.0; 4];
        let x = [0.0, 1e30, f32::NAN, -60.0];
        function.apply(&x, &mut out, &cores).expect("valid");
        assert!(out[0] == 0.0 && out[1] == 1e30 && out[2].is_nan(), "{function:?}: {out:?}");
        function.gradient(&x, &[1.0; 4], &mut out, &cores).expect("valid");
        assert!(out[0] == slope && out[1] == 1.0 && out[2].is_nan() && out[3].is_finite(), "{function:?}': {out:?}");
    }
    Pointwise::Relu.apply(&[], &mut [], &cores).expect("nothing is a tensor too");
}

#[test]
fn bad_arguments_are_refused() {
    let threads = Threads::single();
    let cores = Cores::detect(&threads);
    let message = |error: KernelError| error.to_string();
    let pool = |shape| message(Pooling::new(shape).expect_err("refused"));
    assert!(pool(PoolingShape::new(1, [2, 2, 2], [2, 0, 2])).contains("kernel = [2, 0, 2]"));
    assert!(pool(PoolingShape::new(1, [2, 2, 2], [2, 3, 2])).contains("must fit"));
    assert!(pool(PoolingShape::new(1, [2; 3], [2; 3]).with_stride([0, 1, 1])).contains("stride"));
    assert!(pool(PoolingShape::new(1, [2; 3], [2; 3]).with_padding([2, 1, 1])).contains("padding"));
    let pooling = Pooling::new(PoolingShape::new(1, [2; 3], [2; 3])).expect("valid");
    assert!(message(pooling.max(&[0.0; 7], &mut [0.0], &cores).expect_err("short")).contains("x [1, 2, 2, 2], got 7"));
    assert!(message(pooling.mean_gradient(&[0.0; 2], &mut [0.0; 8], &cores).expect_err("long")).contains("got 2"));
    assert!(message(Resize::new(1, [[1, 0, 1], [1; 3]], Interpolation::Nearest).expect_err("zero")).contains("sizes"));
    let resize = Resize::new(1, [[1; 3], [2; 3]], Interpolation::Nearest).expect("valid");
    assert!(message(resize.apply(&[1.0], &mut [0.0; 7], &cores).expect_err("short")).contains("got 7"));
    assert!(message(Standardisation::new([1, 2, 0], 0.1).expect_err("empty")).contains("[1, 2, 0]"));
    assert!(message(Standardisation::new([1, 2, 2], f64::NAN).expect_err("eps")).contains("eps = NaN"));
    let norm = Standardisation::new([1, 2, 2], 0.1).expect("valid");
    assert!(message(norm.moments(&[0.0; 3], &cores).expect_err("short")).contains("got 3"));
    let moments = ChannelMoments { mean: vec![0.0; 2], variance: vec![1.0] };
    let result = norm.apply(&[0.0; 4], &moments, [&[1.0; 2], &[0.0; 2]], &mut [0.0; 4], &cores);
    assert!(message(result.expect_err("variances")).contains("variances [2], got 1"));
    assert!(Pointwise::Gelu.apply(&[0.0], &mut [], &cores).is_err());
}
