//! Measures and pictures of several runs side by side.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use serde::Serialize;
use volkit_core::BoxError;
use volkit_io::write_atomically;
use volkit_pose::{MetricsTable, ViewMetrics};

use crate::page::{Table, document, escaped};
use crate::project::Project;

/// Begin and end of the names of pictures of test frames.
const PICTURE: [&str; 2] = ["test", ".png"];

/// Means of runs.
#[derive(Debug, Serialize)]
pub(crate) struct Comparison {
    rows: Vec<Row>,
}

/// A run's means over the cameras that are held out, or over the others.
#[derive(Debug, Serialize)]
struct Row {
    run: String,
    held_out: bool,
    metrics: ViewMetrics,
}

/// An evaluated run.
struct Run {
    name: String,
    table: MetricsTable,
    renders: PathBuf,
}

impl Run {
    /// The run of a configuration, or of a folder that holds one, or that is a project's.
    fn open(path: &Path) -> Result<Self, BoxError> {
        let (folder, renders) = if path.is_dir() && path.join("metrics_test.json").exists() {
            (path.to_owned(), path.join("renders"))
        } else {
            let config = if path.is_dir() { path.join("config.json") } else { path.to_owned() };
            let project = Project::open(&config, 1)?;
            (project.file(""), project.renders())
        };
        let metrics = folder.join("metrics_test.json");
        let why = "(run `pose-splatter evaluate` first)";
        let text = fs::read_to_string(&metrics).map_err(|error| format!("{}: {error} {why}", metrics.display()))?;
        let table = serde_json::from_str(&text).map_err(|error| format!("{}: {error}", metrics.display()))?;
        let name = path.display().to_string();
        let name = name.trim_end_matches("config.json").trim_end_matches('/');
        Ok(Self { name: if name.is_empty() { ".".to_owned() } else { name.to_owned() }, table, renders })
    }

    /// Names and paths of pictures of test frames.
    fn pictures(&self) -> BTreeMap<String, PathBuf> {
        let entries = fs::read_dir(&self.renders).into_iter().flatten().flatten();
        let named = entries.map(|entry| (entry.file_name().to_string_lossy().into_owned(), entry.path()));
        named.filter(|(name, _)| name.starts_with(PICTURE[0]) && name.ends_with(PICTURE[1])).collect()
    }
}

/// Compares runs; writes table and page into `out` where there is one.
pub(crate) fn compare(paths: &[PathBuf], out: Option<&Path>) -> Result<Comparison, BoxError> {
    let runs = paths.iter().map(|path| Run::open(path)).collect::<Result<Vec<_>, _>>()?;
    let of = |held_out: bool| {
        runs.iter()
            .filter_map(move |run| Some(Row { run: run.name.clone(), held_out, metrics: run.table.mean(held_out)? }))
    };
    let comparison = Comparison { rows: of(false).chain(of(true)).collect() };
    if let Some(out) = out {
        fs::create_dir_all(out).map_err(|error| format!("{}: {error}", out.display()))?;
        write_atomically(out.join("comparison.csv"), |file| file.write_all(comparison.to_csv().as_bytes()))?;
        let text = comparison.page(&copy_pictures(&runs, out)?);
        write_atomically(out.join("index.html"), |file| file.write_all(text.as_bytes()))?;
    }
    Ok(comparison)
}

/// Copies the pictures; gives, for each name, the runs that have it and the names of the copies.
fn copy_pictures(runs: &[Run], out: &Path) -> Result<BTreeMap<String, Vec<(String, String)>>, BoxError> {
    let mut copies: BTreeMap<String, Vec<(String, String)>> = BTreeMap::new();
    for (number, run) in runs.iter().enumerate() {
        for (name, path) in run.pictures() {
            let copy = format!("{number}-{name}");
            fs::copy(&path, out.join(&copy)).map_err(|error| format!("{}: {error}", path.display()))?;
            copies.entry(name).or_default().push((run.name.clone(), copy));
        }
    }
    Ok(copies)
}

/// The measures that are shown: name, digits, whether more is better, value.
type Measure = (&'static str, usize, bool, fn(&ViewMetrics) -> f64);

const MEASURES: [Measure; 6] = [
    ("psnr", 2, true, |m| m.psnr),
    ("psnr_foreground", 2, true, |m| m.psnr_foreground),
    ("ssim", 4, true, |m| m.ssim),
    ("iou", 4, true, |m| m.iou),
    ("soft_iou", 4, true, |m| m.soft_iou),
    ("l1", 4, false, |m| m.l1),
];

impl Row {
    fn views(&self) -> &'static str {
        if self.held_out { "held out" } else { "observed" }
    }
}

impl Comparison {
    /// A line a row, in columns.
    pub(crate) fn lines(&self) -> String {
        let width = self.rows.iter().map(|row| row.run.chars().count()).max().unwrap_or(0).max(3);
        let mut text = format!("{:width$}  {:8}", "run", "views");
        for (name, ..) in MEASURES {
            // Writing to a text can not fail.
            let _ = write!(text, "  {name:>8}");
        }
        for row in &self.rows {
            let _ = write!(text, "\n{:width$}  {:8}", row.run, row.views());
            for (name, digits, _, value) in MEASURES {
                let _ = write!(text, "  {:>w$.digits$}", value(&row.metrics), w = name.len().max(8));
            }
        }
        text
    }

    fn to_csv(&self) -> String {
        let mut text = format!("run,heldout,{}\n", MEASURES.map(|measure| measure.0).join(","));
        for row in &self.rows {
            let run = row.run.replace('"', "\"\"");
            let values = MEASURES.map(|(.., value)| format!("{:.6}", value(&row.metrics))).join(",");
            let _ = writeln!(text, "\"{run}\",{},{values}", u8::from(row.held_out));
        }
        text
    }

    /// Whether a row is the best of its kind by a measure.
    fn is_best(&self, row: &Row, (_, _, more, value): &Measure) -> bool {
        let signed = |row: &Row| if *more { value(&row.metrics) } else { -value(&row.metrics) };
        self.rows.iter().filter(|other| other.held_out == row.held_out).all(|other| signed(row) >= signed(other))
    }

    fn page(&self, pictures: &BTreeMap<String, Vec<(String, String)>>) -> String {
        let mut table =
            Table::new(&["run", "views", "PSNR (dB)", "PSNR of the animal", "SSIM", "IoU", "soft IoU", "L1"]);
        for row in &self.rows {
            let values = MEASURES.iter().map(|measure| {
                let text = format!("{:.*}", measure.1, (measure.3)(&row.metrics));
                if self.is_best(row, measure) { format!("<b>{text}</b>") } else { text }
            });
            table.push([escaped(&row.run), row.views().to_owned()].into_iter().chain(values));
        }
        let mut body = format!("<h2>Last third of the recording</h2>{}", table.html());
        for (name, copies) in pictures {
            let _ = write!(body, "<h2>{}</h2>", escaped(name));
            for (run, copy) in copies {
                let run = escaped(run);
                let _ = write!(body, "<h3>{run}</h3><img src=\"{}\" alt=\"{run}\">", escaped(copy));
            }
        }
        document("Runs side by side", &body)
    }
}
