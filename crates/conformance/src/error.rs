//! The error of this crate.

use std::path::PathBuf;

use volkit_kernels::DeviceRequest;

/// Why a suite could not be run at all. (What goes wrong in a case is that case's result.)
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConformanceError {
    /// A name that is no suite.
    #[error("no suite is named '{name}' (there are: {known})")]
    UnknownSuite {
        /// Name asked for.
        name: String,
        /// Names of the suites, separated by commas.
        known: String,
    },
    /// A device or path that can not be had.
    #[error("device {device}: {why}")]
    Device {
        /// The device asked for.
        device: DeviceRequest,
        /// Why not.
        why: String,
    },
    /// The folder is not there, or is no folder.
    #[error("{}: no such folder", folder.display())]
    NoFolder {
        /// The folder.
        folder: PathBuf,
    },
    /// A folder that holds none of the indexes of its suite.
    #[error("{}: holds none of {wanted}", folder.display())]
    NoIndex {
        /// The folder.
        folder: PathBuf,
        /// Indexes that the suite reads.
        wanted: &'static str,
    },
    /// An index that can not be read.
    #[error("{}: can not be read", path.display())]
    Read {
        /// The index.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// An index that is not JSON.
    #[error("{}: not JSON", path.display())]
    Json {
        /// The index.
        path: PathBuf,
        /// Where it goes wrong.
        #[source]
        source: serde_json::Error,
    },
    /// An index of another form.
    #[error("{}: {field}: {why}", path.display())]
    Index {
        /// The index.
        path: PathBuf,
        /// Where in it.
        field: &'static str,
        /// What should be there.
        why: &'static str,
    },
}
