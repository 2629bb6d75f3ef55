//! Bad input: one line that names file, field and value, exit code 1, and nothing left behind.

use std::fs;

use volkit_core::{Affine, Array, Complex, MemoryStore, Volume};
use volkit_io::write_safetensors;

use crate::bench::{Bench, threshold_weights};

/// Runs and checks everything that every failure has in common; returns the line without `error: `.
fn refused(bench: &Bench, arguments: &str) -> String {
    let before = bench.listing();
    let ran = bench.run(&format!("{arguments} --quiet"));
    assert_eq!(ran.code, Some(1), "{arguments}: {ran:?}");
    assert_eq!(ran.stdout, "");
    assert_eq!(ran.stderr.lines().count(), 1, "{arguments}: {}", ran.stderr);
    assert_eq!(bench.listing(), before, "{arguments}");
    ran.stderr.trim_end().strip_prefix("error: ").unwrap().to_owned()
}

fn refused_scan(bench: &Bench, name: &str) -> String {
    let outputs = "--o new/labels.nii.gz --vol new/v.csv --picture new/p.png --json new/r.json";
    let line = refused_but_report(bench, &format!("--i {name} --model model.safetensors {outputs}"));
    assert!(line.starts_with(&format!("{name}: ")), "{line}");
    line
}

/// A run that starts writes its report also when the scan fails; nothing else may be left.
fn refused_but_report(bench: &Bench, arguments: &str) -> String {
    let before = bench.listing();
    let ran = bench.run(&format!("{arguments} --quiet"));
    assert_eq!((ran.code, ran.stderr.lines().count()), (Some(1), 1), "{arguments}: {ran:?}");
    let left: Vec<String> = bench.listing().into_iter().filter(|name| !before.contains(name)).collect();
    assert!(left.is_empty() || left == ["new", "new/r.json"], "{arguments}: {left:?}");
    if let Ok(report) = fs::read_to_string(bench.path("new/r.json")) {
        assert!(report.contains("\"failed\""), "{report}");
        fs::remove_dir_all(bench.path("new")).unwrap();
    }
    ran.stderr.trim_end().strip_prefix("error: ").unwrap().to_owned()
}

fn filled(shape: &[usize]) -> Volume {
    Volume::new(shape, vec![1i16; shape.iter().product()], Affine::IDENTITY).unwrap()
}

/// Overwrites bytes of a file.
fn patch(bench: &Bench, name: &str, at: usize, bytes: &[u8]) {
    let mut content = fs::read(bench.path(name)).unwrap();
    content[at..at + bytes.len()].copy_from_slice(bytes);
    fs::write(bench.path(name), content).unwrap();
}

#[test]
fn a_missing_file() {
    let bench = Bench::new();
    for (input, message) in [
        ("none.nii.gz", "none.nii.gz: no such file"),
        ("none", "none: no such file or folder"),
        ("none.txt", "none.txt: can not read the list of --i: No such file"),
    ] {
        let line = refused(&bench, &format!("--i {input} --o out.nii.gz --model model.safetensors"));
        assert!(line.starts_with(message), "{line}");
    }
    bench.scan("scan.nii");
    let line = refused(&bench, "--i scan.nii --o out.nii.gz --model none.safetensors");
    assert!(line.starts_with("none.safetensors: no such file"), "{line}");
    let line = refused(&bench, "--i scan.nii --o out.nii.gz --model model.safetensors --labels none.txt");
    assert!(line.starts_with("none.txt: can not read"), "{line}");
}

#[test]
fn a_wrong_suffix() {
    let bench = Bench::new();
    bench.scan("scan.nii");
    bench.text("scan.png", "");
    let line = refused(&bench, "--i scan.png --o out.nii --model model.safetensors");
    assert_eq!(line, "scan.png: suffix = '.png': a scan ends in one of .nii.gz .nii .mgz .npz, a list in .txt");
    let line = refused(&bench, "--i scan.nii --o out.png --model model.safetensors");
    assert_eq!(line, "out.png: --o suffix = '.png': expected .nii.gz .nii .mgz .npz or a folder");
    let line = refused(&bench, "--i scan.nii --o out.nii.zip --model model.safetensors");
    assert_eq!(line, "out.nii.zip: suffix: must end in one of .nii.gz .nii .mgz .npz");
    let line = refused(&bench, "--i scan.nii --o out.nii --picture p.jpg --model model.safetensors");
    assert_eq!(line, "p.jpg: --picture suffix = '.jpg': expected .png or a folder");
}

#[test]
fn a_damaged_file() {
    let bench = Bench::new();
    bench.scan("cut.nii.gz");
    let whole = fs::read(bench.path("cut.nii.gz")).unwrap();
    fs::write(bench.path("cut.nii.gz"), &whole[..whole.len() / 2]).unwrap();
    refused_scan(&bench, "cut.nii.gz");

    bench.scan("short.nii");
    let whole = fs::read(bench.path("short.nii")).unwrap();
    fs::write(bench.path("short.nii"), &whole[..whole.len() - 1000]).unwrap();
    let line = refused_scan(&bench, "short.nii");
    assert!(line.contains("expected"), "{line}");

    bench.scan("huge.nii");
    patch(&bench, "huge.nii", 42, &[0xff, 0x7f, 0xff, 0x7f, 0xff, 0x7f]);
    let line = refused_scan(&bench, "huge.nii");
    assert!(line.chars().any(|c| c.is_ascii_digit()), "{line}");

    bench.scan("negative.nii");
    patch(&bench, "negative.nii", 42, &[0xff, 0xff]);
    let line = refused_scan(&bench, "negative.nii");
    assert!(line.contains("dim"), "{line}");

    bench.text("text.nii", "no header at all");
    refused_scan(&bench, "text.nii");
    bench.text("empty.nii.gz", "");
    refused_scan(&bench, "empty.nii.gz");
}

#[test]
fn an_affine_that_is_not_finite() {
    let bench = Bench::new();
    bench.scan("nan.nii");
    patch(&bench, "nan.nii", 280, &f32::NAN.to_le_bytes());
    let line = refused_scan(&bench, "nan.nii");
    assert!(line.contains("NaN"), "{line}");
}

#[test]
fn volumes_that_are_no_scans() {
    let bench = Bench::new();
    bench.volume("flat.nii", &filled(&[64, 64]));
    bench.volume("slice.nii", &filled(&[64, 64, 1]));
    bench.volume("vectors.nii", &filled(&[8, 8, 8, 1, 3]));
    bench.volume("colours.nii", &Volume::new([8; 3], vec![[1u8, 2, 3]; 512], Affine::IDENTITY).unwrap());
    let complex = Volume::new([8; 3], vec![Complex::new(1.0f32, 0.0); 512], Affine::IDENTITY).unwrap();
    bench.volume("complex.nii", &complex);
    bench.volume("nothing.nii", &Volume::new([8; 3], vec![f32::NAN; 512], Affine::IDENTITY).unwrap());
    for (name, message) in [
        ("flat.nii", "scan: shape = [64, 64"),
        ("slice.nii", "scan: shape = [64, 64"),
        ("vectors.nii", "scan: shape = [8, 8, 8, 1, 3]: a scan has three spatial axes and at most one more"),
        ("colours.nii", "scan: element type = rgb24: a scan has one real number a voxel"),
        ("complex.nii", "scan: element type = complex64: a scan has one real number a voxel"),
        ("nothing.nii", "scan: values = 512 voxels, none finite: there is nothing to segment"),
    ] {
        let line = refused_scan(&bench, name);
        assert!(line.starts_with(&format!("{name}: {message}")), "{line}");
    }
}

#[test]
fn weights_of_another_shape_or_kind() {
    let bench = Bench::new();
    bench.scan("scan.nii");
    let model = |store: &MemoryStore| {
        write_safetensors(bench.path("other.safetensors"), store).unwrap();
        refused(&bench, "--i scan.nii --o new/out.nii --model other.safetensors")
    };
    let mut shape = threshold_weights();
    shape.insert("layers.0.bias", Array::new([3], vec![0.0f32; 3]).unwrap());
    assert_eq!(model(&shape), "other.safetensors: weights: tensor 'layers.0.bias': shape = [3], expected [2]");
    let mut nan = threshold_weights();
    nan.insert("layers.0.bias", Array::new([2], vec![0.0, f32::NAN]).unwrap());
    let line = model(&nan);
    assert_eq!(
        line,
        "other.safetensors: weights: tensor 'layers.0.bias': value = NaN at element 1, expected finite numbers"
    );
    let mut kind = MemoryStore::new();
    kind.insert("encoder.weight", Array::new([2], vec![0.0f32; 2]).unwrap());
    let line = model(&kind);
    assert!(
        line.starts_with("other.safetensors: weights: 1 arrays (encoder.weight): not a network of a known"),
        "{line}"
    );
    let mut padding = threshold_weights();
    let config = r#"{"activation":"elu","layers":[{"kernel":1,"dilation":1,"padding":1,"in":1,"out":2}]}"#;
    padding.set_metadata("config", config);
    let line = model(&padding);
    assert_eq!(
        line,
        "other.safetensors: weights: config: layers[0].padding = 1: expected 0, dilation 1 x (kernel 1 / 2)"
    );
    bench.text("text.safetensors", "these are no weights, whatever the name says");
    let line = refused(&bench, "--i scan.nii --o new/out.nii --model text.safetensors");
    assert!(line.starts_with("text.safetensors: "), "{line}");
    let line = refused(&bench, "--i scan.nii --o new/out.nii --model scan.nii");
    assert!(line.starts_with("scan.nii: "), "{line}");
    bench.text("table.txt", "1 Name 300 0 0 0\n");
    let line = refused(&bench, "--i scan.nii --o new/out.nii --model model.safetensors --labels table.txt");
    assert_eq!(line, "table.txt: label table: line 1: R = '300': not a number in range");
}

#[test]
fn an_output_that_can_not_be_written_is_found_before_the_work() {
    let bench = Bench::new();
    bench.scan("scan.nii");
    bench.text("file", "in the way");
    fs::create_dir(bench.path("folder.nii")).unwrap();
    for (outputs, message) in [
        ("--o file/out.nii", "file/out.nii: can not"),
        ("--o new/out.nii --vol file/v.csv", "file/v.csv: can not"),
        ("--o new/out.nii --picture file/p.png", "file/p.png: can not"),
        ("--o new/out.nii --json file/r.json", "file/r.json: can not"),
        ("--o folder.nii", "folder.nii: can not write: it is a folder"),
    ] {
        let line = refused(&bench, &format!("--i scan.nii --model model.safetensors {outputs}"));
        assert!(line.starts_with(message), "{line}");
    }
    // The output is looked at before the scan: here both are bad.
    bench.text("bad.nii", "no scan");
    let line = refused(&bench, "--i bad.nii --model model.safetensors --o file/out.nii");
    assert!(line.starts_with("file/out.nii: "), "{line}");
}
