//! Kernel and composite path of every op: the same results and gradients for ragged sizes, and 16-bit elements.

use candle_core::{DType, Device, Result as CandleResult, Tensor, Var};
use candle_nn::Module as _;
use volkit_nn3d::{
    Activation, BatchNormConfig, Conv3dConfig, ConvTranspose3dConfig, Corners, GeluForm, NormConfig, OpPath,
    Pool3dConfig, Upsample3d, UpsampleMode, avg_pool3d, batch_norm, batch_norm_training, channel_sums,
    conv_transpose3d, conv3d, elu, gelu, group_norm, has_kernel, instance_norm, leaky_relu, max_pool3d, relu,
};

use crate::check::{AnyResult, assert_close, distance, f32_of, random};

/// Result of `f` on the path and the gradients of all inputs for a fixed gradient of the result.
fn run(inputs: &[Tensor], path: OpPath, f: &dyn Fn(&[Tensor], OpPath) -> AnyResult<Tensor>) -> Vec<Tensor> {
    let vars: Vec<Var> = inputs.iter().map(|x| Var::from_tensor(x).unwrap()).collect();
    let tracked: Vec<Tensor> = vars.iter().map(|v| v.as_tensor().clone()).collect();
    let y = f(&tracked, path).unwrap();
    let r = random(y.dims(), 991).to_dtype(y.dtype()).unwrap();
    let gradients = (&y * &r).unwrap().sum_all().unwrap().backward().unwrap();
    let mut all = vec![y];
    all.extend(tracked.iter().map(|x| gradients.get(x).unwrap().clone()));
    all
}

/// Compares the kernel with the composite path in f64, and that in f32, if the op has one there.
#[track_caller]
fn assert_same(inputs: &[Tensor], f: impl Fn(&[Tensor], OpPath) -> AnyResult<Tensor>) {
    let exact = run(inputs, OpPath::Composite, &f);
    let single: Vec<Tensor> = inputs.iter().map(f32_of).collect();
    for path in [OpPath::Kernel, OpPath::Auto, OpPath::Composite] {
        for (at, (got, wanted)) in run(&single, path, &f).iter().zip(&exact).enumerate() {
            assert_eq!(got.dtype(), DType::F32);
            let d = distance(got, wanted);
            // A few roundings of sums of some hundred products; 0 is the result, then the arguments.
            assert!(d < 3e-6, "{path:?}: tensor {at} is off by {d:e}");
        }
    }
}

#[test]
fn convolutions() {
    let cases = [
        ([1, 1, 1, 1, 1], 1, [1, 1, 1], Conv3dConfig::new()),
        ([2, 3, 4, 5, 6], 4, [3, 3, 3], Conv3dConfig::same([3; 3])),
        ([1, 9, 3, 6, 17], 8, [3, 3, 3], Conv3dConfig::same([3; 3])),
        // Behind a rectifier, which is part of the kernels.
        ([2, 3, 4, 5, 6], 4, [3, 3, 3], Conv3dConfig::same([3; 3]).with_rectifier(Some(0.1))),
        ([1, 4, 5, 4, 7], 6, [2, 3, 1], Conv3dConfig::new().with_stride([1, 2, 3]).with_rectifier(Some(0.0))),
        // Wide and large enough for fewer products than the sum has.
        ([1, 17, 7, 9, 17], 16, [3, 3, 3], Conv3dConfig::same([3; 3])),
        ([1, 2, 6, 5, 7], 3, [3, 3, 3], Conv3dConfig::new().with_padding([2; 3]).with_dilation([2, 1, 3])),
        ([1, 4, 5, 4, 7], 6, [2, 3, 1], Conv3dConfig::new().with_stride([1, 2, 3]).with_groups(2)),
        (
            [2, 3, 4, 6, 5],
            6,
            [3, 1, 3],
            Conv3dConfig::new().with_stride([2, 1, 2]).with_padding([2, 0, 1]).with_groups(3),
        ),
        ([1, 2, 3, 3, 5], 2, [1, 5, 2], Conv3dConfig::new().with_padding([0, 2, 1])),
    ];
    for (seed, (size, c_out, [kz, ky, kx], config)) in cases.into_iter().enumerate() {
        let weight = random(&[c_out, size[1] / config.groups, kz, ky, kx], 20 + seed as u64);
        let inputs = [random(&size, seed as u64), weight, random(&[c_out], 40 + seed as u64)];
        assert_same(&inputs, |v, path| Ok(conv3d(&v[0], &v[1], Some(&v[2]), &config.clone().with_path(path))?));
        assert_same(&inputs[..2], |v, path| Ok(conv3d(&v[0], &v[1], None, &config.clone().with_path(path))?));
    }
}

#[test]
fn transposed_convolutions() {
    let new = ConvTranspose3dConfig::new;
    let cases = [
        ([1, 4, 2, 3, 5], [4, 3, 2, 2, 2], new().with_stride([2; 3])),
        ([2, 2, 3, 2, 4], [2, 3, 3, 3, 3], new().with_padding([1; 3])),
        (
            [2, 2, 2, 2, 3],
            [2, 1, 3, 3, 2],
            new().with_stride([2, 1, 3]).with_padding([1, 1, 0]).with_output_padding([1, 0, 2]).with_groups(2),
        ),
        // Output padding beyond the stride, which the dilation allows.
        ([1, 1, 3, 1, 2], [1, 2, 2, 1, 3], new().with_dilation([3, 1, 1]).with_output_padding([2, 0, 0])),
    ];
    for (seed, (size, weight, config)) in cases.into_iter().enumerate() {
        let c_out = weight[1] * config.groups;
        let inputs = [random(&size, seed as u64), random(&weight, 9), random(&[c_out], 10)];
        assert_same(&inputs, |v, path| {
            Ok(conv_transpose3d(&v[0], &v[1], Some(&v[2]), &config.clone().with_path(path))?)
        });
    }
}

#[test]
fn pools() {
    for config in [
        Pool3dConfig::new([2; 3]),
        Pool3dConfig::new([3, 2, 3]).with_stride([2, 1, 2]).with_padding([1, 0, 1]),
        Pool3dConfig::new([1, 3, 2]).with_stride([2, 2, 3]),
    ] {
        let inputs = [random(&[2, 3, 4, 5, 9], 4)];
        assert_same(&inputs, |v, path| Ok(max_pool3d(&v[0], &config.clone().with_path(path))?));
        assert_same(&inputs, |v, path| Ok(avg_pool3d(&v[0], &config.clone().with_path(path))?));
    }
}

#[test]
fn upsampling() {
    let modes =
        [UpsampleMode::Nearest, UpsampleMode::Trilinear(Corners::Edges), UpsampleMode::Trilinear(Corners::Centres)];
    for mode in modes {
        for scale in [[2, 2, 2], [1, 3, 2], [1, 1, 1]] {
            let layer = Upsample3d::new(scale, mode).unwrap();
            let inputs = [random(&[2, 3, 1, 4, 5], 4)];
            assert_same(&inputs, |v, path| Ok(layer.clone().with_path(path).forward(&v[0])?));
        }
    }
}

#[test]
fn norms() {
    let config = |path| BatchNormConfig::new().with_path(path);
    let plain = |path| NormConfig::new().with_path(path);
    for shape in [vec![2, 4, 3, 5, 7], vec![6, 4], vec![3, 4, 9]] {
        let inputs = [(random(&shape, 1) * 2.0).unwrap(), random(&[4], 2), random(&[4], 3)];
        assert_same(&inputs, |v, path| Ok(batch_norm_training(&v[0], Some(&v[1]), Some(&v[2]), &config(path))?.0));
        let behind = |path| config(path).with_rectifier(Some(0.1));
        assert_same(&inputs, |v, path| Ok(batch_norm_training(&v[0], Some(&v[1]), Some(&v[2]), &behind(path))?.0));
        let (mean, var) = (random(&[4], 4), (random(&[4], 5) + 1.5).unwrap());
        assert_same(&inputs, |v, path| {
            let like = |x: &Tensor| x.to_dtype(v[0].dtype());
            Ok(batch_norm(&v[0], &like(&mean)?, &like(&var)?, Some(&v[1]), Some(&v[2]), &config(path))?)
        });
        if shape.len() > 2 {
            assert_same(&inputs, |v, path| Ok(instance_norm(&v[0], Some(&v[1]), Some(&v[2]), &plain(path))?));
            assert_same(&inputs[..1], |v, path| Ok(instance_norm(&v[0], None, None, &plain(path))?));
            assert_same(&inputs, |v, path| Ok(group_norm(&v[0], 2, Some(&v[1]), Some(&v[2]), &plain(path))?));
        }
        let run = |x: &Tensor, path| batch_norm_training(x, None, None, &config(path)).unwrap().1;
        let (got, wanted) = (run(&f32_of(&inputs[0]), OpPath::Kernel), run(&inputs[0], OpPath::Composite));
        assert_close(&got.mean, &wanted.mean, 1e-6);
        assert_close(&got.variance, &wanted.variance, 1e-6);
        assert_eq!(got.count, wanted.count);
    }
}

#[test]
fn ops_without_a_choice_take_the_kernel_in_f32_and_the_composite_in_f64() {
    let inputs = [(random(&[2, 3, 4, 3, 5], 7) * 3.0).unwrap()];
    assert_same(&inputs, |v, _| Ok(relu(&v[0])?));
    assert_same(&inputs, |v, _| Ok(leaky_relu(&v[0], 0.2)?));
    assert_same(&inputs, |v, _| Ok(elu(&v[0], 0.7)?));
    assert_same(&inputs, |v, _| Ok(gelu(&v[0], GeluForm::Erf)?));
    assert_same(&inputs, |v, _| Ok(gelu(&v[0], GeluForm::Tanh)?));
    assert_same(&inputs, |v, _| Ok(channel_sums(&v[0])?));
}

#[test]
fn sixteen_bits_are_summed_in_f32() {
    let inputs = [random(&[1, 12, 4, 5, 6], 1), random(&[10, 12, 3, 3, 3], 2), random(&[10], 3)];
    let config = Conv3dConfig::same([3; 3]).with_path(OpPath::Kernel);
    let f = |v: &[Tensor], _: OpPath| -> AnyResult<Tensor> { Ok(conv3d(&v[0], &v[1], Some(&v[2]), &config)?) };
    // Half of the spacing of the type, with some room for values below the largest of their power of two.
    for (dtype, rtol) in [(DType::BF16, 1.0 / 256.0), (DType::F16, 1.0 / 2048.0)] {
        let narrow: Vec<Tensor> = inputs.iter().map(|x| x.to_dtype(dtype).unwrap()).collect();
        let rounded: Vec<Tensor> = narrow.iter().map(f32_of).collect();
        let (got, wanted) = (run(&narrow, OpPath::Kernel, &f), f(&rounded, OpPath::Kernel).unwrap());
        assert!(got.iter().all(|x| x.dtype() == dtype));
        assert_close(&got[0], &wanted, rtol);
        assert!(has_kernel(volkit_nn3d::Op::Conv3d, &Device::Cpu, dtype));
        let (y, statistics) = batch_norm_training(&narrow[0], None, None, &BatchNormConfig::new()).unwrap();
        assert_eq!((y.dtype(), statistics.mean.dtype()), (dtype, DType::F32));
        let pool = Pool3dConfig::new([2; 3]).with_path(OpPath::Kernel);
        assert_close(&max_pool3d(&narrow[0], &pool).unwrap(), &max_pool3d(&rounded[0], &pool).unwrap(), 0.0);
        assert_close(&relu(&narrow[0]).unwrap(), &relu(&rounded[0]).unwrap(), 0.0);
    }
}

#[test]
fn kernels_read_views_and_give_the_same_bits_twice() -> CandleResult<()> {
    let x = f32_of(&random(&[3, 4, 5, 6, 7], 1));
    let view = x.permute((0, 1, 4, 3, 2))?.narrow(0, 1, 2)?;
    let weight = f32_of(&random(&[5, 4, 3, 3, 3], 2));
    let config = Conv3dConfig::same([3; 3]).with_path(OpPath::Kernel);
    let y = conv3d(&view, &weight, None, &config)?;
    assert_close(&y, &conv3d(&view.contiguous()?, &weight, None, &config)?, 0.0);
    assert_close(&relu(&view)?, &relu(&view.contiguous()?)?, 0.0);
    // A tensor that begins inside its storage.
    let second = x.narrow(0, 1, 1)?;
    assert_close(&relu(&second)?, &relu(&second.copy()?)?, 0.0);
    Ok(())
}

#[test]
fn activations_by_name_have_both_paths() {
    let x = [(random(&[2, 3, 2, 5, 3], 8) * 3.0).unwrap()];
    for activation in [
        Activation::Relu,
        Activation::LeakyRelu(0.2),
        Activation::Elu(1.3),
        Activation::Gelu(GeluForm::Erf),
        Activation::Gelu(GeluForm::Tanh),
    ] {
        assert_same(&x, |v, path| Ok(activation.apply(&v[0], path)?));
    }
}
