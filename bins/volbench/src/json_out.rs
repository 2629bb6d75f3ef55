//! Reports as JSON, in a file or on standard output.

use std::io::Write as _;
use std::path::Path;

use serde::Serialize;
use volkit_core::BoxError;

/// Whether the report takes the place of the text on standard output.
pub(crate) fn is_alone(path: Option<&Path>) -> bool {
    path == Some(Path::new("-"))
}

/// Writes indented JSON to the file, or to standard output where the path is `-`.
pub(crate) fn write_json(path: &Path, report: &impl Serialize) -> Result<(), BoxError> {
    let mut text = serde_json::to_string_pretty(report)?;
    text.push('\n');
    if is_alone(Some(path)) {
        return Ok(std::io::stdout().lock().write_all(text.as_bytes())?);
    }
    std::fs::write(path, text).map_err(|error| format!("{}: can not be written: {error}", path.display()).into())
}
