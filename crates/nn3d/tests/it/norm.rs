//! Normalisation: the non-fused form of five axes against the folded one and f64, statistics, gradients.

use candle_core::{DType, Device, Tensor};
use candle_nn::{ModuleT as _, VarBuilder, VarMap};
use volkit_nn3d::{
    BatchNormConfig, NormConfig, batch_norm, batch_norm_training, fold_batch_norm, group_norm, instance_norm,
};

use crate::check::{assert_close, assert_gradients, distance, f32_of, random, values};

/// `weight * (x - mean) / sqrt(var + eps) + bias` in f64 loops over `[N, C, ...]`.
fn by_definition(x: &Tensor, per_channel: impl Fn(usize) -> [f64; 4], eps: f64) -> Tensor {
    let (channels, s) = (x.dims()[1], x.dims()[2..].iter().product::<usize>());
    let y: Vec<f64> = (values(x).iter().enumerate())
        .map(|(i, v)| {
            let [mean, var, weight, bias] = per_channel(i / s % channels);
            weight * (v - mean) / (var + eps).sqrt() + bias
        })
        .collect();
    Tensor::from_vec(y, x.shape(), &Device::Cpu).unwrap()
}

#[test]
fn non_fused_folded_and_f64_forms_agree_on_five_axes() {
    let x = f32_of(&(random(&[2, 6, 5, 7, 4], 1) * 3.0).unwrap());
    let mean = f32_of(&random(&[6], 2));
    let var = f32_of(&random(&[6], 3).abs().unwrap());
    let (weight, bias) = (f32_of(&random(&[6], 4)), f32_of(&random(&[6], 5)));
    let config = BatchNormConfig::new().with_eps(1e-3);
    let y = batch_norm(&x, &mean, &var, Some(&weight), Some(&bias), &config).unwrap();

    let all = [&mean, &var, &weight, &bias].map(values);
    let exact = by_definition(&x, |c| std::array::from_fn(|i| all[i][c]), 1e-3);
    let (scale, shift) = fold_batch_norm(&mean, &var, Some(&weight), Some(&bias), 1e-3).unwrap();
    let at_channel = |v: &Tensor| v.reshape((1, 6, 1, 1, 1)).unwrap();
    let folded = x.broadcast_mul(&at_channel(&scale)).unwrap().broadcast_add(&at_channel(&shift)).unwrap();
    let steps = x.broadcast_sub(&at_channel(&mean)).unwrap();
    let root = (at_channel(&var) + 1e-3).unwrap().sqrt().unwrap();
    let steps = steps.broadcast_div(&root).unwrap().broadcast_mul(&at_channel(&weight)).unwrap();
    let steps = steps.broadcast_add(&at_channel(&bias)).unwrap();

    // A few roundings of f32.
    for form in [&y, &folded, &steps] {
        assert_close(form, &exact, 5e-7);
    }
    let plane = candle_nn::BatchNorm::new(6, mean, var, weight, bias, 1e-3).unwrap();
    assert_close(&plane.forward_t(&x, false).unwrap(), &exact, 5e-7);
}

#[test]
fn any_rank_gives_the_same_as_its_flat_form() {
    let x = random(&[2, 3, 24], 6);
    let config = BatchNormConfig::new();
    let (flat, _) = batch_norm_training(&x, None, None, &config).unwrap();
    for shape in [vec![2, 3, 4, 6], vec![2, 3, 2, 3, 4], vec![2, 3, 2, 3, 2, 2]] {
        let (y, statistics) = batch_norm_training(&x.reshape(shape.as_slice()).unwrap(), None, None, &config).unwrap();
        assert_eq!((y.dims(), statistics.count), (shape.as_slice(), 48));
        assert_close(&y.reshape(x.shape()).unwrap(), &flat, 0.0);
    }
    let (rows, _) = batch_norm_training(&random(&[5, 3], 7), None, None, &config).unwrap();
    assert!(values(&rows.sum(0).unwrap()).iter().all(|s| s.abs() < 1e-12));
}

#[test]
fn gradients_are_differences() {
    let args = [(random(&[2, 3, 2, 1, 3], 1) * 2.0).unwrap(), random(&[3], 2), random(&[3], 3)];
    let (mean, var) = (random(&[3], 4), (random(&[3], 5) + 1.5).unwrap());
    let config = BatchNormConfig::new();
    assert_gradients(&args, |v| Ok(batch_norm_training(&v[0], Some(&v[1]), Some(&v[2]), &config)?.0));
    assert_gradients(&args, |v| Ok(batch_norm(&v[0], &mean, &var, Some(&v[1]), Some(&v[2]), &config)?));
    assert_gradients(&args[..1], |v| Ok(batch_norm_training(&v[0], None, None, &config)?.0));
    let plain = NormConfig::new();
    assert_gradients(&args, |v| Ok(instance_norm(&v[0], Some(&v[1]), Some(&v[2]), &plain)?));
    assert_gradients(&args[..1], |v| Ok(instance_norm(&v[0], None, None, &plain)?));
    let four = [random(&[2, 4, 3, 2], 1), random(&[4], 2), random(&[4], 3)];
    for groups in [1, 2, 4] {
        assert_gradients(&four, |v| Ok(group_norm(&v[0], groups, Some(&v[1]), Some(&v[2]), &plain)?));
    }
}

#[test]
fn statistics_of_a_large_offset_stay_exact() {
    // 1000 +- 1 over 600k voxels in f32: a sum of squares would lose the variance.
    let exact = random(&[1, 2, 64, 96, 96], 8);
    let x = f32_of(&(&exact + 1000.0).unwrap());
    let (y, statistics) = batch_norm_training(&x, None, None, &BatchNormConfig::new()).unwrap();
    let s = 64.0 * 96.0 * 96.0;
    for c in 0..2 {
        let values_c = values(&x.narrow(1, c, 1).unwrap());
        let mean = values_c.iter().sum::<f64>() / s;
        let var = values_c.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / s;
        assert!((values(&statistics.mean)[c] / mean - 1.0).abs() < 2e-7);
        assert!((values(&statistics.variance)[c] / var - 1.0).abs() < 1e-5);
        let wanted = by_definition(&x.narrow(1, c, 1).unwrap(), |_| [mean, var, 1.0, 0.0], 1e-5);
        // Half a unit in the last place of 1000 is 3e-5: the mean must be carried more precisely than in one f32.
        assert!(distance(&y.narrow(1, c, 1).unwrap(), &wanted) < 2e-6);
    }
}

#[test]
fn running_statistics_follow_momentum_and_the_unbiased_factor() {
    let map = VarMap::new();
    let vb = VarBuilder::from_varmap(&map, DType::F32, &Device::Cpu);
    let layer = volkit_nn3d::BatchNorm::new(1, BatchNormConfig::new().with_momentum(0.25), &vb).unwrap();
    // Mean 2, biased variance 1, unbiased 4 / 3.
    let x = Tensor::new(&[[[1f32, 3.0]], [[1.0, 3.0]]], &Device::Cpu).unwrap();
    layer.forward_t(&x, true).unwrap();
    assert_eq!(values(layer.running_mean.as_tensor()), [0.5]);
    assert!((values(layer.running_var.as_tensor())[0] - (0.75 + 0.25 * 4.0 / 3.0)).abs() < 1e-7);
    // The variables are the map's own, so saving the map saves them.
    assert_eq!(values(map.data().lock().unwrap()["running_mean"].as_tensor()), [0.5]);
    // Inference uses them and changes nothing.
    let y = layer.forward_t(&x, false).unwrap();
    let (scale, shift) = layer.folded().unwrap();
    let wanted = x.broadcast_mul(&scale).unwrap().broadcast_add(&shift).unwrap();
    assert_close(&y, &wanted, 1e-6);
    assert_eq!(values(layer.running_mean.as_tensor()), [0.5]);
}

#[test]
fn instance_and_group_norm_standardise_their_own_share() {
    let x = (random(&[2, 4, 3, 5], 9) * 7.0).unwrap();
    let config = NormConfig::new().with_eps(0.0);
    let check = |y: &Tensor, rows: usize| {
        let y = y.reshape((rows, ())).unwrap();
        let n = y.dims()[1] as f64;
        for row in 0..rows {
            let v = values(&y.narrow(0, row, 1).unwrap());
            assert!(v.iter().sum::<f64>().abs() < 1e-10);
            assert!((v.iter().map(|v| v * v).sum::<f64>() / n - 1.0).abs() < 1e-12);
        }
    };
    check(&instance_norm(&x, None, None, &config).unwrap(), 8);
    check(&group_norm(&x, 2, None, None, &config).unwrap(), 4);
    check(&group_norm(&x, 1, None, None, &config).unwrap(), 2);
}

#[test]
fn sixteen_bit_inputs_take_statistics_in_f32() {
    let x = random(&[2, 3, 40, 40], 3).to_dtype(DType::BF16).unwrap();
    let (y, statistics) = batch_norm_training(&x, None, None, &BatchNormConfig::new()).unwrap();
    assert_eq!((y.dtype(), statistics.mean.dtype()), (DType::BF16, DType::F32));
    let (wanted, _) = batch_norm_training(&f32_of(&x), None, None, &BatchNormConfig::new()).unwrap();
    // bf16 keeps 8 bits.
    assert_close(&y, &wanted, 4e-3);
}
