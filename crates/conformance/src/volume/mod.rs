//! The suite `volume`: files and what reading them must give.

mod bad;
mod canonical;
mod header;
mod nifti;
mod values;

use std::path::Path;

use crate::ConformanceError;
use crate::index::{Entry, list, read_json};
use crate::report::CaseResult;
use crate::suite::Cases;

/// Why the cases of a container are not run.
const NO_HDF5: &str = "HDF5 volumes are not built in";
const NO_ZARR: &str = "Zarr volumes are not built in";
const NOT_COMPARED: &str = "this suite compares no volumes of this container";

pub(crate) fn run(folder: &Path, cases: &mut Cases<'_>) -> Result<(), ConformanceError> {
    let mut found = false;
    for (part, field, run_part) in [
        ("nifti", "entries", nifti_cases as fn(&Path, &[serde_json::Value], &mut Cases<'_>)),
        ("hdf5", "", hdf5_cases),
        ("zarr", "", zarr_cases),
        ("bad", "entries", bad_cases),
    ] {
        let part_folder = folder.join(part);
        let path = part_folder.join("index.json");
        let Some(index) = read_json(&path)? else { continue };
        found = true;
        run_part(&part_folder, list(&path, &index, field)?, cases);
    }
    let wanted = "nifti/index.json, hdf5/index.json, zarr/index.json, bad/index.json";
    if found { Ok(()) } else { Err(ConformanceError::NoIndex { folder: folder.to_owned(), wanted }) }
}

/// `part/first file`, or a number where the entry names no file.
fn case_name(part: &str, number: usize, entry: &Entry<'_>) -> String {
    let files = entry.list("files").ok().and_then(|files| files.first()).and_then(|file| file.as_str());
    let file = files.or_else(|| entry.text("file").ok()).or_else(|| entry.text("store").ok());
    file.map_or_else(|| format!("{part}/entry {number}"), |file| format!("{part}/{file}"))
}

fn nifti_cases(folder: &Path, entries: &[serde_json::Value], cases: &mut Cases<'_>) {
    for (number, value) in entries.iter().enumerate() {
        let entry = Entry::new(value, folder);
        cases.case(case_name("nifti", number, &entry), || nifti::case(&entry));
    }
}

fn bad_cases(folder: &Path, entries: &[serde_json::Value], cases: &mut Cases<'_>) {
    for (number, value) in entries.iter().enumerate() {
        let entry = Entry::new(value, folder);
        let name = case_name("bad", number, &entry);
        match not_built_in(&name) {
            Some(why) => cases.push(CaseResult::skipped(name, why)),
            None => cases.case(name, || bad::case(&entry)),
        }
    }
}

/// The container that a file needs, by its name, when this build lacks it.
fn not_built_in(name: &str) -> Option<&'static str> {
    let has_suffix = |suffix: &str| Path::new(name).extension().is_some_and(|found| found == suffix);
    match () {
        () if has_suffix("h5") || has_suffix("hdf5") => (!volkit_io::has_suffix(".h5")).then_some(NO_HDF5),
        () if has_suffix("zarr") => (!volkit_io::has_suffix(".zarr")).then_some(NO_ZARR),
        () => None,
    }
}

fn hdf5_cases(folder: &Path, entries: &[serde_json::Value], cases: &mut Cases<'_>) {
    let why = if volkit_io::has_suffix(".h5") { NOT_COMPARED } else { NO_HDF5 };
    skip_all("hdf5", why, folder, entries, cases);
}

fn zarr_cases(folder: &Path, entries: &[serde_json::Value], cases: &mut Cases<'_>) {
    let why = if volkit_io::has_suffix(".zarr") { NOT_COMPARED } else { NO_ZARR };
    skip_all("zarr", why, folder, entries, cases);
}

fn skip_all(part: &str, why: &str, folder: &Path, entries: &[serde_json::Value], cases: &mut Cases<'_>) {
    for (number, value) in entries.iter().enumerate() {
        cases.push(CaseResult::skipped(case_name(part, number, &Entry::new(value, folder)), why));
    }
}
