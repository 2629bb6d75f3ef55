//! The `nifti` crate on the files that it reads right, and conversions to and from its types.

use nifti::{IntoNdArray as _, NiftiObject as _, NiftiVolume as _, ReaderOptions};
use volkit_core::DType;
use volkit_io::{
    Header, Image, NiftiHeader, NiftiVersion, ReadOptions, Values, WriteOptions, from_nifti_volume, read, read_with,
    to_nifti_volume, write,
};

use crate::shared::{bytes_of, noise, oblique};

const COMMON_TYPES: [DType; 8] =
    [DType::U8, DType::I8, DType::U16, DType::I16, DType::U32, DType::I32, DType::F32, DType::F64];

#[test]
fn the_other_reader_sees_the_same_values() {
    let folder = tempfile::tempdir().unwrap();
    for dtype in COMMON_TYPES {
        for name in ["a.nii", "a.nii.gz"] {
            for endian in [volkit_io::Endian::Little, volkit_io::Endian::Big] {
                let path = folder.path().join(name);
                let options = WriteOptions::new().with_nifti_version(NiftiVersion::One).with_endian(endian);
                write(&path, &Image::new(noise(&[5, 4, 3], dtype, 3)), &options).unwrap();
                let theirs = ReaderOptions::new().read_file(&path).unwrap();
                let ours = read_with(&path, &ReadOptions::new().with_values(Values::F64)).unwrap();
                let array = theirs.into_volume().into_ndarray::<f64>().unwrap();
                assert_eq!(array.shape(), ours.volume().shape());
                // Axes reversed and then read in row-major order: first axis fastest.
                let values: Vec<f64> = array.t().iter().copied().collect();
                assert_eq!(Some(values.as_slice()), ours.volume().as_slice::<f64>(), "{dtype} {name}");
            }
        }
    }
}

#[test]
fn headers_convert_both_ways() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.nii");
    write(&path, &Image::new(noise(&[5, 4, 3], DType::I16, 3)), &WriteOptions::default()).unwrap();
    let Header::Nifti(ours) = read(&path).unwrap().into_parts().1 else { panic!("NIfTI was written") };
    let theirs = nifti::NiftiHeader::from_file(&path).unwrap();
    assert_eq!(NiftiHeader::from(&theirs), *ours);
    assert_eq!(nifti::NiftiHeader::try_from(ours.as_ref()).unwrap(), theirs);
    let mut long = *ours;
    long.dim[1] = 70_000;
    let error = nifti::NiftiHeader::try_from(&long).unwrap_err().to_string();
    assert_eq!(error, "nifti volume: dim = 70000: does not fit the field of NIfTI-1");
}

#[test]
fn volumes_convert_both_ways() {
    for dtype in COMMON_TYPES.into_iter().chain([DType::Rgb24, DType::Complex64]) {
        let volume = noise(&[4, 3, 2], dtype, 8);
        let theirs = to_nifti_volume(&volume).unwrap();
        assert_eq!(theirs.dim(), [4, 3, 2]);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.nii");
        write(&path, &Image::new(volume.clone()), &WriteOptions::default()).unwrap();
        let header = nifti::NiftiHeader::from_file(&path).unwrap();
        let back = from_nifti_volume(&header, &theirs).unwrap();
        assert_eq!(bytes_of(&back), bytes_of(&volume), "{dtype}");
        assert!(back.affine().is_close(&oblique(), 1e-6, 1e-6));
    }
}
