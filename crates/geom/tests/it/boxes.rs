//! Crop, pad, paste and bounding boxes.

use proptest::prelude::*;
use volkit_core::{Affine, DType, Region, Volume, Voxels};
use volkit_geom::{GeomError, bounding_box, crop, pad, paste};

use crate::noise;

fn ramp(shape: &[usize]) -> Volume {
    let count: usize = shape.iter().product();
    let affine = Affine::from_rows([[0.0, -2.0, 0.1, 3.0], [1.0, 0.2, 0.0, -8.0], [0.0, 0.1, 3.0, 1.0]]);
    Volume::new(shape, (0..count as i16).collect::<Vec<_>>(), affine).unwrap()
}

#[test]
fn a_crop_is_a_window_of_all_frames() {
    let volume = ramp(&[4, 3, 2, 2]);
    let part = crop(&volume, &Region::new([1, 2, 0], [2, 1, 2]).unwrap()).unwrap();
    assert_eq!(
        (part.shape(), part.as_slice::<i16>().unwrap()),
        (&[2, 1, 2, 2][..], &[9, 10, 21, 22, 33, 34, 45, 46][..])
    );
    assert_eq!(part.affine().apply([0.0; 3]), volume.affine().apply([1.0, 2.0, 0.0]));
    assert!(crop(&volume, &Region::new([1, 2, 0], [4, 1, 2]).unwrap()).is_err());
    assert!(crop(&volume, &Region::new([1, 2], [1, 1]).unwrap()).is_err());
}

#[test]
fn padding_surrounds_and_keeps_places() {
    let volume = ramp(&[2, 1]);
    let padded = pad(&volume, [1, 0, 0], [0, 1, 0], -5.0).unwrap();
    assert_eq!((padded.shape(), padded.as_slice::<i16>().unwrap()), (&[3, 2][..], &[-5, 0, 1, -5, -5, -5][..]));
    assert_eq!(padded.affine().apply([1.0, 0.0, 0.0]), volume.affine().apply([0.0; 3]));
    assert_eq!(pad(&volume, [0, 0, 1], [0; 3], 0.0).unwrap().shape(), [2, 1, 2]);
    let colours = Volume::new([1, 1, 1], vec![[1u8, 2, 3]], Affine::IDENTITY).unwrap();
    let black = pad(&colours, [0; 3], [1, 0, 0], 0.0).unwrap();
    assert_eq!(black.as_slice::<[u8; 3]>().unwrap(), [[1, 2, 3], [0, 0, 0]]);
    assert_eq!(pad(&colours, [0; 3], [1, 0, 0], 1.0), Err(GeomError::DType { op: "pad", dtype: DType::Rgb24 }));
    assert!(matches!(pad(&volume, [usize::MAX, 0, 0], [0; 3], 0.0), Err(GeomError::TooLarge { .. })));
    assert!(pad(&volume, [usize::MAX / 8, 0, 0], [0; 3], 0.0).is_err());
}

#[test]
fn pasting_converts_and_refuses_what_sticks_out() {
    let mut whole = Volume::new([3, 3, 1], Voxels::zeros(DType::F32, 9).unwrap(), Affine::IDENTITY).unwrap();
    paste(&ramp(&[2, 2, 1]), &mut whole, [1, 1, 0]).unwrap();
    assert_eq!(whole.as_slice::<f32>().unwrap(), [0.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 2.0, 3.0]);
    assert!(paste(&ramp(&[2, 2, 1]), &mut whole, [2, 1, 0]).is_err());
    assert!(paste(&ramp(&[2, 2, 1, 2]), &mut whole, [0; 3]).is_err());
    let colours = Volume::new([1, 1, 1], vec![[1u8, 2, 3]], Affine::IDENTITY).unwrap();
    assert!(paste(&colours, &mut whole, [0; 3]).is_err());
}

#[test]
fn boxes_bound_what_is_not_zero() {
    let mut values = vec![0u8; 60];
    assert_eq!(bounding_box(&values, [3, 4, 5]).unwrap(), None);
    values[1 + 3 * (2 + 4 * 3)] = 1;
    values[2 + 3 * (1 + 4 * 3)] = 1;
    let found = bounding_box(&values, [3, 4, 5]).unwrap().unwrap();
    assert_eq!((found.start(), found.size()), (&[1, 1, 3][..], &[2, 2, 1][..]));
    assert_eq!(bounding_box::<f32>(&[], [0, 3, 1]).unwrap(), None);
    assert!(bounding_box(&values, [3, 4, 4]).is_err());
}

proptest! {
    #[test]
    fn cropping_what_was_padded_gives_it_back(
        size in prop::array::uniform3(1usize..6),
        before in prop::array::uniform3(0usize..4),
        after in prop::array::uniform3(0usize..4),
    ) {
        let values = noise(7, size.iter().product());
        let volume = Volume::new(size, values, *ramp(&[1, 1, 1]).affine()).unwrap();
        let padded = pad(&volume, before, after, 0.0).unwrap();
        let back = crop(&padded, &Region::new(before, size).unwrap()).unwrap();
        prop_assert_eq!(back.voxels(), volume.voxels());
        prop_assert!(back.affine().is_close(volume.affine(), 0.0, 1e-12));
        let found = bounding_box(padded.as_slice::<f64>().unwrap(), padded.meta().spatial_size()).unwrap().unwrap();
        prop_assert_eq!((found.start(), found.size()), (&before[..], &size[..]));
    }
}
