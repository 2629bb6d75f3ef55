//! The suite `geometry`: `orientation.json`, `resample.json`, `percentile.json`.

mod orientation;
mod percentile;
mod resample;

use std::path::Path;

use crate::ConformanceError;
use crate::index::{Entry, list, read_json};
use crate::suite::Cases;

pub(crate) fn run(folder: &Path, cases: &mut Cases<'_>) -> Result<(), ConformanceError> {
    let mut found = false;
    for (file, run_case) in [
        ("orientation.json", orientation::case as fn(&Entry<'_>) -> _),
        ("resample.json", resample::case),
        ("percentile.json", percentile::case),
    ] {
        let path = folder.join(file);
        let Some(index) = read_json(&path)? else { continue };
        found = true;
        for (number, value) in list(&path, &index, "")?.iter().enumerate() {
            let entry = Entry::new(value, folder);
            // Orientation cases have a kind and no name.
            let kind = entry.text("name").or_else(|_| entry.text("kind")).unwrap_or("unnamed");
            let suite = file.trim_end_matches(".json");
            cases.case(format!("{suite}/{number:03} {kind}"), || run_case(&entry));
        }
    }
    let wanted = "orientation.json, resample.json, percentile.json";
    if found { Ok(()) } else { Err(ConformanceError::NoIndex { folder: folder.to_owned(), wanted }) }
}
