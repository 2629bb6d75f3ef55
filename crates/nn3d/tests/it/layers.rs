//! Layers: names, shapes and starts of parameters, and that a small net learns.

use std::collections::HashMap;

use candle_core::{DType, Device, Tensor};
use candle_nn::{Module as _, ModuleT as _, Optimizer as _, VarBuilder, VarMap};
use volkit_nn3d::{
    AvgPool3d, BatchNorm, BatchNormConfig, Conv3d, Conv3dConfig, ConvTranspose3d, ConvTranspose3dConfig, Corners,
    GroupNorm, InstanceNorm, MaxPool3d, NormConfig, Pool3dConfig, Upsample3d, UpsampleMode, conv3d, elu, sum_all,
};

use crate::check::{assert_close, f32_of, random, values};

fn names_of(map: &VarMap) -> Vec<(String, Vec<usize>)> {
    let data = map.data().lock().unwrap();
    let mut names: Vec<_> = data.iter().map(|(name, var)| (name.clone(), var.dims().to_vec())).collect();
    names.sort();
    names
}

#[test]
fn parameters_have_the_names_and_shapes_of_pytorch() {
    let map = VarMap::new();
    let vb = VarBuilder::from_varmap(&map, DType::F32, &Device::Cpu);
    Conv3d::new(4, 6, [3, 1, 5], Conv3dConfig::new().with_groups(2), &vb.pp("a")).unwrap();
    ConvTranspose3d::new(4, 6, [2; 3], ConvTranspose3dConfig::new().with_groups(2), &vb.pp("b")).unwrap();
    BatchNorm::new(6, BatchNormConfig::new(), &vb.pp("c")).unwrap();
    InstanceNorm::new(6, NormConfig::new(), &vb.pp("d")).unwrap();
    InstanceNorm::new(6, NormConfig::new().with_affine(false), &vb.pp("none")).unwrap();
    GroupNorm::new(3, 6, NormConfig::new(), &vb.pp("e")).unwrap();
    let wanted = [
        ("a.bias", vec![6]),
        ("a.weight", vec![6, 2, 3, 1, 5]),
        ("b.bias", vec![6]),
        ("b.weight", vec![4, 3, 2, 2, 2]),
        ("c.bias", vec![6]),
        ("c.running_mean", vec![6]),
        ("c.running_var", vec![6]),
        ("c.weight", vec![6]),
        ("d.bias", vec![6]),
        ("d.weight", vec![6]),
        ("e.bias", vec![6]),
        ("e.weight", vec![6]),
    ];
    assert_eq!(names_of(&map), wanted.map(|(name, shape)| (name.to_owned(), shape)));
    // Uniform within 1 / sqrt(fan_in), and not all the same.
    let data = map.data().lock().unwrap();
    let bound = 1.0 / (2.0 * 15.0f64).sqrt();
    let weights = values(data["a.weight"].as_tensor());
    let spread = weights.iter().fold(0f64, |m, w| m.max(w.abs()));
    assert!(spread <= bound && spread > 0.8 * bound, "{spread} of {bound}");
}

#[test]
fn stored_weights_are_used_and_missing_ones_are_errors() {
    let weight = f32_of(&random(&[2, 3, 3, 3, 3], 1));
    let vb = VarBuilder::from_tensors(HashMap::from([("weight".to_owned(), weight.clone())]), DType::F32, &Device::Cpu);
    let config = Conv3dConfig::same([3; 3]).with_bias(false);
    let layer = Conv3d::new(3, 2, [3; 3], config.clone(), &vb).unwrap();
    assert!(layer.bias.is_none());
    let x = f32_of(&random(&[1, 3, 4, 4, 4], 2));
    let wanted = conv3d(&x, &weight, None, &Conv3dConfig::same([3; 3])).unwrap();
    assert_close(&layer.forward(&x).unwrap(), &wanted, 0.0);
    let message = |result: volkit_nn3d::Result<Conv3d>| result.unwrap_err().to_string();
    assert!(message(Conv3d::new(3, 2, [3; 3], Conv3dConfig::new(), &vb)).contains("bias"));
    assert!(message(Conv3d::new(2, 2, [3; 3], config, &vb)).contains("shape"));
}

#[test]
fn layers_give_the_sizes_of_their_formulas() {
    let x = f32_of(&random(&[2, 3, 5, 6, 4], 3));
    let pool = Pool3dConfig::new([2; 3]);
    assert_eq!(MaxPool3d::new(pool.clone()).unwrap().forward(&x).unwrap().dims(), [2, 3, 2, 3, 2]);
    assert_eq!(AvgPool3d::new(pool).unwrap().forward(&x).unwrap().dims(), [2, 3, 2, 3, 2]);
    for mode in
        [UpsampleMode::Nearest, UpsampleMode::Trilinear(Corners::Edges), UpsampleMode::Trilinear(Corners::Centres)]
    {
        let layer = Upsample3d::new([1, 2, 3], mode).unwrap();
        assert_eq!(layer.forward(&x).unwrap().dims(), [2, 3, 5, 12, 12]);
    }
    let map = VarMap::new();
    let vb = VarBuilder::from_varmap(&map, DType::F32, &Device::Cpu);
    let config = ConvTranspose3dConfig::new().with_stride([2; 3]).with_padding([1; 3]).with_output_padding([1; 3]);
    let layer = ConvTranspose3d::new(3, 4, [3; 3], config, &vb).unwrap();
    assert_eq!(layer.forward(&x).unwrap().dims(), [2, 4, 10, 12, 8]);
    assert_eq!(GroupNorm::new(3, 3, NormConfig::new(), &vb.pp("n")).unwrap().forward(&x).unwrap().dims(), x.dims());
    assert_eq!(InstanceNorm::new(3, NormConfig::new(), &vb.pp("n")).unwrap().forward(&x).unwrap().dims(), x.dims());
}

#[test]
fn gradient_steps_bring_a_small_net_to_its_target() {
    let map = VarMap::new();
    let vb = VarBuilder::from_varmap(&map, DType::F32, &Device::Cpu);
    let first = Conv3d::new(1, 4, [3; 3], Conv3dConfig::same([3; 3]), &vb.pp("first")).unwrap();
    let norm = BatchNorm::new(4, BatchNormConfig::new(), &vb.pp("norm")).unwrap();
    let last = Conv3d::new(4, 1, [1; 3], Conv3dConfig::new(), &vb.pp("last")).unwrap();
    // New variables are random: fixed values make the run the same each time.
    for (at, (name, shape)) in names_of(&map).into_iter().enumerate() {
        if !name.starts_with("norm") {
            let start = (f32_of(&random(&shape, at as u64)) * 0.3).unwrap();
            map.data().lock().unwrap()[&name].set(&start).unwrap();
        }
    }
    let x = f32_of(&random(&[2, 1, 6, 5, 7], 11));
    let blur = Tensor::full(1f32 / 27.0, (1, 1, 3, 3, 3), &Device::Cpu).unwrap();
    let target = conv3d(&x, &blur, None, &Conv3dConfig::same([3; 3])).unwrap();
    let mut optimizer = candle_nn::AdamW::new_lr(map.all_vars(), 0.02).unwrap();
    let mut losses = Vec::new();
    for _ in 0..60 {
        let h = norm.forward_t(&elu(&first.forward(&x).unwrap(), 1.0).unwrap(), true).unwrap();
        let error = (last.forward(&h).unwrap() - &target).unwrap();
        let loss = sum_all(&error.sqr().unwrap()).unwrap();
        losses.push(values(&loss)[0]);
        optimizer.backward_step(&loss).unwrap();
    }
    assert!(losses[59] < 0.05 * losses[0], "{} after {}", losses[59], losses[0]);
}
