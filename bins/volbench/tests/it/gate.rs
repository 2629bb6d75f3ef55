//! `volbench run`, `gate` and `report`.

use serde_json::Value;

use crate::volbench;

#[test]
fn a_run_passes_its_own_gate_and_a_slower_one_does_not() {
    let folder = tempfile::tempdir().unwrap();
    let options = ["--suite", "geom", "--suite", "io", "--size", "32", "--runs", "2", "--warmup", "0"];
    let args = [&["run", "--out", "base.json", "--threads", "1"], &options[..]].concat();
    let run = volbench(folder.path(), &args);
    assert_eq!(run.code, 0, "{}", run.err);
    assert!(run.out.contains("io/read/32x32x32/nii.gz: ") && run.out.contains("geom/reorient/"), "{}", run.out);
    let kind = run.out.lines().last().unwrap().strip_prefix("kind of machine: ").unwrap().to_owned();
    let text = std::fs::read_to_string(folder.path().join("base.json")).unwrap();
    let mut report: Value = serde_json::from_str(&text).unwrap();
    let series = report["series"].as_array().unwrap();
    assert_eq!(series.len(), 11);
    assert!(series.iter().all(|series| series["wall_secs"].as_array().unwrap().len() == 2), "{report}");

    let gate = volbench(folder.path(), &["gate", "base.json", "base.json"]);
    assert_eq!(gate.code, 0, "{}{}", gate.out, gate.err);
    assert!(gate.out.ends_with("0 slower, 0 missing, 0 faster, 11 the same, 0 new\n"), "{}", gate.out);

    // One series twice as slow and without noise; the baseline in a folder of kinds.
    let steady = |report: &mut Value, secs: f64| {
        for field in ["wall_secs", "cpu_secs"] {
            report["series"][3][field] = Value::from(vec![secs; 2]);
        }
        serde_json::to_string(report).unwrap()
    };
    std::fs::create_dir(folder.path().join("kinds")).unwrap();
    std::fs::write(folder.path().join("kinds").join(format!("{kind}.json")), steady(&mut report, 0.25)).unwrap();
    std::fs::write(folder.path().join("slow.json"), steady(&mut report, 0.5)).unwrap();
    let gate = volbench(folder.path(), &["gate", "kinds", "slow.json", "--json", "gate.json"]);
    assert_eq!(gate.code, 1, "{}{}", gate.out, gate.err);
    assert!(gate.out.contains("+100.0 %, allowed 5.0 %  SLOWER\n"), "{}", gate.out);
    let rows: Value = serde_json::from_slice(&std::fs::read(folder.path().join("gate.json")).unwrap()).unwrap();
    assert_eq!(rows["rows"].as_array().unwrap().iter().filter(|row| row["verdict"] == "slower").count(), 1);

    let table = volbench(folder.path(), &["report", "slow.json"]);
    assert_eq!(table.code, 0, "{}", table.err);
    assert_eq!(table.out.lines().count(), 4 + 11, "{}", table.out);
}

#[test]
fn what_can_not_be_compared_is_told() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("odd.json"), "{}").unwrap();
    for (args, code, told) in [
        (&["gate", "none.json", "odd.json"][..], 1, "odd.json: missing field"),
        (&["report", "none.json"], 1, "none.json: "),
        (&["run"], 2, "--out"),
        (&["run", "--out", "x.json", "--suite", "everything"], 2, "kernels, seg, io, geom"),
        (&["run", "--out", "x.json", "--size", "8"], 2, "32..=256"),
        (&["run", "--out", "x.json", "--suite", "geom", "--size", "32", "--runs", "0"], 1, "repeats = 0"),
    ] {
        let run = volbench(folder.path(), args);
        assert_eq!(run.code, code, "{args:?}: {}", run.err);
        assert!(run.err.contains(told), "{args:?}: {}", run.err);
    }
    assert!(!folder.path().join("x.json").exists());
}
