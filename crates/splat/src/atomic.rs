//! Files that appear once they are complete.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use crate::SplatError;

/// Writes `path` under another name in the same folder, and renames it at the end.
pub(crate) fn write_whole<T>(path: &Path, write: impl FnOnce(&File) -> io::Result<T>) -> Result<T, SplatError> {
    let mut partial = path.as_os_str().to_owned();
    partial.push(".partial");
    let partial = PathBuf::from(partial);
    let result = File::create(&partial).and_then(|file| {
        let value = write(&file)?;
        file.sync_all()?;
        std::fs::rename(&partial, path)?;
        Ok(value)
    });
    if result.is_err() {
        // What there is of it may be gone already.
        let _ = std::fs::remove_file(&partial);
    }
    result.map_err(|source| SplatError::Io { path: path.to_owned(), source })
}
