//! Element types and their conversions.

use volkit_core::{Complex, CoreError, DType, Element as _, F128, Voxels, with_real_voxels};

#[test]
fn names_and_sizes_agree_for_every_type() {
    for dtype in DType::ALL {
        assert_eq!(DType::from_name(dtype.name()), Some(dtype));
        let voxels = Voxels::zeros(dtype, 3).unwrap();
        assert_eq!((voxels.dtype(), voxels.len()), (dtype, 3));
        assert_eq!(voxels.view().bytes().len(), 3 * dtype.size());
        assert!(voxels.view().bytes().iter().all(|byte| *byte == 0));
        assert_eq!(dtype.size() % dtype.swap_size(), 0);
        assert_eq!(with_real_voxels!(Voxels, &voxels, _v => true, false), dtype.is_real());
    }
    assert_eq!(DType::from_name("u7"), None);
}

#[test]
fn integers_round_half_to_even_and_clamp() {
    let values = Voxels::F64(vec![0.5, 1.5, -0.5, 300.0, -7.0, f64::NAN, f64::INFINITY]);
    assert_eq!(values.view().to_real::<u8>().unwrap(), [0, 2, 0, 255, 0, 0, 255]);
    assert_eq!(values.view().to_real::<i8>().unwrap(), [0, 2, 0, 127, -7, 0, 127]);
}

#[test]
fn wide_integers_go_to_the_nearest_f64() {
    let odd = (1u64 << 53) + 1;
    assert_eq!(Voxels::U64(vec![odd, odd + 2]).into_real::<f64>().unwrap(), [2f64.powi(53), 2f64.powi(53) + 4.0]);
    assert_eq!(Voxels::U64(vec![odd]).into_real::<u64>().unwrap(), [odd]);
}

#[test]
fn colours_and_complex_numbers_are_not_real() {
    let complex = Voxels::from(vec![Complex::new(1.0f32, 2.0)]);
    let error = complex.view().to_real::<f32>().unwrap_err();
    assert_eq!(error, CoreError::DType { from: DType::Complex64, to: DType::F32 });
    assert_eq!(error.to_string(), "complex64 values can not be read as f32");
    assert!(Voxels::Rgb24(vec![[1, 2, 3]]).into_real::<f64>().is_err());
    assert_eq!(complex.as_slice::<Complex<f32>>(), Some(&[Complex::new(1.0, 2.0)][..]));
}

#[test]
fn views_cut_and_convert() {
    let mut voxels = Voxels::F32(vec![1.0, 2.0, 3.0]);
    Voxels::I16(vec![9, 8]).view().convert_into(voxels.view_mut().slice(1..3)).unwrap();
    assert_eq!(voxels, Voxels::F32(vec![1.0, 9.0, 8.0]));
    assert!(Voxels::I16(vec![9]).view().convert_into(voxels.view_mut()).is_err());
    assert_eq!(f32::DTYPE, DType::F32);
    assert_eq!(F128::from_f64(-2.5).to_f64(), -2.5);
    assert_eq!(half::f16::from_f64(0.1).to_f64(), 0.0999755859375);
}
