//! Kill a run, go on, get the same file.

use std::io::{BufRead as _, BufReader};
use std::process::Stdio;
use std::time::{Duration, Instant};

use crate::bench::Bench;

const RUN: &str = "--input in.npy --model identity --tile-size 64 --tile-overlap 24 --window hann";

#[test]
fn a_killed_run_goes_on_to_the_same_file() {
    let bench = Bench::new();
    bench.array("in.npy", &[2, 1200, 500]);
    bench.done(&format!("{RUN} --output whole.npy"));
    let whole = std::fs::read(bench.path("whole.npy")).unwrap();
    let mut resumed_inside = 0;
    // The first row overlaps the second: after it every tile runs again.
    for rows in [2, 4, 9] {
        let mut child = bench.command(&format!("{RUN} --output out.npy")).stderr(Stdio::piped()).spawn().unwrap();
        let journal = bench.path("out.npy.partial.journal");
        let began = Instant::now();
        let has_rows = || std::fs::read_to_string(&journal).is_ok_and(|text| text.lines().count() > rows);
        while !has_rows() && child.try_wait().unwrap().is_none() && began.elapsed() < Duration::from_secs(60) {
            std::thread::sleep(Duration::from_micros(200));
        }
        child.kill().unwrap();
        child.wait().unwrap();
        // A fast machine may have finished the file before it was killed.
        if bench.path("out.npy").exists() {
            std::fs::remove_file(bench.path("out.npy")).unwrap();
            continue;
        }
        let ran = bench.done(&format!("{RUN} --output out.npy --resume --json"));
        let report: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
        let after = report["done"]["resumed_after_rows"].as_u64().unwrap();
        let (run, tiles) = (report["done"]["run"].as_u64().unwrap(), report["tiles"].as_u64().unwrap());
        assert!(after as usize >= rows && run < tiles, "{report}");
        assert!(std::fs::read(bench.path("out.npy")).unwrap() == whole, "the files differ");
        assert_eq!(bench.listing(), ["in.npy", "out.npy", "whole.npy"]);
        std::fs::remove_file(bench.path("out.npy")).unwrap();
        resumed_inside += 1;
    }
    assert!(resumed_inside > 0, "every run was finished before it could be killed");
}

#[test]
fn another_run_is_not_gone_on_with() {
    let bench = Bench::new();
    bench.array("in.npy", &[1, 400, 300]);
    // An interrupt, once the first tenth of the tiles is done.
    let mut child = bench.command(&format!("{RUN} --output out.npy")).stderr(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stderr.take().unwrap()).read_line(&mut line).unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    if bench.path("out.npy").exists() {
        println!("skipped: the run was finished before it could be killed");
        return;
    }
    let ran = bench.run(&format!("{} --output out.npy --resume", RUN.replace("24", "25")));
    assert!(ran.code == Some(1) && ran.stderr.contains("another run"), "{ran:?}");
    // Without --resume it begins anew; with it and no journal too.
    bench.done(&format!("{} --output out.npy", RUN.replace("24", "25")));
    bench.done(&format!("{RUN} --output new.npy --resume"));
    let ran = bench.run(&format!("{RUN} --output new.npy --resume"));
    assert!(ran.stderr.contains("nothing is left to do"), "{ran:?}");
}
