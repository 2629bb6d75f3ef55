//! `volbench compare`.
#![cfg(unix)]

use serde_json::Value;

use crate::volbench;

#[test]
fn commands_run_in_turn_and_paths_may_hold_spaces() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("with space")).unwrap();
    let (a, b) = ("echo A >> 'with space/log'", "echo B >> 'with space/log'; sleep 0.05");
    let run = volbench(folder.path(), &["compare", a, b, "--runs", "2", "--warmup", "1"]);
    assert_eq!(run.code, 0, "{}", run.err);
    let log = std::fs::read_to_string(folder.path().join("with space/log")).unwrap();
    assert_eq!(log, "A\nB\nA\nB\nA\nB\n");
    assert_eq!(run.err.lines().count(), 6);
    assert!(run.err.starts_with("A warm-up: ") && run.err.contains("\nB run 2 of 2: "), "{}", run.err);
    for wanted in ["A: echo A", "2 timed runs of each in turn, 1 to warm up", "A wall s", "B  CPU s", "A / B: wall 0."]
    {
        assert!(run.out.contains(wanted), "'{wanted}' is not in\n{}", run.out);
    }
}

#[test]
fn json_holds_every_run() {
    let folder = tempfile::tempdir().unwrap();
    let busy = "i=0; while [ $i -lt 40000 ]; do i=$((i+1)); done";
    let run = volbench(folder.path(), &["compare", busy, "true", "--runs", "3", "--warmup", "0", "--json", "-", "-q"]);
    assert_eq!((run.code, run.err.as_str()), (0, ""));
    let report: Value = serde_json::from_str(&run.out).unwrap();
    let numbers = |path: &str| -> Vec<f64> {
        report.pointer(path).unwrap().as_array().unwrap().iter().map(|x| x.as_f64().unwrap()).collect()
    };
    let (wall, cpu) = (numbers("/a/wall_secs"), numbers("/a/cpu_secs"));
    assert_eq!((wall.len(), cpu.len(), numbers("/b/wall_secs").len()), (3, 3, 3));
    // A shell that counts has used the CPU, one that ends at once has not.
    let least = |values: &[f64]| values.iter().copied().fold(f64::INFINITY, f64::min);
    assert!(least(&cpu) > least(&numbers("/b/cpu_secs")), "{report}");
    assert!(report["cpu_ratio"].as_f64().unwrap() > 1.0 && report["a"]["peak_bytes"].as_u64().unwrap() > 100_000);
}

#[test]
fn the_peak_of_each_command_is_its_own() {
    let folder = tempfile::tempdir().unwrap();
    // `dd` holds one block of that size; A comes first, so that a running maximum would show in B.
    let command = |megabytes: u32| format!("dd if=/dev/zero of=/dev/null bs={megabytes}M count=1");
    let run = volbench(folder.path(), &["compare", &command(96), &command(1), "--runs", "1", "--json", "-", "-q"]);
    assert_eq!(run.code, 0, "{}", run.err);
    let report: Value = serde_json::from_str(&run.out).unwrap();
    let peak = |name: &str| report[name]["peak_bytes"].as_u64().unwrap();
    assert!(peak("a") >= 96 << 20 && peak("b") < 64 << 20, "{} {}", peak("a"), peak("b"));
}

#[test]
fn failing_commands_are_told_of() {
    let folder = tempfile::tempdir().unwrap();
    let run = volbench(folder.path(), &["compare", "true", "echo too many knots >&2; exit 7", "--warmup", "0", "-q"]);
    assert_eq!((run.code, run.out.as_str()), (1, ""));
    for told in ["exit 7`: exit status: 7", "too many knots"] {
        assert!(run.err.contains(told), "'{told}' is not in\n{}", run.err);
    }
    let run = volbench(folder.path(), &["compare", "true", "kill -9 $$", "--warmup", "0", "-q"]);
    assert!(run.code == 1 && run.err.contains("signal: 9"), "{}", run.err);
    let run = volbench(folder.path(), &["compare", "true", "true", "--runs", "0"]);
    assert!(run.code == 1 && run.err.contains("repeats = 0"), "{}", run.err);
    assert_eq!(volbench(folder.path(), &["compare", "true"]).code, 2);
}
