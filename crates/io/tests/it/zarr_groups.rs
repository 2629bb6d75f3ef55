//! Groups, and images in several resolutions.

use serde_json::json;
use volkit_core::{Affine, DType, SilentProgress, Volume, VolumeSource as _, read_all};
use volkit_io::{
    Downsampling, IoError, Limits, OmeImage, PyramidOptions, ReadOptions, SpaceUnit, ZarrArray, ZarrSpec, ZarrVersion,
    list_zarr, open, read, read_with, write_pyramid,
};

use crate::shared::{json as read_json, names_in, noise, oblique, shared};

#[test]
fn consolidated_metadata_list_what_is_there() {
    let Some(folder) = shared("golden/volume/zarr") else { return };
    for store in ["group_v2", "group_v3"] {
        let (entries, warnings) = list_zarr(folder.join(store), &Limits::default()).unwrap();
        let paths: Vec<(&str, bool)> = entries.iter().map(|entry| (entry.path.as_str(), entry.is_array)).collect();
        assert_eq!(paths, [("sub", false), ("sub/x", true)], "{store}");
        assert!(warnings.is_empty(), "{warnings:?}");
        assert_eq!(read(folder.join(store)).unwrap().volume().shape(), [4, 5, 6]);
        let named = ReadOptions::new().with_data_set(Some("sub/x".to_owned()));
        assert_eq!(read_with(folder.join(store), &named).unwrap().volume().dtype(), DType::U16);
    }
}

#[test]
fn consolidated_metadata_that_lie_are_told() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("g.zarr");
    std::fs::create_dir(&root).unwrap();
    ZarrArray::create(root.join("a"), &ZarrSpec::new([4], DType::U8)).unwrap();
    let mut said = read_json(&root.join("a/zarr.json"));
    said["shape"] = json!([5]);
    let listed = json!({"a": said, "gone": said, "../x": said});
    let group = json!({"zarr_format": 3, "node_type": "group", "attributes": {},
        "consolidated_metadata": {"kind": "inline", "must_understand": false, "metadata": listed}});
    std::fs::write(root.join("zarr.json"), group.to_string()).unwrap();
    let (entries, mut warnings) = list_zarr(&root, &Limits::default()).unwrap();
    warnings.sort();
    assert_eq!((entries.len(), warnings.len()), (1, 3), "{warnings:?}");
    assert!(warnings[0].contains("'a': the consolidated metadata are not those of the store"));
    assert!(warnings[1].contains("'gone' of the consolidated metadata"));
    assert!(warnings[2].contains("'../x', which lies outside"));
    // The array is what its own metadata say.
    assert_eq!(read(&root).unwrap().volume().shape(), [4]);
    ZarrArray::create(root.join("b"), &ZarrSpec::new([2], DType::U8)).unwrap();
    std::fs::write(root.join("zarr.json"), r#"{"zarr_format": 3, "node_type": "group"}"#).unwrap();
    let error = read(&root).unwrap_err().to_string();
    assert!(error.contains("a group of 2 arrays: name one of a, b"), "{error}");
}

#[test]
fn images_of_other_programs() {
    let Some(folder) = shared("golden/volume/zarr") else { return };
    for (store, version) in [("ome_0.4.zarr", "OME-Zarr 0.4"), ("ome_0.5.zarr", "OME-Zarr 0.5")] {
        let source = open(folder.join(store), &ReadOptions::default()).unwrap();
        assert_eq!((source.info().format, source.info().units.space), (version, SpaceUnit::Micron));
        assert_eq!(source.meta().shape(), [10, 6, 8, 1]);
        assert_eq!(source.meta().affine().spacing(), [0.5, 0.5, 2.0]);
        let coarse = ReadOptions::new().with_data_set(Some("1".to_owned()));
        let source = open(folder.join(store), &coarse).unwrap();
        assert_eq!(source.meta().affine(), &Affine::from_scale([1.0, 1.0, 2.0]).with_translation([0.25, 0.25, 0.0]));
    }
    let bad = shared("golden/volume/bad").unwrap();
    let error = read(bad.join("ome_abs.zarr")).unwrap_err().to_string();
    assert!(error.contains(".zattrs: multiscales[0].datasets[0].path = \"/etc\": must stay inside"), "{error}");
}

#[test]
fn pyramids_keep_their_place() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("scan.zarr");
    let affine = Affine::from_scale([0.5, 0.5, 2.0]).with_translation([10.0, -20.0, 5.0]);
    let volume = Volume::new([20, 17, 9], noise(&[20, 17, 9], DType::U16, 4).voxels().clone(), affine).unwrap();
    for version in [ZarrVersion::V2, ZarrVersion::V3] {
        let options = PyramidOptions::default().with_version(version).with_coarsest(8).with_overwrite(true);
        write_pyramid(&path, &volume, &options, &SilentProgress).unwrap();
        let images = OmeImage::read(&path, &Limits::default()).unwrap();
        let image = &images[0];
        assert_eq!((images.len(), image.levels.len(), image.name.as_str()), (1, 3, "scan"));
        assert_eq!(image.levels[0].scale, [2.0, 0.5, 0.5]);
        assert_eq!(image.levels[0].translation, [5.0, -20.0, 10.0]);
        assert_eq!(image.levels[1].scale, [4.0, 1.0, 1.0]);
        // Pixel centres stay: translation + (new scale - old scale) / 2.
        assert_eq!(image.levels[1].translation, [6.0, -19.75, 10.25]);
        assert_eq!(image.levels[2].translation, [8.0, -19.25, 10.75]);
        let level = |n: usize| read_all(&image.open_level(n, &ReadOptions::default()).unwrap()).unwrap();
        assert_eq!(level(0), volume);
        assert_eq!(level(2).shape(), [5, 5, 3]);
        let (fine, coarse) = (volume.to_real::<f64>().unwrap(), level(1).to_real::<f64>().unwrap());
        let at = |x: usize, y: usize, z: usize| fine[x + 20 * (y + 17 * z)];
        let eight = (0..8).map(|i| at(2 + i % 2, 4 + i / 2 % 2, 6 + i / 4)).sum::<f64>() / 8.0;
        assert_eq!(coarse[1 + 10 * (2 + 9 * 3)], eight.round_ties_even());
        // The last row along y stands alone.
        let four = (0..4).map(|i| at(i % 2, 16, i / 2)).sum::<f64>() / 4.0;
        assert_eq!(coarse[10 * 8], four.round_ties_even());
    }
    assert_eq!(names_in(folder.path()), ["scan.zarr"]);
    let kept = PyramidOptions::default();
    assert!(matches!(write_pyramid(&path, &volume, &kept, &SilentProgress), Err(IoError::Exists { .. })));
}

#[test]
fn labels_stay_labels_and_rotations_are_kept() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("labels.zarr");
    let labels: Vec<u8> = (0..16 * 16 * 16).map(|i| if i % 16 < 8 { 3 } else { 40 }).collect();
    let volume = Volume::new([16, 16, 16], labels, oblique()).unwrap();
    let options = PyramidOptions::default().with_coarsest(4).with_downsampling(Downsampling::Mode);
    write_pyramid(&path, &volume, &options, &SilentProgress).unwrap();
    let image = &OmeImage::read(&path, &Limits::default()).unwrap()[0];
    let coarse = read_all(&image.open_level(2, &ReadOptions::default()).unwrap()).unwrap();
    let values: Vec<u8> = (0..64).map(|i| if i % 4 < 2 { 3 } else { 40 }).collect();
    assert_eq!(coarse.as_slice::<u8>().unwrap(), values);
    // The centre of the volume is where it was.
    let centre = |volume: &Volume, n: f64| volume.affine().apply([(n - 1.0) / 2.0; 3]);
    let shift = centre(&volume, 16.0).iter().zip(centre(&coarse, 4.0)).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
    assert!(shift < 1e-9, "{shift}");
}
