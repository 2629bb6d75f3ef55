//! `cargo xtask gates`: what a whole pipeline must reach, beside what it reaches.

use std::path::Path;
use std::process::Command;

use crate::failure::{Failure, Outcome};
use crate::process;
use crate::repo::Repo;

pub(crate) const HELP: &str = "\
cargo xtask gates pose [FOLDER]

Makes the synthetic recording `small` with a tilted world in out/gates/pose, runs all of Pose Splatter on it (release build,
minutes; a finished run is not done again), runs the tests that are gates, and prints each gate with what was measured.
Ends with status 1 when one is missed.

  FOLDER   project folder of a finished run of a recording that `pose-splatter synth` made: reads it, runs nothing";

const FOLDER: &str = "out/gates/pose";

/// Gates that are tests: number, what it says, package, filter.
const TESTS: [(u32, &str, &str, &str); 5] = [
    (1, "the same seed, the same recording", "volkit-bench", "animal::"),
    (2, "masks are the silhouettes", "volkit-bench", "animal::masks_are_the_silhouettes"),
    (6, "one frame learnt by heart", "volkit-pose", "model::one_frame_is_learnt_by_heart"),
    (6, "gradients are central differences", "volkit-pose", "model::gradients_are_central_differences"),
    (7, "going on gives the same bits", "volkit-pose", "resume::"),
];

/// A gate and what was measured.
#[derive(Debug, PartialEq)]
struct Gate {
    number: u32,
    what: &'static str,
    measured: f64,
    /// Largest value that passes, or the smallest.
    wanted: Bound,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Bound {
    AtMost(f64),
    AtLeast(f64),
}

impl Gate {
    /// NaN passes nothing.
    fn holds(&self) -> bool {
        match self.wanted {
            Bound::AtMost(most) => self.measured <= most,
            Bound::AtLeast(least) => self.measured >= least,
        }
    }

    fn line(&self) -> String {
        let (sign, bound) = match self.wanted {
            Bound::AtMost(most) => ("<=", most),
            Bound::AtLeast(least) => (">=", least),
        };
        let verdict = if self.holds() { "holds" } else { "MISSED" };
        format!("{:>2}  {:<36} {:>9.4} {sign} {bound:<7} {verdict}", self.number, self.what, self.measured)
    }
}

pub(crate) fn run(repo: &Repo, args: &[String]) -> Outcome {
    let missed = match args {
        [area] if area == "pose" => {
            let project = make(repo)?;
            report(&gates(&project)?) + tests(repo)?
        }
        [area, folder] if area == "pose" => report(&gates(Path::new(folder))?),
        _ => return Err(Failure::Usage(format!("gates: `{}`: pose [FOLDER]", args.join(" ")))),
    };
    if missed == 0 { Ok(()) } else { Err(Failure::failed(format!("{missed} gates are missed"))) }
}

/// The project folder of a run on a fresh recording.
fn make(repo: &Repo) -> Outcome<std::path::PathBuf> {
    process::run(&mut repo.cargo(&["build", "--release", "-p", "pose-splatter"]))?;
    let program = repo.target_dir()?.join("release/pose-splatter");
    let config = format!("{FOLDER}/config.json");
    let start = |line: &[&str]| process::run(Command::new(&program).args(line).current_dir(&repo.root));
    if !repo.path(&config).exists() {
        start(&["synth", FOLDER, "--preset", "small", "--tilt-seed", "1", "--find-crop"])?;
    }
    start(&["run", &config])?;
    Ok(repo.path(FOLDER).join("project"))
}

/// Prints the gates; gives how many are missed.
fn report(gates: &[Gate]) -> usize {
    for gate in gates {
        println!("{}", gate.line());
    }
    gates.iter().filter(|gate| !gate.holds()).count()
}

fn tests(repo: &Repo) -> Outcome<usize> {
    let mut missed = 0;
    for (number, what, package, filter) in TESTS {
        let (passed, text) =
            process::run_captured(&mut repo.cargo(&["test", "-q", "-p", package, "--test", "it", filter]))?;
        let ran = !text.contains(" 0 passed");
        let verdict = if passed && ran { "holds" } else { "MISSED" };
        println!("{number:>2}  {what:<36} {:>9} {:<10} {verdict}", "test", "");
        missed += usize::from(!(passed && ran));
    }
    Ok(missed)
}

/// The gates that are numbers.
fn gates(project: &Path) -> Outcome<Vec<Gate>> {
    use Bound::{AtLeast, AtMost};
    let read = |name: &str| {
        let path = project.join(name);
        std::fs::read_to_string(&path).map_err(|error| Failure::io(&path, &error))
    };
    let (truth, metrics, crop) = (read("truth.csv")?, read("metrics_test.csv")?, read("crop.json")?);
    let of_truth = |measure: &str, column: &str| mean(&truth, column, |row| row.first() == Some(&measure));
    let of_view = |held_out: &'static str, column: &str| mean(&metrics, column, |row| row.get(1) == Some(&held_out));
    let edges = edges(&crop);
    let edge = |axis: usize| edges.get(axis).copied().unwrap_or(f64::NAN);
    let model = std::fs::metadata(project.join("model.safetensors")).map_or(f64::NAN, |meta| meta.len() as f64 / 1e6);
    let gate = |number, what, measured, wanted| Gate { number, what, measured, wanted };
    Ok(vec![
        gate(3, "up, degrees off", of_truth("up_deg", "median"), AtMost(0.5)),
        gate(3, "centres, mm off in the median", of_truth("centre", "median"), AtMost(6.0)),
        gate(3, "headings, degrees off in the median", of_truth("heading_deg", "median"), AtMost(8.0)),
        gate(3, "headings, degrees off at most", of_truth("heading_deg", "largest"), AtMost(90.0)),
        gate(4, "crop along the body, points", edge(0), AtMost(64.0)),
        gate(4, "crop across the body, points", edge(1), AtMost(32.0)),
        gate(4, "crop upward, points", edge(2), AtMost(32.0)),
        gate(5, "observed views, PSNR (dB)", of_view("0", "psnr"), AtLeast(28.0)),
        gate(5, "observed views, IoU", of_view("0", "iou"), AtLeast(0.92)),
        gate(5, "observed views, SSIM", of_view("0", "ssim"), AtLeast(0.968)),
        gate(5, "observed views, L1", of_view("0", "l1"), AtMost(0.42)),
        gate(5, "held-out views, PSNR (dB)", of_view("1", "psnr"), AtLeast(22.5)),
        gate(5, "held-out views, IoU", of_view("1", "iou"), AtLeast(0.82)),
        gate(5, "model, MB", model, AtMost(35.0)),
    ])
}

/// Mean of a column over some rows of a table with a header line; NaN where there is none.
fn mean(table: &str, column: &str, is_meant: impl Fn(&[&str]) -> bool) -> f64 {
    let mut rows = table.lines().map(|line| line.split(',').map(str::trim).collect::<Vec<_>>());
    let at = rows.next().and_then(|heads| heads.iter().position(|head| *head == column));
    let value = |row: Vec<&str>| row.get(at?)?.parse::<f64>().ok();
    let values: Vec<f64> = rows.filter(|row| is_meant(row)).map(|row| value(row).unwrap_or(f64::NAN)).collect();
    values.iter().sum::<f64>() / values.len() as f64
}

/// Lengths of the three intervals of a crop.
fn edges(json: &str) -> Vec<f64> {
    let numbers = json.split(|c: char| !c.is_ascii_digit()).filter(|word| !word.is_empty());
    let numbers: Vec<f64> = numbers.filter_map(|word| word.parse().ok()).collect();
    numbers.chunks_exact(2).map(|pair| pair[1] - pair[0]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const METRICS: &str = "camera,heldout,iou,soft_iou,l1,psnr,psnr_foreground,ssim\n\
        0,0,0.95,0.9,0.30,29.0,20,0.97\n1,1,0.85,0.8,0.5,23.0,19,0.93\n2,0,0.93,0.9,0.40,30.0,20,0.99\n";
    const TRUTH: &str = "measure,median,largest\nup_deg,0.1,0.1\ncentre,2.0,3.0\nheading_deg,1.8,95\n";
    const CROP: &str = "{\n \"volume_idx\": [[0, 64], [16, 48],\n [16, 48]]\n}\n";

    #[test]
    fn means_by_hand() {
        assert_eq!(mean(METRICS, "psnr", |row| row[1] == "0"), 29.5);
        assert_eq!(mean(METRICS, "iou", |row| row[1] == "1"), 0.85);
        assert!(mean(METRICS, "nothing", |_| true).is_nan());
        assert!(mean(METRICS, "psnr", |_| false).is_nan() && mean("", "psnr", |_| true).is_nan());
        assert_eq!(edges(CROP), [64.0, 32.0, 32.0]);
    }

    #[test]
    fn a_missed_gate_is_told() {
        let folder = std::env::temp_dir().join(format!("volkit-gates-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        assert!(gates(&folder).is_err(), "no files");
        for (name, text) in [("truth.csv", TRUTH), ("metrics_test.csv", METRICS), ("crop.json", CROP)] {
            std::fs::write(folder.join(name), text).unwrap();
        }
        let gates = gates(&folder).unwrap();
        std::fs::remove_dir_all(&folder).unwrap();
        let missed: Vec<&str> = gates.iter().filter(|gate| !gate.holds()).map(|gate| gate.what).collect();
        assert_eq!(missed, ["headings, degrees off at most", "model, MB"], "a sign that flipped, and no model");
        assert_eq!(gates[7].line(), " 5  observed views, PSNR (dB)              29.5000 >= 28      holds");
    }

    #[test]
    fn nothing_passes_without_a_number() {
        let gate = |wanted| Gate { number: 5, what: "x", measured: f64::NAN, wanted };
        assert!(!gate(Bound::AtMost(1.0)).holds() && !gate(Bound::AtLeast(1.0)).holds());
    }
}
