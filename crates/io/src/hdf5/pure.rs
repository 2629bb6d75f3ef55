//! HDF5 files through the pure-Rust library.

use std::collections::{BTreeMap, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use hdf5_pure::{Error, File, FormatError, Group};
use volkit_core::BoxError;

use super::api::{Hdf5DataSet, Hdf5Entry, Hdf5File, Hdf5Kind, Hdf5Value};
use super::contain::{contained, shown};
use super::datatype;
use super::links::{self, Object, Target};
use super::pure_data_set::PureDataSet;
use super::source::PositionedFile;
use crate::{IoError, Limits};

/// Soft links that one path may lead through.
const MAX_SOFT_LINKS: usize = 40;

/// A file, shared by its data sets.
pub(super) struct Shared {
    pub(super) path: PathBuf,
    pub(super) file: PositionedFile,
    pub(super) limits: Limits,
}

impl Shared {
    pub(super) fn refused(&self, name: &str, why: impl Into<String>) -> IoError {
        IoError::DataSet { path: self.path.clone(), name: shown(name), source: why.into().into() }
    }

    pub(super) fn unsupported(&self, name: &str, why: &str) -> IoError {
        IoError::unsupported(&self.path, format!("'{}': {why}", shown(name)))
    }

    /// Runs a call into the library, whose errors and panics become errors that name the object.
    pub(super) fn guarded<T>(&self, name: &str, call: impl FnOnce() -> Result<T, Error>) -> Result<T, IoError> {
        contained(&self.path, name, || call().map_err(|error| self.failed(name, error)))
    }

    fn failed(&self, name: &str, error: Error) -> IoError {
        if let Error::Format(FormatError::InvalidLayoutVersion(version)) = error {
            let why = format!(
                "data layout version {version} (HDF5 2.0) is not known to the pure-Rust reader; the feature `hdf5-c` \
                 reads it where its HDF5 library does"
            );
            return self.unsupported(name, &why);
        }
        let source: BoxError = error.into();
        IoError::DataSet { path: self.path.clone(), name: shown(name), source }
    }
}

/// Reads with the pure-Rust library alone.
pub(super) struct PureFile {
    shared: Arc<Shared>,
    file: File,
    /// Where addresses begin, behind the user block.
    base: u64,
    /// Address of the root group.
    root: u64,
    objects: Mutex<BTreeMap<u64, Arc<Object>>>,
}

impl PureFile {
    pub(super) fn open(path: &Path, limits: &Limits) -> Result<Self, IoError> {
        let file = PositionedFile::open(path)?;
        let shared = Shared { path: path.to_owned(), file: file.clone(), limits: limits.clone() };
        let opened = contained(path, "", || File::from_source(file).map_err(|error| not_opened(path, error)))?;
        let superblock = opened.superblock();
        let (base, root) = (superblock.base_address.get(), superblock.root_group_address);
        // Other widths are of files that no program writes any more: the library lists their groups.
        let root = if (superblock.offset_size, superblock.length_size) == (8, 8) { root } else { u64::MAX };
        Ok(Self { shared: Arc::new(shared), file: opened, base, root, objects: Mutex::default() })
    }

    /// The header at an address, each read once.
    fn object(&self, address: u64) -> Option<Arc<Object>> {
        if let Some(found) = self.objects().get(&address) {
            return Some(Arc::clone(found));
        }
        let object = Arc::new(links::read_object(&self.shared.file, self.base, address)?);
        self.objects().insert(address, Arc::clone(&object));
        Some(object)
    }

    fn objects(&self) -> MutexGuard<'_, BTreeMap<u64, Arc<Object>>> {
        self.objects.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Follows soft links: the path by hard links alone, and the address of the object where it can be told.
    fn resolve(&self, path: &str) -> Result<(String, Option<u64>), IoError> {
        let mut rest: VecDeque<String> = components(path).collect();
        let mut reached: Vec<(String, u64)> = Vec::new();
        let mut n_soft = 0;
        let joined =
            |reached: &[(String, u64)]| reached.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>().join("/");
        while let Some(name) = rest.pop_front() {
            let group = reached.last().map_or(self.root, |(_, address)| *address);
            let Some(links) = self.object(group).filter(|object| object.links.is_some()) else {
                // The library may know what is not understood here.
                let known = [joined(&reached), name].into_iter().chain(rest).filter(|part| !part.is_empty());
                return Ok((known.collect::<Vec<_>>().join("/"), None));
            };
            let mut found = links.links.iter().flatten();
            match found.find(|(found, _)| *found == name).map(|(_, target)| target) {
                Some(Target::Hard(address)) => reached.push((name, *address)),
                Some(Target::Soft(target)) if n_soft < MAX_SOFT_LINKS => {
                    n_soft += 1;
                    if target.starts_with('/') {
                        reached.clear();
                    }
                    components(target).rev().for_each(|part| rest.push_front(part));
                }
                Some(Target::Soft(_)) => return Err(self.shared.refused(path, "its soft links lead in a circle")),
                Some(Target::Foreign) => {
                    let why = "leads to another file, which is not followed";
                    return Err(self.shared.unsupported(path, why));
                }
                None => {
                    return Err(self.shared.refused(path, format!("there is no '{name}' in '/{}'", joined(&reached))));
                }
            }
        }
        let address = reached.last().map_or(self.root, |(_, address)| *address);
        Ok((joined(&reached), Some(address)))
    }

    /// A group by hard links alone.
    fn group(&self, path: &str) -> Result<Group, IoError> {
        if path.is_empty() {
            return Ok(self.file.root());
        }
        self.shared.guarded(path, || self.file.group(path))
    }

    fn entry(&self, group: &str, (name, target): &(String, Target)) -> Hdf5Entry {
        let address = match target {
            Target::Hard(address) => Some(*address),
            Target::Soft(path) if path.starts_with('/') => self.resolve(path).ok().and_then(|(_, address)| address),
            Target::Soft(path) => self.resolve(&format!("{group}/{path}")).ok().and_then(|(_, address)| address),
            Target::Foreign => None,
        };
        let kind = address.and_then(|address| self.object(address)).map_or(Hdf5Kind::Other, |object| object.kind);
        Hdf5Entry { name: name.clone(), kind, address }
    }

    /// What the library itself lists: of groups whose links are not understood here.
    fn listed_by_library(&self, path: &str) -> Result<Vec<Hdf5Entry>, IoError> {
        let group = self.group(path)?;
        let (groups, data_sets) = self.shared.guarded(path, || Ok((group.groups()?, group.datasets()?)))?;
        let entry = |kind| move |name| Hdf5Entry { name, kind, address: None };
        let groups = groups.into_iter().map(entry(Hdf5Kind::Group));
        Ok(groups.chain(data_sets.into_iter().map(entry(Hdf5Kind::DataSet))).collect())
    }
}

/// The names of a path.
fn components(path: &str) -> impl DoubleEndedIterator<Item = String> {
    path.split('/').filter(|part| !part.is_empty() && *part != ".").map(str::to_owned)
}

/// The error of a file that the library does not open.
pub(super) fn not_opened(path: &Path, error: Error) -> IoError {
    match error {
        Error::Io(error) => IoError::io(path, "open", error),
        Error::Format(FormatError::SignatureNotFound) => IoError::not_this_format(path, "no HDF5 signature"),
        error => IoError::DataSet { path: path.to_owned(), name: "/".to_owned(), source: error.into() },
    }
}

impl Hdf5File for PureFile {
    fn entries(&self, group: &str) -> Result<Vec<Hdf5Entry>, IoError> {
        let (path, address) = self.resolve(group)?;
        let object = address.and_then(|address| self.object(address));
        let mut entries = match object.as_ref().and_then(|object| object.links.as_ref()) {
            Some(links) => links.iter().map(|link| self.entry(&path, link)).collect(),
            None => self.listed_by_library(&path)?,
        };
        entries.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(entries)
    }

    fn attributes(&self, object: &str) -> Result<BTreeMap<String, Hdf5Value>, IoError> {
        let (path, _) = self.resolve(object)?;
        let (values, types) = match self.group(&path) {
            Ok(group) => self.shared.guarded(&path, || Ok((group.attrs()?, group.attr_datatypes()?)))?,
            Err(_) => self.shared.guarded(&path, || {
                let data_set = self.file.dataset(&path)?;
                Ok((data_set.attrs()?, data_set.attr_datatypes()?))
            })?,
        };
        let value = |(name, datatype): (String, hdf5_pure::Datatype)| {
            let value = values.get(&name).map_or_else(|| Hdf5Value::Other(datatype.to_string()), datatype::value);
            (name, value)
        };
        Ok(types.into_iter().map(value).collect())
    }

    fn data_set(&self, path: &str) -> Result<Box<dyn Hdf5DataSet>, IoError> {
        let (path, _) = self.resolve(path)?;
        let data_set = self.shared.guarded(&path, || self.file.dataset(&path))?;
        Ok(Box::new(PureDataSet::new(Arc::clone(&self.shared), &path, data_set)?))
    }
}
