//! Which files a stack has.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use volkit_core::natural_order;

use crate::IoError;

/// Suffixes of pictures, lower case without the dot.
const SUFFIXES: [&str; 4] = ["bmp", "png", "tif", "tiff"];
const ANY: char = '*';

/// Whether a file of that name is a picture that is read and written here.
#[must_use]
pub fn is_picture(path: impl AsRef<Path>) -> bool {
    let suffix = path.as_ref().extension().unwrap_or_default().to_string_lossy().to_ascii_lowercase();
    SUFFIXES.contains(&suffix.as_str())
}

/// The pictures that a path names: itself, or, where its file name holds one `*`, the files of the folder that match, runs of
/// digits compared as numbers (`frame2.png` before `frame10.png`).
///
/// # Errors
/// [`IoError::MissingFile`] where no file matches; [`IoError::Io`] where the folder can not be read.
pub fn stack_files(path: impl AsRef<Path>) -> Result<Vec<PathBuf>, IoError> {
    let path = path.as_ref();
    let Some((before, after)) = parts(path)? else { return Ok(vec![path.to_owned()]) };
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."));
    let entries = std::fs::read_dir(folder).map_err(|error| IoError::io(folder, "read", error))?;
    let mut names = Vec::new();
    for entry in entries {
        let name = entry.map_err(|error| IoError::io(folder, "read", error))?.file_name();
        let Some(text) = name.to_str() else { continue };
        if text.len() >= before.len() + after.len() && text.starts_with(&before) && text.ends_with(&after) {
            names.push(text.to_owned());
        }
    }
    if names.is_empty() {
        return Err(IoError::MissingFile { path: path.to_owned(), why: Some("no file matches the pattern".into()) });
    }
    names.sort_by(|a, b| natural_order(a, b).then_with(|| a.cmp(b)));
    Ok(names.into_iter().map(|name| path.with_file_name(name)).collect())
}

/// The files of a stack of `channels` pictures that is to be written: the path itself for one, else with the number of the
/// channel, from 0, in place of the `*` of its file name.
///
/// # Errors
/// [`IoError::Unsupported`] for several channels and a name without `*`.
pub fn stack_names(path: impl AsRef<Path>, channels: usize) -> Result<Vec<PathBuf>, IoError> {
    let path = path.as_ref();
    let Some((before, after)) = parts(path)? else {
        if channels == 1 {
            return Ok(vec![path.to_owned()]);
        }
        let what =
            format!("{channels} channels are written as one picture each: put a * into the name, as 'height*.tif'");
        return Err(IoError::unsupported(path, what));
    };
    let digits = channels.saturating_sub(1).to_string().len();
    Ok((0..channels).map(|channel| path.with_file_name(format!("{before}{channel:0digits$}{after}"))).collect())
}

/// What stands before and behind the `*` of a file name, if there is one.
fn parts(path: &Path) -> Result<Option<(String, String)>, IoError> {
    let Some(name) = path.file_name().and_then(OsStr::to_str) else { return Ok(None) };
    let Some((before, after)) = name.split_once(ANY) else { return Ok(None) };
    if after.contains(ANY) {
        return Err(IoError::unsupported(path, "one * can stand in the name of a stack"));
    }
    Ok(Some((before.to_owned(), after.to_owned())))
}

#[cfg(test)]
mod tests {
    use super::{is_picture, stack_files, stack_names};

    #[test]
    fn names_of_stacks() {
        assert!(is_picture("a/B.TIF") && is_picture("x.bmp") && !is_picture("x.npy"));
        let names: Vec<String> =
            stack_names("o/h*.tif", 11).unwrap().iter().map(|path| path.display().to_string()).collect();
        assert_eq!((names[0].as_str(), names[10].as_str()), ("o/h00.tif", "o/h10.tif"));
        assert_eq!(stack_names("h.tif", 1).unwrap().len(), 1);
        assert!(stack_names("h.tif", 2).unwrap_err().to_string().contains('*'));
        assert!(stack_names("h**.tif", 2).is_err());
        assert!(stack_files("nowhere/a*.png").is_err());
    }
}
