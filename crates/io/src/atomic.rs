//! Files that appear under their name only when they are complete.

use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use crate::{IoError, Partial};

/// Attempts to find a temporary name that nothing has taken.
const MAX_NAMES: usize = 100;

/// Writes a file that appears under its name when `write` has succeeded: a temporary file in the same folder is filled,
/// then renamed over. When `write` fails, the temporary file is removed and what stood at `path` stays.
///
/// ```
/// use std::io::Write as _;
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("volumes.csv");
/// volkit_io::write_atomically(&path, |out| writeln!(out, "label,mm3"))?;
/// assert_eq!(std::fs::read_to_string(&path)?, "label,mm3\n");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// [`IoError::Io`] with the error of `write`, or of making, flushing or renaming the file.
pub fn write_atomically(
    path: impl AsRef<Path>,
    write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> Result<(), IoError> {
    let path = path.as_ref();
    let temporary = TemporaryFile::create(path, true)?;
    let mut out = BufWriter::new(temporary.file());
    write(&mut out).and_then(|()| out.flush()).map_err(|error| IoError::io(path, "write", error))?;
    drop(out);
    temporary.rename(false)
}

/// A temporary file beside the file that it will become; removed when it is dropped before that.
#[derive(Debug)]
pub(crate) struct TemporaryFile {
    target: PathBuf,
    temporary: PathBuf,
    file: File,
    renamed: bool,
    /// Whether the file stays when it is dropped before it is renamed.
    kept: bool,
}

impl TemporaryFile {
    pub(crate) fn create(target: &Path, overwrite: bool) -> Result<Self, IoError> {
        static COUNTER: AtomicU64 = AtomicU64::new(0);
        if !overwrite && target.exists() {
            return Err(IoError::Exists { path: target.to_owned() });
        }
        if target.is_dir() {
            return Err(IoError::io(target, "write", io::Error::from(io::ErrorKind::IsADirectory)));
        }
        let Some(name) = target.file_name() else {
            return Err(IoError::io(target, "write", io::Error::other("the path has no file name")));
        };
        let pid = std::process::id();
        for _ in 0..MAX_NAMES {
            let n = COUNTER.fetch_add(1, Ordering::Relaxed);
            let mut temporary_name = name.to_owned();
            temporary_name.push(format!(".tmp-{pid}-{n}"));
            let temporary = target.with_file_name(temporary_name);
            match OpenOptions::new().read(true).write(true).create_new(true).open(&temporary) {
                Ok(file) => {
                    return Ok(Self { target: target.to_owned(), temporary, file, renamed: false, kept: false });
                }
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(IoError::io(target, "create", error)),
            }
        }
        Err(IoError::io(target, "create", io::Error::from(io::ErrorKind::AlreadyExists)))
    }

    /// The file `NAME.partial`, which stays until it is renamed.
    pub(crate) fn partial(target: &Path, partial: Partial, overwrite: bool) -> Result<Self, IoError> {
        if !overwrite && target.exists() {
            return Err(IoError::Exists { path: target.to_owned() });
        }
        let mut name = target.file_name().unwrap_or_default().to_owned();
        name.push(".partial");
        let temporary = target.with_file_name(name);
        let mut options = OpenOptions::new();
        options.read(true).write(true);
        let opened = match partial {
            Partial::New => options.create(true).truncate(true).open(&temporary),
            Partial::Resume => options.open(&temporary),
        };
        let file = opened.map_err(|error| IoError::io(&temporary, "open", error))?;
        Ok(Self { target: target.to_owned(), temporary, file, renamed: false, kept: true })
    }

    /// Where the bytes are until the file is renamed.
    pub(crate) fn temporary(&self) -> &Path {
        &self.temporary
    }

    pub(crate) fn file(&self) -> &File {
        &self.file
    }

    /// Gives the file its name.
    pub(crate) fn rename(mut self, fsync: bool) -> Result<(), IoError> {
        if fsync {
            self.file.sync_all().map_err(|error| IoError::io(&self.target, "flush", error))?;
        }
        std::fs::rename(&self.temporary, &self.target).map_err(|error| IoError::io(&self.target, "rename", error))?;
        self.renamed = true;
        Ok(())
    }
}

impl Drop for TemporaryFile {
    fn drop(&mut self) {
        if !self.renamed && !self.kept {
            // Nothing can be done about a failure here; the name says what the file is.
            let _ = std::fs::remove_file(&self.temporary);
        }
    }
}
