//! How much memory a forward and backward pass takes.

use std::alloc::System;

use candle_core::{DType, Device, Tensor};
use candle_nn::{Module as _, VarBuilder, VarMap};
use volkit_kernels::Metered;
use volkit_nn3d::{SimpleUNet2d, sum_all};

/// The most bytes that a step takes through a chain of convolutions.
fn most_bytes(convs: usize, segment: Option<usize>, dtype: DType) -> usize {
    let variables = VarMap::new();
    let vb = VarBuilder::from_varmap(&variables, dtype, &Device::Cpu);
    let net = SimpleUNet2d::new(&[vec![8; convs], vec![1]].concat(), &vb).unwrap().with_segment(segment);
    let x = Tensor::ones((1, 8, 64, 64), DType::F32, &Device::Cpu).unwrap();
    let step = || {
        let loss = sum_all(&net.forward(&x).unwrap()).unwrap();
        loss.backward().unwrap()
    };
    // What threads keep for later is there from the first run on.
    step();
    Metered::<System>::most_bytes(step).0
}

/// Bytes of the result of one convolution.
const TENSOR: usize = 4 * 8 * 64 * 64;

#[test]
fn a_backward_pass_drops_what_it_has_used() {
    // A tensor for each convolution but the last, whose result has one channel, the gradient that comes and the one that goes.
    let most = most_bytes(24, None, DType::F32);
    assert!((23 * TENSOR..30 * TENSOR).contains(&most), "{} tensors", most as f64 / TENSOR as f64);
}

#[test]
fn segments_that_run_twice_take_less_than_half() {
    let (plain, segments) = (most_bytes(40, None, DType::F32), most_bytes(40, Some(7), DType::F32));
    assert!(2 * segments < plain, "{segments} of {plain} bytes");
}

#[test]
fn elements_of_16_bits_take_half() {
    let (wide, narrow) = (most_bytes(40, None, DType::F32), most_bytes(40, None, DType::BF16));
    assert!(10 * narrow < 6 * wide, "{narrow} of {wide} bytes");
}
