//! Convolution and its transpose against loops, candle's 2-D form, and central differences.

use candle_core::{DType, Device, Tensor, Var};
use volkit_nn3d::{Conv3dConfig, ConvTranspose3dConfig, conv_transpose3d, conv3d};

use crate::check::{assert_close, assert_gradients, f32_of, random, values};

/// The definition, in loops and f64.
fn by_definition(x: &Tensor, weight: &Tensor, bias: Option<&Tensor>, c: &Conv3dConfig) -> Tensor {
    let (n, c_in, d, h, w) = x.dims5().unwrap();
    let (c_out, per_group, kz, ky, kx) = weight.dims5().unwrap();
    let (size, kernel) = ([d, h, w], [kz, ky, kx]);
    let out: [usize; 3] =
        std::array::from_fn(|a| (size[a] + 2 * c.padding[a] - c.dilation[a] * (kernel[a] - 1) - 1) / c.stride[a] + 1);
    let (xs, ws) = (values(x), values(weight));
    let bias = bias.map_or(vec![0.0; c_out], values);
    let mut ys = Vec::new();
    for b in 0..n {
        for o in 0..c_out {
            let first = o / (c_out / c.groups) * per_group;
            for p in 0..out[0] * out[1] * out[2] {
                let at = [p / (out[1] * out[2]), p / out[2] % out[1], p % out[2]];
                let mut sum = bias[o];
                for i in 0..per_group {
                    for t in 0..kz * ky * kx {
                        let k = [t / (ky * kx), t / kx % ky, t % kx];
                        let from: [isize; 3] = std::array::from_fn(|a| {
                            (at[a] * c.stride[a] + k[a] * c.dilation[a]) as isize - c.padding[a] as isize
                        });
                        if (0..3).all(|a| from[a] >= 0 && from[a] < size[a] as isize) {
                            let [z, y, x] = from.map(|f| f as usize);
                            let voxel = (((b * c_in + first + i) * d + z) * h + y) * w + x;
                            sum += xs[voxel] * ws[(o * per_group + i) * kz * ky * kx + t];
                        }
                    }
                }
                ys.push(sum);
            }
        }
    }
    Tensor::from_vec(ys, (n, c_out, out[0], out[1], out[2]), &Device::Cpu).unwrap()
}

/// Ragged sizes with every option: (input, `C_out`, kernel, stride, padding, dilation, groups).
type Options = ([usize; 5], usize, [usize; 3], [usize; 3], [usize; 3], [usize; 3], usize);
const RAGGED: [Options; 9] = [
    ([1, 1, 1, 1, 1], 1, [1, 1, 1], [1, 1, 1], [0, 0, 0], [1, 1, 1], 1),
    ([2, 3, 1, 5, 4], 2, [3, 3, 3], [1, 1, 1], [1, 1, 1], [1, 1, 1], 1),
    ([1, 2, 5, 4, 7], 4, [2, 3, 1], [1, 2, 3], [1, 0, 0], [2, 1, 1], 2),
    ([1, 3, 4, 6, 5], 6, [3, 1, 3], [2, 1, 2], [2, 0, 1], [1, 1, 2], 3),
    ([1, 2, 3, 7, 3], 3, [1, 5, 2], [3, 2, 1], [0, 2, 1], [1, 1, 1], 1),
    ([2, 2, 3, 3, 3], 2, [3, 3, 3], [1, 1, 1], [3, 4, 2], [1, 1, 1], 1),
    ([1, 1, 2, 9, 2], 1, [1, 2, 1], [2, 4, 2], [0, 0, 0], [1, 3, 1], 1),
    ([1, 4, 2, 2, 2], 4, [1, 1, 1], [2, 2, 2], [0, 1, 0], [1, 1, 1], 4),
    ([1, 2, 1, 12, 9], 2, [2, 3, 3], [1, 1, 1], [1, 1, 1], [1, 1, 1], 2),
];

fn options(at: usize) -> (Tensor, Tensor, Tensor, Conv3dConfig) {
    let (size, c_out, kernel, stride, padding, dilation, groups) = RAGGED[at];
    let config =
        Conv3dConfig::new().with_stride(stride).with_padding(padding).with_dilation(dilation).with_groups(groups);
    let weight = random(&[c_out, size[1] / groups, kernel[0], kernel[1], kernel[2]], 20 + at as u64);
    (random(&size, at as u64), weight, random(&[c_out], 40 + at as u64), config)
}

#[test]
fn ragged_sizes_follow_the_definition() {
    for at in 0..RAGGED.len() {
        let (x, weight, bias, config) = options(at);
        let wanted = by_definition(&x, &weight, Some(&bias), &config);
        assert_close(&conv3d(&x, &weight, Some(&bias), &config).unwrap(), &wanted, 1e-13);
        let single = conv3d(&f32_of(&x), &f32_of(&weight), Some(&f32_of(&bias)), &config).unwrap();
        assert_close(&single, &wanted, 1e-6);
    }
}

#[test]
fn gradients_of_ragged_sizes_are_differences() {
    for at in 0..RAGGED.len() {
        let (x, weight, bias, config) = options(at);
        let config = config.with_slab_bytes(500);
        assert_gradients(&[x.clone(), weight.clone(), bias], |v| Ok(conv3d(&v[0], &v[1], Some(&v[2]), &config)?));
        assert_gradients(&[x, weight], |v| Ok(conv3d(&v[0], &v[1], None, &config)?));
    }
}

#[test]
fn slab_sizes_give_the_same_result() {
    let (x, weight) = (f32_of(&random(&[2, 3, 6, 12, 11], 1)), f32_of(&random(&[4, 3, 3, 3, 3], 2)));
    let run = |slab_bytes: usize| {
        let (x, weight) = (Var::from_tensor(&x).unwrap(), Var::from_tensor(&weight).unwrap());
        let config = Conv3dConfig::same([3; 3]).with_slab_bytes(slab_bytes);
        let y = conv3d(&x, &weight, None, &config).unwrap();
        let gradients = y.sqr().unwrap().sum_all().unwrap().backward().unwrap();
        [y.detach(), gradients.get(&x).unwrap().clone(), gradients.get(&weight).unwrap().clone()]
    };
    let whole = run(1 << 30);
    assert_close(&whole[0], &by_definition(&x, &weight, None, &Conv3dConfig::same([3; 3])), 1e-6);
    // One row of columns is 3 channels * 27 taps * 13 positions * 4 bytes. Nothing, one row, five, eight, a plane, three.
    for rows in [0, 1, 5, 8, 12, 36] {
        for (got, wanted) in run(rows * 4212).iter().zip(&whole) {
            assert_close(got, wanted, 2e-6);
        }
    }
}

#[test]
fn a_box_filter_worked_by_hand() {
    let x = Tensor::arange(0f32, 8.0, &Device::Cpu).unwrap().reshape((1, 1, 2, 2, 2)).unwrap();
    let weight = Tensor::ones((1, 1, 2, 2, 2), DType::F32, &Device::Cpu).unwrap();
    let bias = Tensor::new(&[0.5f32], &Device::Cpu).unwrap();
    let y = conv3d(&x, &weight, Some(&bias), &Conv3dConfig::new()).unwrap();
    assert_eq!((y.dims(), values(&y)), ([1, 1, 1, 1, 1].as_slice(), vec![28.5]));
    // Padded by one and with stride 2, each window holds one voxel.
    let config = Conv3dConfig::new().with_padding([1; 3]).with_stride([2; 3]);
    let y = conv3d(&x, &weight, None, &config).unwrap();
    assert_eq!(values(&y), values(&x));
}

#[test]
fn a_flat_kernel_is_candles_conv2d_on_every_plane() {
    let (x, weight) = (f32_of(&random(&[2, 3, 4, 9, 7], 5)), f32_of(&random(&[5, 3, 1, 3, 3], 6)));
    let y = conv3d(&x, &weight, None, &Conv3dConfig::same([1, 3, 3])).unwrap();
    for z in 0..4 {
        let plane = x.narrow(2, z, 1).unwrap().squeeze(2).unwrap().contiguous().unwrap();
        let wanted = plane.conv2d(&weight.squeeze(2).unwrap(), 1, 1, 1, 1).unwrap();
        assert_close(&y.narrow(2, z, 1).unwrap().squeeze(2).unwrap(), &wanted, 1e-6);
    }
}

#[test]
fn arguments_need_not_be_contiguous() {
    let (x, weight) = (random(&[2, 3, 4, 5, 6], 8), random(&[4, 3, 3, 3, 3], 9));
    let wanted = conv3d(&x, &weight, None, &Conv3dConfig::same([3; 3])).unwrap();
    let turned = x.permute((4, 1, 3, 0, 2)).unwrap().contiguous().unwrap().permute((3, 1, 4, 2, 0)).unwrap();
    let weight = weight.transpose(0, 4).unwrap().contiguous().unwrap().transpose(0, 4).unwrap();
    assert!(!turned.is_contiguous() && !weight.is_contiguous());
    assert_close(&conv3d(&turned, &weight, None, &Conv3dConfig::same([3; 3])).unwrap(), &wanted, 0.0);
}

#[test]
fn the_transpose_is_the_adjoint() {
    for at in 0..RAGGED.len() {
        let (x, weight, _, c) = options(at);
        let y = conv3d(&x, &weight, None, &c).unwrap();
        let g = random(y.dims(), 77);
        let small = ConvTranspose3dConfig::new()
            .with_stride(c.stride)
            .with_padding(c.padding)
            .with_dilation(c.dilation)
            .with_groups(c.groups);
        // Output padding makes up for what the stride left over; where that is too much, there is no such transpose.
        let left: [usize; 3] = std::array::from_fn(|a| {
            let k = weight.dims()[2 + a];
            let full = (y.dims()[2 + a] - 1) * c.stride[a] + c.dilation[a] * (k - 1) + 1;
            x.dims()[2 + a] + 2 * c.padding[a] - full
        });
        let back = conv_transpose3d(&g, &weight, None, &small.with_output_padding(left)).unwrap();
        assert_eq!(back.dims(), x.dims());
        let dot = |a: &Tensor, b: &Tensor| values(a).iter().zip(values(b)).map(|(a, b)| a * b).sum::<f64>();
        assert!((dot(&y, &g) - dot(&x, &back)).abs() < 1e-12 * y.elem_count() as f64);
    }
}

#[test]
fn gradients_of_the_transpose_are_differences() {
    let cases = [
        ([1, 2, 2, 3, 2], [2, 3, 2, 2, 2], ConvTranspose3dConfig::new().with_stride([2; 3])),
        (
            [2, 2, 2, 2, 3],
            [2, 1, 3, 3, 2],
            ConvTranspose3dConfig::new()
                .with_stride([2, 1, 3])
                .with_padding([1, 1, 0])
                .with_output_padding([1, 0, 2])
                .with_groups(2),
        ),
        (
            [1, 1, 3, 1, 2],
            [1, 2, 2, 1, 3],
            ConvTranspose3dConfig::new().with_dilation([2, 1, 1]).with_stride([1, 2, 1]),
        ),
    ];
    for (size, kernel, config) in cases {
        let c_out = kernel[1] * config.groups;
        let args = [random(&size, 3), random(&kernel, 4), random(&[c_out], 5)];
        assert_gradients(&args, |v| Ok(conv_transpose3d(&v[0], &v[1], Some(&v[2]), &config)?));
    }
}

#[test]
fn a_transpose_by_hand_leaves_gaps_at_the_bias() {
    let x = Tensor::new(&[[[[1f32, 2.0]]]], &Device::Cpu).unwrap().unsqueeze(0).unwrap();
    let weight = Tensor::new(&[[[[10f32]]]], &Device::Cpu).unwrap().unsqueeze(0).unwrap();
    let bias = Tensor::new(&[3f32], &Device::Cpu).unwrap();
    let config = ConvTranspose3dConfig::new().with_stride([1, 1, 3]);
    let y = conv_transpose3d(&x, &weight, Some(&bias), &config).unwrap();
    assert_eq!(values(&y), [13.0, 3.0, 3.0, 23.0]);
}

#[test]
fn arguments_without_a_variable_get_no_gradient_and_others_do() {
    let x = f32_of(&random(&[1, 2, 3, 3, 3], 1));
    let weight = Var::from_tensor(&f32_of(&random(&[2, 2, 3, 3, 3], 2))).unwrap();
    let y = conv3d(&x, &weight, None, &Conv3dConfig::same([3; 3])).unwrap();
    let gradients = y.sum_all().unwrap().backward().unwrap();
    assert!(gradients.get(&x).is_none());
    assert_eq!(gradients.get(&weight).unwrap().dims(), weight.dims());
    let plain = conv3d(&x, &weight.as_detached_tensor(), None, &Conv3dConfig::same([3; 3])).unwrap();
    assert!(!plain.track_op());
}

#[test]
fn a_use_beside_the_op_adds_to_the_gradient() {
    let x = Var::from_tensor(&random(&[1, 1, 2, 2, 2], 1)).unwrap();
    let weight = Tensor::ones((1, 1, 1, 1, 1), DType::F64, &Device::Cpu).unwrap();
    let y = conv3d(&x, &weight, None, &Conv3dConfig::new()).unwrap();
    for sum in [(&y + (x.as_tensor() * 3.0).unwrap()).unwrap(), ((x.as_tensor() * 3.0).unwrap() + &y).unwrap()] {
        let gradients = sum.sum_all().unwrap().backward().unwrap();
        assert_eq!(values(gradients.get(&x).unwrap()), [4.0; 8]);
    }
}

#[test]
fn sixteen_bit_elements_stay_near_f32() {
    let (x, weight) = (f32_of(&random(&[1, 4, 5, 5, 5], 1)), f32_of(&random(&[3, 4, 3, 3, 3], 2)));
    let (x, weight) = (x.to_dtype(DType::F16).unwrap(), weight.to_dtype(DType::F16).unwrap());
    let wanted = conv3d(&f32_of(&x), &f32_of(&weight), None, &Conv3dConfig::same([3; 3])).unwrap();
    let y = conv3d(&x, &weight, None, &Conv3dConfig::same([3; 3])).unwrap();
    assert_eq!(y.dtype(), DType::F16);
    // Half precision rounds the output to 2^-11.
    assert_close(&y, &wanted, 1e-3);
}
