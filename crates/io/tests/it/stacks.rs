//! Stacks of pictures.

use std::path::PathBuf;

use tiff::encoder::{Compression, DeflateLevel, TiffEncoder, colortype};
use volkit_core::conformance::{check_sink, check_source};
use volkit_core::{Affine, DType, Region, Volume, read_all, read_vec};
use volkit_io::{Partial, ReadOptions, WriteOptions, create_stack, open_stack, stack_names};

use crate::shared::noise;

fn names(folder: &tempfile::TempDir, pattern: &str, channels: usize) -> Vec<PathBuf> {
    stack_names(folder.path().join(pattern), channels).unwrap()
}

fn write(paths: &[PathBuf], volume: &Volume) {
    let sink = create_stack(paths, volume.meta(), &WriteOptions::new()).unwrap();
    sink.write_region(&Region::whole(volume.shape()), volume.voxels().view()).unwrap();
    sink.finish().unwrap();
}

#[test]
fn what_is_written_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let cases = [
        ("a*.tif", vec![DType::U8, DType::I16, DType::U16, DType::F32, DType::F64]),
        ("a*.png", vec![DType::U8, DType::U16]),
        ("a*.bmp", vec![DType::U8]),
    ];
    for (pattern, dtypes) in cases {
        for (i, dtype) in dtypes.into_iter().enumerate() {
            // Widths that are and are not multiples of four.
            for (j, shape) in [[7, 9, 3], [8, 5, 1], [1, 1, 2]].into_iter().enumerate() {
                let volume = noise(&shape, dtype, 3);
                let volume = Volume::new(shape, volume.into_voxels(), Affine::IDENTITY).unwrap();
                let paths = names(&folder, &format!("{i}{j}{pattern}"), shape[2]);
                write(&paths, &volume);
                let source = open_stack(&paths, &ReadOptions::default()).unwrap();
                check_source(source.as_ref(), &volume).unwrap();
                if pattern.ends_with("tif") {
                    let paths = names(&folder, &format!("s{i}{j}{pattern}"), shape[2]);
                    check_sink(create_stack(&paths, volume.meta(), &WriteOptions::new()).unwrap(), &volume).unwrap();
                    let got = read_all(open_stack(&paths, &ReadOptions::default()).unwrap().as_ref()).unwrap();
                    assert!(got.voxels().view().bytes() == volume.voxels().view().bytes());
                }
            }
        }
    }
}

/// A BMP by hand: 3 x 2, 24 bits, rows from the bottom, padded to 12 bytes.
fn bmp_24() -> Vec<u8> {
    let mut bytes = b"BM".to_vec();
    for value in [78u32, 0, 54, 40, 3, 2] {
        bytes.extend(value.to_le_bytes());
    }
    bytes.extend([1, 0, 24, 0]);
    bytes.extend([0; 24]);
    for row in [[4u8, 5, 6], [1, 2, 3]] {
        row.iter().for_each(|&grey| bytes.extend([grey; 3]));
        bytes.extend([0; 3]);
    }
    bytes
}

#[test]
fn a_bmp_by_hand() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.bmp");
    std::fs::write(&path, bmp_24()).unwrap();
    let source = open_stack(std::slice::from_ref(&path), &ReadOptions::default()).unwrap();
    let values = read_vec::<f32>(source.as_ref(), &Region::whole(&[3, 2, 1])).unwrap();
    assert_eq!(values, [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
    assert_eq!(read_vec::<u8>(source.as_ref(), &Region::new([1, 1, 0], [2, 1, 1]).unwrap()).unwrap(), [5, 6]);
    for (at, value, wanted) in [
        (54, 9, "a colour"),
        (30, 1, "biCompression = 1"),
        (28, 4, "biBitCount = 4"),
        (18, 0, "at least one pixel"),
        (25, 0x10, "the pixels ends after"),
    ] {
        let mut bytes = bmp_24();
        bytes[at] = value;
        std::fs::write(&path, bytes).unwrap();
        let message = match open_stack(std::slice::from_ref(&path), &ReadOptions::default()) {
            Ok(source) => read_vec::<u8>(source.as_ref(), &Region::whole(&[3, 2, 1])).unwrap_err().to_string(),
            Err(error) => error.to_string(),
        };
        assert!(message.contains(wanted) && message.contains("a.bmp"), "{message}");
    }
}

#[test]
fn strips_of_other_programs() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.tif");
    let values: Vec<u16> = (0..37 * 50).map(|i| (i * 97 % 60_000) as u16).collect();
    let file = std::fs::File::create(&path).unwrap();
    let mut encoder = TiffEncoder::new(file).unwrap().with_compression(Compression::Deflate(DeflateLevel::Fast));
    let mut image = encoder.new_image::<colortype::Gray16>(37, 50).unwrap();
    image.rows_per_strip(7).unwrap();
    image.write_data(&values).unwrap();
    let source = open_stack(std::slice::from_ref(&path), &ReadOptions::default()).unwrap();
    check_source(source.as_ref(), &Volume::new([37, 50, 1], values, Affine::IDENTITY).unwrap()).unwrap();
    let file = std::fs::File::create(&path).unwrap();
    let mut encoder = TiffEncoder::new(file).unwrap();
    encoder.write_image::<colortype::RGB8>(2, 1, &[1, 2, 3, 4, 5, 6]).unwrap();
    let error = open_stack(&[path], &ReadOptions::default()).err().unwrap();
    assert!(error.to_string().contains("one grey value"), "{error}");
}

#[test]
fn what_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let volume = |shape: [usize; 3]| Volume::new(shape, vec![7u8; shape.iter().product()], Affine::IDENTITY).unwrap();
    let (a, b) = (folder.path().join("a.png"), folder.path().join("b.png"));
    write(std::slice::from_ref(&a), &volume([4, 6, 1]));
    write(std::slice::from_ref(&b), &volume([4, 5, 1]));
    let message = |paths: &[PathBuf]| open_stack(paths, &ReadOptions::default()).err().unwrap().to_string();
    let text = message(&[a.clone(), b]);
    assert!(text.contains("b.png: picture = 4 x 5, u8: 4 x 6, u8 as in") && text.contains("a.png"), "{text}");
    assert!(message(&[]).contains("no pictures"));
    assert!(message(&[folder.path().join("none.png")]).contains("no such file"));
    let whole = std::fs::read(&a).unwrap();
    for suffix in ["png", "tif", "bmp"] {
        let path = folder.path().join(format!("cut.{suffix}"));
        write(std::slice::from_ref(&path), &volume([40, 60, 1]));
        let bytes = std::fs::read(&path).unwrap();
        // A PNG whose rows are all there is read, whatever follows them.
        let last = if suffix == "png" { 50 } else { bytes.len() - 13 };
        for len in [1, 3, 9, 30, bytes.len() / 2, last] {
            std::fs::write(&path, &bytes[..len]).unwrap();
            let opened = open_stack(std::slice::from_ref(&path), &ReadOptions::default());
            let failed = opened.map(|source| read_all(source.as_ref()).is_err());
            assert!(failed.is_err() || failed.is_ok_and(|failed| failed), "{suffix}: {len} bytes");
        }
    }
    std::fs::write(folder.path().join("text.png"), "text").unwrap();
    assert!(message(&[folder.path().join("text.png")]).contains("neither a BMP nor a PNG nor a TIFF"));
    // Rows out of order, floats, and going on where a file can not.
    let meta = volume([4, 6, 1]).meta().clone();
    let options = WriteOptions::new().with_overwrite(true);
    let sink = create_stack(std::slice::from_ref(&a), &meta, &options).unwrap();
    let error = sink.write_region(&Region::new([0, 2, 0], [4, 1, 1]).unwrap(), [1u8; 4].as_slice().into()).unwrap_err();
    assert!(error.to_string().contains("from top to bottom"), "{error}");
    drop(sink);
    assert!(std::fs::read(&a).unwrap() == whole, "the old picture stays");
    let partial = options.clone().with_partial(Partial::New);
    assert!(create_stack(std::slice::from_ref(&a), &meta, &partial).is_err());
    let floats = meta.with_dtype(DType::F32);
    assert!(create_stack(std::slice::from_ref(&a), &floats, &options).is_err());
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 6);
}

#[test]
fn pages_of_a_tiff_are_channels() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("pages.tif");
    let page = |first: u16| (0..12).map(|i| first + i).collect::<Vec<u16>>();
    let mut encoder = TiffEncoder::new(std::fs::File::create(&path).unwrap()).unwrap();
    for first in [0, 1000, 60_000] {
        encoder.write_image::<colortype::Gray16>(4, 3, &page(first)).unwrap();
    }
    // A smaller copy, which says so.
    let mut copy = encoder.new_image::<colortype::Gray16>(2, 1).unwrap();
    copy.encoder().write_tag(tiff::tags::Tag::NewSubfileType, 1u32).unwrap();
    copy.write_data(&[7, 8]).unwrap();
    let source = open_stack(std::slice::from_ref(&path), &ReadOptions::default()).unwrap();
    assert_eq!((source.meta().shape(), source.meta().dtype()), (&[4, 3, 3][..], DType::U16));
    let values: Vec<u16> = read_vec(source.as_ref(), &Region::whole(&[4, 3, 3])).unwrap();
    assert_eq!(values, [page(0), page(1000), page(60_000)].concat());
    let part: Vec<u16> = read_vec(source.as_ref(), &Region::new([1, 2, 1], [2, 1, 2]).unwrap()).unwrap();
    assert_eq!(part, [1009, 1010, 60_009, 60_010]);
    // Pages of different sizes are no stack.
    let mut encoder = TiffEncoder::new(std::fs::File::create(&path).unwrap()).unwrap();
    encoder.write_image::<colortype::Gray16>(4, 3, &page(0)).unwrap();
    encoder.write_image::<colortype::Gray16>(3, 4, &page(0)).unwrap();
    drop(encoder);
    let error = open_stack(std::slice::from_ref(&path), &ReadOptions::default()).err().unwrap().to_string();
    assert!(error.contains("pages.tif") && error.contains("4 x 3"), "{error}");
}
