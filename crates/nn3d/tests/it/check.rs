//! What the tests share: seeded tensors, central differences, distances.

use candle_core::{DType, Device, Tensor, Var};

pub(crate) type AnyResult<T = ()> = Result<T, Box<dyn std::error::Error>>;

/// Values in -1 .. 1 from a seed (`SplitMix64`), as f64.
pub(crate) fn random(shape: &[usize], seed: u64) -> Tensor {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    let mut next = || {
        state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = state;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) >> 11) as f64 / (1u64 << 52) as f64 - 1.0
    };
    let values: Vec<f64> = (0..shape.iter().product()).map(|_| next()).collect();
    Tensor::from_vec(values, shape, &Device::Cpu).unwrap()
}

pub(crate) fn f32_of(x: &Tensor) -> Tensor {
    x.to_dtype(DType::F32).unwrap()
}

pub(crate) fn values(x: &Tensor) -> Vec<f64> {
    x.to_dtype(DType::F64).unwrap().flatten_all().unwrap().to_vec1().unwrap()
}

/// Largest difference, relative to the largest value of `wanted`.
pub(crate) fn distance(got: &Tensor, wanted: &Tensor) -> f64 {
    assert_eq!(got.dims(), wanted.dims());
    let (got, wanted) = (values(got), values(wanted));
    let scale = wanted.iter().fold(1e-30f64, |m, v| m.max(v.abs()));
    // A NaN must not pass as "not larger".
    got.iter().zip(&wanted).map(|(a, b)| (a - b).abs()).fold(0.0, |m, d| if d <= m { m } else { d }) / scale
}

#[track_caller]
pub(crate) fn assert_close(got: &Tensor, wanted: &Tensor, rtol: f64) {
    let d = distance(got, wanted);
    assert!(d <= rtol, "distance {d:e} > {rtol:e}");
}

/// Compares gradients of `sum(f(inputs) * r)`, with a fixed random `r`, to central differences in f64.
///
/// Step 1e-5: the truncation error is 1e-10 and rounding gives 1e-11, so a right gradient agrees to far less than 1e-7.
#[track_caller]
pub(crate) fn assert_gradients<F>(inputs: &[Tensor], f: F)
where
    F: Fn(&[Tensor]) -> AnyResult<Tensor>,
{
    const STEP: f64 = 1e-5;
    let vars: Vec<Var> = inputs.iter().map(|x| Var::from_tensor(x).unwrap()).collect();
    let tracked: Vec<Tensor> = vars.iter().map(|v| v.as_tensor().clone()).collect();
    let y = f(&tracked).unwrap();
    let r = random(y.dims(), 991);
    let gradients = (y * &r).unwrap().sum_all().unwrap().backward().unwrap();
    let loss = |inputs: &[Tensor]| -> f64 {
        let y = f(inputs).unwrap();
        values(&y).iter().zip(values(&r)).map(|(a, b)| a * b).sum()
    };
    for (at, input) in inputs.iter().enumerate() {
        let plain = values(input);
        let numeric: Vec<f64> = (0..plain.len())
            .map(|i| {
                let moved = |by: f64| {
                    let mut moved = plain.clone();
                    moved[i] += by;
                    let mut all = inputs.to_vec();
                    all[at] = Tensor::from_vec(moved, input.shape(), &Device::Cpu).unwrap();
                    loss(&all)
                };
                (moved(STEP) - moved(-STEP)) / (2.0 * STEP)
            })
            .collect();
        let numeric = Tensor::from_vec(numeric, input.shape(), &Device::Cpu).unwrap();
        let analytic = gradients.get(&tracked[at]).unwrap_or_else(|| panic!("argument {at} has no gradient"));
        let d = distance(analytic, &numeric);
        assert!(d < 1e-7, "argument {at}: distance {d:e} from central differences");
    }
}
