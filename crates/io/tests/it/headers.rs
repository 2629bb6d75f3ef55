//! What of a header survives, and what is brought up to date.

use volkit_core::{Affine, AxisMap, DType, Volume};
use volkit_io::{
    ColorEntry, Endian, Extension, Header, Image, MghHeader, NiftiHeader, NiftiVersion, TimeUnit, WriteOptions, probe,
    read, write,
};

use crate::shared::{noise, oblique, shared};

/// An image as a scanner's converter writes it: every field in use.
fn scan() -> Image {
    let volume = noise(&[6, 5, 4], DType::I16, 3);
    let mut header = NiftiHeader::default();
    header.dim = [3, 6, 5, 4, 1, 1, 1, 1];
    header.datatype = 4;
    header.bitpix = 16;
    header.pixdim = [-1.0, 1.5, 2.0, 2.5, 2.0, 0.0, 0.0, 0.0];
    header.dim_info = 1 | 2 << 2 | 3 << 4;
    (header.slice_code, header.slice_start, header.slice_end, header.slice_duration) = (3, 0, 3, 0.0625);
    (header.qform_code, header.sform_code) = (1, 4);
    header.srow = *oblique().rows();
    header.quatern = [0.0, 0.5, 0.25];
    header.qoffset = [1.0, 2.0, 3.0];
    header.xyzt_units = 10;
    (header.cal_min, header.cal_max, header.toffset) = (3.0, 900.0, 0.5);
    (header.glmax, header.glmin) = (32_767, -5);
    header.intent_p = [1.0, 2.0, 3.0];
    header.set_description("TE=2.3;é");
    header.aux_file[..4].copy_from_slice(b"a.cx");
    header.intent_name[..4].copy_from_slice(b"name");
    header.db_name[..2].copy_from_slice(b"db");
    header.extensions = vec![Extension::new(6, b"a comment"), Extension { code: 44, data: b"{}\0\0\0".to_vec() }];
    Image::from_parts(volume, Header::Nifti(Box::new(header)))
}

fn rewritten(image: &Image, name: &str, options: &WriteOptions) -> (Image, NiftiHeader) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    write(&path, image, options).unwrap();
    let image = read(&path).unwrap();
    let Header::Nifti(header) = image.header().clone() else { panic!("NIfTI was written") };
    (image, *header)
}

fn original(image: &Image) -> NiftiHeader {
    let Header::Nifti(header) = image.header() else { panic!("made above") };
    header.as_ref().clone()
}

#[test]
fn every_field_survives_when_nothing_changes() {
    let image = scan();
    for name in ["a.nii", "a.nii.gz", "a.img"] {
        for endian in [Endian::Little, Endian::Big] {
            for version in [NiftiVersion::Auto, NiftiVersion::Two] {
                let options = WriteOptions::new().with_endian(endian).with_nifti_version(version);
                let (_, header) = rewritten(&image, name, &options);
                let mut expected = original(&image);
                expected.endian = endian;
                expected.single_file = name != "a.img";
                if version == NiftiVersion::Two {
                    expected.version = 2;
                    // NIfTI-2 has no place for these.
                    (expected.db_name, expected.glmax, expected.glmin) = ([0; 18], 0, 0);
                }
                let header_bytes = if expected.version == 2 { 544 } else { 352 };
                expected.vox_offset = if expected.single_file { f64::from(header_bytes + 32 + 13) } else { 0.0 };
                // The affine is stored in f32 by NIfTI-1.
                expected.srow = header.srow;
                assert_eq!(header, expected, "{name} {endian:?} {version:?}");
            }
        }
    }
}

#[test]
fn bytes_survive_a_round_trip_through_memory() {
    let folder = tempfile::tempdir().unwrap();
    let (first, second) = (folder.path().join("a.nii"), folder.path().join("b.nii"));
    write(&first, &scan(), &WriteOptions::default()).unwrap();
    write(&second, &read(&first).unwrap(), &WriteOptions::default()).unwrap();
    assert_eq!(std::fs::read(first).unwrap(), std::fs::read(second).unwrap());
}

#[test]
fn labels_under_the_header_of_a_scan_keep_its_forms() {
    let image = scan();
    let (got, header) =
        rewritten(&image.with_volume(noise(&[6, 5, 4], DType::U8, 1)), "a.nii", &WriteOptions::default());
    let expected = original(&image);
    assert_eq!((header.datatype, header.bitpix), (2, 8));
    assert_eq!((header.qform_code, header.sform_code), (1, 4));
    assert_eq!((header.quatern, header.qoffset, header.pixdim), (expected.quatern, expected.qoffset, expected.pixdim));
    assert_eq!((header.descrip, header.slice_code, header.intent_code), (expected.descrip, 3, 0));
    assert_eq!(got.volume().dtype(), DType::U8);
}

#[test]
fn a_new_affine_goes_to_the_sform_and_its_rotation_to_the_qform() {
    let image = scan();
    let shifted = oblique().with_translation([0.0, 1.0, 2.0]);
    let volume = Volume::new([6, 5, 4], vec![0u8; 120], shifted).unwrap();
    let (got, header) = rewritten(&image.with_volume(volume), "a.nii", &WriteOptions::default());
    assert_eq!((header.qform_code, header.sform_code), (0, 2));
    assert!(got.volume().affine().is_close(&shifted, 1e-6, 1e-6));
    assert!(header.qform().unwrap().is_close(&shifted, 1e-6, 1e-6));
    assert_eq!((header.slice_code, header.dim_info), (3, original(&image).dim_info));
}

#[test]
fn reorientation_moves_encoding_axes_and_turns_slice_timing() {
    let image = scan();
    let map = AxisMap { source_axis: [2, 0, 1], flipped: [true, false, true] };
    let size = map.new_size([6, 5, 4]);
    let volume = Volume::new(size, vec![0u8; 120], map.new_affine(&oblique(), [6, 5, 4])).unwrap();
    let (_, header) = rewritten(&image.with_volume(volume), "a.nii", &WriteOptions::default());
    // Frequency ran along axis 0, phase along 1, slices along 2; they are now axes 1, 2 and 0.
    assert_eq!(header.encoding_axes(), [Some(1), Some(2), Some(0)]);
    assert_eq!((header.slice_code, header.slice_start, header.slice_end), (4, 0, 3));
    assert_eq!(header.slice_duration, 0.0625);
}

#[test]
fn slice_timing_that_no_longer_fits_is_dropped() {
    let image = scan();
    let cropped = Volume::new([6, 5, 2], vec![0u8; 60], oblique().window([0, 0, 1])).unwrap();
    let (_, header) = rewritten(&image.with_volume(cropped), "a.nii", &WriteOptions::default());
    assert_eq!((header.slice_code, header.slice_end, header.slice_duration), (0, 0, 0.0));
    assert_eq!(header.encoding_axes(), [Some(0), Some(1), Some(2)]);
    let elsewhere = Volume::new([6, 5, 4], vec![0u8; 120], Affine::IDENTITY).unwrap();
    let (_, header) = rewritten(&image.with_volume(elsewhere), "a.nii", &WriteOptions::default());
    assert_eq!((header.dim_info, header.slice_code), (0, 0));
}

#[test]
fn a_changed_shape_without_forms_keeps_the_affine_it_had() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.nii");
    let mut header = original(&scan());
    (header.qform_code, header.sform_code) = (0, 0);
    let base = Affine::from_rows([[-1.5, 0.0, 0.0, 3.75], [0.0, 2.0, 0.0, -4.0], [0.0, 0.0, 2.5, -3.75]]);
    let volume = Volume::new([6, 5, 4], vec![0u8; 120], base).unwrap();
    let image = Image::from_parts(volume, Header::Nifti(Box::new(header)));
    write(&path, &image, &WriteOptions::default()).unwrap();
    assert_eq!(*read(&path).unwrap().volume().affine(), base);
    let Header::Nifti(unchanged) = read(&path).unwrap().into_parts().1 else { panic!("NIfTI was written") };
    assert_eq!((unchanged.qform_code, unchanged.sform_code), (0, 0));
    // The same affine on a smaller grid is no longer centred, so it must be written down.
    let smaller = Volume::new([3, 5, 4], vec![0u8; 60], base).unwrap();
    write(&path, &image.with_volume(smaller), &WriteOptions::default()).unwrap();
    assert_eq!(*read(&path).unwrap().volume().affine(), base);
}

#[test]
fn mgh_keeps_tags_and_repetition_time() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["a.mgh", "a.mgz"] {
        let path = folder.path().join(name);
        let meta = volkit_core::VolumeMeta::new([4, 3, 2, 2], DType::I16, oblique()).unwrap();
        let meta = meta.with_spacing([1.5, 2.0, 2.5, 2300.0]).unwrap();
        let volume = Volume::from_meta(meta, vec![7i16; 48]).unwrap();
        let mut header = MghHeader::default();
        header.dof = 9;
        header.trailing = [&[0u8; 20][..], &[0, 0, 0, 30, 0, 0, 0, 0, 0, 0, 0, 2, b'x', b'y']].concat();
        let image = Image::from_parts(volume, Header::Mgh(Box::new(header.clone())));
        write(&path, &image, &WriteOptions::default()).unwrap();
        let back = read(&path).unwrap();
        let Header::Mgh(got) = back.header() else { panic!("MGH was written") };
        assert_eq!((got.dof, &got.trailing[20..]), (9, &header.trailing[20..]));
        assert_eq!(got.repetition_time_ms(), Some(2300.0));
        assert_eq!(back.volume().meta().spacing()[3], 2300.0);
        assert_eq!(probe(&path).unwrap().meta, *back.volume().meta());
        // Another element type under the same header.
        write(&path, &back.with_volume(back.volume().cast::<u8>().unwrap()), &WriteOptions::default()).unwrap();
        let Header::Mgh(again) = read(&path).unwrap().into_parts().1 else { panic!("MGH was written") };
        assert_eq!((&again.trailing, again.centre), (&got.trailing, got.centre));
        // NIfTI keeps milliseconds as milliseconds.
        let nifti = folder.path().join("a.nii");
        write(&nifti, &back, &WriteOptions::default()).unwrap();
        let info = probe(&nifti).unwrap();
        assert_eq!((info.units.time, info.meta.spacing()[3]), (TimeUnit::Millisecond, 2300.0));
    }
}

#[test]
fn mgh_keeps_a_colour_table() {
    let folder = tempfile::tempdir().unwrap();
    let entry = |id, name: &str, rgba| ColorEntry { id, name: name.to_owned(), rgba };
    let table = vec![entry(0, "Unknown", [0; 4]), entry(2041, "wm-lh-insula", [255, 192, 32, 255])];
    for name in ["a.mgh", "a.mgz"] {
        let path = folder.path().join(name);
        let mut header = MghHeader::default();
        header.set_color_table(&table).unwrap();
        let volume = Volume::new([3, 2, 1], vec![0i32, 2041, 0, 0, 2041, 0], oblique()).unwrap();
        write(&path, &Image::from_parts(volume, Header::Mgh(Box::new(header))), &WriteOptions::default()).unwrap();
        let back = read(&path).unwrap();
        let Header::Mgh(got) = back.header() else { panic!("MGH was written") };
        assert_eq!(got.color_table().as_ref(), Some(&table));
    }
}

#[test]
fn mgh_refuses_affines_it_can_not_hold() {
    let folder = tempfile::tempdir().unwrap();
    for affine in [Affine::from_scale([1.0, 0.0, 1.0]), Affine::from_scale([1.0, f64::NAN, 1.0])] {
        let meta = volkit_core::VolumeMeta::new([2, 2, 2], DType::U8, affine).unwrap();
        let volume = Volume::from_meta(meta, vec![0u8; 8]).unwrap();
        let path = folder.path().join("a.mgh");
        let error = write(&path, &Image::new(volume), &WriteOptions::default()).unwrap_err().to_string();
        assert!(error.contains("affine = "), "{error}");
        assert!(!path.exists());
    }
}

#[test]
fn golden_files_written_back_keep_forms_and_extensions() {
    let Some(folder) = shared("golden/volume/nifti") else { return };
    for file in ["nifti_affine/both_sform_wins_v1.nii", "nifti_affine/qform5_v2.nii", "nifti_ext/n2ext.nii"] {
        let image = read(folder.join(file)).unwrap();
        let (back, header) = rewritten(&image, "a.nii", &WriteOptions::default());
        let expected = original(&image);
        assert_eq!(back.volume(), image.volume(), "{file}");
        assert_eq!(header.extensions, expected.extensions, "{file}");
        assert_eq!(
            (header.qform_code, header.sform_code, header.srow, header.quatern),
            (expected.qform_code, expected.sform_code, expected.srow, expected.quatern),
            "{file}"
        );
    }
    // The orientation of an MGH file survives being written with its own header, bit by bit.
    let path = folder.join("mgh/oblique.mgz");
    let image = read(&path).unwrap();
    let out = tempfile::tempdir().unwrap();
    write(out.path().join("b.mgz"), &image, &WriteOptions::default()).unwrap();
    assert_eq!(read(out.path().join("b.mgz")).unwrap(), image);
}
