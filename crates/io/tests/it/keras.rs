//! Keras weight files.

use std::path::Path;

use hdf5_pure::{AttrValue, Datatype, DatatypeByteOrder, FileBuilder, FloatingPointLayout};
use volkit_core::{Array, ArrayStore, DType, MemoryStore, Voxels, conformance::check_store};
use volkit_io::{
    IoError, KerasLayer, KerasStore, Limits, SafetensorsStore, WriteOptions, keras_layers, write_keras,
    write_safetensors,
};

use crate::keras_files::{Kind, Lists, VALUES, write_network};
use crate::shared::shared;

fn open(path: &Path) -> KerasStore {
    KerasStore::open(path).unwrap()
}

fn refusal(path: &Path) -> String {
    let error = KerasStore::open(path).unwrap_err();
    let message = error.to_string();
    message.strip_prefix(&format!("{}: ", path.display())).unwrap_or(&message).to_owned()
}

/// Checks the network of [`write_network`].
fn check(store: &KerasStore, dtype: DType) {
    check_store(store).unwrap();
    assert_eq!(store.names(), ["bn/gamma:0", "conv/bias:0", "conv/kernel:0"]);
    assert_eq!(store.shape("conv/kernel:0"), Some((&[1, 1, 3, 1, 2][..], Some(dtype))));
    let kernel = store.get("conv/kernel:0").unwrap();
    assert_eq!((kernel.shape(), kernel.values().dtype()), (&[1, 1, 3, 1, 2][..], dtype));
    assert_eq!(kernel.to_real::<f32>().unwrap(), VALUES);
    assert_eq!(store.get("bn/gamma:0").unwrap().to_real::<f64>().unwrap(), [0.5]);
    let layers = ["conv_input", "conv", "bn"].map(String::from);
    assert_eq!(store.layers().iter().map(|layer| layer.name.clone()).collect::<Vec<_>>(), layers);
    let weights = vec!["conv/kernel:0".to_owned(), "conv/bias:0".to_owned()];
    assert_eq!(store.layers()[1], KerasLayer::new("conv", weights));
    assert_eq!(keras_layers(store).unwrap(), store.layers());
    assert_eq!(store.metadata("backend").as_deref(), Some("tensorflow"));
    assert_eq!(store.metadata("keras_version").as_deref(), Some("2.3.1"));
    assert_eq!(store.metadata("format").as_deref(), Some("keras"));
    assert_eq!(store.metadata("model_config"), None);
}

#[test]
fn both_layouts_and_all_ways_to_list_names() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.h5");
    for group in ["", "model_weights"] {
        for lists in [Lists::Fixed, Lists::Variable, Lists::Parts] {
            write_network(&path, group, lists, Kind::F32);
            check(&open(&path), DType::F32);
        }
    }
}

#[test]
fn element_types_byte_orders_and_compression() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.h5");
    for (kind, dtype) in [
        (Kind::F16, DType::F16),
        (Kind::F64, DType::F64),
        (Kind::BigEndian, DType::F32),
        (Kind::Chunked, DType::F32),
        (Kind::Compressed, DType::F32),
    ] {
        write_network(&path, "", Lists::Fixed, kind);
        check(&open(&path), dtype);
    }
}

#[test]
fn the_copy_in_a_safetensors_file_is_the_same_store() {
    let folder = tempfile::tempdir().unwrap();
    let (path, copy) = (folder.path().join("a.h5"), folder.path().join("a.safetensors"));
    write_network(&path, "", Lists::Fixed, Kind::F32);
    let store = open(&path);
    let mut memory = MemoryStore::new();
    for name in store.names() {
        memory.insert(name.clone(), store.get(&name).unwrap());
    }
    for (key, text) in store.all_metadata() {
        memory.set_metadata(key, text);
    }
    write_safetensors(&copy, &memory).unwrap();
    let again = SafetensorsStore::open(&copy).unwrap();
    assert_eq!(keras_layers(&again).unwrap(), store.layers());
    for name in store.names() {
        assert_eq!(again.get(&name).unwrap(), store.get(&name).unwrap());
    }
}

#[test]
fn other_element_types_are_refused_when_they_are_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.h5");
    write_network(&path, "", Lists::Fixed, Kind::I32);
    let store = open(&path);
    assert_eq!(store.shape("conv/kernel:0"), Some((&[1, 1, 3, 1, 2][..], None)));
    let error = store.get("conv/kernel:0").unwrap_err().to_string();
    let wanted = "'conv/conv/kernel:0': has element type i32; weights are 16-, 32- or 64-bit floats";
    assert!(error.ends_with(wanted), "{error}");
    // The others can still be read.
    assert_eq!(store.get("bn/gamma:0").unwrap().values(), &Voxels::F32(vec![0.5]));
    // Half as many bits as f32, but those of another type.
    write_network(&path, "", Lists::Fixed, Kind::Bf16);
    assert!(open(&path).get("conv/kernel:0").is_err());
}

#[test]
fn names_that_lead_nowhere_are_errors() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.h5");
    let write = |layers: &[&str], weights: AttrValue| {
        let mut file = FileBuilder::new();
        file.set_attr("layer_names", AttrValue::AsciiStringArray(layers.iter().map(|&s| s.to_owned()).collect()));
        let mut layer = file.create_group("conv");
        layer.set_attr("weight_names", weights);
        layer.create_dataset("kernel:0").with_f32_data(&[1.0]);
        file.add_group(layer.finish());
        file.write(&path).unwrap();
    };
    let one = |name: &str| AttrValue::AsciiStringArray(vec![name.to_owned()]);
    write(&["conv"], one("kernel:0"));
    let store = open(&path);
    assert_eq!(store.names(), ["conv/kernel:0"]);
    assert_eq!(store.get("conv/kernel:0").unwrap().values(), &Voxels::F32(vec![1.0]));
    let error = store.get("conv/conv/kernel:0").unwrap_err();
    assert!(matches!(*error.downcast::<IoError>().unwrap(), IoError::Core { .. }));

    write(&["conv", "lost"], one("kernel:0"));
    assert!(refusal(&path).starts_with("'lost': "), "{}", refusal(&path));
    write(&["conv"], one("conv/kernel:0"));
    assert!(refusal(&path).starts_with("'conv/conv/kernel:0': "), "{}", refusal(&path));
    write(&["conv", "conv"], one("kernel:0"));
    assert_eq!(refusal(&path), "'conv': 'layer_names' names this layer twice");
    write(&["conv"], AttrValue::F64Array(vec![1.0]));
    assert_eq!(refusal(&path), "'conv': its attribute 'weight_names' is no list of texts");
    write(&["conv"], AttrValue::AsciiStringArray(vec!["kernel:0".to_owned(); 2]));
    assert_eq!(refusal(&path), "'conv/kernel:0': two arrays would be named 'conv/kernel:0'");
}

#[test]
fn files_without_layers_are_of_another_format() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.h5");
    assert!(matches!(KerasStore::open(&path), Err(IoError::MissingFile { .. })));
    for bytes in [&b""[..], b"\x89HDF", &[0; 4096]] {
        std::fs::write(&path, bytes).unwrap();
        assert!(KerasStore::open(&path).is_err());
    }
    assert_eq!(refusal(&path), "not a volume that can be read: no HDF5 file");
    let mut file = FileBuilder::new();
    file.create_dataset("layers").with_f32_data(&[1.0]);
    file.write(&path).unwrap();
    assert!(refusal(&path).contains("no attribute 'layer_names', neither at its root nor in a group"));
    let mut file = FileBuilder::new();
    let model = file.create_group("model_weights");
    file.add_group(model.finish());
    file.write(&path).unwrap();
    assert!(refusal(&path).contains("no attribute 'layer_names'"));
}

#[test]
fn sizes_are_checked_before_anything_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.h5");
    write_network(&path, "", Lists::Fixed, Kind::F32);
    let store = KerasStore::open_with(&path, &Limits::default().with_volume_bytes(23)).unwrap();
    let error = store.get("conv/kernel:0").unwrap_err().to_string();
    assert!(error.ends_with("data set 'conv/conv/kernel:0' needs 24 bytes, the limit is 23"), "{error}");
    assert!(store.get("bn/gamma:0").is_ok());
}

/// The headers of files as Keras writes them carry no checksums, so that a wrong size reaches the checks.
#[test]
fn absurd_sizes_and_unwritten_storage_are_errors() {
    let Some(golden) = shared("golden/synthseg/weights/v2.h5") else { return };
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.h5");
    let good = std::fs::read(golden).unwrap();
    let find = |numbers: &[u64]| {
        let bytes: Vec<u8> = numbers.iter().flat_map(|n| n.to_le_bytes()).collect();
        good.windows(bytes.len()).position(|window| window == bytes).unwrap()
    };
    let message = |at: usize, number: u64| {
        let mut bad = good.clone();
        bad[at..at + 8].copy_from_slice(&number.to_le_bytes());
        std::fs::write(&path, &bad).unwrap();
        let store = KerasStore::open_with(&path, &Limits::default().with_volume_bytes(1 << 33)).unwrap();
        let errors: Vec<String> =
            store.names().iter().filter_map(|name| store.get(name).err()).map(|error| error.to_string()).collect();
        assert_eq!(errors.len(), 1, "{errors:?}");
        errors.into_iter().next().unwrap()
    };
    // The last kernel, [1, 1, 1, 8, 33].
    let shape = find(&[1, 1, 1, 8, 33]);
    let name = "'unet_likelihood/unet_likelihood/kernel:0'";
    for (size, wanted) in [
        (34, "expected 1088 bytes, got 1056 bytes"),
        (1 << 26, "too large for a file of"),
        (1 << 40, "the limit is 8589934592"),
        (1 << 62, "is too large"),
    ] {
        let error = message(shape + 32, size);
        assert!(error.contains(name) && error.contains(wanted), "{size}: {error}");
    }
    // A size in bytes stands behind the address of the values; all ones mean that there are none.
    let layout = good.windows(2).enumerate().skip(shape).find(|(_, bytes)| *bytes == [3, 1]).unwrap().0;
    let error = message(layout + 2, u64::MAX);
    assert!(error.ends_with(&format!("{name}: was never written")), "{error}");
    let error = message(layout + 2, 1 << 40);
    assert!(error.contains(name), "{error}");
}

/// Any byte may be wrong: an error or other values, never a panic.
#[test]
fn damaged_files_never_panic() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.h5");
    for (lists, kind) in [(Lists::Variable, Kind::F32), (Lists::Fixed, Kind::Compressed)] {
        write_network(&path, "model_weights", lists, kind);
        let good = std::fs::read(&path).unwrap();
        let limits = Limits::default().with_volume_bytes(1 << 20);
        let read_all = |bytes: &[u8]| {
            std::fs::write(&path, bytes).unwrap();
            let Ok(store) = KerasStore::open_with(&path, &limits) else { return 0 };
            store.names().iter().filter(|name| store.get(name).is_ok()).count()
        };
        assert_eq!(read_all(&good), 3);
        let mut state = 1u64;
        for round in 0..600 {
            let mut bad = good.clone();
            for _ in 0..=round % 3 {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                let at = (state >> 33) as usize % bad.len();
                bad[at] = [0, 0xff, 0x80, (state >> 20) as u8][(state >> 30) as usize % 4];
            }
            read_all(&bad);
        }
        for length in (0..good.len()).step_by(37) {
            assert!(read_all(&good[..length]) < 3, "{length}");
        }
    }
}

#[test]
fn no_value_and_one_value() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.h5");
    let mut file = FileBuilder::new();
    file.set_attr("layer_names", AttrValue::AsciiStringArray(vec!["a".to_owned()]));
    let mut layer = file.create_group("a");
    layer.set_attr("weight_names", AttrValue::AsciiStringArray(vec!["none:0".to_owned(), "scalar:0".to_owned()]));
    layer.create_dataset("none:0").with_f32_data(&[]).with_shape(&[0, 3]);
    let f32_type = Datatype::FloatingPoint {
        size: 4,
        byte_order: DatatypeByteOrder::LittleEndian,
        layout: FloatingPointLayout::IEEE754_BINARY32,
    };
    layer.create_dataset("scalar:0").with_raw_data(f32_type, 2.5f32.to_le_bytes().to_vec(), 1).with_shape(&[]);
    file.add_group(layer.finish());
    file.write(&path).unwrap();
    let store = open(&path);
    // No value needs no storage, and one value has no axis.
    assert_eq!(store.get("a/none:0").unwrap().shape(), [0, 3]);
    let scalar = store.get("a/scalar:0").unwrap();
    assert_eq!((scalar.shape(), scalar.values()), (&[][..], &Voxels::F32(vec![2.5])));
}

#[test]
fn published_layouts_open() {
    let Some(folder) = shared("golden/synthseg/weights") else { return };
    for (file, layers, arrays, first, shape) in [
        ("v1.h5", 24, 42, "unet_conv_downarm_0_0/kernel:0", [3, 3, 3, 1, 8]),
        ("v2.h5", 24, 42, "unet_conv_downarm_0_0/kernel:0", [3, 3, 3, 1, 8]),
        ("parc.h5", 24, 42, "unet_parc_conv_downarm_0_0/kernel:0", [3, 3, 3, 3, 8]),
        ("robust.h5", 73, 126, "l2l_conv_downarm_0_0/kernel:0", [5, 5, 5, 33, 6]),
        ("qc.h5", 31, 44, "qc_conv_downarm_0_0/kernel:0", [5, 5, 5, 6, 4]),
    ] {
        let store = open(&folder.join(file));
        check_store(&store).unwrap();
        assert_eq!((store.layers().len(), store.names().len()), (layers, arrays), "{file}");
        let (got, dtype) = store.shape(first).unwrap();
        assert_eq!((got[0], got[1], got[2], got[4], dtype), (shape[0], shape[1], shape[2], shape[4], Some(DType::F32)));
        assert_eq!(store.get(first).unwrap().shape(), got);
        assert_eq!(store.metadata("backend").as_deref(), Some("tensorflow"));
        assert!(store.metadata("keras_version").unwrap().starts_with("2."));
        let levels = |layer: &&KerasLayer| layer.name.contains("conv_downarm_") && layer.name.ends_with("_0");
        assert!(store.layers().iter().filter(levels).all(|layer| layer.weights.len() == 2));
    }
}

#[test]
fn stores_are_written_as_keras_writes_them() {
    let folder = tempfile::tempdir().unwrap();
    let (source, copy) = (folder.path().join("a.h5"), folder.path().join("b.h5"));
    write_network(&source, "", Lists::Variable, Kind::F32);
    let network = open(&source);
    let mut store = MemoryStore::new();
    network.names().iter().for_each(|name| store.insert(name.as_str(), network.get(name).unwrap()));
    network.all_metadata().iter().for_each(|(key, text)| store.set_metadata(key.as_str(), text.as_str()));
    store.set_metadata("spacing_mm", "2");
    write_keras(&copy, &store, &WriteOptions::default()).unwrap();
    check(&open(&copy), DType::F32);
    assert_eq!(open(&copy).all_metadata(), store.all_metadata());
    // A store that says nothing of layers: they follow from the names.
    let mut store = MemoryStore::new();
    store.insert("b/gamma:0", Array::new([2], vec![1.5f64, -2.0]).unwrap());
    store.insert("a/kernel:0", Array::new([1, 2], vec![3.0f32, 4.0]).unwrap());
    store.insert("a/bias:0", Array::new([1], vec![5.0f32]).unwrap());
    write_keras(&copy, &store, &WriteOptions::default()).unwrap();
    let found = open(&copy);
    let layers: Vec<&str> = found.layers().iter().map(|layer| layer.name.as_str()).collect();
    assert_eq!((layers, found.names()), (vec!["a", "b"], store.names()));
    for name in store.names() {
        let (wanted, got) = (store.get(&name).unwrap(), found.get(&name).unwrap());
        assert_eq!((wanted.shape(), wanted.values()), (got.shape(), got.values()), "{name}");
    }
    assert_eq!(found.metadata("keras_version").as_deref(), Some("2.3.1"));
}

#[test]
fn what_no_layer_has_is_not_written() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.h5");
    let mut store = MemoryStore::new();
    store.insert("alone", Array::new([1], vec![3.0f32]).unwrap());
    let error = write_keras(&path, &store, &WriteOptions::default()).unwrap_err().to_string();
    assert!(error.contains("alone") && error.contains("belongs to no layer"), "{error}");
    // An array that the metadata names but the store lacks, and a file that stands.
    store = MemoryStore::new();
    store.set_metadata("layers", r#"[{"name":"conv","weights":["conv/kernel:0"]}]"#);
    let error = write_keras(&path, &store, &WriteOptions::default()).unwrap_err();
    assert!(matches!(error, IoError::DataSet { ref name, .. } if name == "conv/conv/kernel:0"), "{error}");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "nothing half-written");
    std::fs::write(&path, b"mine").unwrap();
    let mut options = WriteOptions::default();
    options.overwrite = false;
    write_keras(&path, &MemoryStore::new(), &options).unwrap_err();
    assert_eq!(std::fs::read(&path).unwrap(), b"mine");
}
