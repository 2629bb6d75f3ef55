//! What outputs were made of: a small file beside the labels, by which a later run knows that they still hold.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use serde_json::{Value, json};
use volkit_io::{sha256, sha256_file};

use crate::args::Args;
use crate::model::Model;
use crate::naming::{ScanJob, base_name};
use crate::outputs::write_whole;

/// Version of what is hashed; another one makes everything anew.
const VERSION: u32 = 1;

/// Rows of tables about one scan.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Rows {
    pub(crate) volumes: Option<String>,
    pub(crate) scores: Option<String>,
}

/// What decides on the outputs beside the scan: weights and flags.
#[derive(Clone, Debug)]
pub(crate) struct Recipe {
    text: String,
}

impl Recipe {
    /// That of a run.
    pub(crate) fn new(args: &Args, model: &Model) -> Result<Self> {
        let (method, outputs) = (&args.method, &args.outputs);
        let models: Vec<&str> = model.files.iter().map(|file| file.sha256.as_str()).collect();
        let labels = outputs.labels.as_deref().map(sha256_file).transpose()?;
        let text = json!({
            "version": VERSION,
            "models": models,
            "fast": method.fast,
            "ct": method.ct,
            "crop": args.crop(),
            "autocrop": method.autocrop,
            "keepgeom": method.keepgeom,
            "compat": method.compat,
            "addctab": outputs.addctab,
            "mode": args.machine.mode.name(),
            "path": model.place.path.resolved().name(),
            "labels": labels,
            "qc_threshold": outputs.report.is_some().then_some(outputs.qc_threshold),
        });
        Ok(Self { text: text.to_string() })
    }

    /// Hash of weights, flags and the content of a scan.
    pub(crate) fn key(&self, input: &Path) -> Result<String> {
        Ok(sha256(format!("{}\n{}", self.text, sha256_file(input)?).as_bytes()))
    }
}

/// Where the record of a scan lies.
pub(crate) fn path_of(job: &ScanJob) -> PathBuf {
    job.labels.with_file_name(format!(".{}.synthseg.json", base_name(&job.labels)))
}

/// Notes that the outputs of a scan are there.
pub(crate) fn write(job: &ScanJob, key: &str, rows: &Rows) -> Result<()> {
    let mut files = serde_json::Map::new();
    for (name, path) in job.named_files() {
        // A resampled scan is written only where resampling was needed.
        let size = match fs::metadata(path) {
            Ok(meta) => json!(meta.len()),
            Err(_) if name == "resampled" => Value::Null,
            Err(error) => return Err(error).with_context(|| format!("{}: can not read", path.display())),
        };
        files.insert(name.to_owned(), size);
    }
    let record = json!({
        "made_by": concat!("volkit synthseg ", env!("CARGO_PKG_VERSION")),
        "input": job.input,
        "key": key,
        "files": files,
        "volumes": rows.volumes,
        "scores": rows.scores,
    });
    write_whole(&path_of(job), format!("{record:#}\n").as_bytes())
}

/// Whether the outputs of a scan are there, made with that key; then the rows about it.
pub(crate) fn still_holds(job: &ScanJob, key: &str) -> Option<Rows> {
    let record: Value = serde_json::from_str(&fs::read_to_string(path_of(job)).ok()?).ok()?;
    if record["key"].as_str()? != key {
        return None;
    }
    for (name, path) in job.named_files() {
        let size = record["files"].get(name)?;
        let found = fs::metadata(path).ok().map(|meta| meta.len());
        if size.as_u64() != found {
            return None;
        }
    }
    let text = |name: &str| record[name].as_str().map(str::to_owned);
    let rows = Rows { volumes: text("volumes"), scores: text("scores") };
    let is_whole = job.volumes.is_none() || rows.volumes.is_some();
    (is_whole && (job.scores.is_none() || rows.scores.is_some())).then_some(rows)
}
