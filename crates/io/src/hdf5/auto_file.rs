//! The pure-Rust reader, and the C library for what that does not know.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use volkit_core::VoxelsMut;

use super::api::{Hdf5DataSet, Hdf5Entry, Hdf5File, Hdf5Info, Hdf5Value};
use super::c_file::CFile;
use super::pure::PureFile;
use crate::{IoError, Limits};

pub(super) struct AutoFile {
    path: PathBuf,
    pure: PureFile,
}

impl AutoFile {
    pub(super) fn open(path: &Path, limits: &Limits) -> Result<Self, IoError> {
        Ok(Self { path: path.to_owned(), pure: PureFile::open(path, limits)? })
    }
}

impl Hdf5File for AutoFile {
    fn entries(&self, group: &str) -> Result<Vec<Hdf5Entry>, IoError> {
        self.pure.entries(group)
    }

    fn attributes(&self, object: &str) -> Result<BTreeMap<String, Hdf5Value>, IoError> {
        self.pure.attributes(object)
    }

    fn data_set(&self, path: &str) -> Result<Box<dyn Hdf5DataSet>, IoError> {
        match self.pure.data_set(path) {
            Ok(pure) => {
                let c = OnceLock::new();
                Ok(Box::new(AutoDataSet { file: self.path.clone(), name: path.to_owned(), pure, c }))
            }
            Err(error @ IoError::Unsupported { .. }) => {
                CFile::open(&self.path).and_then(|file| file.data_set(path)).map_err(|_| error)
            }
            Err(error) => Err(error),
        }
    }
}

struct AutoDataSet {
    file: PathBuf,
    name: String,
    pure: Box<dyn Hdf5DataSet>,
    /// Opened when the pure-Rust reader has met what it does not know.
    c: OnceLock<Box<dyn Hdf5DataSet>>,
}

impl Hdf5DataSet for AutoDataSet {
    fn info(&self) -> &Hdf5Info {
        self.pure.info()
    }

    fn read_box(&self, start: &[usize], size: &[usize], mut out: VoxelsMut<'_>) -> Result<(), IoError> {
        if let Some(c) = self.c.get() {
            return c.read_box(start, size, out);
        }
        match self.pure.read_box(start, size, out.reborrow()) {
            Err(error @ IoError::Unsupported { .. }) => {
                let Ok(c) = CFile::open(&self.file).and_then(|file| file.data_set(&self.name)) else {
                    return Err(error);
                };
                self.c.get_or_init(|| c).read_box(start, size, out)
            }
            done => done,
        }
    }
}
