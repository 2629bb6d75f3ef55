//! Random patches.

use std::collections::BTreeSet;

use volkit_core::{Affine, BoxError, Region, VolumeMeta, VolumeSource, VoxelsMut};
use volkit_core::{DType, Volume};
use volkit_psi::{Orientation, PatchOptions, PatchSampler, read_patch};

#[test]
fn eight_ways_by_hand() {
    let plane = [1, 2, 3, 4];
    let ways: BTreeSet<Vec<i32>> = (0..8).map(|i| Orientation::number(i).turned(&plane, 2)).collect();
    assert_eq!(ways.len(), 8);
    assert_eq!(Orientation::number(0), Orientation::AS_IS);
    assert_eq!(Orientation::number(1).turned(&plane, 2), [1, 3, 2, 4]);
    assert_eq!(Orientation::number(2).turned(&plane, 2), [2, 1, 4, 3]);
    assert_eq!(Orientation::number(4).turned(&plane, 2), [3, 4, 1, 2]);
    // A quarter turn, of both channels alike.
    assert_eq!(Orientation::number(3).turned(&[1, 2, 3, 4, 5, 6, 7, 8], 2), [3, 1, 4, 2, 7, 5, 8, 6]);
}

#[test]
fn draws_are_addressed_and_cover_the_image() {
    let sampler = PatchSampler::new(PatchOptions::new(3).with_seed(4), vec![[5, 4], [3, 3]]).unwrap();
    let mut places = BTreeSet::new();
    for draw in 0..2000 {
        let place = sampler.place(draw);
        assert_eq!(place, sampler.place(draw));
        let [width, height] = [[5, 4], [3, 3]][place.image];
        assert!(place.x + 3 <= width && place.y + 3 <= height);
        places.insert((place.image, place.x, place.y, format!("{:?}", place.orientation)));
    }
    // 3 x 2 places and one place, eight ways each.
    assert_eq!(places.len(), 8 * 7);
    let other = PatchSampler::new(PatchOptions::new(3).with_seed(5), vec![[5, 4], [3, 3]]).unwrap();
    assert!((0..20).any(|draw| other.place(draw) != sampler.place(draw)));
    let plain = PatchSampler::new(PatchOptions::new(3).with_augmented(false), vec![[5, 4]]).unwrap();
    assert!((0..50).all(|draw| plain.place(draw).orientation == Orientation::AS_IS));
    assert_eq!(plain.patch_size(), 3);
}

#[test]
fn neighbours_share_their_overlap() {
    let sampler = PatchSampler::new(PatchOptions::new(8), vec![[20, 16]]).unwrap();
    for draw in 0..40 {
        let [a, b] = sampler.neighbours(draw, 3).unwrap();
        let moved = [b.x - a.x, b.y - a.y];
        assert_eq!(moved, if draw % 2 == 0 { [5, 0] } else { [0, 5] });
        assert!(b.x + 8 <= 20 && b.y + 8 <= 16);
    }
    assert!(sampler.neighbours(0, 8).is_none());
    assert!(PatchSampler::new(PatchOptions::new(8), vec![[9, 9]]).unwrap().neighbours(0, 2).is_none());
}

#[test]
fn patches_are_read_where_they_lie() {
    let values: Vec<u16> = (0..6 * 5 * 2).collect();
    let volume = Volume::new([6, 5, 2], values, Affine::IDENTITY).unwrap();
    let sampler = PatchSampler::new(PatchOptions::new(2).with_augmented(false), vec![[6, 5]]).unwrap();
    let place = sampler.place(1);
    let first = (place.y * 6 + place.x) as f32;
    let got: Vec<f32> = read_patch(&volume, &place, 2).unwrap();
    assert_eq!(got, [0.0, 1.0, 6.0, 7.0, 30.0, 31.0, 36.0, 37.0].map(|offset| first + offset));
    let flat = Volume::new([6, 5], (0..30).collect::<Vec<u8>>(), Affine::IDENTITY).unwrap();
    assert_eq!(read_patch::<u8>(&flat, &place, 2).unwrap().len(), 4);
}

/// 1 TB that is nowhere: the value of a voxel is its row.
struct Huge(VolumeMeta);

impl VolumeSource for Huge {
    fn meta(&self) -> &VolumeMeta {
        &self.0
    }

    fn read_region(&self, region: &Region, out: VoxelsMut<'_>) -> Result<(), BoxError> {
        let VoxelsMut::F32(out) = out else { return Err("f32 expected".into()) };
        let (width, row) = (region.size()[0], region.start()[1]);
        let height = region.size()[1];
        out.iter_mut().enumerate().for_each(|(i, value)| *value = (row + i / width % height) as f32);
        Ok(())
    }
}

#[test]
fn images_larger_than_memory() {
    let edge = 125_000;
    let huge = Huge(VolumeMeta::new([edge, edge, 16], DType::F32, Affine::IDENTITY).unwrap());
    assert!(huge.meta().n_bytes() > 900_000_000_000);
    let sampler = PatchSampler::new(PatchOptions::new(32).with_augmented(false), vec![[edge, edge]]).unwrap();
    for draw in 0..20 {
        let place = sampler.place(draw);
        let patch: Vec<f32> = read_patch(&huge, &place, 32).unwrap();
        assert_eq!((patch.len(), patch[0], patch[16 * 1024 - 1]), (16 * 1024, place.y as f32, (place.y + 31) as f32));
    }
}

#[test]
fn what_can_not_be_cut_is_refused() {
    let refused =
        |size, sizes: Vec<[usize; 2]>| PatchSampler::new(PatchOptions::new(size), sizes).unwrap_err().to_string();
    assert!(refused(0, vec![[4, 4]]).contains("patch_size = 0"));
    assert!(refused(5, vec![[9, 9], [9, 4]]).contains("image 1 has 9 x 4 pixels"));
    assert!(refused(5, vec![]).contains("no image"));
    let volume = Volume::new([4, 4, 1], vec![0u8; 16], Affine::IDENTITY).unwrap();
    let place = PatchSampler::new(PatchOptions::new(4), vec![[40, 40]]).unwrap().place(3);
    assert!(read_patch::<f32>(&volume, &place, 4).unwrap_err().to_string().contains("can not read"));
}
