//! The op policy.

use candle_core::{DType, Device, Tensor};
use volkit_train::{OpClass, Precision};

#[test]
fn ops_work_in_the_type_of_their_class() {
    use DType::{BF16, F16, F32, F64, U32};
    let cases: [(&str, OpClass, &[DType], DType); 12] = [
        ("conv2d", OpClass::Low, &[F32, F32], BF16),
        ("conv_transpose3d", OpClass::Low, &[BF16], BF16),
        ("addbmm", OpClass::Low, &[F32], BF16),
        ("scaled_dot_product_attention", OpClass::Low, &[F32], BF16),
        ("softmax", OpClass::Wide, &[BF16], F32),
        ("mse_loss", OpClass::Wide, &[BF16, F32], F32),
        ("cat", OpClass::Widest, &[BF16, F32], F32),
        ("cat", OpClass::Widest, &[BF16, BF16], BF16),
        ("stack", OpClass::Widest, &[BF16, F16], F32),
        ("relu", OpClass::Input, &[BF16], BF16),
        ("matmul", OpClass::Low, &[F64, F64], F64),
        ("index_put", OpClass::Widest, &[F32, U32], F32),
    ];
    for (op, class, inputs, wanted) in cases {
        assert_eq!(OpClass::of(op), class, "{op}");
        assert_eq!(Precision::BF16.for_op(op, inputs), wanted, "{op}");
    }
    assert_eq!(Precision::F32.for_op("conv2d", &[BF16]), F32);
    assert!(Precision::F16.needs_scaler() && !Precision::BF16.needs_scaler());
}

#[test]
fn casts_bring_gradients_back() {
    let x = candle_core::Var::new(&[1.0_f32, 2.0], &Device::Cpu).unwrap();
    let [low] = Precision::BF16.cast("matmul", [x.as_tensor()]).unwrap();
    assert_eq!(low.dtype(), DType::BF16);
    let gradients = low.sqr().unwrap().to_dtype(DType::F32).unwrap().sum_all().unwrap().backward().unwrap();
    let gradient: &Tensor = gradients.get(&x).unwrap();
    assert_eq!((gradient.dtype(), gradient.to_vec1::<f32>().unwrap()), (DType::F32, vec![2.0, 4.0]));
}

#[test]
fn a_device_that_does_not_gain_says_so() {
    let (precision, reason) = Precision::auto(&Device::Cpu);
    assert_eq!(precision == Precision::F32, reason.is_some());
}
