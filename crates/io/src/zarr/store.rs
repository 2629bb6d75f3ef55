//! Files of chunks: read whole or in part, written complete or not at all.

use std::fs::{self, File};
use std::io::{ErrorKind, Read as _, Write as _};
use std::path::Path;

use crate::IoError;
use crate::atomic::TemporaryFile;

/// Opens a chunk's file; none where the chunk is not stored.
///
/// # Errors
/// Also for an empty file: a chunk that was being written when the machine lost power, not one that is missing.
pub(crate) fn open_chunk(path: &Path) -> Result<Option<(File, u64)>, IoError> {
    let file = match File::open(path) {
        Ok(file) => file,
        // A chunk's name may hold a file where another encoding would have a folder.
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => return Ok(None),
        Err(error) => return Err(IoError::io(path, "open", error)),
    };
    let length = file.metadata().map_err(|error| IoError::io(path, "read", error))?.len();
    if length == 0 {
        return Err(IoError::damaged(path, "the chunk is an empty file"));
    }
    Ok(Some((file, length)))
}

/// Reads a chunk's file into `bytes`; false where the chunk is not stored.
pub(crate) fn read_chunk(path: &Path, most: u64, bytes: &mut Vec<u8>) -> Result<bool, IoError> {
    let Some((file, length)) = open_chunk(path)? else {
        return Ok(false);
    };
    if length > most {
        return Err(IoError::damaged(path, format!("{length} bytes, a chunk of this array has at most {most}")));
    }
    bytes.clear();
    bytes.reserve(length as usize);
    let read = file.take(most).read_to_end(bytes).map_err(|error| IoError::io(path, "read", error))?;
    if (read as u64) < length {
        let (what, found) = ("the chunk".to_owned(), read as u64);
        return Err(IoError::Truncated { path: path.to_owned(), what, expected: length, found });
    }
    Ok(true)
}

/// Reads a part of a chunk's file.
pub(crate) fn read_part(path: &Path, file: &File, offset: u64, bytes: &mut [u8]) -> Result<(), IoError> {
    let read = crate::bytes::read_up_to(file, offset, bytes).map_err(|error| IoError::io(path, "read", error))?;
    if read < bytes.len() {
        let (expected, found) = (offset + bytes.len() as u64, offset + read as u64);
        return Err(IoError::Truncated { path: path.to_owned(), what: "the shard".to_owned(), expected, found });
    }
    Ok(())
}

/// Writes a chunk's file.
pub(crate) fn write_chunk(path: &Path, bytes: &[u8]) -> Result<(), IoError> {
    let temporary = match TemporaryFile::create(path, true) {
        Err(IoError::Io { source, .. }) if source.kind() == ErrorKind::NotFound => {
            if let Some(folder) = path.parent() {
                fs::create_dir_all(folder).map_err(|error| IoError::io(folder, "create", error))?;
            }
            TemporaryFile::create(path, true)?
        }
        created => created?,
    };
    temporary.file().write_all(bytes).map_err(|error| IoError::io(path, "write", error))?;
    temporary.rename(false)
}

/// Removes a chunk's file, if it is there.
pub(crate) fn remove_chunk(path: &Path) -> Result<(), IoError> {
    match fs::remove_file(path) {
        Err(error) if !matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            Err(IoError::io(path, "remove", error))
        }
        _ => Ok(()),
    }
}
