//! Sums that keep their precision.

use candle_core::{DType, Device, Tensor, Var};
use volkit_nn3d::{channel_sums, sum_all};

use crate::check::{assert_close, assert_gradients, random, values};

#[test]
fn ten_million_tenths() {
    let n = 10_485_760;
    let x = Tensor::full(0.1f32, (n,), &Device::Cpu).unwrap();
    let wanted = n as f64 * f64::from(0.1f32);
    let ours = values(&sum_all(&x).unwrap())[0];
    // Equal summands are the worst case: each addition of a block rounds the same way.
    assert!((ours / wanted - 1.0).abs() < 1e-6, "{ours} for {wanted}");
    let candle = values(&x.sum_all().unwrap())[0];
    assert!((candle / wanted - 1.0).abs() > 1e-5, "candle's sum became precise ({candle}): this crate may use it");
}

#[test]
fn lengths_around_a_block_are_summed_whole() {
    for n in [1, 1023, 1024, 1025, 2048, 3000, 1024 * 1024 + 1] {
        let x = random(&[1, 2, n], n as u64);
        let sums = values(&channel_sums(&x).unwrap());
        for (c, sum) in sums.iter().enumerate() {
            let wanted: f64 = values(&x.narrow(1, c, 1).unwrap()).iter().sum();
            assert!((sum - wanted).abs() < 1e-9, "{n}: {sum} for {wanted}");
        }
        assert!((values(&sum_all(&x).unwrap())[0] - sums.iter().sum::<f64>()).abs() < 1e-9);
    }
}

#[test]
fn gradients_are_ones() {
    assert_gradients(&[random(&[2, 3, 2, 2], 1)], |v| Ok(channel_sums(&v[0])?));
    let x = Var::from_tensor(&random(&[5, 7], 2).to_dtype(DType::F16).unwrap()).unwrap();
    let sum = sum_all(&x).unwrap();
    assert_eq!(sum.dtype(), DType::F32);
    assert_eq!(values(sum.backward().unwrap().get(&x).unwrap()), [1.0; 35]);
}

#[test]
fn empty_and_turned_tensors() {
    let empty = Tensor::zeros((0, 3), DType::F32, &Device::Cpu).unwrap();
    assert_eq!(values(&sum_all(&empty).unwrap()), [0.0]);
    assert!(channel_sums(&empty).is_err());
    let x = random(&[3, 4, 5], 1);
    assert_close(
        &channel_sums(&x.t().unwrap()).unwrap(),
        &channel_sums(&x.t().unwrap().contiguous().unwrap()).unwrap(),
        0.0,
    );
}
