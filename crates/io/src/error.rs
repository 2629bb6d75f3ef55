//! The error of this crate.

use std::io;
use std::path::{Path, PathBuf};

use volkit_core::{BoxError, CoreError};

/// What reading and writing files refuses or fails at. Every message begins with the file.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum IoError {
    /// The operating system refused.
    #[error("{}: can not {op}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What was tried: `open`, `read`, `write`, `rename`...
        op: &'static str,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The content is of no format that this crate reads.
    #[error("{}: not a volume that can be read: {found}", path.display())]
    NotThisFormat {
        /// The file.
        path: PathBuf,
        /// What was found instead.
        found: String,
    },
    /// The file ends too early.
    #[error("{}: {what} ends after {found} bytes, {expected} expected", path.display())]
    Truncated {
        /// The file.
        path: PathBuf,
        /// The part that is cut; of voxels with the field of the header that asks for them.
        what: String,
        /// Bytes that it needs.
        expected: u64,
        /// Bytes that are there.
        found: u64,
    },
    /// A header field holds what it must not.
    #[error("{}: {field} = {value}: {why}", path.display())]
    BadHeader {
        /// The file.
        path: PathBuf,
        /// Name of the field, as the format's documentation spells it.
        field: String,
        /// Its value.
        value: String,
        /// What it must be.
        why: String,
    },
    /// The file, or what was asked of it, is legal but not supported.
    #[error("{}: {what}", path.display())]
    Unsupported {
        /// The file.
        path: PathBuf,
        /// What is not supported, and what to do instead.
        what: String,
    },
    /// More memory would be needed than the limits allow.
    #[error("{}: {what} needs {needed} bytes, the limit is {limit}", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// The part that is too large.
        what: String,
        /// Bytes that it needs.
        needed: u128,
        /// Bytes that are allowed.
        limit: u64,
    },
    /// A checksum or a compressed stream shows damage.
    #[error("{}: damaged: {at}", path.display())]
    Checksum {
        /// The file.
        path: PathBuf,
        /// Where the damage shows.
        at: String,
    },
    /// A file that is not there.
    #[error("{}: no such file{}", path.display(), why.as_ref().map(|why| format!(" ({why})")).unwrap_or_default())]
    MissingFile {
        /// The file.
        path: PathBuf,
        /// Why it was looked for, when the caller did not name it.
        why: Option<String>,
    },
    /// The output exists and must not be replaced.
    #[error("{}: exists already", path.display())]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// A group or data set of an HDF5 file that is not there, can not be read or is not what it must be.
    #[error("{}: '{name}': {source}", path.display())]
    DataSet {
        /// The file.
        path: PathBuf,
        /// Path of the group or data set in the file.
        name: String,
        /// What is wrong.
        #[source]
        source: BoxError,
    },
    /// A volume, region or array that does not fit.
    #[error("{}: {source}", path.display())]
    Core {
        /// The file.
        path: PathBuf,
        /// What does not fit.
        #[source]
        source: Box<CoreError>,
    },
}

impl IoError {
    pub(crate) fn io(path: &Path, op: &'static str, source: io::Error) -> Self {
        if source.kind() == io::ErrorKind::NotFound && matches!(op, "open" | "read") {
            return Self::MissingFile { path: path.to_owned(), why: None };
        }
        Self::Io { path: path.to_owned(), op, source }
    }

    pub(crate) fn core(path: &Path, source: CoreError) -> Self {
        Self::Core { path: path.to_owned(), source: Box::new(source) }
    }

    pub(crate) fn bad_header(
        path: &Path,
        field: impl Into<String>,
        value: impl std::fmt::Display,
        why: impl Into<String>,
    ) -> Self {
        Self::BadHeader { path: path.to_owned(), field: field.into(), value: value.to_string(), why: why.into() }
    }

    pub(crate) fn unsupported(path: &Path, what: impl Into<String>) -> Self {
        Self::Unsupported { path: path.to_owned(), what: what.into() }
    }

    pub(crate) fn damaged(path: &Path, at: impl Into<String>) -> Self {
        Self::Checksum { path: path.to_owned(), at: at.into() }
    }

    pub(crate) fn not_this_format(path: &Path, found: impl Into<String>) -> Self {
        Self::NotThisFormat { path: path.to_owned(), found: found.into() }
    }
}
