//! Reading and writing by boxes.

use std::time::Instant;

use volkit_core::{
    Affine, DType, Region, Volume, VolumeMeta, VolumeSource as _, conformance::check_sink, conformance::check_source,
    read_vec,
};
use volkit_io::{Image, ReadOptions, Values, WriteOptions, create, open, read, read_with, write};

use crate::shared::{bytes_of, names_in, noise, oblique};

#[test]
fn sources_keep_their_contract() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["a.nii", "a.nii.gz", "a.img", "a.mgh", "a.mgz", "a.npz"] {
        for shape in [&[7, 6, 5][..], &[1, 1, 1], &[40, 9, 8, 2]] {
            for endian in [volkit_io::Endian::Little, volkit_io::Endian::Big] {
                let volume = noise(shape, DType::I16, 5);
                let path = folder.path().join(name);
                write(&path, &Image::new(volume), &WriteOptions::new().with_endian(endian)).unwrap();
                let expected = read(&path).unwrap().into_volume();
                // Without the copy in memory every step back inflates again.
                for cache in [0, 1 << 20] {
                    let source = open(&path, &ReadOptions::new().with_gzip_cache_bytes(cache)).unwrap();
                    check_source(&source, &expected).unwrap_or_else(|error| panic!("{name} {shape:?}: {error}"));
                }
            }
        }
    }
}

#[test]
fn scaled_sources_give_the_values_that_were_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.nii.gz");
    let values: Vec<f32> = (0..6000).map(|i| (i as f32).sqrt()).collect();
    let volume = Volume::new([30, 20, 10], values, Affine::IDENTITY).unwrap();
    let options = WriteOptions::new().with_dtype(DType::U16).with_rescale(true);
    write(&path, &Image::new(volume), &options).unwrap();
    for values in [Values::Native, Values::Stored, Values::F32, Values::F64] {
        let options = ReadOptions::new().with_values(values);
        let image = read_with(&path, &options).unwrap();
        let source = open(&path, &options).unwrap();
        check_source(&source, image.volume()).unwrap();
        let expected = match values {
            Values::Stored => DType::U16,
            Values::F32 => DType::F32,
            _ => DType::F64,
        };
        assert_eq!(image.volume().dtype(), expected);
    }
}

#[test]
fn sinks_keep_their_contract() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["a.nii", "a.nii.gz", "a.img", "a.img.gz", "a.mgh", "a.mgz", "a.npy", "a.npz"] {
        for shape in [&[7, 6, 5][..], &[1, 1, 1], &[9, 8, 3, 2]] {
            let volume = noise(shape, DType::U16, 6);
            let path = folder.path().join(name);
            let sink = create(&path, volume.meta(), None, &WriteOptions::default()).unwrap();
            check_sink(sink, &volume).unwrap_or_else(|error| panic!("{name} {shape:?}: {error}"));
            assert!(bytes_of(read(&path).unwrap().volume()) == bytes_of(&volume), "{name} {shape:?}");
        }
    }
    assert!(names_in(folder.path()).iter().all(|name| !name.contains("tmp")));
}

#[test]
fn slabs_in_order_give_the_same_bytes_as_a_whole_write() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["a.nii.gz", "a.mgz", "a.nii"] {
        let volume = noise(&[8, 7, 6], DType::F32, 2);
        let (slabs, whole) = (folder.path().join(name), folder.path().join(format!("whole_{name}")));
        write(&whole, &Image::new(volume.clone()), &WriteOptions::default()).unwrap();
        let sink = create(&slabs, volume.meta(), None, &WriteOptions::default()).unwrap();
        for z in 0..6 {
            let region = Region::new([0, 0, z], [8, 7, 1]).unwrap();
            let values: Vec<f32> = read_vec(&volume, &region).unwrap();
            sink.write_region(&region, values.as_slice().into()).unwrap();
        }
        sink.finish().unwrap();
        assert!(bytes_of(read(&slabs).unwrap().volume()) == bytes_of(&volume), "{name}");
        assert!(bytes_of(read(&whole).unwrap().volume()) == bytes_of(&volume), "{name}");
    }
}

#[test]
fn voxels_that_are_never_written_are_zero() {
    let folder = tempfile::tempdir().unwrap();
    let meta = VolumeMeta::new([4, 3, 2], DType::I16, oblique()).unwrap();
    for (name, first) in [("a.nii", 0), ("a.nii.gz", 0), ("b.nii.gz", 1)] {
        let path = folder.path().join(name);
        let sink = create(&path, &meta, None, &WriteOptions::default()).unwrap();
        // The second case begins out of order.
        let region = Region::new([0, first, 0], [4, 1, 1]).unwrap();
        sink.write_region(&region, [1.0f32, 2.0, 3.0, 4.0].as_slice().into()).unwrap();
        sink.finish().unwrap();
        let mut expected = vec![0i16; 24];
        expected[4 * first..4 * first + 4].copy_from_slice(&[1, 2, 3, 4]);
        assert_eq!(read(&path).unwrap().volume().as_slice::<i16>(), Some(expected.as_slice()));
    }
}

#[test]
fn a_forward_sweep_of_a_compressed_file_costs_one_inflate() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.nii.gz");
    let volume = noise(&[128, 128, 160], DType::I16, 4);
    write(&path, &Image::new(volume), &WriteOptions::new().with_gzip_level(1)).unwrap();
    let time = |work: &dyn Fn()| {
        let start = Instant::now();
        work();
        start.elapsed().as_secs_f64()
    };
    let whole = time(&|| drop(read(&path).unwrap()));
    let options = ReadOptions::new().with_gzip_cache_bytes(0);
    let source = open(&path, &options).unwrap();
    let sweep = time(&|| {
        for z in 0..160 {
            let region = Region::new([0, 0, z], [128, 128, 1]).unwrap();
            drop(read_vec::<i16>(&source, &region).unwrap());
        }
    });
    // One inflate per slab would cost about eighty times a whole read; the bound leaves room for a busy machine.
    assert!(sweep < 15.0 * whole + 0.05, "sweep {sweep} s, whole {whole} s");
    assert_eq!(source.meta().n_voxels(), 128 * 128 * 160);
}
