//! Opening HDF5 files, and walking through them.

use std::collections::BTreeSet;
use std::path::Path;

use super::api::{Hdf5Backend, Hdf5File, Hdf5Kind};
use super::pure::PureFile;
use crate::{IoError, Limits};

#[cfg(not(feature = "hdf5-c"))]
pub(super) const NO_C_LIBRARY: &str = "the C library is not part of this build (feature `hdf5-c`)";
/// Groups in groups beyond this are not entered.
const MAX_DEPTH: usize = 64;

/// Opens an HDF5 file for reading.
///
/// # Errors
/// [`IoError::NotThisFormat`] for what is no HDF5 file, [`IoError::Unsupported`] for [`Hdf5Backend::C`] in a build
/// without the feature `hdf5-c`.
pub fn open_hdf5(path: impl AsRef<Path>, backend: Hdf5Backend, limits: &Limits) -> Result<Box<dyn Hdf5File>, IoError> {
    let path = path.as_ref();
    match backend {
        #[cfg(feature = "hdf5-c")]
        Hdf5Backend::Auto => Ok(Box::new(super::auto_file::AutoFile::open(path, limits)?)),
        #[cfg(not(feature = "hdf5-c"))]
        Hdf5Backend::Auto => Ok(Box::new(PureFile::open(path, limits)?)),
        Hdf5Backend::Pure => Ok(Box::new(PureFile::open(path, limits)?)),
        #[cfg(feature = "hdf5-c")]
        Hdf5Backend::C => Ok(Box::new(super::c_file::CFile::open(path)?)),
        #[cfg(not(feature = "hdf5-c"))]
        Hdf5Backend::C => Err(IoError::unsupported(path, NO_C_LIBRARY)),
    }
}

/// A group or data set that a walk has found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hdf5Node {
    /// Path from the root group, without a leading `/`.
    pub path: String,
    /// What it is.
    pub kind: Hdf5Kind,
}

/// All groups and data sets of a file, each once, a group before what lies in it; and what was left out.
///
/// An object with several names is found under the first of them in the order of the walk, where the library tells that
/// they are one; links in a circle are followed once.
///
/// # Errors
/// When the root group can not be read. What can not be read below it is left out with a warning that names it.
pub fn walk_hdf5(file: &dyn Hdf5File) -> Result<(Vec<Hdf5Node>, Vec<String>), IoError> {
    let mut walk = Walk { file, nodes: Vec::new(), warnings: Vec::new(), seen: BTreeSet::new() };
    walk.enter("", 0)?;
    Ok((walk.nodes, walk.warnings))
}

struct Walk<'a> {
    file: &'a dyn Hdf5File,
    nodes: Vec<Hdf5Node>,
    warnings: Vec<String>,
    seen: BTreeSet<u64>,
}

impl Walk<'_> {
    fn enter(&mut self, group: &str, depth: usize) -> Result<(), IoError> {
        for entry in self.file.entries(group)? {
            let path = if group.is_empty() { entry.name.clone() } else { format!("{group}/{}", entry.name) };
            if entry.address.is_some_and(|address| !self.seen.insert(address)) {
                continue;
            }
            if entry.kind == Hdf5Kind::Other {
                self.warnings.push(format!("'{path}' is neither a group nor a data set, or its link leads nowhere"));
                continue;
            }
            self.nodes.push(Hdf5Node { path: path.clone(), kind: entry.kind });
            if entry.kind != Hdf5Kind::Group {
                continue;
            }
            if depth == MAX_DEPTH {
                self.warnings.push(format!("'{path}' lies {MAX_DEPTH} groups deep: it is not entered"));
            } else if let Err(error) = self.enter(&path, depth + 1) {
                self.warnings.push(format!("'{path}' can not be read: {error}"));
            }
        }
        Ok(())
    }
}
