//! The suite `volume`: files and what reading them must give.

mod bad;
mod canonical;
mod hdf5;
mod header;
mod nifti;
mod values;
mod zarr;

use std::path::Path;

use crate::ConformanceError;
use crate::index::{Entry, list, read_json};
use crate::suite::Cases;

pub(crate) fn run(folder: &Path, cases: &mut Cases<'_>) -> Result<(), ConformanceError> {
    let mut found = false;
    for (part, field, run_part) in [
        ("nifti", "entries", nifti_cases as fn(&Path, &[serde_json::Value], &mut Cases<'_>)),
        ("hdf5", "", hdf5::cases),
        ("zarr", "", zarr::cases),
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
        cases.case(name, || bad::case(&entry));
    }
}
