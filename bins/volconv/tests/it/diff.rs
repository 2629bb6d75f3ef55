//! `volconv diff`: figures and exit codes.

use serde_json::Value;
use volkit_core::{Affine, Volume, Voxels};
use volkit_io::{Image, WriteOptions, write};

use crate::{counting, one_line, save, volconv};

#[test]
fn volumes_that_differ_in_voxels() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let mut other = counting();
    other[3] += 1;
    other[5] += 4;
    save(&path("a.nii"), counting());
    save(&path("b.nii"), other.clone());
    save(&path("float.nii"), counting().iter().map(|&v| f32::from(v) + 0.25).collect::<Vec<f32>>());
    for (args, code) in [
        (&["diff", "a.nii", "a.nii"][..], 0),
        (&["diff", "a.nii", "b.nii"], 1),
        (&["diff", "a.nii", "b.nii", "--max-different", "1"], 1),
        (&["diff", "a.nii", "b.nii", "--max-different", "2"], 0),
        (&["diff", "a.nii", "b.nii", "--max-different", "1", "--tolerance", "1"], 0),
        (&["diff", "a.nii", "b.nii", "--tolerance", "4"], 0),
        (&["diff", "a.nii", "float.nii"], 1),
        (&["diff", "a.nii", "float.nii", "--tolerance", "0.25"], 0),
    ] {
        let run = volconv(folder.path(), args);
        assert_eq!(run.code, code, "{args:?}: {}{}", run.out, run.err);
        assert!(run.out.ends_with(if code == 0 { "\nsame\n" } else { "\ndifferent\n" }), "{}", run.out);
    }
    let run = volconv(folder.path(), &["diff", "a.nii", "b.nii", "--json"]);
    let report: Value = serde_json::from_str(&run.out).unwrap();
    assert_eq!(report["same"], false);
    let voxels = &report["voxels"];
    assert_eq!((voxels["n"].as_u64(), voxels["different"].as_u64()), (Some(24), Some(2)));
    assert_eq!(voxels["max_difference"].as_f64(), Some(4.0));
    // Label 4: one voxel of `a`, two of `b` (3 became 4), one in common: Dice 2/3.
    let four = voxels["labels"].as_array().unwrap().iter().find(|label| label["label"] == 4).unwrap();
    assert_eq!(four["dice"].as_f64(), Some(2.0 / 3.0));
}

#[test]
fn volumes_that_differ_in_shape_or_place() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    save(&path("a.nii"), counting());
    volconv(folder.path(), &["convert", "a.nii", "turned.nii", "--orient", "RAS"]);
    volconv(folder.path(), &["convert", "a.nii", "fine.nii", "--spacing", "1"]);
    let run = volconv(folder.path(), &["diff", "a.nii", "fine.nii", "--max-different", "1000"]);
    assert_eq!(run.code, 1);
    assert!(run.out.contains("the shapes differ"), "{}", run.out);
    // Corner voxels change sides: 3 voxels of 2 mm.
    let run = volconv(folder.path(), &["diff", "a.nii", "turned.nii", "--max-different", "1000"]);
    assert_eq!(run.code, 1);
    assert!(run.out.contains("largest shift of a corner: 6.000000 mm"), "{}", run.out);
}

#[test]
fn colours_are_the_same_or_not() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let mut colours = vec![[1u8, 2, 3]; 24];
    save(&path("a.nii"), colours.clone());
    colours[7][1] = 0;
    save(&path("b.nii"), colours);
    save(&path("c.nii"), counting());
    assert_eq!(volconv(folder.path(), &["diff", "a.nii", "a.nii"]).code, 0);
    let run = volconv(folder.path(), &["diff", "a.nii", "b.nii"]);
    assert!(run.code == 1 && run.out.contains("voxels that differ: 1 of 24"), "{}", run.out);
    assert_eq!(volconv(folder.path(), &["diff", "a.nii", "c.nii"]).code, 1);
}

#[test]
fn wide_integers_are_compared_exactly() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    // f64 can not tell these apart.
    let big = (1i64 << 60) + 1;
    let mut values = vec![big; 24];
    let save_wide = |name: &str, voxels: Voxels| {
        let volume = Volume::new([4, 3, 2], voxels, Affine::IDENTITY).unwrap();
        let options = WriteOptions::default().with_dtype(volume.dtype());
        write(path(name), &Image::new(volume), &options).unwrap();
    };
    save_wide("a.nii", values.clone().into());
    values[9] += 1;
    save_wide("b.nii", values.clone().into());
    save_wide("unsigned.nii", values.iter().map(|&v| v as u64).collect::<Vec<u64>>().into());
    assert_eq!(volconv(folder.path(), &["diff", "a.nii", "a.nii"]).code, 0);
    let run = volconv(folder.path(), &["diff", "a.nii", "b.nii"]);
    assert_eq!(run.code, 1, "{}", run.out);
    assert!(
        run.out.contains("voxels that differ: 1 of 24") && run.out.contains("largest difference: 1,"),
        "{}",
        run.out
    );
    assert_eq!(volconv(folder.path(), &["diff", "a.nii", "b.nii", "--tolerance", "1"]).code, 0);
    // Of another type, the same numbers are the same.
    assert_eq!(volconv(folder.path(), &["diff", "b.nii", "unsigned.nii"]).code, 0);
    assert_eq!(volconv(folder.path(), &["diff", "a.nii", "unsigned.nii"]).code, 1);
}

#[test]
fn tables_column_by_column() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    write("a.csv", "subject,left,right\r\none,1.0,2.0\r\ntwo,3.5,nan\r\n");
    write("b.csv", "subject,left,right\none,1.0,2.5\ntwo,3.25,nan\n");
    write("turned.csv", "subject,left,right\ntwo,3.5,nan\none,1.0,2.0\n");
    write("moved.csv", "subject,right,left\none,2.0,1.0\ntwo,nan,3.5\n");
    write("renamed.csv", "subject,links,right\none,1.0,2.0\ntwo,3.5,nan\n");
    write("short.csv", "subject,left,right\none,1.0,2.0\n");
    write("other.csv", "subject,left,right\none,1.0,2.0\nTWO,3.5,nan\n");
    write("text.csv", "subject,left,right\none,1.0,2.0\ntwo,failed,nan\n");
    for (args, code, told) in [
        (&["diff", "a.csv", "a.csv"][..], 0, "cells that differ: 0 of 6"),
        (&["diff", "a.csv", "b.csv"], 1, "right: 1 differ, largest difference 0.5, relative 2.000e-1"),
        (&["diff", "a.csv", "b.csv", "--tolerance", "0.3"], 1, "cells that differ: 1 of 6"),
        (
            &["diff", "a.csv", "b.csv", "--tolerance", "0.5"],
            0,
            "left: 0 differ, largest difference 0.25, relative 7.143e-2",
        ),
        (&["diff", "a.csv", "b.csv", "--max-different", "2"], 0, "2 allowed"),
        (&["diff", "a.csv", "turned.csv"], 0, "cells that differ: 0 of 6"),
        (&["diff", "a.csv", "moved.csv"], 1, "the columns stand in different orders"),
        (&["diff", "a.csv", "renamed.csv", "--max-different", "9"], 1, "columns of b only: 'links'"),
        (&["diff", "a.csv", "short.csv", "--max-different", "9"], 1, "rows of a only: 'two'"),
        (&["diff", "a.csv", "other.csv", "--max-different", "9"], 1, "rows of b only: 'TWO'"),
        (
            &["diff", "a.csv", "text.csv", "--tolerance", "9"],
            1,
            "left: 1 differ, largest difference 0, relative 0.000e0, 1 of them texts or no numbers",
        ),
    ] {
        let run = volconv(folder.path(), args);
        assert_eq!(run.code, code, "{args:?}: {}{}", run.out, run.err);
        assert!(run.out.contains(told), "{args:?}: {}", run.out);
        assert!(run.out.ends_with(if code == 0 { "\nsame\n" } else { "\ndifferent\n" }), "{}", run.out);
    }
}

#[test]
fn paths_with_spaces_and_reports_as_json() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("my results");
    std::fs::create_dir(&place).unwrap();
    std::fs::write(place.join("a b.csv"), "subject,left\none,4.0\n").unwrap();
    std::fs::write(place.join("c d.csv"), "subject,left,right\none,5,1\ntwo,1,1\n").unwrap();
    let run = volconv(folder.path(), &["diff", "my results/a b.csv", "my results/c d.csv", "--json"]);
    assert_eq!(run.code, 1, "{}", run.err);
    let report: Value = serde_json::from_str(&run.out).unwrap();
    assert_eq!((&report["same"], &report["a"]), (&Value::from(false), &Value::from("my results/a b.csv")));
    assert_eq!(report["only_columns"], serde_json::json!([[], ["right"]]));
    assert_eq!(report["only_rows"], serde_json::json!([[], ["two"]]));
    assert_eq!((&report["compared"], &report["different"]), (&Value::from(2), &Value::from(1)));
    let left = &report["cells"][1];
    assert_eq!((left["max_difference"].as_f64(), left["max_relative_difference"].as_f64()), (Some(1.0), Some(0.2)));
    save(&place.join("e f.nii.gz"), counting());
    let run = volconv(folder.path(), &["diff", "my results/e f.nii.gz", "my results/e f.nii.gz", "--json"]);
    assert_eq!(run.code, 0, "{}", run.err);
    assert_eq!(serde_json::from_str::<Value>(&run.out).unwrap()["same"], true);
}

#[test]
fn files_that_can_not_be_compared() {
    let folder = tempfile::tempdir().unwrap();
    save(&folder.path().join("a.nii"), counting());
    std::fs::write(folder.path().join("a.csv"), "x\n1\n").unwrap();
    std::fs::write(folder.path().join("ragged.csv"), "x,y\n1\n").unwrap();
    for (args, told) in [
        (["diff", "a.nii", "none.nii"], "none.nii"),
        (["diff", "a.nii", "a.csv"], "a table and a volume"),
        (["diff", "a.csv", "ragged.csv"], "ragged.csv: row 2 has 1 cells, the first row has 2"),
        (["diff", "a.csv", "none.csv"], "none.csv"),
    ] {
        let run = volconv(folder.path(), &args);
        assert_eq!((run.code, run.out.as_str()), (1, ""), "{args:?}");
        assert!(one_line(&run.err).contains(told), "{args:?}: {}", run.err);
    }
}
