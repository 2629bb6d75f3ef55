//! What is refused leaves nothing behind.

use crate::bench::Bench;

#[test]
fn messages_name_what_is_wrong() {
    let bench = Bench::new();
    bench.array("in.npy", &[1, 20, 20]);
    bench.array("flat.npy", &[2, 20]);
    std::fs::write(bench.path("text.npy"), "text").unwrap();
    std::fs::write(bench.path("text.safetensors"), "text").unwrap();
    let mut cut = std::fs::read(bench.path("in.npy")).unwrap();
    cut.truncate(1000);
    std::fs::write(bench.path("cut.npy"), cut).unwrap();
    let before = bench.listing();
    for (arguments, wanted) in [
        ("--input missing.npy --output o.npy --model mean", "missing.npy: no such file"),
        ("--input text.npy --output o.npy --model mean", "text.npy: not a volume"),
        (
            "--input cut.npy --output o.npy --model mean",
            "cut.npy: shape = [20, 20, 1]: f32 voxel data ends after 1000 bytes",
        ),
        ("--input in.npy --output o.npy --model net.safetensors", "net.safetensors: no such file"),
        ("--input in.npy --output o.npy --model mean --tile-size 8 --tile-overlap 8", "axis 0: overlap = 8"),
        ("--input in.npy --output o.npy --model mean --tile-size 0", "axis 0: tile = 0"),
        ("--input in.npy --output o.npy --model mean --tile-size 8,8,8", "--tile-size takes 1 or 2 numbers, got 3"),
        ("--input in.npy --output o.npy --model mean --window hat", "window = hat"),
        ("--input in.npy --output o.npy --model mean --mask flat.npy --spatial-axes 3", "the mask has 2 axes"),
        ("--input in.npy --output o.npy --model mean --spatial-axes 4", "does not have 4 spatial axes"),
        ("--input in.npy --output o.npy --model mean --max-memory 1kB", "1000 are allowed"),
        ("--input in.npy --output in.npy --model mean", "in.npy: exists already"),
        ("--input in.npy --output o.npy --model net.xyz", "net.xyz: no such file"),
        ("--input in.npy --output o.npy --model text.safetensors", "text.safetensors"),
        ("--input in.npy --output o.npy --model net.safetensors --mode exact --spatial-axes 1", "net.safetensors"),
        ("--input in.npy --output o.npy --model mean --shard 0/4", "--shard needs a .zarr output"),
        ("--input in.npy --output o.zarr --model mean --shard 0/4 --overwrite", "exclude each other"),
        ("--input in.npy --output o.h5 --model mean --resume", "can not be resumed"),
        ("--input in.npy --output o.npy --model mean --intensity 1", "--intensity takes A,B"),
        ("--input in.npy --output no/o.npy --model mean", "no/o.npy"),
        ("--input in.npy --output o.xyz --model mean", "no format to write has this suffix"),
        ("--input in.npy --output o.nii.gz --model mean --resume", "can not be resumed"),
    ] {
        let ran = bench.run(arguments);
        assert_eq!(ran.code, Some(1), "{arguments}: {ran:?}");
        assert!(ran.stderr.contains(wanted) && ran.stderr.starts_with("tile-infer: "), "{arguments}: {}", ran.stderr);
        let leftover = |name: &String| name.ends_with(".partial") || name.ends_with(".journal");
        let after: Vec<String> = bench.listing().into_iter().filter(|name| !leftover(name)).collect();
        assert_eq!(after, before, "{arguments}");
        for name in bench.listing().iter().filter(|name| leftover(name)) {
            std::fs::remove_file(bench.path(name)).unwrap();
        }
    }
    assert_eq!(bench.run("--input in.npy").code, Some(2));
    assert_eq!(bench.run("--input in.npy --output o.zarr --model mean --shard 4/4").code, Some(2));
    assert_eq!(bench.run("--input in.npy --output o.npy --model mean --batch 0").code, Some(2));
}

#[test]
fn values_that_are_not_finite() {
    let bench = Bench::new();
    let mut values = vec![1.0f32; 400];
    values[399] = f32::NAN;
    bench.save("in.npy", &[1, 20, 20], &values);
    let command = "--input in.npy --output o.npy --model identity --tile-size 10";
    let ran = bench.run(command);
    assert!(ran.stderr.contains("tile 3 (first sample [10, 10])"), "{}", ran.stderr);
    let ran = bench.done(&format!("{command} --keep-nan --json"));
    let report: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(report["done"]["not_finite"].as_u64(), Some(1));
    // The row before the bad tile was kept by the first run, and the next goes on from there.
    let again = format!("{} --output p.npy", command.replace(" --output o.npy", ""));
    assert_eq!(bench.run(&again).code, Some(1));
    assert!(bench.listing().iter().any(|name| name == "p.npy.partial.journal"));
    let ran = bench.done(&format!("{again} --keep-nan --resume --json"));
    let report: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(report["done"]["resumed_after_rows"].as_u64(), Some(1));
    let [whole, resumed] = ["o.npy", "p.npy"].map(|name| std::fs::read(bench.path(name)).unwrap());
    assert!(whole == resumed, "the files differ");
}

#[test]
fn an_image_of_nothing() {
    let bench = Bench::new();
    let mut header = b"\x93NUMPY\x01\0\x76\0{'descr': '<f4', 'fortran_order': False, 'shape': (1, 0, 20), }".to_vec();
    header.resize(127, b' ');
    header.push(b'\n');
    std::fs::write(bench.path("none.npy"), header).unwrap();
    let ran = bench.run("--input none.npy --output o.npy --model mean");
    assert!(ran.code == Some(1) && ran.stderr.contains("length = 0: must be at least 1"), "{}", ran.stderr);
    assert_eq!(bench.listing(), ["none.npy"]);
}

/// A limit on the size of files stands in for a full disk: the same calls fail, with another reason.
#[cfg(target_os = "linux")]
#[test]
fn a_disk_that_takes_no_more_is_said_and_nothing_is_left_under_the_name() {
    let bench = Bench::new();
    bench.array("in.npy", &[1, 400, 400]);
    let run = "--input in.npy --model identity --tile-size 64 --quiet";
    bench.done(&format!("{run} --output whole.npy"));
    let program = bench.command("").get_program().to_string_lossy().into_owned();
    // 64 KiB, less than the array.
    let script = format!("trap '' XFSZ; ulimit -f 128; exec {program} {run} --output o.npy");
    let mut limited = std::process::Command::new("sh");
    let ran = limited.arg("-c").arg(script).current_dir(bench.path("")).output().unwrap();
    let said = String::from_utf8_lossy(&ran.stderr).into_owned();
    assert!(ran.status.code() == Some(1) && said.contains("o.npy: can not write"), "{said}");
    assert!(!bench.path("o.npy").exists());
    bench.done(&format!("{run} --output o.npy --resume"));
    let [whole, again] = ["whole.npy", "o.npy"].map(|name| std::fs::read(bench.path(name)).unwrap());
    assert!(whole == again, "the files differ");
}
