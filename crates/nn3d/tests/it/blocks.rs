//! The block of U-Nets: names, sizes, what it is made of, running statistics.

use candle_core::{DType, Device};
use candle_nn::{ModuleT as _, VarBuilder, VarMap};
use volkit_nn3d::{
    BatchNormConfig, Conv3dConfig, DoubleConv3d, DoubleConv3dConfig, batch_norm_training, conv3d, leaky_relu, relu,
};

use crate::check::{assert_close, f32_of, random, values};

#[test]
fn a_block_is_two_convolutions_norms_and_rectifiers_with_the_names_of_a_sequence() {
    let map = VarMap::new();
    let vb = VarBuilder::from_varmap(&map, DType::F32, &Device::Cpu);
    let config = DoubleConv3dConfig::new().with_mid(Some(5)).with_bias(true).with_slope(0.1);
    let block = DoubleConv3d::new(3, 4, &config, &vb).unwrap();
    let x = f32_of(&random(&[2, 3, 4, 6, 5], 1));
    let y = block.forward_t(&x, true).unwrap();
    assert_eq!(y.dims(), [2, 4, 4, 6, 5]);

    let data = map.data().lock().unwrap();
    let mut names: Vec<&str> = data.keys().map(String::as_str).collect();
    names.sort_unstable();
    let norm = |n: usize| ["bias", "running_mean", "running_var", "weight"].map(|name| format!("{n}.{name}"));
    let conv = |n: usize| ["bias", "weight"].map(|name| format!("{n}.{name}"));
    assert_eq!(names, [&conv(0)[..], &norm(1), &conv(3), &norm(4)].concat());
    assert_eq!((data["0.weight"].dims(), data["3.weight"].dims()), (&[5, 3, 3, 3, 3][..], &[4, 5, 3, 3, 3][..]));

    let mut wanted = x;
    for (conv, norm) in [("0", "1"), ("3", "4")] {
        let get = |part: &str, name: &str| data[&format!("{part}.{name}")].as_tensor().clone();
        let (weight, bias) = (get(conv, "weight"), get(conv, "bias"));
        wanted = conv3d(&wanted, &weight, Some(&bias), &Conv3dConfig::same([3; 3])).unwrap();
        let (weight, bias) = (get(norm, "weight"), get(norm, "bias"));
        let (y, batch) = batch_norm_training(&wanted, Some(&weight), Some(&bias), &BatchNormConfig::new()).unwrap();
        // Running statistics began at 0 and moved a tenth of the way.
        assert_close(&get(norm, "running_mean"), &(batch.mean * 0.1).unwrap(), 1e-6);
        wanted = leaky_relu(&y, 0.1).unwrap();
    }
    assert_close(&y, &wanted, 1e-6);
}

#[test]
fn by_default_there_is_no_bias_and_nothing_below_zero() {
    let map = VarMap::new();
    let vb = VarBuilder::from_varmap(&map, DType::F32, &Device::Cpu);
    let block = DoubleConv3d::new(2, 3, &DoubleConv3dConfig::new(), &vb).unwrap();
    assert!(!map.data().lock().unwrap().contains_key("0.bias"));
    let y = block.forward_t(&f32_of(&random(&[1, 2, 3, 3, 3], 2)), false).unwrap();
    assert_close(&relu(&y).unwrap(), &y, 0.0);
    assert!(values(&y).iter().any(|v| *v > 0.0));
    let bad = DoubleConv3dConfig::new().with_norm(BatchNormConfig::new().with_eps(-1.0));
    assert!(DoubleConv3d::new(2, 3, &bad, &vb).is_err());
}
