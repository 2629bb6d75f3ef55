//! HDF5 files that this crate writes, read back with every library of the build.

use std::path::Path;

use proptest::prelude::*;
use volkit_core::{Array, DType, Region, Voxels};
use volkit_io::{
    Hdf5Backend, Hdf5File, Hdf5Kind, Hdf5Layout, Hdf5Value, Image, IoError, Limits, ReadOptions, WriteOptions, create,
    create_hdf5, open, open_hdf5, probe, read, walk_hdf5, write,
};

use crate::shared::{NUMBERS, names_in, noise};

/// Libraries that read and write in this build.
const BACKENDS: &[Hdf5Backend] =
    if cfg!(feature = "hdf5-c") { &[Hdf5Backend::Pure, Hdf5Backend::C] } else { &[Hdf5Backend::Pure] };

fn open_with(path: &Path, backend: Hdf5Backend) -> Box<dyn Hdf5File> {
    open_hdf5(path, backend, &Limits::default()).unwrap()
}

fn read_all(file: &dyn Hdf5File, name: &str) -> Voxels {
    let data_set = file.data_set(name).unwrap();
    let shape = data_set.info().shape.clone();
    let mut out = Voxels::zeros(data_set.info().dtype.unwrap(), shape.iter().product()).unwrap();
    data_set.read_box(&vec![0; shape.len()], &shape, out.view_mut()).unwrap();
    out
}

/// Row-major values of that shape.
fn values(shape: &[usize], dtype: DType) -> Voxels {
    let n = shape.iter().product::<usize>().max(1);
    noise(&[n], dtype, 7).voxels().clone()
}

#[test]
fn every_element_type_survives_every_pair_of_libraries() {
    let folder = tempfile::tempdir().unwrap();
    for &writer_backend in BACKENDS {
        let path = folder.path().join(format!("{writer_backend:?}.h5"));
        let shape = [5, 7, 3];
        let writer = create_hdf5(&path, writer_backend, &WriteOptions::default()).unwrap();
        writer.create_group("by/type").unwrap_err();
        writer.create_group("by").unwrap();
        writer.create_group("by/type").unwrap();
        for dtype in NUMBERS {
            for (suffix, layout) in [
                ("chunks", Hdf5Layout::for_array(&shape, dtype).with_chunk(Some(vec![2, 3, 3]))),
                ("plain", Hdf5Layout::for_array(&[], dtype)),
                ("stored", Hdf5Layout::for_array(&shape, dtype).with_deflate(None)),
            ] {
                let name = format!("by/type/{dtype}_{suffix}");
                writer.create_data_set(&name, &shape, dtype, &layout).unwrap();
                writer.write_box(&name, &[0, 0, 0], &shape, values(&shape, dtype).view()).unwrap();
            }
        }
        writer.finish().unwrap();
        for &backend in BACKENDS {
            let file = open_with(&path, backend);
            for dtype in NUMBERS {
                for suffix in ["chunks", "plain", "stored"] {
                    let name = format!("/by/type/{dtype}_{suffix}");
                    assert_eq!(read_all(file.as_ref(), &name), values(&shape, dtype), "{name} {backend:?}");
                }
            }
            let (nodes, warnings) = walk_hdf5(file.as_ref()).unwrap();
            assert_eq!((nodes.len(), warnings.len()), (2 + 3 * NUMBERS.len(), 0), "{backend:?}");
            assert_eq!((nodes[0].path.as_str(), nodes[0].kind), ("by", Hdf5Kind::Group));
        }
    }
    assert_eq!(names_in(folder.path()).len(), BACKENDS.len(), "no temporary file is left");
}

#[test]
fn attributes_of_groups_and_data_sets() {
    let folder = tempfile::tempdir().unwrap();
    let matrix = Array::new([2, 2], vec![1.0f64, 2.0, 3.0, f64::NAN]).unwrap();
    let number = Array::new([], vec![-7i32]).unwrap();
    let texts = Hdf5Value::Texts(vec!["left".into(), String::new(), "größer".into()]);
    for &backend in BACKENDS {
        let path = folder.path().join(format!("{backend:?}.h5"));
        let writer = create_hdf5(&path, backend, &WriteOptions::default()).unwrap();
        writer.create_data_set("x", &[], DType::F32, &Hdf5Layout::for_array(&[], DType::F32)).unwrap();
        writer.write_box("x", &[], &[], Voxels::F32(vec![2.5]).view()).unwrap();
        for object in ["/", "x"] {
            writer.set_attribute(object, "matrix", &Hdf5Value::Numbers(matrix.clone())).unwrap();
            writer.set_attribute(object, "number", &Hdf5Value::Text("replaced".into())).unwrap();
            writer.set_attribute(object, "number", &Hdf5Value::Numbers(number.clone())).unwrap();
            writer.set_attribute(object, "texts", &texts).unwrap();
            writer.set_attribute(object, "note", &Hdf5Value::Text("µm".into())).unwrap();
        }
        assert!(writer.set_attribute("y", "n", &texts).is_err());
        assert!(writer.set_attribute("x", "n", &Hdf5Value::Other("opaque".into())).is_err());
        writer.finish().unwrap();
        for &reader in BACKENDS {
            let file = open_with(&path, reader);
            assert_eq!(read_all(file.as_ref(), "x"), Voxels::F32(vec![2.5]));
            for object in ["", "x"] {
                let found = file.attributes(object).unwrap();
                assert_eq!(found.keys().collect::<Vec<_>>(), ["matrix", "note", "number", "texts"]);
                assert_eq!(found["note"], Hdf5Value::Text("µm".into()));
                assert_eq!(found["texts"], texts);
                assert_eq!(found["number"], Hdf5Value::Numbers(number.clone()));
                let Hdf5Value::Numbers(array) = &found["matrix"] else { panic!("{:?}", found["matrix"]) };
                let Voxels::F64(numbers) = array.values() else { panic!("{array:?}") };
                assert!(numbers[..3] == [1.0, 2.0, 3.0] && numbers[3].is_nan());
            }
        }
    }
}

#[test]
fn what_was_never_written_is_the_fill_value() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("fill.h5");
    let shape = [4, 5];
    let fill = Some((-77i16).to_ne_bytes().to_vec());
    let writer = create_hdf5(&path, Hdf5Backend::Pure, &WriteOptions::default()).unwrap();
    let chunks = Hdf5Layout::for_array(&shape, DType::I16).with_chunk(Some(vec![2, 2])).with_fill(fill.clone());
    let plain = Hdf5Layout::for_array(&[], DType::I16).with_fill(fill.clone());
    writer.create_data_set("chunks", &shape, DType::I16, &chunks).unwrap();
    writer.create_data_set("never", &shape, DType::I16, &chunks).unwrap();
    writer.create_data_set("plain", &shape, DType::I16, &plain).unwrap();
    writer.create_data_set("zero", &shape, DType::I16, &plain.clone().with_fill(None)).unwrap();
    for name in ["chunks", "plain"] {
        writer.write_box(name, &[1, 1], &[2, 1], Voxels::F32(vec![5.0, 6.4]).view()).unwrap();
    }
    writer.finish().unwrap();
    let mut expected = vec![-77i16; 20];
    (expected[6], expected[11]) = (5, 6);
    for &backend in BACKENDS {
        let file = open_with(&path, backend);
        assert_eq!(read_all(file.as_ref(), "chunks"), Voxels::I16(expected.clone()), "{backend:?}");
        assert_eq!(read_all(file.as_ref(), "plain"), Voxels::I16(expected.clone()), "{backend:?}");
        assert_eq!(read_all(file.as_ref(), "never"), Voxels::I16(vec![-77; 20]), "{backend:?}");
        assert_eq!(file.data_set("plain").unwrap().info().fill, fill, "{backend:?}");
        assert_eq!(file.data_set("zero").unwrap().info().fill, None, "{backend:?}");
    }
}

#[test]
fn chunks_suit_how_arrays_are_read() {
    let chunk = |shape: &[usize], dtype| Hdf5Layout::default_chunk(shape, dtype);
    assert_eq!(chunk(&[100, 6, 1152, 1024, 3], DType::U8), [1, 1, 1152, 1024, 3]);
    assert_eq!(chunk(&[10, 2, 4000, 3000, 3], DType::U8), [1, 1, 250, 3000, 3]);
    assert_eq!(chunk(&[7, 64, 64, 1], DType::U8), [1, 64, 64, 1]);
    assert_eq!(chunk(&[64, 64, 64], DType::U8), [64, 64, 64]);
    let block = chunk(&[512, 512, 512], DType::U16);
    assert!(block.iter().product::<usize>() * 2 <= 1 << 20 && block.iter().all(|&n| n >= 64), "{block:?}");
    assert_eq!(chunk(&[1 << 20], DType::F64), [1 << 17]);
}

#[test]
fn what_does_not_fit_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.h5");
    let writer = create_hdf5(&path, Hdf5Backend::Pure, &WriteOptions::default()).unwrap();
    let layout = Hdf5Layout::for_array(&[4], DType::U8);
    writer.create_data_set("x", &[4], DType::U8, &layout).unwrap();
    for (name, shape, dtype, layout) in [
        ("x", vec![4], DType::U8, layout.clone()),
        ("x/y", vec![4], DType::U8, layout.clone()),
        ("no/y", vec![4], DType::U8, layout.clone()),
        ("", vec![4], DType::U8, layout.clone()),
        ("..", vec![4], DType::U8, layout.clone()),
        ("y", vec![4, 4], DType::U8, layout.clone()),
        ("y", vec![4], DType::Rgb24, layout.clone()),
        ("y", vec![4], DType::U8, layout.clone().with_chunk(Some(vec![0]))),
        ("y", vec![4], DType::U8, layout.clone().with_chunk(None)),
        ("y", vec![4], DType::U16, layout.clone().with_fill(Some(vec![0]))),
        ("y", vec![usize::MAX, 9], DType::U16, layout.clone().with_chunk(None).with_deflate(None)),
    ] {
        let error = writer.create_data_set(name, &shape, dtype, &layout).unwrap_err();
        assert!(matches!(error, IoError::DataSet { .. }), "{error}");
    }
    let four = Voxels::U8(vec![1; 4]);
    assert!(writer.write_box("x", &[1], &[4], four.view()).is_err());
    assert!(writer.write_box("x", &[0], &[3], four.view()).is_err());
    assert!(writer.write_box("z", &[0], &[4], four.view()).is_err());
    let complex = Voxels::zeros(DType::Complex64, 4).unwrap();
    assert!(writer.write_box("x", &[0], &[4], complex.view()).is_err());
    drop(writer);
    assert!(names_in(folder.path()).is_empty(), "a writer that is dropped leaves nothing");
    std::fs::write(&path, b"no HDF5 file at all").unwrap();
    let error = open_hdf5(&path, Hdf5Backend::Pure, &Limits::default()).err().unwrap();
    assert!(matches!(error, IoError::NotThisFormat { .. }), "{error}");
    if !cfg!(feature = "hdf5-c") {
        let error = open_hdf5(&path, Hdf5Backend::C, &Limits::default()).err().unwrap();
        assert!(error.to_string().contains("hdf5-c"), "{error}");
    }
}

#[test]
fn volumes_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("scans.h5");
    let volume = noise(&[7, 5, 4], DType::I16, 3);
    let named = format!("{}:/day1/t1", path.display());
    write(&named, &Image::new(volume.clone()), &WriteOptions::default()).unwrap();
    for name in [named.as_str(), path.to_str().unwrap()] {
        let back = read(name).unwrap();
        assert_eq!(back.volume(), &volume, "{name}");
        assert_eq!(probe(name).unwrap().format, "HDF5");
    }
    let source = open(&path, &ReadOptions::default().with_data_set(Some("/day1/t1".into()))).unwrap();
    volkit_core::conformance::check_source(&source, &volume).unwrap();
    let error = read(format!("{}:/day2", path.display())).unwrap_err();
    assert!(error.to_string().contains("day2"), "{error}");
    let options = WriteOptions::default().with_chunk(Some(vec![3, 2, 9])).with_hdf5_level(0);
    let sink = create(folder.path().join("sink.hdf5"), volume.meta(), None, &options).unwrap();
    volkit_core::conformance::check_sink(sink, &volume).unwrap();
    let path = folder.path().join("sink.hdf5");
    assert_eq!(read(&path).unwrap().volume(), &volume);
    let file = open_with(&path, Hdf5Backend::Pure);
    let data_set = file.data_set("volume").unwrap();
    assert_eq!(data_set.info().chunk, Some(vec![4, 2, 3]));
    assert_eq!(data_set.info().filters.iter().map(|filter| filter.id).collect::<Vec<_>>(), [2]);
}

#[test]
fn of_several_data_sets_one_must_be_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("two.h5");
    let writer = create_hdf5(&path, Hdf5Backend::Pure, &WriteOptions::default()).unwrap();
    for name in ["a", "b"] {
        writer.create_data_set(name, &[2, 3], DType::U8, &Hdf5Layout::for_array(&[2, 3], DType::U8)).unwrap();
    }
    let size = Hdf5Value::Numbers(Array::new([3], vec![3000.0f32, 2000.0, 1000.0]).unwrap());
    writer.set_attribute("b", "element_size_um", &size).unwrap();
    writer.finish().unwrap();
    let error = read(&path).unwrap_err().to_string();
    assert!(error.contains("2 data sets (a, b)") && error.contains("two.h5:/a"), "{error}");
    let named = probe(format!("{}:/b", path.display())).unwrap();
    assert_eq!((named.meta.shape(), named.meta.affine().spacing()), (&[3, 2][..], [1.0, 2.0, 3.0]));
}

#[test]
fn the_same_calls_give_the_same_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let volume = noise(&[70, 60, 50], DType::U16, 5);
    let files: Vec<Vec<u8>> = [1, 3]
        .into_iter()
        .map(|threads| {
            let path = folder.path().join(format!("{threads}.h5"));
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            let options = WriteOptions::default().with_chunk(Some(vec![16, 16, 16]));
            pool.install(|| write(&path, &Image::new(volume.clone()), &options)).unwrap();
            assert_eq!(read(&path).unwrap().volume(), &volume);
            std::fs::read(&path).unwrap()
        })
        .collect();
    assert_eq!(files[0], files[1]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Boxes in any order, whole chunks or not, twice over: what was written last is read.
    #[test]
    fn boxes_in_any_order(
        axes in prop::collection::vec((1usize..12, 1usize..6), 1..4),
        boxes in prop::collection::vec(prop::collection::vec((0.0f64..1.0, 0.0f64..1.0), 3), 1..8),
    ) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.h5");
        let shape: Vec<usize> = axes.iter().map(|axis| axis.0).collect();
        let layout = Hdf5Layout::for_array(&shape, DType::I32).with_chunk(Some(axes.iter().map(|axis| axis.1).collect()));
        let writer = create_hdf5(&path, Hdf5Backend::Pure, &WriteOptions::default()).unwrap();
        writer.create_data_set("x", &shape, DType::I32, &layout).unwrap();
        let reversed: Vec<usize> = shape.iter().rev().copied().collect();
        let mut expected = vec![0i32; shape.iter().product()];
        for (number, fractions) in boxes.iter().enumerate() {
            let start: Vec<usize> = shape.iter().zip(fractions).map(|(&n, f)| (n as f64 * f.0) as usize).collect();
            let size: Vec<usize> = shape.iter().zip(&start).zip(fractions)
                .map(|((&n, &a), f)| 1 + ((n - a - 1) as f64 * f.1) as usize).collect();
            let values: Vec<i32> = (0..size.iter().product::<usize>() as i32).map(|i| i + 1000 * (number as i32 + 1)).collect();
            writer.write_box("x", &start, &size, Voxels::I32(values.clone()).view()).unwrap();
            let turned = |sizes: &[usize]| sizes.iter().rev().copied().collect::<Vec<_>>();
            let rows = Region::new(turned(&start), turned(&size)).unwrap().rows(&reversed).unwrap();
            let len = rows.run_len();
            for (run, at) in rows.enumerate() {
                expected[at..at + len].copy_from_slice(&values[run * len..(run + 1) * len]);
            }
        }
        writer.finish().unwrap();
        for &backend in BACKENDS {
            prop_assert_eq!(read_all(open_with(&path, backend).as_ref(), "x"), Voxels::I32(expected.clone()));
        }
    }
}
