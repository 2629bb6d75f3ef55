//! Write, then read: every element type, container and byte order.

use proptest::prelude::*;
use volkit_core::{DType, Volume, Voxels};
use volkit_io::{
    Endian, Header, Image, IoError, NiftiVersion, ReadOptions, Values, WriteOptions, probe, read, read_with,
    smallest_label_dtype, write,
};

use crate::shared::{bytes_of, noise, oblique};

const NIFTI_TYPES: [DType; 16] = [
    DType::U8,
    DType::I8,
    DType::U16,
    DType::I16,
    DType::U32,
    DType::I32,
    DType::U64,
    DType::I64,
    DType::F32,
    DType::F64,
    DType::F128,
    DType::Complex64,
    DType::Complex128,
    DType::Complex256,
    DType::Rgb24,
    DType::Rgba32,
];
const MGH_TYPES: [DType; 5] = [DType::U8, DType::I16, DType::U16, DType::I32, DType::F32];

fn check(name: &str, volume: &Volume, options: &WriteOptions) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    let report = write(&path, &Image::new(volume.clone()), options).unwrap();
    assert!(report.warnings.is_empty(), "{name}: {:?}", report.warnings);
    let image = read(&path).unwrap();
    assert!(image.warnings().iter().all(|w| w.contains("surface")), "{name}: {:?}", image.warnings());
    assert_eq!((image.volume().shape(), image.volume().dtype()), (volume.shape(), volume.dtype()), "{name}");
    assert!(bytes_of(image.volume()) == bytes_of(volume), "{name} {}", volume.dtype());
    assert_eq!(probe(&path).unwrap().meta, *image.volume().meta());
    let has_affine = !name.contains(".np");
    assert!(
        !has_affine || image.volume().affine().is_close(volume.affine(), 1e-6, 1e-5),
        "{:?}",
        image.volume().affine()
    );
}

#[test]
fn every_element_type_container_and_byte_order() {
    let shape = [5, 4, 3];
    for dtype in NIFTI_TYPES {
        for endian in [Endian::Little, Endian::Big] {
            for version in [NiftiVersion::One, NiftiVersion::Two] {
                for name in ["a.nii", "a.nii.gz", "a.hdr", "a.img", "a.img.gz", "a.HDR"] {
                    let options = WriteOptions::new().with_dtype(dtype).with_endian(endian).with_nifti_version(version);
                    check(name, &noise(&shape, dtype, 7), &options);
                }
            }
        }
    }
    for dtype in MGH_TYPES {
        for name in ["a.mgh", "a.mgz", "a.mgh.gz"] {
            check(name, &noise(&shape, dtype, 8), &WriteOptions::new());
        }
    }
    for dtype in NIFTI_TYPES {
        if matches!(dtype, DType::F128 | DType::Complex256 | DType::Rgb24 | DType::Rgba32) {
            continue;
        }
        for name in ["a.npy", "a.npz"] {
            check(name, &noise(&shape, dtype, 9), &WriteOptions::new());
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn any_shape_survives(
        shape in prop::collection::vec(1usize..6, 1..8),
        seed: u64,
        name in prop::sample::select(vec!["a.nii", "a.nii.gz", "a.img", "a.npz", "a.npy"]),
    ) {
        check(name, &noise(&shape, DType::I16, seed), &WriteOptions::new());
    }
}

#[test]
fn a_long_axis_needs_nifti_2() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("long.nii");
    let image = Image::new(noise(&[40_000, 1, 1], DType::U8, 3));
    let error = write(&path, &image, &WriteOptions::new().with_nifti_version(NiftiVersion::One)).unwrap_err();
    assert!(error.to_string().ends_with("dim = 40000: NIfTI-1 holds at most 32767 along an axis"), "{error}");
    assert!(!path.exists());
    write(&path, &image, &WriteOptions::default()).unwrap();
    assert_eq!(probe(&path).unwrap().format, "NIfTI-2");
    assert_eq!(read(&path).unwrap().volume().shape(), [40_000, 1, 1]);
}

#[test]
fn sixty_four_bit_integers_are_written_only_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.nii.gz");
    let labels = Volume::new([2, 2], vec![0i64, 1, 2, 2035], oblique()).unwrap();
    assert_eq!(smallest_label_dtype(&labels), Some(DType::I16));
    assert_eq!(write(&path, &Image::new(labels), &WriteOptions::default()).unwrap().dtype, DType::I16);
    let wide = Volume::new([2], vec![i64::MAX, i64::MIN], oblique()).unwrap();
    assert!(matches!(
        write(&path, &Image::new(wide.clone()), &WriteOptions::default()),
        Err(IoError::Unsupported { .. })
    ));
    write(&path, &Image::new(wide.clone()), &WriteOptions::new().with_dtype(DType::I64)).unwrap();
    let back = read(&path).unwrap();
    assert_eq!(back.volume().voxels(), wide.voxels());
    // A file that stores them is written back as it was.
    assert_eq!(write(&path, &back, &WriteOptions::default()).unwrap().dtype, DType::I64);
}

#[test]
fn types_that_a_format_lacks_name_the_nearest() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.mgz");
    let image = Image::new(noise(&[3, 3, 3], DType::F64, 1));
    let error = write(&path, &image, &WriteOptions::default()).unwrap_err().to_string();
    assert!(error.ends_with("MGH has no element type f64: ask for f32, the nearest it has"), "{error}");
    write(&path, &image, &WriteOptions::new().with_dtype(DType::F32)).unwrap();
    assert_eq!(read(&path).unwrap().volume().dtype(), DType::F32);
}

#[test]
fn rescaled_floats_come_back_within_half_a_step() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.nii");
    let values: Vec<f32> = (0..1000).map(|i| (i as f32 * 0.37).sin() * 40.0 + 7.0).collect();
    let volume = Volume::new([10, 10, 10], values.clone(), oblique()).unwrap();
    let options = WriteOptions::new().with_dtype(DType::I16).with_rescale(true);
    write(&path, &Image::new(volume), &options).unwrap();
    let info = probe(&path).unwrap();
    assert_eq!((info.stored, info.meta.dtype()), (DType::I16, DType::F64));
    let back = read_with(&path, &ReadOptions::new().with_values(Values::F32)).unwrap();
    let Voxels::F32(back) = back.volume().voxels() else { panic!("f32 was asked for") };
    // Half a step, and the rounding of slope and intercept to f32.
    let tolerance = info.scaling.slope * 0.5001 + 40.0 * f64::from(f32::EPSILON);
    assert!(values.iter().zip(back).all(|(a, b)| f64::from((a - b).abs()) <= tolerance));
}

#[test]
fn labels_in_floats_are_not_stretched() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.nii");
    let volume = Volume::new([3], vec![1.0f32, 2.0, 3.0], oblique()).unwrap();
    write(&path, &Image::new(volume), &WriteOptions::new().with_dtype(DType::U8).with_rescale(true)).unwrap();
    assert_eq!(*read(&path).unwrap().volume().voxels(), Voxels::U8(vec![1, 2, 3]));
}

#[test]
fn equal_input_gives_equal_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let image = Image::new(noise(&[6, 5, 4], DType::F32, 11));
    for name in ["x.nii.gz", "x.mgz", "x.npz"] {
        let (a, b) = (folder.path().join(name), folder.path().join(format!("other_{name}")));
        write(&a, &image, &WriteOptions::default()).unwrap();
        write(&b, &image, &WriteOptions::default()).unwrap();
        assert_eq!(std::fs::read(a).unwrap(), std::fs::read(b).unwrap());
    }
}

#[test]
fn a_file_without_header_fields_gets_the_usual_ones() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.nii");
    write(&path, &Image::new(noise(&[5, 4, 3], DType::I16, 2)), &WriteOptions::default()).unwrap();
    let bytes = std::fs::read(&path).unwrap();
    assert_eq!(bytes.len(), 352 + 5 * 4 * 3 * 2);
    assert_eq!((&bytes[344..348], &bytes[348..352]), (&b"n+1\0"[..], &[0u8; 4][..]));
    let Header::Nifti(header) = read(&path).unwrap().into_parts().1 else { panic!("NIfTI was written") };
    assert_eq!(header.dim, [3, 5, 4, 3, 1, 1, 1, 1]);
    assert_eq!((header.sform_code, header.qform_code, header.xyzt_units), (2, 0, 10));
    assert_eq!((header.scl_slope, header.scl_inter, header.vox_offset), (1.0, 0.0, 352.0));
    assert_eq!(header.pixdim, [-1.0, 1.5, 2.0, 2.5, 1.0, 1.0, 1.0, 1.0]);
    assert!(header.qform().unwrap().is_close(&oblique(), 1e-6, 1e-6));
}
