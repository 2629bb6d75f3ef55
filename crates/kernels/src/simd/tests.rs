//! Every implementation against the array of the same length, bit by bit, and the functions against `f64`.

use super::{Body, Lane, Lanes, Math, dispatch};
use crate::Isa;

/// Runs every operation on blocks of `x` and `y` and returns all results in one vector.
struct Everything<'a> {
    x: &'a [f32],
    y: &'a [f32],
}

impl Body for Everything<'_> {
    type Output = Vec<f32>;

    #[inline(always)]
    unsafe fn run<L: Lane>(self) -> Vec<f32> {
        let mut out = Vec::new();
        let mut push = |v: L| {
            let start = out.len();
            out.resize(start + L::N, 0.0);
            // SAFETY: the vector was just grown by `N` floats.
            unsafe { v.store(out.as_mut_ptr().add(start)) };
        };
        for (x, y) in self.x.chunks_exact(L::N).zip(self.y.chunks_exact(L::N)) {
            // SAFETY: chunks have `N` floats; the caller vouches for the instruction set.
            let (a, b) = unsafe { (L::load(x.as_ptr()), L::load(y.as_ptr())) };
            for v in [a.add(b), a.sub(b), a.mul(b), a.div(b), a.mul_add(b, a), a.neg_mul_add(b, a)] {
                push(v);
            }
            for v in [a.min(b), a.max(b), a.round(), a.abs(), a.copysign(b), a.select_gt(b, b, a)] {
                push(v);
            }
            for v in [a.exp(), a.relu(), a.leaky_relu(0.01), a.elu(), a.erf(), a.gelu(), a.round().min(b).relu()] {
                push(v);
            }
            push(a.all(100.0).min(a.all(-100.0).max(a)).round().exp2_integer());
            a.duplicate().into_iter().for_each(&mut push);
            push(a.all(100.0).min(a.abs()).exp2_of_minus());
            let mut quads = vec![0.0; 4 * L::N];
            // SAFETY: `4 * N` floats.
            unsafe { L::store_quads([a, b, a.add(b), a.sub(b)], quads.as_mut_ptr()) };
            for lane in 0..L::N {
                // SAFETY: four floats of `4 * N`, for places are below `N`.
                push(unsafe { L::load_quad(quads.as_ptr().add(4 * L::quad_place(lane))) });
            }
            push(a.all(L::bits(a.gt(b)) as f32));
            for m in 0..=L::N {
                // SAFETY: `m <= N` floats of a chunk of `N`.
                push(unsafe { L::load_first(x.as_ptr(), m) });
                let mut part = vec![7.0; L::N];
                // SAFETY: as above.
                unsafe { a.store_first(part.as_mut_ptr(), m) };
                // SAFETY: `part` has `N` floats.
                push(unsafe { L::load(part.as_ptr()) });
            }
        }
        out
    }
}

struct Columns<'a> {
    matrix: &'a [f32],
    stride: usize,
}

impl Body for Columns<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<L: Lane>(self) {
        for rows in 1..=L::N {
            for cols in 1..=4 {
                // An exact copy, so that a sanitiser sees reads beyond the end.
                let matrix = self.matrix[..(rows - 1) * self.stride + cols].to_vec();
                // SAFETY: `rows` rows of `cols` floats lie in `matrix`.
                let columns = unsafe { L::columns(matrix.as_ptr(), self.stride, rows, cols) };
                for (i, column) in columns.into_iter().enumerate() {
                    let mut lanes = vec![0.0; L::N];
                    // SAFETY: `N` floats.
                    unsafe { column.store(lanes.as_mut_ptr()) };
                    for (r, x) in lanes.into_iter().enumerate() {
                        let expected = if i < cols { matrix[r.min(rows - 1) * self.stride + i] } else { 0.0 };
                        assert_eq!(x, expected, "{} lanes, rows {rows}, cols {cols}, ({r}, {i})", L::N);
                    }
                }
            }
        }
    }
}

fn samples() -> (Vec<f32>, Vec<f32>) {
    let special =
        [0.0, -0.0, 1.0, -1.0, 0.5, 1.5, 2.5, -2.5, 88.0, 89.5, -88.0, -104.5, 1e-30, -1e-30, 3.4e38, -3.4e38];
    let mut x: Vec<f32> = special.to_vec();
    x.extend((0..4096).map(|i| (i as f32 - 2048.0) / 19.0));
    x.extend((0..1024).map(|i| (i as f32 - 512.0) / 200.0));
    let y = x.iter().rev().map(|v| v * 0.7 + 0.1).collect();
    (x, y)
}

fn lanes_of(isa: Isa, x: &[f32], y: &[f32]) -> Vec<f32> {
    let body = Everything { x, y };
    // SAFETY: the body asks for nothing but the instruction set.
    unsafe {
        match isa {
            Isa::Avx512 => Lanes::<16>::vectorize(body),
            Isa::Neon => Lanes::<4>::vectorize(body),
            Isa::Scalar | Isa::Avx2 => Lanes::<8>::vectorize(body),
        }
    }
}

#[test]
fn every_isa_equals_its_twin_bit_by_bit() {
    let (x, y) = samples();
    for isa in Isa::ALL.into_iter().filter(|isa| isa.is_available()) {
        // SAFETY: the body asks for nothing but the instruction set.
        let simd = unsafe { dispatch(isa, Everything { x: &x, y: &y }) };
        let twin = lanes_of(isa, &x, &y);
        assert_eq!(simd.len(), twin.len());
        for (i, (a, b)) in simd.iter().zip(&twin).enumerate() {
            assert!(
                a.to_bits() == b.to_bits() || (a.is_nan() && b.is_nan()),
                "{isa:?}: result {i}: {a:e} against {b:e}"
            );
        }
    }
}

#[test]
fn columns_of_ragged_matrices() {
    let matrix: Vec<f32> = (0..400).map(|i| i as f32).collect();
    for isa in Isa::ALL.into_iter().filter(|isa| isa.is_available()) {
        // SAFETY: the body asks for nothing but the instruction set.
        unsafe { dispatch(isa, Columns { matrix: &matrix, stride: 23 }) };
    }
}

struct Map<'a>(&'a [f32], fn(Lanes<4>) -> Lanes<4>);

fn map(x: &[f32], f: fn(Lanes<4>) -> Lanes<4>) -> Vec<f32> {
    let body = Map(x, f);
    let mut out = vec![0.0; x.len()];
    for (x, out) in body.0.chunks_exact(4).zip(out.chunks_exact_mut(4)) {
        // SAFETY: chunks of 4 floats; arrays need no instruction set.
        unsafe { (body.1)(Lanes::load(x.as_ptr())).store(out.as_mut_ptr()) };
    }
    out
}

/// `erf` in `f64`: the Maclaurin series below 3, the continued fraction of `erfc` above.
fn erf(x: f64) -> f64 {
    let z = x.abs();
    let value = if z < 3.0 {
        let (mut term, mut sum) = (z, z);
        for n in 1..120 {
            term *= -z * z / f64::from(n);
            sum += term / f64::from(2 * n + 1);
        }
        sum * std::f64::consts::FRAC_2_SQRT_PI
    } else {
        let fraction = (1..80).rev().fold(0.0, |f, k| f64::from(k) / 2.0 / (z + f));
        1.0 - (-z * z).exp() / ((z + fraction) * std::f64::consts::PI.sqrt())
    };
    value.copysign(x)
}

#[test]
fn functions_are_close_to_f64() {
    let x: Vec<f32> = (-40_000..40_000).map(|i| i as f32 * 2.5e-4).collect();
    let largest = |f: fn(Lanes<4>) -> Lanes<4>, exact: &dyn Fn(f64) -> f64, unit: &dyn Fn(f64) -> f64| {
        let got = map(&x, f);
        x.iter()
            .zip(got)
            .map(|(x, y)| (f64::from(y) - exact((*x).into())).abs() / unit((*x).into()))
            .fold(0.0, f64::max)
    };
    // The series of the reference loses digits above 3, where its terms reach 1e3; 1e-12 is far below the tolerance.
    assert!((erf(1.0) - 0.842_700_792_949_714_9).abs() < 1e-12);
    let one = |_| 1.0;
    let elu = |x: f64| if x > 0.0 { x } else { x.exp_m1() };
    assert!(largest(Math::exp, &f64::exp, &f64::exp) < 2.4e-7);
    let exp2_of_minus = |v: Lanes<4>| v.abs().exp2_of_minus();
    assert!(largest(exp2_of_minus, &|x| (-x.abs()).exp2(), &|x| (-x.abs()).exp2()) < 1.5e-7);
    assert!(largest(Math::elu, &elu, &|x| elu(x).abs().max(1e-30)) < 2.4e-7, "ELU is relatively exact near 0 too");
    assert!(largest(Math::erf, &erf, &one) < 1.3e-7);
    let gelu = |x: f64| 0.5 * x * (1.0 + erf(x * std::f64::consts::FRAC_1_SQRT_2));
    assert!(largest(Math::gelu, &gelu, &|x| x.abs().max(1.0)) < 2e-7);
}

#[test]
fn nan_and_the_ends_of_the_range() {
    let x = [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, -0.0];
    for f in [Math::exp, Math::relu, Math::elu, Math::erf, Math::gelu] as [fn(Lanes<4>) -> Lanes<4>; 5] {
        assert!(map(&x, f)[0].is_nan());
    }
    assert_eq!(map(&x, Math::exp)[1..], [f32::INFINITY, 0.0, 1.0]);
    assert_eq!(map(&x, Math::elu)[1..], [f32::INFINITY, -1.0, 0.0]);
    assert_eq!(map(&x, Math::erf)[1..], [1.0, -1.0, 0.0]);
    assert_eq!(map(&x, |v| v.leaky_relu(0.5))[1..], [f32::INFINITY, f32::NEG_INFINITY, 0.0]);
}
