//! `volconv weights`.

use std::path::Path;
use std::process::{Command, Output};

use hdf5_pure::{AttrValue, FileBuilder};
use sha2::{Digest as _, Sha256};
use volkit_core::{ArrayStore as _, DType};
use volkit_io::{KerasStore, SafetensorsStore, keras_layers};

fn volconv(args: &[&Path]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_volconv")).arg("weights").args(args).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// Two layers, one without weights; the last value of the bias is `last`.
fn write_weights(path: &Path, last: f64) {
    let names = |names: &[&str]| AttrValue::AsciiStringArray(names.iter().map(|&name| name.to_owned()).collect());
    let mut file = FileBuilder::new();
    file.set_attr("layer_names", names(&["unet_input", "unet_conv"]));
    file.set_attr("backend", AttrValue::AsciiString("tensorflow".to_owned()));
    file.set_attr("keras_version", AttrValue::AsciiString("2.3.1".to_owned()));
    let mut input = file.create_group("unet_input");
    input.set_attr("weight_names", AttrValue::F64Array(Vec::new()));
    file.add_group(input.finish());
    let mut conv = file.create_group("unet_conv");
    conv.set_attr("weight_names", names(&["unet_conv/kernel:0", "unet_conv/bias:0"]));
    let mut scope = conv.create_group("unet_conv");
    scope.create_dataset("kernel:0").with_f32_data(&[0.1, -2.0, 3.5, 1e-3]).with_shape(&[1, 1, 2, 1, 2]);
    scope.create_dataset("bias:0").with_f64_data(&[0.5, last]);
    conv.add_group(scope.finish());
    file.add_group(conv.finish());
    file.write(path).unwrap();
}

#[test]
fn the_copy_is_the_same_store() {
    let folder = tempfile::tempdir().unwrap();
    let (input, output) = (folder.path().join("my weights.h5"), folder.path().join("out.safetensors"));
    write_weights(&input, 2.0);
    let done = volconv(&[&input, &output]);
    assert!(done.status.success(), "{}", text(&done.stderr));
    assert!(text(&done.stdout).ends_with("out.safetensors: 2 arrays, 6 values, f32\n"));
    let (keras, copy) = (KerasStore::open(&input).unwrap(), SafetensorsStore::open(&output).unwrap());
    assert_eq!(copy.names(), keras.names());
    for name in keras.names() {
        let (wanted, got) = (keras.get(&name).unwrap(), copy.get(&name).unwrap());
        assert_eq!((got.shape(), got.values().dtype()), (wanted.shape(), DType::F32));
        assert_eq!(got.to_real::<f32>().unwrap(), wanted.to_real::<f32>().unwrap());
    }
    assert_eq!(keras_layers(&copy).unwrap(), keras.layers());
    for key in ["format", "backend", "keras_version", "layers"] {
        assert_eq!(copy.metadata(key), keras.metadata(key), "{key}");
    }
    assert_eq!(copy.metadata("source").as_deref(), Some("my weights.h5"));
    let digest = Sha256::digest(std::fs::read(&input).unwrap());
    let sum: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(copy.metadata("source_sha256"), Some(sum));
    // Twice the same is the same; but not without being told.
    let bytes = std::fs::read(&output).unwrap();
    let refused = volconv(&[&input, &output]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(text(&refused.stderr).ends_with("exists already; --overwrite replaces it\n"));
    assert!(volconv(&[&input, &output, Path::new("--overwrite")]).status.success());
    assert_eq!(std::fs::read(&output).unwrap(), bytes);
}

#[test]
fn a_copy_becomes_a_keras_file_again() {
    let folder = tempfile::tempdir().unwrap();
    let [input, copy, back] = ["in.h5", "copy.safetensors", "back.h5"].map(|name| folder.path().join(name));
    write_weights(&input, 2.0);
    assert!(volconv(&[&input, &copy]).status.success());
    let done = volconv(&[&copy, &back]);
    assert!(done.status.success(), "{}", text(&done.stderr));
    assert!(text(&done.stdout).ends_with("back.h5: 2 arrays, 6 values, f32\n"));
    let (first, last) = (KerasStore::open(&input).unwrap(), KerasStore::open(&back).unwrap());
    assert_eq!(last.layers(), first.layers());
    for name in first.names() {
        let (wanted, got) = (first.get(&name).unwrap(), last.get(&name).unwrap());
        assert_eq!((got.shape(), got.to_real::<f32>().unwrap()), (wanted.shape(), wanted.to_real::<f32>().unwrap()));
    }
}

#[test]
fn the_networks_of_the_golden_folder_come_through() {
    let root = std::env::var_os("VOLKIT_SHARED")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared"), std::path::PathBuf::from);
    let weights = root.join("golden/synthseg/weights");
    let Ok(entries) = std::fs::read_dir(&weights) else {
        println!("skipped: {} is not there", weights.display());
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let mut n_files = 0;
    for input in entries.map(|entry| entry.unwrap().path()).filter(|path| path.extension().is_some_and(|e| e == "h5")) {
        let name = input.file_stem().unwrap().to_string_lossy().into_owned();
        let keras = KerasStore::open(&input).unwrap();
        for (suffix, half) in [("", false), ("_half", true)] {
            let output = folder.path().join(format!("{name}{suffix}.safetensors"));
            let flag = Path::new("--half");
            let args: &[&Path] = if half { &[&input, &output, flag] } else { &[&input, &output] };
            let done = volconv(args);
            assert!(done.status.success(), "{name}: {}", text(&done.stderr));
            let copy = SafetensorsStore::open(&output).unwrap();
            assert_eq!(copy.names(), keras.names(), "{name}");
            assert_eq!(keras_layers(&copy).unwrap(), keras.layers(), "{name}");
            for array in keras.names() {
                let (wanted, got) = (keras.get(&array).unwrap(), copy.get(&array).unwrap());
                assert_eq!(got.shape(), wanted.shape(), "{name} {array}");
                let (wanted, got) = (wanted.to_real::<f32>().unwrap(), got.to_real::<f32>().unwrap());
                // 11 bits; below 2^-14 the steps of f16 stay 2^-24.
                let near = |(a, b): (&f32, &f32)| (a - b).abs() <= (b.abs() / 2048.0).max(2f32.powi(-25));
                assert!(if half { got.iter().zip(&wanted).all(near) } else { got == wanted }, "{name} {array}");
            }
            let file_name = input.file_name().unwrap().to_string_lossy().into_owned();
            assert_eq!(copy.metadata("source"), Some(file_name));
            // The list of the copy is as long as that of the original.
            let lines = |path: &Path| text(&volconv(&[path, Path::new("--list")]).stdout).lines().count();
            assert_eq!((lines(&output), lines(&input)), (keras.names().len(), keras.names().len()), "{name}");
        }
        n_files += 1;
    }
    assert!(n_files >= 5, "{n_files} weight files");
}

#[test]
fn half_halves_what_it_can() {
    let folder = tempfile::tempdir().unwrap();
    let (input, output) = (folder.path().join("in.h5"), folder.path().join("out.safetensors"));
    write_weights(&input, 1e6);
    let done = volconv(&[&input, &output, Path::new("--half")]);
    assert!(done.status.success(), "{}", text(&done.stderr));
    assert!(text(&done.stderr).contains("array 'unet_conv/bias:0': warning: has values that are too large for f16"));
    let copy = SafetensorsStore::open(&output).unwrap();
    assert_eq!(copy.shape("unet_conv/kernel:0").unwrap().1, Some(DType::F16));
    let kernel = copy.get("unet_conv/kernel:0").unwrap().to_real::<f32>().unwrap();
    assert!(
        kernel.iter().zip([0.1, -2.0, 3.5, 1e-3]).all(|(got, wanted)| (got - wanted).abs() <= wanted.abs() / 2048.0)
    );
    assert_eq!(copy.get("unet_conv/bias:0").unwrap().to_real::<f32>().unwrap(), [0.5, 1e6]);
}

#[test]
fn lists_both_kinds_of_files() {
    let folder = tempfile::tempdir().unwrap();
    let (input, output) = (folder.path().join("in.h5"), folder.path().join("out.safetensors"));
    write_weights(&input, 2.0);
    let list = Path::new("--list");
    let done = volconv(&[&input, list]);
    assert_eq!(text(&done.stdout), "unet_conv/kernel:0 [1, 1, 2, 1, 2] f32\nunet_conv/bias:0 [2] f64\n");
    assert!(volconv(&[&input, &output]).status.success());
    let done = volconv(&[&output, list]);
    assert_eq!(text(&done.stdout), "unet_conv/bias:0 [2] f32\nunet_conv/kernel:0 [1, 1, 2, 1, 2] f32\n");
}

#[test]
fn what_is_wrong_is_told_and_nothing_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let (input, output) = (folder.path().join("in.h5"), folder.path().join("out.safetensors"));
    let message = |args: &[&Path], code: i32| {
        let done = volconv(args);
        assert_eq!(done.status.code(), Some(code));
        assert!(!output.exists());
        text(&done.stderr)
    };
    assert!(message(&[&input, &output], 1).contains("in.h5: no such file"));
    assert!(message(&[&input], 2).contains("<OUT>"));
    std::fs::write(&input, b"no weights").unwrap();
    assert!(message(&[&input, &output], 1).contains("in.h5: "));
    assert!(message(&[&input, Path::new("--list")], 1).contains("in.h5: "));
    write_weights(&input, 1e300);
    assert!(message(&[&input, &output], 1).contains("array 'unet_conv/bias:0': has values that are too large for f32"));
    let lost = folder.path().join("no/such/out.safetensors");
    write_weights(&input, 1.0);
    assert!(message(&[&input, &lost], 1).contains("no/such/out.safetensors"));
}
