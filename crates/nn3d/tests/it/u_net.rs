//! Networks of images: names, sizes, precision, gradients, memory.

use candle_core::{DType, Device, Tensor, Var};
use candle_nn::{Module as _, ModuleT as _, VarBuilder, VarMap};
use volkit_nn3d::{
    Conv3dConfig, ConvTranspose3dConfig, Corners, Pool3dConfig, SimpleUNet2d, UNet2d, UNet2dConfig, conv_transpose2d,
    conv2d, max_pool2d, upsample_bilinear2d,
};

use crate::check::{assert_close, assert_gradients, f32_of, random, values};

fn u_net(config: &UNet2dConfig) -> (UNet2d, VarMap) {
    let map = VarMap::new();
    let vb = VarBuilder::from_varmap(&map, DType::F32, &Device::Cpu);
    (UNet2d::new(config, &vb).unwrap(), map)
}

#[test]
fn planes_are_volumes_of_depth_one() {
    let inputs = [random(&[2, 2, 4, 5], 1), random(&[3, 2, 3, 3], 2), random(&[3], 3)];
    assert_gradients(&inputs, |x| Ok(conv2d(&x[0], &x[1], Some(&x[2]), &Conv3dConfig::same([1, 3, 3]))?));
    let inputs = [random(&[1, 2, 2, 3], 1), random(&[2, 3, 2, 2], 2)];
    let twice = ConvTranspose3dConfig::new().with_stride([1, 2, 2]);
    assert_gradients(&inputs, |x| Ok(conv_transpose2d(&x[0], &x[1], None, &twice)?));
    let x = [random(&[1, 2, 4, 5], 4)];
    assert_gradients(&x, |x| Ok(max_pool2d(&x[0], &Pool3dConfig::new([1, 2, 2]))?));
    assert_gradients(&x, |x| Ok(upsample_bilinear2d(&x[0], [7, 10], Corners::Centres)?));
    // Centres of the corners coincide.
    let line = Tensor::new(&[[[[0.0_f32, 3.0]]]], &Device::Cpu).unwrap();
    let y = upsample_bilinear2d(&line, [1, 4], Corners::Centres).unwrap();
    assert_close(&y, &Tensor::new(&[[[[0.0_f32, 1.0, 2.0, 3.0]]]], &Device::Cpu).unwrap(), 1e-6);
    let flat = f32_of(&random(&[2, 3], 5));
    assert!(max_pool2d(&flat, &Pool3dConfig::new([1, 2, 2])).is_err());
}

#[test]
fn a_u_net_has_the_names_and_sizes_of_the_usual_code() {
    let (_, map) = u_net(&UNet2dConfig::new(16, 1));
    let data = map.data().lock().unwrap();
    let dims = |name: &str| data.get(name).unwrap_or_else(|| panic!("{name}")).dims().to_vec();
    assert_eq!(dims("inc.double_conv.0.weight"), [64, 16, 3, 3]);
    assert_eq!(dims("down1.maxpool_conv.1.double_conv.0.weight"), [128, 64, 3, 3]);
    assert_eq!(dims("down4.maxpool_conv.1.double_conv.3.weight"), [512, 512, 3, 3]);
    assert_eq!(dims("up1.conv.double_conv.0.weight"), [512, 1024, 3, 3]);
    assert_eq!(dims("up1.conv.double_conv.3.weight"), [256, 512, 3, 3]);
    assert_eq!(dims("up4.conv.double_conv.0.weight"), [64, 128, 3, 3]);
    assert_eq!(dims("outc.conv.weight"), [1, 64, 1, 1]);
    assert!(!data.contains_key("up1.up.weight") && !data.contains_key("inc.double_conv.0.bias"));
    // The sum over the layers of the published code for 16 channels; the rest are running statistics.
    let trained = data.iter().filter(|(name, _)| !name.contains("running"));
    assert_eq!(trained.map(|(_, var)| var.elem_count()).sum::<usize>(), 17_270_465);
}

#[test]
fn every_size_and_form_comes_back_at_its_size() {
    for (bilinear, depth, size) in [(true, 4, [16, 19]), (false, 3, [13, 8]), (true, 1, [3, 2]), (true, 0, [1, 1])] {
        let config = UNet2dConfig::new(2, 3).with_width(4).with_depth(depth).with_bilinear(bilinear);
        let (net, map) = u_net(&config);
        let x = f32_of(&random(&[2, 2, size[0], size[1]], 1));
        assert_eq!(net.forward_t(&x, false).unwrap().dims(), [2, 3, size[0], size[1]]);
        assert_eq!(map.data().lock().unwrap().contains_key("up1.up.weight"), !bilinear);
        let small = f32_of(&random(&[1, 2, (1 << depth) - 1, 32], 1));
        assert!(net.forward_t(&small, false).is_err());
    }
    assert!(UNet2dConfig::new(0, 1).validate().is_err());
    assert!(UNet2dConfig::new(1, 1).with_depth(17).validate().is_err());
}

#[test]
fn blocks_that_run_twice_give_the_same_gradients_and_statistics() {
    let x = f32_of(&random(&[2, 2, 16, 20], 1));
    let run = |net: &UNet2d, map: &VarMap| {
        let store = net.forward_t(&x, true).unwrap().sqr().unwrap().sum_all().unwrap().backward().unwrap();
        let data = map.data().lock().unwrap();
        let mut names: Vec<String> = data.keys().cloned().collect();
        names.sort();
        let tensor = |name: &String| match store.get(&data[name]) {
            Some(gradient) => values(gradient),
            None => values(&data[name]),
        };
        names.iter().map(tensor).collect::<Vec<_>>()
    };
    let config = UNet2dConfig::new(2, 1).with_width(4).with_depth(2);
    let (plain, map) = u_net(&config);
    let vb = || VarBuilder::from_varmap(&map, DType::F32, &Device::Cpu);
    let before: Vec<(String, Tensor)> =
        map.data().lock().unwrap().iter().map(|(name, var)| (name.clone(), var.copy().unwrap())).collect();
    let wanted = run(&plain, &map);
    for (name, value) in before {
        map.data().lock().unwrap()[&name].set(&value).unwrap();
    }
    let again = UNet2d::new(&config.with_checkpoint(true), &vb()).unwrap();
    assert!(run(&again, &map) == wanted);
}

#[test]
fn low_precision_stays_near_and_ends_in_f32() {
    let channels = [2, 8, 8, 1];
    let map = VarMap::new();
    let plain = SimpleUNet2d::new(&channels, &VarBuilder::from_varmap(&map, DType::F32, &Device::Cpu)).unwrap();
    let low: std::collections::HashMap<String, Tensor> =
        map.data().lock().unwrap().iter().map(|(name, var)| (name.clone(), var.as_detached_tensor())).collect();
    let low = SimpleUNet2d::new(&channels, &VarBuilder::from_tensors(low, DType::BF16, &Device::Cpu)).unwrap();
    let x = Var::from_tensor(&f32_of(&random(&[1, 2, 9, 8], 1))).unwrap();
    let (wanted, got) = (plain.forward(&x).unwrap(), low.forward(&x).unwrap());
    assert_eq!(got.dtype(), DType::F32);
    assert_close(&got, &wanted, 2e-2);
    let gradient = |y: &Tensor| y.sqr().unwrap().sum_all().unwrap().backward().unwrap().get(&x).unwrap().clone();
    // Where a sum is near zero the rectifier may switch.
    let wanted = gradient(&wanted);
    assert_close(&gradient(&got), &wanted, 0.2);
    assert_close(&gradient(&plain.clone().with_segment(Some(2)).forward(&x).unwrap()), &wanted, 0.0);
    assert!(SimpleUNet2d::new(&[3], &VarBuilder::zeros(DType::F32, &Device::Cpu)).is_err());
}
