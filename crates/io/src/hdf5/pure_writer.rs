//! Writing HDF5 files box by box, in pure Rust: chunks go to the file as they are complete, headers and the index of
//! chunks when it is finished.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use volkit_core::{BoxError, DType, VoxelsRef};

use super::api::{Hdf5Backend, Hdf5Layout, Hdf5Value, Hdf5Writer};
use super::chunk_writer::DataSetWriter;
use super::encode::{self, Messages, SUPERBLOCK_BYTES};
use crate::atomic::TemporaryFile;
use crate::sink::write_all_at;
use crate::{IoError, WriteOptions};

/// Begins an HDF5 file that is written box by box. Of `options`, `overwrite` and `fsync` count.
///
/// The pure-Rust writer ([`Hdf5Backend::Auto`], [`Hdf5Backend::Pure`]) makes files for HDF5 1.8 and later. Its bytes
/// depend on nothing but the calls and their order.
///
/// # Errors
/// When the file can not be made, or for [`Hdf5Backend::C`] in a build without the feature `hdf5-c`.
pub fn create_hdf5(
    path: impl AsRef<Path>,
    backend: Hdf5Backend,
    options: &WriteOptions,
) -> Result<Box<dyn Hdf5Writer>, IoError> {
    let path = path.as_ref();
    match backend {
        Hdf5Backend::Auto | Hdf5Backend::Pure => Ok(Box::new(PureWriter::create(path, options)?)),
        #[cfg(feature = "hdf5-c")]
        Hdf5Backend::C => Ok(Box::new(super::c_writer::CWriter::create(path, options)?)),
        #[cfg(not(feature = "hdf5-c"))]
        Hdf5Backend::C => Err(IoError::unsupported(path, super::open::NO_C_LIBRARY)),
    }
}

/// The file that is being filled.
pub(super) struct Output {
    path: PathBuf,
    file: TemporaryFile,
    end: AtomicU64,
}

impl Output {
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Room for `n` bytes, 8-byte aligned.
    pub(super) fn allocate(&self, n: u64) -> u64 {
        self.end.fetch_add(n.next_multiple_of(8), Ordering::Relaxed)
    }

    pub(super) fn write(&self, address: u64, bytes: &[u8]) -> Result<(), IoError> {
        write_all_at(self.file.file(), address, bytes).map_err(|error| IoError::io(&self.path, "write", error))
    }

    pub(super) fn read(&self, address: u64, out: &mut [u8]) -> Result<(), IoError> {
        let read = crate::bytes::read_up_to(self.file.file(), address, out);
        match read.map_err(|error| IoError::io(&self.path, "read", error))? {
            found if found == out.len() => Ok(()),
            _ => Err(IoError::io(&self.path, "read", std::io::ErrorKind::UnexpectedEof.into())),
        }
    }

    fn append(&self, bytes: &[u8]) -> Result<u64, IoError> {
        let address = self.allocate(bytes.len() as u64);
        self.write(address, bytes)?;
        Ok(address)
    }
}

/// A group or data set that is to be written.
#[derive(Default)]
struct Object {
    attributes: BTreeMap<String, Hdf5Value>,
    data_set: Option<Arc<DataSetWriter>>,
}

struct PureWriter {
    output: Arc<Output>,
    options: WriteOptions,
    /// By path; the root group is `""`.
    objects: Mutex<BTreeMap<String, Object>>,
}

impl PureWriter {
    fn create(path: &Path, options: &WriteOptions) -> Result<Self, IoError> {
        let file = TemporaryFile::create(path, options.overwrite)?;
        let output = Output { path: path.to_owned(), file, end: AtomicU64::new(SUPERBLOCK_BYTES) };
        let objects = Mutex::new(BTreeMap::from([(String::new(), Object::default())]));
        Ok(Self { output: Arc::new(output), options: options.clone(), objects })
    }

    fn objects(&self) -> MutexGuard<'_, BTreeMap<String, Object>> {
        self.objects.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn refused(&self, name: &str, why: impl Into<BoxError>) -> IoError {
        let name = if name.is_empty() { "/".to_owned() } else { name.to_owned() };
        IoError::DataSet { path: self.output.path.clone(), name, source: why.into() }
    }

    fn add(&self, path: &str, object: Object) -> Result<(), IoError> {
        let path = path.trim_matches('/');
        let mut objects = self.objects();
        let (parent, name) = path.rsplit_once('/').unwrap_or(("", path));
        if name.is_empty() || name == "." || name == ".." || path.contains('\0') {
            return Err(self.refused(path, "is no name for an object"));
        }
        match objects.get(parent) {
            None => return Err(self.refused(path, format!("there is no group '{parent}'"))),
            Some(parent_object) if parent_object.data_set.is_some() => {
                return Err(self.refused(path, format!("'{parent}' is a data set, not a group")));
            }
            _ if objects.contains_key(path) => return Err(self.refused(path, "is there already")),
            _ => {}
        }
        objects.insert(path.to_owned(), object);
        Ok(())
    }

    /// Writes index, header and attributes of each object, deepest first, and gives the address of the root group.
    fn write_headers(&self) -> Result<u64, IoError> {
        let objects = self.objects();
        let mut links: BTreeMap<&str, Vec<(&str, u64)>> = BTreeMap::new();
        let mut order: Vec<(&String, &Object)> = objects.iter().collect();
        order.sort_by_key(|(path, _)| {
            std::cmp::Reverse(if path.is_empty() { 0 } else { 1 + path.matches('/').count() })
        });
        let mut address = encode::UNDEFINED;
        for (path, object) in order {
            let mut messages = Messages::default();
            let refused = |why: String| self.refused(path, why);
            match &object.data_set {
                Some(data_set) => data_set.finish(&mut messages)?,
                None => {
                    messages.group().map_err(refused)?;
                    for (name, address) in links.remove(path.as_str()).unwrap_or_default() {
                        messages.link(name, address).map_err(refused)?;
                    }
                }
            }
            for (name, value) in &object.attributes {
                messages.attribute(name, value).map_err(refused)?;
            }
            address = self.output.append(&messages.into_header())?;
            let (parent, name) = path.rsplit_once('/').unwrap_or(("", path));
            links.entry(parent).or_default().push((name, address));
        }
        Ok(address)
    }
}

impl Hdf5Writer for PureWriter {
    fn create_group(&self, path: &str) -> Result<(), IoError> {
        self.add(path, Object::default())
    }

    fn create_data_set(&self, path: &str, shape: &[usize], dtype: DType, layout: &Hdf5Layout) -> Result<(), IoError> {
        let path = path.trim_matches('/');
        let data_set = DataSetWriter::new(Arc::clone(&self.output), path, shape, dtype, layout)?;
        self.add(path, Object { data_set: Some(Arc::new(data_set)), ..Object::default() })
    }

    fn set_attribute(&self, object: &str, name: &str, value: &Hdf5Value) -> Result<(), IoError> {
        let path = object.trim_matches('/');
        encode::check_attribute(name, value).map_err(|why| self.refused(path, why))?;
        let mut objects = self.objects();
        let found = objects.get_mut(path).ok_or_else(|| self.refused(path, "there is no such object"))?;
        found.attributes.insert(name.to_owned(), value.clone());
        Ok(())
    }

    fn write_box(&self, data_set: &str, start: &[usize], size: &[usize], values: VoxelsRef<'_>) -> Result<(), IoError> {
        let path = data_set.trim_matches('/');
        let found = self.objects().get(path).and_then(|object| object.data_set.clone());
        let found = found.ok_or_else(|| self.refused(path, "there is no such data set"))?;
        found.write_box(start, size, values)
    }

    fn finish(self: Box<Self>) -> Result<(), IoError> {
        let root = self.write_headers()?;
        let end = self.output.end.load(Ordering::Relaxed);
        self.output.write(0, &encode::superblock(end, root))?;
        let set_len = self.output.file.file().set_len(end);
        set_len.map_err(|error| IoError::io(&self.output.path, "write", error))?;
        let Self { output, objects, options } = *self;
        drop(objects);
        let output = Arc::into_inner(output).expect("invariant: the data sets are gone, and nothing else shares it");
        output.file.rename(options.fsync)
    }
}
