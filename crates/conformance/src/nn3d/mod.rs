//! The suite `nn3d`: layers on tensors of candle, forward and backward.
//!
//! Without the feature `candle` every case is skipped.

#[cfg(feature = "candle")]
mod layer;

use std::path::Path;

use crate::ConformanceError;
use crate::index::{Entry, list, read_json};
use crate::machine::Machine;
use crate::suite::Cases;

pub(crate) fn run(folder: &Path, machine: &Machine, cases: &mut Cases<'_>) -> Result<(), ConformanceError> {
    let path = folder.join("index.json");
    let Some(index) = read_json(&path)? else {
        return Err(ConformanceError::NoIndex { folder: folder.to_owned(), wanted: "index.json" });
    };
    let root = Entry::new(&index, folder);
    for (number, value) in list(&path, &index, "cases")?.iter().enumerate() {
        let entry = Entry::new(value, folder);
        let name = entry.text("name").map_or_else(|_| format!("case {number}"), str::to_owned);
        run_case(&name, (&root, &entry), machine, cases);
    }
    Ok(())
}

#[cfg(feature = "candle")]
fn run_case(name: &str, (root, entry): (&Entry<'_>, &Entry<'_>), machine: &Machine, cases: &mut Cases<'_>) {
    for (path, label) in layer::paths(entry, machine) {
        cases.case(format!("{name}/{label}"), || layer::check(root, entry, (path, &machine.device)).map(Into::into));
    }
}

#[cfg(not(feature = "candle"))]
fn run_case(name: &str, _: (&Entry<'_>, &Entry<'_>), _: &Machine, cases: &mut Cases<'_>) {
    cases.case(name.to_owned(), || Ok(crate::suite::Outcome::Skipped(crate::suite::NEEDS_CANDLE.to_owned())));
}
