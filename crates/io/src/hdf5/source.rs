//! The file under the pure-Rust library: positioned reads, from any thread.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use hdf5_pure::{FormatError, Source};

use crate::IoError;
use crate::bytes::read_up_to;

/// A file that the library reads from any thread.
#[derive(Clone)]
pub(super) struct PositionedFile {
    file: Arc<File>,
    len: u64,
}

impl PositionedFile {
    pub(super) fn open(path: &Path) -> Result<Self, IoError> {
        let file = File::open(path).map_err(|error| IoError::io(path, "open", error))?;
        let metadata = file.metadata().map_err(|error| IoError::io(path, "open", error))?;
        if metadata.is_dir() {
            return Err(IoError::not_this_format(path, "a folder"));
        }
        Ok(Self { file: Arc::new(file), len: metadata.len() })
    }

    pub(super) fn size(&self) -> u64 {
        self.len
    }

    pub(super) fn try_clone(&self) -> std::io::Result<File> {
        self.file.try_clone()
    }

    /// The bytes of one block or chunk.
    pub(super) fn read_exact(&self, offset: u64, out: &mut [u8]) -> std::io::Result<()> {
        if read_up_to(&self.file, offset, out)? < out.len() {
            return Err(std::io::Error::from(std::io::ErrorKind::UnexpectedEof));
        }
        Ok(())
    }
}

impl Source for PositionedFile {
    fn len(&self) -> u64 {
        self.len
    }

    fn read_at(&self, offset: u64, out: &mut [u8]) -> Result<(), FormatError> {
        let found = read_up_to(&self.file, offset, out).map_err(|error| FormatError::Source(error.to_string()))?;
        if found < out.len() {
            return Err(FormatError::Source(format!("the file ends {} bytes before", out.len() - found)));
        }
        Ok(())
    }
}
