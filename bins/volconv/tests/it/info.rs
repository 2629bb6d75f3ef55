//! `volconv info`.

use serde_json::{Value, json};
use volkit_io::{Extension, Header, Image, NiftiHeader, WriteOptions, read, write};

use crate::{counting, one_line, save, volconv};

#[test]
fn text_says_what_the_file_says() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("scan.nii.gz");
    save(&path, counting());
    let mut header = NiftiHeader::default();
    header.set_description("made by hand");
    header.intent_code = 1002;
    header.extensions.push(Extension::new(6, b"a comment"));
    let (volume, _) = read(&path).unwrap().into_parts();
    write(&path, &Image::from_parts(volume, Header::Nifti(Box::new(header))), &WriteOptions::default()).unwrap();
    let run = volconv(folder.path(), &["info", "scan.nii.gz"]);
    assert_eq!(run.code, 0, "{}", run.err);
    for line in [
        "format       NIfTI-1, little-endian, compressed",
        "shape        4 x 3 x 2",
        "stored type  i16",
        "scaling      none",
        "orientation  LAS",
        "intent       1002 (label)",
        "description  made by hand",
        "extension    code 6, 9 bytes: a comment",
    ] {
        assert!(run.out.lines().any(|found| found == line), "'{line}' is not in\n{}", run.out);
    }
    assert!(!run.out.contains("voxels"), "statistics only when asked:\n{}", run.out);
}

#[test]
fn json_holds_everything() {
    let folder = tempfile::tempdir().unwrap();
    let mut values: Vec<f32> = (0..24).map(|v| v as f32).collect();
    values[0] = f32::NAN;
    values[1] = f32::INFINITY;
    save(&folder.path().join("scan.nii"), values);
    let run = volconv(folder.path(), &["info", "scan.nii", "--json", "--stats"]);
    assert_eq!(run.code, 0, "{}", run.err);
    let info: Value = serde_json::from_str(&run.out).unwrap();
    assert_eq!((&info["shape"], &info["stored_type"]), (&json!([4, 3, 2]), &json!("f32")));
    assert_eq!(info["affine"][0], json!([-2.0, 0.0, 0.0, 3.0]));
    assert_eq!(info["nifti"]["sform_code"], 2);
    let statistics = &info["statistics"];
    assert_eq!((&statistics["nan"], &statistics["infinite"]), (&json!(1), &json!(1)));
    assert_eq!((statistics["minimum"].as_f64(), statistics["maximum"].as_f64()), (Some(2.0), Some(23.0)));
    assert_eq!(statistics["mean"].as_f64(), Some(12.5));
    assert_eq!(statistics["percentiles"][2], json!([50.0, 12.5]));

    volconv(folder.path(), &["convert", "scan.nii", "scan.mgz"]);
    let run = volconv(folder.path(), &["info", "scan.mgz", "--json"]);
    let info: Value = serde_json::from_str(&run.out).unwrap();
    assert!(info.get("nifti").is_none() && info.get("statistics").is_none());
    assert_eq!(info["byte_order"], "big-endian");
}

#[test]
fn files_that_are_no_volumes_are_errors() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("text.nii"), "not a volume").unwrap();
    for file in ["none.nii", "text.nii", "."] {
        let run = volconv(folder.path(), &["info", file]);
        assert_eq!((run.code, run.out.as_str()), (1, ""));
        assert!(one_line(&run.err).starts_with(&format!("volconv: {file}: ")), "{}", run.err);
    }
}
