//! `volbench phantom`: files that other programs read.

use volkit_core::ArrayStore as _;
use volkit_io::{SafetensorsStore, read};

use crate::volbench;

#[test]
fn heads_are_files_that_repeat() {
    let folder = tempfile::tempdir().unwrap();
    let head = |out: &str, more: &[&str]| {
        let mut args = vec!["phantom", "head", out, "--size", "24,20,16", "--spacing", "8", "--orient", "LIA"];
        args.extend(more);
        let run = volbench(folder.path(), &args);
        assert_eq!(run.code, 0, "{}", run.err);
        run.out
    };
    let told = head("a.nii.gz", &["--labels", "labels.nii.gz", "--seed", "7"]);
    assert_eq!(told.lines().next(), Some("a.nii.gz: [24, 20, 16] voxels, [8.0, 8.0, 8.0] mm, i16"));
    head("b.nii.gz", &["--seed", "7"]);
    head("c.nii.gz", &["--seed", "8"]);
    let bytes = |name: &str| std::fs::read(folder.path().join(name)).unwrap();
    assert!(bytes("a.nii.gz") == bytes("b.nii.gz") && bytes("a.nii.gz") != bytes("c.nii.gz"));
    let (image, labels) =
        (read(folder.path().join("a.nii.gz")).unwrap(), read(folder.path().join("labels.nii.gz")).unwrap());
    assert_eq!(image.volume().affine(), labels.volume().affine());
    assert_eq!(labels.volume().shape(), [24, 20, 16]);
}

#[test]
fn shells_and_networks() {
    let folder = tempfile::tempdir().unwrap();
    let run = volbench(folder.path(), &["phantom", "shells", "s.mgz", "--size", "9", "--radii", "1,3"]);
    assert_eq!(run.code, 0, "{}", run.err);
    let values = read(folder.path().join("s.mgz")).unwrap().into_volume().to_real::<i32>().unwrap();
    assert_eq!(values.iter().filter(|&&value| value == 100).count(), 7);
    let run = volbench(folder.path(), &["phantom", "meshnet", "n.safetensors", "--channels", "3", "--classes", "4"]);
    assert!(run.code == 0 && run.out.contains("its labels mean nothing"), "{}{}", run.out, run.err);
    let store = SafetensorsStore::open(folder.path().join("n.safetensors")).unwrap();
    assert_eq!(store.get("layers.9.weight").unwrap().shape(), [4, 3, 1, 1, 1]);
    assert!(store.metadata("config").unwrap().contains("\"architecture\":\"meshnet\""));
}

#[test]
fn wrong_options_are_errors_and_leave_nothing() {
    let folder = tempfile::tempdir().unwrap();
    for (args, code, told) in [
        (&["phantom", "head", "h.nii", "--size", "0"][..], 1, "size = [0, 0, 0]"),
        (&["phantom", "head", "h.nii", "--size", "1,2"], 1, "--size takes 1 or 3 numbers, got 2"),
        (&["phantom", "head", "h.nii", "--size", "8", "--spacing", "0"], 1, "spacing"),
        (&["phantom", "head", "h.nii", "--size", "8", "--orient", "RRR"], 1, "orientation = RRR"),
        (&["phantom", "head", "h.xyz", "--size", "8"], 1, "h.xyz"),
        (&["phantom", "shells", "s.nii", "--size", "8", "--radii", "3,1"], 1, "radii"),
        (&["phantom", "meshnet", "n.safetensors", "--classes", "1"], 1, "classes = 1"),
        (&["phantom", "head", "h.nii", "--size", "many"], 2, "many"),
        (&["phantom", "cube", "h.nii"], 2, "cube"),
    ] {
        let run = volbench(folder.path(), args);
        assert_eq!(run.code, code, "{args:?}: {}", run.err);
        assert!(run.err.contains(told), "{args:?}: {}", run.err);
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}
