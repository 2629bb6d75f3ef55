//! What is refused, and in which words.

use candle_core::{DType, Device, Tensor};
use candle_nn::{Module as _, VarBuilder};
use volkit_nn3d::{
    BatchNormConfig, Conv3d, Conv3dConfig, ConvTranspose3dConfig, Corners, Nn3dError, NormConfig, Op, OpPath,
    Pool3dConfig, avg_pool3d, batch_norm, batch_norm_training, conv_transpose3d, conv3d, group_norm, has_kernel,
    instance_norm, max_pool3d, softmax, upsample_nearest3d, upsample_trilinear3d,
};

fn zeros(shape: &[usize]) -> Tensor {
    Tensor::zeros(shape, DType::F32, &Device::Cpu).unwrap()
}

#[track_caller]
fn refused<T>(result: volkit_nn3d::Result<T>, message: &str) {
    match result {
        Ok(_) => panic!("not refused: {message}"),
        Err(error) => assert_eq!(error.to_string(), message),
    }
}

#[test]
fn convolutions_name_op_and_both_shapes() {
    let (x, weight) = (zeros(&[1, 16, 8, 8, 8]), zeros(&[24, 24, 3, 3, 3]));
    let config = Conv3dConfig::new();
    refused(
        conv3d(&x, &weight, None, &config),
        "conv3d: weight [24, 24, 3, 3, 3] expects C_in = 24 and a C_out divisible by groups = 1, \
         input [1, 16, 8, 8, 8]",
    );
    refused(
        conv3d(&zeros(&[1, 24, 8, 8]), &weight, None, &config),
        "conv3d: input must be a non-empty [N, C, D, H, W], got [1, 24, 8, 8]",
    );
    refused(
        conv3d(&zeros(&[1, 24, 8, 0, 8]), &weight, None, &config),
        "conv3d: input must be a non-empty [N, C, D, H, W], got [1, 24, 8, 0, 8]",
    );
    refused(
        conv3d(&zeros(&[1, 24, 8, 2, 8]), &weight, None, &config),
        "conv3d: kernel [3, 3, 3] (dilation [1, 1, 1]) does not fit input [1, 24, 8, 2, 8] with padding [0, 0, 0]",
    );
    refused(
        conv3d(&zeros(&[1, 24, 8, 8, 8]), &weight, Some(&zeros(&[12])), &config),
        "conv3d: bias [12] must be [24], input [1, 24, 8, 8, 8]",
    );
    refused(
        conv3d(&x, &zeros(&[24, 16, 3, 3]), None, &config),
        "conv3d: weight [24, 16, 3, 3] must have five axes, none of them empty, input [1, 16, 8, 8, 8]",
    );
    refused(
        conv3d(&x, &weight, None, &config.clone().with_stride([1, 0, 1])),
        "conv3d: stride = [1, 0, 1] must be at least 1",
    );
    refused(conv3d(&x, &weight, None, &config.with_groups(0)), "conv3d: groups = 0 must be at least 1");
    let double = Tensor::zeros((1, 24, 8, 8, 8), DType::F64, &Device::Cpu).unwrap();
    assert!(matches!(conv3d(&double, &weight, None, &Conv3dConfig::new()), Err(Nn3dError::Candle(_))));
}

#[test]
fn transposed_convolutions_refuse_what_has_no_meaning() {
    let (x, weight) = (zeros(&[1, 4, 2, 2, 2]), zeros(&[4, 2, 2, 2, 2]));
    let config = ConvTranspose3dConfig::new();
    refused(
        conv_transpose3d(&zeros(&[1, 3, 2, 2, 2]), &weight, None, &config),
        "conv_transpose3d: weight [4, 2, 2, 2, 2] expects C_in = 4, divisible by groups = 1, input [1, 3, 2, 2, 2]",
    );
    refused(
        conv_transpose3d(&x, &weight, None, &config.clone().with_output_padding([0, 1, 0])),
        "conv_transpose3d: output_padding = [0, 1, 0] must be smaller than stride or dilation on each axis",
    );
    refused(
        conv_transpose3d(&x, &weight, None, &config.with_padding([0, 0, 2])),
        "conv_transpose3d: kernel [2, 2, 2] (dilation [1, 1, 1]) does not fit input [1, 4, 2, 2, 2] with padding [0, 0, 2]",
    );
}

#[test]
fn pools_and_upsampling_refuse_empty_and_oversized_windows() {
    let x = zeros(&[1, 1, 2, 2, 2]);
    refused(
        max_pool3d(&x, &Pool3dConfig::new([3, 1, 1])),
        "max_pool3d: kernel [3, 1, 1] (dilation [1, 1, 1]) does not fit input [1, 1, 2, 2, 2] with padding [0, 0, 0]",
    );
    refused(
        avg_pool3d(&x, &Pool3dConfig::new([2; 3]).with_padding([0, 2, 0])),
        "avg_pool3d: padding = [0, 2, 0] with kernel [2, 2, 2] must be at most half of the kernel",
    );
    refused(max_pool3d(&x, &Pool3dConfig::new([0; 3])), "max_pool3d: kernel = [0, 0, 0] must be at least 1");
    refused(upsample_nearest3d(&x, [2, 0, 2]), "upsample_nearest3d: scale = [2, 0, 2] must be at least 1");
    refused(
        upsample_trilinear3d(&zeros(&[2, 2]), [1; 3], Corners::Edges),
        "upsample_trilinear3d: input must be a non-empty [N, C, D, H, W], got [2, 2]",
    );
    refused(
        softmax(&x, 5),
        "softmax: input must be a tensor with elements on the axis of the softmax, got [1, 1, 2, 2, 2]",
    );
}

#[test]
fn norms_name_the_parameter() {
    let x = zeros(&[1, 4, 2, 2, 2]);
    let (three, four) = (zeros(&[3]), zeros(&[4]));
    let config = BatchNormConfig::new();
    refused(
        batch_norm(&x, &four, &three, None, None, &config),
        "batch_norm: running_var [3] must be [4], input [1, 4, 2, 2, 2]",
    );
    refused(
        batch_norm_training(&x, Some(&three), None, &config),
        "batch_norm: weight [3] must be [4], input [1, 4, 2, 2, 2]",
    );
    refused(
        batch_norm_training(&zeros(&[1, 4, 1, 1, 1]), None, None, &config),
        "batch_norm: input must be more than one element in each channel to train on, got [1, 4, 1, 1, 1]",
    );
    refused(
        batch_norm_training(&x, None, None, &config.clone().with_momentum(1.5)),
        "batch_norm: momentum = 1.5 must lie between 0 and 1",
    );
    refused(
        batch_norm(&x, &four, &four, None, None, &config.with_eps(f64::NAN)),
        "batch_norm: eps = NaN must be finite and not negative",
    );
    refused(
        group_norm(&x, 3, None, None, &NormConfig::new()),
        "group_norm: groups = 3 with channels [4] must divide each, and none may be 0",
    );
    refused(
        instance_norm(&zeros(&[4]), None, None, &NormConfig::new()),
        "instance_norm: input must be a non-empty [N, C, ...], got [4]",
    );
}

#[test]
fn a_kernel_that_does_not_exist_is_an_error_and_auto_is_not() {
    let double = |shape: &[usize]| zeros(shape).to_dtype(DType::F64).unwrap();
    let (x, weight) = (double(&[1, 1, 2, 2, 2]), double(&[1, 1, 1, 1, 1]));
    assert!(!has_kernel(Op::Conv3d, x.device(), x.dtype()));
    assert!(!has_kernel(Op::Softmax, x.device(), DType::F32));
    assert!([DType::F32, DType::F16, DType::BF16].into_iter().all(|dtype| has_kernel(Op::Conv3d, x.device(), dtype)));
    refused(
        conv3d(&x, &weight, None, &Conv3dConfig::new().with_path(OpPath::Kernel)),
        "conv3d: no kernel for F64 on Cpu; use OpPath::Auto or OpPath::Composite",
    );
    for path in [OpPath::Auto, OpPath::Composite] {
        assert!(conv3d(&x, &weight, None, &Conv3dConfig::new().with_path(path)).is_ok());
    }
    let kernel = Pool3dConfig::new([1; 3]).with_path(OpPath::Kernel);
    assert!(matches!(max_pool3d(&x, &kernel), Err(Nn3dError::NoKernel { op: Op::MaxPool3d, .. })));
    let kernel = NormConfig::new().with_path(OpPath::Kernel);
    assert!(matches!(instance_norm(&x, None, None, &kernel), Err(Nn3dError::NoKernel { .. })));
}

#[test]
fn a_kernel_does_not_mix_element_types() {
    let (x, weight) = (zeros(&[1, 1, 2, 2, 2]), zeros(&[1, 1, 1, 1, 1]).to_dtype(DType::BF16).unwrap());
    for path in [OpPath::Kernel, OpPath::Composite] {
        let result = conv3d(&x, &weight, None, &Conv3dConfig::new().with_path(path));
        assert!(matches!(result, Err(Nn3dError::Candle(_))), "{result:?}");
    }
}

#[test]
fn layers_carry_the_message_through_candle() {
    let vb = VarBuilder::zeros(DType::F32, &Device::Cpu);
    let layer = Conv3d::new(2, 3, [3; 3], Conv3dConfig::new(), &vb).unwrap();
    let message = layer.forward(&zeros(&[1, 2, 2, 8, 8])).unwrap_err().to_string();
    assert!(message.contains("conv3d: kernel [3, 3, 3]"), "{message}");
    refused(
        Conv3d::new(3, 4, [3; 3], Conv3dConfig::new().with_groups(2), &vb),
        "conv3d: groups = 2 with channels [3, 4] must divide each, and none may be 0",
    );
}
