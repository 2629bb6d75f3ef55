//! Volumes.

use volkit_core::{Affine, CoreError, DType, Region, Volume, VolumeMeta, VolumeSource as _, Voxels, read_vec};

fn ramp() -> Volume {
    Volume::new([3, 2, 2], (0..12).collect::<Vec<i16>>(), Affine::from_scale([1.0, 2.0, 3.0])).unwrap()
}

#[test]
fn a_volume_knows_its_shape_and_type() {
    let volume = ramp();
    assert_eq!((volume.shape(), volume.dtype()), (&[3, 2, 2][..], DType::I16));
    assert_eq!(volume.meta().spacing(), [1.0, 2.0, 3.0]);
    assert_eq!(volume.offset([2, 1, 1]), 11);
    assert_eq!(volume.as_slice::<f32>(), None);
}

#[test]
fn wrong_counts_are_refused_with_both_numbers() {
    let error = Volume::new([2, 2], vec![0u8; 5], Affine::IDENTITY).unwrap_err();
    assert_eq!(error, CoreError::Length { shape: vec![2, 2], wanted: 4, got: 5 });
    assert_eq!(error.to_string(), "shape [2, 2] holds 4 voxels, got 5");
}

#[test]
fn regions_read_with_conversion() {
    let region = Region::new([1, 0, 1], [2, 2, 1]).unwrap();
    assert_eq!(read_vec::<i16>(&ramp(), &region).unwrap(), [7, 8, 10, 11]);
    assert_eq!(read_vec::<f64>(&ramp(), &region).unwrap(), [7.0, 8.0, 10.0, 11.0]);
    assert!(read_vec::<[u8; 3]>(&ramp(), &region).is_err());
    let mut short = Voxels::U8(vec![0; 3]);
    assert!(ramp().read_region(&region, short.view_mut()).is_err());
}

#[test]
fn squeezing_keeps_three_axes() {
    let meta = VolumeMeta::new([1, 2, 1, 1, 3, 1], DType::U8, Affine::IDENTITY).unwrap();
    let volume = Volume::from_meta(meta.with_spacing([1.0, 2.0, 3.0, 4.0, 5.0, 6.0]).unwrap(), vec![0u8; 6]);
    let squeezed = volume.unwrap().squeezed();
    assert_eq!(squeezed.shape(), [1, 2, 1, 3]);
    assert_eq!(squeezed.meta().spacing(), [1.0, 2.0, 3.0, 5.0]);
}
