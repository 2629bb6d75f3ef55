//! Upsampling: hand-worked lines, central differences.

use candle_core::{Device, Tensor, Var};
use volkit_nn3d::{Corners, Pool3dConfig, avg_pool3d, upsample_nearest3d, upsample_trilinear3d};

use crate::check::{assert_close, assert_gradients, f32_of, random, values};

#[test]
fn gradients_are_differences() {
    for scale in [[1; 3], [2; 3], [1, 3, 2]] {
        let x = random(&[2, 2, 2, 1, 3], 1);
        assert_gradients(&[x], |v| Ok(upsample_nearest3d(&v[0], scale)?));
    }
    for corners in [Corners::Edges, Corners::Centres] {
        // Larger, smaller, equal and single sizes.
        for size in [[4, 6, 5], [1, 2, 3], [7, 1, 2], [2, 3, 4]] {
            assert_gradients(&[random(&[1, 2, 2, 3, 4], 1)], |v| Ok(upsample_trilinear3d(&v[0], size, corners)?));
        }
    }
}

#[test]
fn pooling_undoes_repeating() {
    let x = f32_of(&random(&[2, 3, 3, 4, 2], 4));
    let up = upsample_nearest3d(&x, [2, 4, 2]).unwrap();
    assert_eq!(up.dims(), [2, 3, 6, 16, 4]);
    assert_close(&avg_pool3d(&up, &Pool3dConfig::new([2, 4, 2])).unwrap(), &x, 1e-6);
}

#[test]
fn lines_worked_by_hand() {
    let x = Tensor::new(&[[[[0f64, 4.0]]]], &Device::Cpu).unwrap().unsqueeze(0).unwrap();
    let edges = upsample_trilinear3d(&x, [1, 1, 4], Corners::Edges).unwrap();
    assert_eq!(values(&edges), [0.0, 1.0, 3.0, 4.0]);
    let centres = upsample_trilinear3d(&x, [1, 1, 5], Corners::Centres).unwrap();
    assert_eq!(values(&centres), [0.0, 1.0, 2.0, 3.0, 4.0]);
    let one = upsample_trilinear3d(&x, [1, 1, 1], Corners::Edges).unwrap();
    assert_eq!(values(&one), [2.0]);
}

#[test]
fn linear_ramps_stay_linear() {
    let x = Tensor::arange(0f64, 24.0, &Device::Cpu).unwrap().reshape((1, 1, 2, 3, 4)).unwrap();
    let y = upsample_trilinear3d(&x, [3, 5, 7], Corners::Centres).unwrap();
    let mut wanted = Vec::new();
    for z in 0..3 {
        for h in 0..5 {
            for w in 0..7 {
                wanted.push(12.0 * f64::from(z) / 2.0 + 4.0 * f64::from(h) / 2.0 + f64::from(w) / 2.0);
            }
        }
    }
    assert_close(&y, &Tensor::from_vec(wanted, (1, 1, 3, 5, 7), &Device::Cpu).unwrap(), 1e-14);
}

#[test]
fn another_use_of_the_input_keeps_its_gradient() {
    let x = Var::from_tensor(&random(&[1, 1, 1, 1, 1], 1)).unwrap();
    let up = upsample_nearest3d(&x, [2; 3]).unwrap().sum_all().unwrap();
    let direct = (x.sum_all().unwrap() * 3.0).unwrap();
    for sum in [(&up + &direct).unwrap(), (&direct + &up).unwrap()] {
        assert_eq!(values(sum.backward().unwrap().get(&x).unwrap()), [11.0]);
    }
}
