//! Activations and softmax: values at hand, central differences, 16-bit.

use candle_core::{DType, Device, Tensor, Var};
use volkit_nn3d::{GeluForm, elu, gelu, leaky_relu, relu, softmax};

use crate::check::{assert_close, assert_gradients, random, values};

#[test]
fn gradients_are_differences() {
    let x = [(random(&[2, 3, 2, 2, 3], 1) * 3.0).unwrap()];
    assert_gradients(&x, |v| Ok(relu(&v[0])?));
    assert_gradients(&x, |v| Ok(leaky_relu(&v[0], 0.1)?));
    assert_gradients(&x, |v| Ok(elu(&v[0], 1.0)?));
    assert_gradients(&x, |v| Ok(elu(&v[0], 0.3)?));
    assert_gradients(&x, |v| Ok(gelu(&v[0], GeluForm::Erf)?));
    assert_gradients(&x, |v| Ok(gelu(&v[0], GeluForm::Tanh)?));
    for dim in 0..5 {
        assert_gradients(&x, |v| Ok(softmax(&v[0], dim)?));
    }
}

#[test]
fn gradients_at_zero_are_those_of_the_lower_side() {
    let gradient = |f: fn(&Tensor) -> volkit_nn3d::Result<Tensor>| {
        let x = Var::from_tensor(&Tensor::new(&[0f32], &Device::Cpu).unwrap()).unwrap();
        let y = f(&x).unwrap().sum_all().unwrap();
        values(y.backward().unwrap().get(&x).unwrap())[0]
    };
    assert_eq!(gradient(relu), 0.0);
    assert_eq!(gradient(|x| leaky_relu(x, 0.25)), 0.25);
    assert_eq!(gradient(|x| elu(x, 0.5)), 0.5);
}

#[test]
fn values_known_in_closed_form() {
    let x = Tensor::new(&[-1f64, 0.0, 2.0], &Device::Cpu).unwrap();
    assert_eq!(values(&relu(&x).unwrap()), [0.0, 0.0, 2.0]);
    assert_eq!(values(&leaky_relu(&x, 0.1).unwrap()), [-0.1, 0.0, 2.0]);
    let e = (-1f64).exp_m1();
    assert_close(&elu(&x, 2.0).unwrap(), &Tensor::new(&[2.0 * e, 0.0, 2.0], &Device::Cpu).unwrap(), 1e-15);
    // gelu(2) = 2 * Phi(2).
    let wanted = Tensor::new(&[-0.158_655_253_931_457, 0.0, 1.954_499_736_103_64], &Device::Cpu).unwrap();
    assert_close(&gelu(&x, GeluForm::Erf).unwrap(), &wanted, 1e-13);
}

#[test]
fn softmax_sums_to_one_and_is_not_moved_by_large_offsets() {
    for n in [1, 2, 3, 5, 33] {
        let x = (random(&[2, n, 3, 2], 3) * 4.0).unwrap();
        let y = softmax(&x, 1).unwrap();
        let shifted = softmax(&(&x + 1000.0).unwrap(), 1).unwrap();
        assert_close(&shifted, &y, 1e-11);
        for total in values(&y.sum(1).unwrap()) {
            assert!((total - 1.0).abs() < 1e-14);
        }
        assert_close(&candle_nn::ops::softmax(&x, 1).unwrap(), &y, 1e-14);
    }
}

#[test]
fn softmax_survives_infinite_scores_and_sixteen_bits() {
    let x = Tensor::new(&[[f32::NEG_INFINITY, 0.0, 0.0]], &Device::Cpu).unwrap();
    assert_eq!(values(&softmax(&x, 1).unwrap()), [0.0, 0.5, 0.5]);
    let half = softmax(&x.to_dtype(DType::BF16).unwrap(), 1).unwrap();
    assert_eq!((half.dtype(), values(&half)), (DType::BF16, vec![0.0, 0.5, 0.5]));
}
