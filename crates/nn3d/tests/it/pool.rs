//! Pooling: hand-worked windows, ties, central differences.

use candle_core::{Device, Tensor, Var};
use volkit_nn3d::{Pool3dConfig, avg_pool3d, max_pool3d};

use crate::check::{assert_close, assert_gradients, f32_of, random, values};

fn configs() -> Vec<Pool3dConfig> {
    vec![
        Pool3dConfig::new([2; 3]),
        Pool3dConfig::new([3; 3]).with_stride([2; 3]).with_padding([1; 3]),
        Pool3dConfig::new([3, 2, 1]).with_stride([1, 2, 1]),
        Pool3dConfig::new([1, 2, 3]).with_stride([2, 3, 1]).with_padding([0, 1, 1]),
        Pool3dConfig::new([2, 1, 3]).with_stride([3, 1, 4]),
        Pool3dConfig::new([1; 3]),
    ]
}

#[test]
fn gradients_are_differences_for_ragged_sizes() {
    for config in configs() {
        for size in [[1, 2, 3, 4, 5], [2, 1, 5, 3, 4], [1, 1, 3, 2, 3]] {
            let x = random(&size, 7);
            assert_gradients(std::slice::from_ref(&x), |v| Ok(max_pool3d(&v[0], &config)?));
            assert_gradients(&[x], |v| Ok(avg_pool3d(&v[0], &config)?));
        }
    }
}

#[test]
fn windows_worked_by_hand() {
    let x = Tensor::arange(0f32, 12.0, &Device::Cpu).unwrap().reshape((1, 1, 1, 3, 4)).unwrap();
    let plain = Pool3dConfig::new([1, 2, 2]);
    // The third row is left over.
    assert_eq!(values(&max_pool3d(&x, &plain).unwrap()), [5.0, 7.0]);
    assert_eq!(values(&avg_pool3d(&x, &plain).unwrap()), [2.5, 4.5]);
    let padded = Pool3dConfig::new([1, 2, 2]).with_padding([0, 1, 1]);
    assert_eq!(values(&max_pool3d(&x, &padded).unwrap()), [0.0, 2.0, 3.0, 8.0, 10.0, 11.0]);
    // Padded zeros count: the corner is 0 + 0 + 0 + 0 of 4.
    assert_eq!(values(&avg_pool3d(&x, &padded).unwrap()), [0.0, 0.75, 0.75, 3.0, 7.5, 4.5]);
}

#[test]
fn padding_never_wins_over_negative_values() {
    let x = Tensor::new(&[[[[-5f32, -7.0], [-9.0, -6.0]]]], &Device::Cpu).unwrap().unsqueeze(0).unwrap();
    let config = Pool3dConfig::new([1, 3, 3]).with_stride([1; 3]).with_padding([0, 1, 1]);
    assert_eq!(values(&max_pool3d(&x, &config).unwrap()), [-5.0; 4]);
}

#[test]
fn the_first_of_equal_maxima_takes_the_whole_gradient() {
    let x = Var::from_tensor(
        &Tensor::new(&[[[[3f32, 3.0, 1.0], [3.0, 0.0, 3.0]]]], &Device::Cpu).unwrap().unsqueeze(0).unwrap(),
    )
    .unwrap();
    let config = Pool3dConfig::new([1, 2, 2]).with_stride([1; 3]);
    let y = max_pool3d(&x, &config).unwrap();
    let r = Tensor::new(&[[[[10f32, 1.0]]]], &Device::Cpu).unwrap().unsqueeze(0).unwrap();
    let gradients = (y * r).unwrap().sum_all().unwrap().backward().unwrap();
    assert_eq!(values(gradients.get(&x).unwrap()), [10.0, 1.0, 0.0, 0.0, 0.0, 0.0]);
}

#[test]
fn a_window_gives_its_gradient_once_where_candles_max_pool2d_divides_it() {
    let x = Var::from_tensor(&f32_of(&random(&[1, 2, 4, 6], 3))).unwrap();
    let y = x.max_pool2d(2).unwrap();
    let candle = y.sum_all().unwrap().backward().unwrap();
    assert_eq!(values(candle.get(&x).unwrap()).iter().sum::<f64>(), 0.25 * y.elem_count() as f64);
    let ours = max_pool3d(&x.unsqueeze(2).unwrap(), &Pool3dConfig::new([1, 2, 2])).unwrap();
    assert_close(&ours.squeeze(2).unwrap(), &y, 0.0);
    let gradients = ours.sum_all().unwrap().backward().unwrap();
    assert_eq!(values(gradients.get(&x).unwrap()).iter().sum::<f64>(), y.elem_count() as f64);
}
