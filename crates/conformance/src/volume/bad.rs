//! Malformed and hostile files.

use std::path::Path;
use std::time::{Duration, Instant};

use volkit_core::{BoxError, error_line};
use volkit_io::{IoError, ReadOptions, read_with};

use super::hdf5;
use crate::check::Check;
use crate::index::Entry;
use crate::suite::Outcome;

/// No file may take longer.
const TIME_LIMIT: Duration = Duration::from_secs(2);

pub(super) fn case(entry: &Entry<'_>) -> Result<Outcome, BoxError> {
    let paths = entry.paths("files")?;
    let path = &paths[0];
    std::fs::metadata(path).map_err(|error| format!("{}: {error}", path.display()))?;
    let expect = entry.text("expect")?;
    let mut check = Check::new();
    let start = Instant::now();
    let is_hdf5 = path.extension().is_some_and(|suffix| suffix == "h5");
    let read = if is_hdf5 { hdf5::read_whole_file(path) } else { read_volume(path) };
    if start.elapsed() > TIME_LIMIT {
        check.fail(format!(
            "took {:.1} s, at most {} s are allowed",
            start.elapsed().as_secs_f64(),
            TIME_LIMIT.as_secs()
        ));
    }
    match (expect, read) {
        ("error" | "error_or_documented" | "ok_or_error" | "no_panic", Err(error)) => {
            let message = error_line(&error);
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            if !message.contains(&*name) {
                check.fail(format!("the error does not name the file: {message}"));
            }
            check.note(format!("refused ({})", without_folder(&message)));
        }
        ("ok" | "ok_terminates" | "error_or_documented" | "ok_or_error" | "no_panic", Ok(how)) => check.note(how),
        ("error", Ok(how)) => check.fail(format!("was {how}, expected an error")),
        ("ok" | "ok_terminates", Err(error)) => return Err(error.into()),
        (other, _) => return Err(format!("the index has 'expect' = {other}, which is not known").into()),
    }
    Ok(check.into())
}

fn read_volume(path: &Path) -> Result<String, IoError> {
    let image = read_with(path, &ReadOptions::default())?;
    Ok(format!("read as {:?} {}", image.volume().shape(), image.volume().dtype()))
}

/// The message without the path in front of the file's name, which the line's beginning tells already.
fn without_folder(message: &str) -> &str {
    message.rfind('/').map_or(message, |slash| &message[slash + 1..])
}
