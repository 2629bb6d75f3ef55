//! Orientation and exact reorientation.

use proptest::prelude::*;
use volkit_core::{Affine, AxisMap, Volume};
use volkit_geom::{GeomError, Grid, Orientation, apply_axis_map, axis_map_by_inverse, reorient, reorient_slice};

/// Codes of all 48 orientations.
fn all_codes() -> Vec<String> {
    let mut all = Vec::new();
    for [a, b, c] in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
        for signs in 0..8usize {
            let letter = |world: usize| ["LR", "PA", "IS"][world].as_bytes()[signs >> world & 1] as char;
            all.push([letter(a), letter(b), letter(c)].iter().collect());
        }
    }
    all
}

#[test]
fn letters_are_parsed_and_printed() {
    for codes in all_codes() {
        let orientation: Orientation = codes.parse().unwrap();
        assert_eq!(orientation.to_string(), codes);
        assert_eq!(codes.to_lowercase().parse::<Orientation>().unwrap(), orientation);
    }
    for wrong in ["", "RA", "RAR", "RASS", "RAX", "LRA", "R A S", "ÄAS"] {
        assert_eq!(wrong.parse::<Orientation>(), Err(GeomError::Codes(wrong.to_owned())));
    }
}

#[test]
fn a_voxel_is_where_its_letters_say() {
    // Two voxels along each axis, values 0..8; in LIA index (1, 0, 0) lies to the left of (0, 0, 0).
    let volume = Volume::new([2, 2, 2], (0u8..8).collect::<Vec<_>>(), Affine::IDENTITY).unwrap();
    let (moved, map) = reorient(&volume, Orientation::LIA).unwrap();
    assert_eq!(map, AxisMap { source_axis: [0, 2, 1], flipped: [true, true, false] });
    assert_eq!(moved.as_slice::<u8>().unwrap(), [5, 4, 1, 0, 7, 6, 3, 2]);
    assert_eq!(moved.affine().apply([0.0, 0.0, 0.0]), [1.0, 0.0, 1.0]);
    assert_eq!(Orientation::of(moved.affine()).unwrap(), Orientation::LIA);
    assert_eq!(Grid::of(&moved), Grid::of(&volume).reoriented(Orientation::LIA).unwrap());
}

#[test]
fn volumes_that_can_not_be_oriented_are_refused() {
    let nan = Affine::from_scale([1.0, f64::NAN, 1.0]);
    let volume = Volume::new([1, 1, 1], vec![0u8], nan).unwrap();
    assert!(matches!(reorient(&volume, Orientation::RAS), Err(GeomError::NotFinite { .. })));
    let flat = Volume::new([1, 1, 1], vec![0u8], Affine::from_scale([1.0, 0.0, 1.0])).unwrap();
    assert_eq!(Orientation::of(flat.affine()).unwrap().to_string(), "R?S");
    assert_eq!(reorient(&flat, Orientation::RAS).unwrap_err(), GeomError::NoDirection { axis: 1 });
    let map = AxisMap { source_axis: [0, 0, 1], flipped: [false; 3] };
    assert!(matches!(apply_axis_map(&flat, &map), Err(GeomError::Parameter { .. })));
    assert!(matches!(reorient_slice(&[1u8; 5], [2, 3, 1], &AxisMap::IDENTITY), Err(GeomError::Length { .. })));
}

#[test]
fn further_axes_spacings_and_colours_go_along() {
    let colours: Vec<[u8; 3]> = (0..2 * 3 * 4 * 2).map(|v| [v, v + 100, 7]).collect();
    let volume = Volume::new([2, 3, 1, 4, 2], colours.clone(), Affine::from_scale([1.0, 2.0, 3.0])).unwrap();
    let meta = volume.meta().clone().with_spacing([1.5, 2.5, 3.5, 4.5, 5.5]).unwrap();
    let volume = Volume::from_meta(meta, colours).unwrap();
    let (moved, map) = reorient(&volume, "SLP".parse().unwrap()).unwrap();
    assert_eq!(moved.shape(), [1, 2, 3, 4, 2]);
    assert_eq!(moved.meta().spacing(), [3.5, 1.5, 2.5, 4.5, 5.5]);
    // New (0, 0, 0) of the second frame is old (1, 2, 0).
    assert_eq!(moved.as_slice::<[u8; 3]>().unwrap()[6], [6 + 5, 111, 7]);
    assert_eq!(apply_axis_map(&moved, &map.inverse()).unwrap(), volume);
}

#[test]
fn a_flat_volume_keeps_two_axes_where_it_can() {
    let volume = Volume::new([3, 2], (0i16..6).collect::<Vec<_>>(), Affine::IDENTITY).unwrap();
    let (flipped, _) = reorient(&volume, Orientation::LPS).unwrap();
    assert_eq!((flipped.shape(), flipped.as_slice::<i16>().unwrap()), (&[3, 2][..], &[5, 4, 3, 2, 1, 0][..]));
    let (upright, map) = reorient(&volume, Orientation::LIA).unwrap();
    assert_eq!(upright.shape(), [3, 1, 2]);
    assert_eq!(apply_axis_map(&upright, &map.inverse()).unwrap().into_voxels(), volume.into_voxels());
}

fn codes() -> impl Strategy<Value = Orientation> {
    (0usize..48).prop_map(|n| all_codes()[n].parse().unwrap())
}

proptest! {
    #[test]
    fn there_and_back_is_the_identity_on_bytes(
        size in prop::array::uniform3(1usize..70),
        from in codes(),
        to in codes(),
    ) {
        let size = [size[0], size[1] % 7 + 1, size[2] % 40 + 1];
        let count: usize = size.iter().product();
        let map = Orientation::RAS.axis_map_to(from).unwrap();
        let affine = map.new_affine(&Affine::from_scale([1.0, 1.25, 0.8]), size);
        let volume = Volume::new(size, (0..count as u32).collect::<Vec<_>>(), affine).unwrap();
        let (there, map) = reorient(&volume, to).unwrap();
        prop_assert_eq!(Orientation::of(there.affine()).unwrap(), to);
        let values = there.as_slice::<u32>().unwrap();
        let [nx, ny, _] = map.new_size(size);
        for (at, &value) in values.iter().enumerate() {
            let old = map.old_index([at % nx, at / nx % ny, at / nx / ny], size);
            prop_assert_eq!(value as usize, old[0] + size[0] * (old[1] + size[1] * old[2]));
        }
        let back = apply_axis_map(&there, &map.inverse()).unwrap();
        prop_assert_eq!(back.voxels(), volume.voxels());
        prop_assert!(back.affine().is_close(volume.affine(), 0.0, 1e-10));
    }

    #[test]
    fn both_rules_agree_on_grids_that_are_nearly_straight(
        tilt in prop::array::uniform9(-0.15f64..0.15),
        to in codes(),
    ) {
        let linear = std::array::from_fn(|r| std::array::from_fn(|c| f64::from(u8::from(r == c)) + tilt[3 * r + c]));
        let map = Orientation::RAS.axis_map_to(to).unwrap();
        let affine = map.new_affine(&Affine::from_parts(linear, [5.0, -3.0, 1.0]), [4, 5, 6]);
        let by_letters = Orientation::of(&affine).unwrap().axis_map_to(Orientation::RAS).unwrap();
        prop_assert_eq!(axis_map_by_inverse(&affine, &Affine::IDENTITY).unwrap(), by_letters);
        prop_assert_eq!(axis_map_by_inverse(&Affine::IDENTITY, &affine).unwrap(), by_letters.inverse());
    }

    #[test]
    fn rescaled_grids_keep_their_centre(size in prop::array::uniform3(1usize..30), new in prop::array::uniform3(1usize..30)) {
        let affine = Affine::from_rows([[0.0, -2.0, 0.1, 3.0], [1.0, 0.2, 0.0, -8.0], [0.0, 0.1, 3.0, 1.0]]);
        let grid = Grid::new(size, affine);
        let rescaled = grid.rescaled([0.7, 1.0, 1.3], new).unwrap();
        let middle = |size: [usize; 3]| size.map(|n| ((n - 1) / 2) as f64);
        let (a, b) = (grid.affine.apply(middle(size)), rescaled.affine.apply(middle(new)));
        prop_assert!(a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-10));
        prop_assert!(rescaled.spacing_mm().iter().zip([0.7, 1.0, 1.3]).all(|(a, b)| (a - b).abs() < 1e-12));
    }
}

#[test]
fn grids_refuse_spacings_that_are_none() {
    let grid = Grid::new([4, 5, 6], Affine::IDENTITY);
    for wrong in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        assert!(grid.bounding([1.0, wrong, 1.0]).is_err());
        assert!(grid.rescaled([wrong, 1.0, 1.0], [4; 3]).is_err());
    }
    assert!(matches!(grid.bounding([1e-300; 3]), Err(GeomError::TooLarge { .. })));
    assert!(Grid::new([0, 1, 1], Affine::IDENTITY).bounding([1.0; 3]).is_err());
    let window = grid.window([-1, 2, 0], [6, 2, 6]);
    assert_eq!(window.affine.translation(), [-1.0, 2.0, 0.0]);
}
