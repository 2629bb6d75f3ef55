//! HDF5 and Zarr, whole and in shards.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Stdio;

use crate::bench::Bench;

/// Every file under a folder with its content.
fn content(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut files = BTreeMap::new();
    let mut waiting = vec![folder.to_owned()];
    while let Some(next) = waiting.pop() {
        for entry in std::fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                waiting.push(path);
            } else {
                let name = path.strip_prefix(folder).unwrap().to_string_lossy().into_owned();
                files.insert(name, std::fs::read(path).unwrap());
            }
        }
    }
    files
}

#[test]
fn arrays_pass_through_zarr_and_hdf5() {
    let bench = Bench::new();
    let values = bench.array("in.npy", &[2, 300, 700]);
    let run = "--model identity --tile-size 64 --tile-overlap 16 --quiet";
    bench.done(&format!("--input in.npy --output a.zarr {run}"));
    bench.done(&format!("--input a.zarr --output b.h5 {run}"));
    bench.done(&format!("--input b.h5:/volume --output c.npy {run}"));
    let back = bench.load("c.npy");
    assert_eq!((back.shape(), back.to_real::<f32>().unwrap()), (&[700, 300, 2][..], values));
    // The same with windows that blend, whatever the chunks.
    for output in ["d.npy", "d.zarr"] {
        bench.done(&format!(
            "--input in.npy --output {output} --model mean --tile-size 50 --tile-overlap 20 --window hann"
        ));
    }
    bench.done(&format!("--input d.zarr --output e.npy {run}"));
    assert_eq!(bench.load("e.npy").to_real::<f32>().unwrap(), bench.load("d.npy").to_real::<f32>().unwrap());
    let ran = bench.run(&format!("--input in.npy --output a.zarr {run}"));
    assert!(ran.stderr.contains("a.zarr: exists already"), "{}", ran.stderr);
}

#[test]
fn four_processes_write_the_bits_of_one() {
    let bench = Bench::new();
    // Chunks of 512 x 512: five rows of them.
    bench.array("in.npy", &[1, 2100, 600]);
    let run = "--input in.npy --model identity --tile-size 200 --tile-overlap 72 --window hann --quiet";
    bench.done(&format!("{run} --output whole.zarr"));
    let children: Vec<_> = (0..4)
        .map(|i| {
            let mut command = bench.command(&format!("{run} --output parts.zarr --shard {i}/4"));
            command.stderr(Stdio::piped()).spawn().unwrap()
        })
        .collect();
    for child in children {
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    let [whole, parts] = ["whole.zarr", "parts.zarr"].map(|name| content(&bench.path(name)));
    assert!(whole.len() > 10 && whole.keys().eq(parts.keys()), "{:?}", parts.keys());
    assert!(whole == parts, "the files differ");
    assert!(!bench.listing().iter().any(|name| name.ends_with(".journal")));
    // More shards than rows of chunks: some have nothing to do.
    for i in 0..7 {
        bench.done(&format!("{run} --output many.zarr --shard {i}/7"));
    }
    assert!(content(&bench.path("many.zarr")) == whole);
    // An array of another shape is not written into.
    bench.array("small.npy", &[1, 100, 600]);
    let ran = bench.run("--input small.npy --model identity --output parts.zarr --shard 0/4");
    assert!(ran.code == Some(1) && ran.stderr.contains("parts.zarr"), "{}", ran.stderr);
}

#[test]
fn a_killed_shard_goes_on() {
    let bench = Bench::new();
    bench.array("in.npy", &[1, 2100, 600]);
    let run = "--input in.npy --model identity --tile-size 64 --tile-overlap 24 --window hann --quiet";
    bench.done(&format!("{run} --output whole.zarr"));
    let journal = bench.path("parts.zarr.shard-0-of-2.journal");
    let mut child = bench.command(&format!("{run} --output parts.zarr --shard 0/2")).spawn().unwrap();
    let began = std::time::Instant::now();
    let has_rows = || std::fs::read_to_string(&journal).is_ok_and(|text| text.lines().count() > 4);
    while !has_rows() && child.try_wait().unwrap().is_none() && began.elapsed().as_secs() < 60 {
        std::thread::sleep(std::time::Duration::from_micros(200));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    let ran = bench.done(&format!("{run} --output parts.zarr --shard 0/2 --resume --json"));
    let report: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(report["shard_planes"], serde_json::json!([0, 1024]));
    bench.done(&format!("{run} --output parts.zarr --shard 1/2"));
    assert!(content(&bench.path("parts.zarr")) == content(&bench.path("whole.zarr")));
}
