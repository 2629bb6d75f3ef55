//! Writing HDF5 files through the C library.

use std::path::Path;
use std::sync::{Mutex, PoisonError};

use ::hdf5::types::VarLenUnicode;
use ::hdf5::{File, H5Type, Location};
use ndarray::ArrayViewD;
use volkit_core::{CoreError, DType, Voxels, VoxelsRef};

use super::api::{Hdf5Layout, Hdf5Value, Hdf5Writer};
use super::box_values::{check_box, converts};
use super::c_file::{failed, selection, with_c_type};
use crate::atomic::TemporaryFile;
use crate::cast::convert;
use crate::{IoError, WriteOptions};

pub(super) struct CWriter {
    path: std::path::PathBuf,
    temporary: TemporaryFile,
    file: File,
    fsync: bool,
    /// Element types of the data sets: asked for once.
    dtypes: Mutex<std::collections::BTreeMap<String, DType>>,
}

impl CWriter {
    pub(super) fn create(path: &Path, options: &WriteOptions) -> Result<Self, IoError> {
        let temporary = TemporaryFile::create(path, options.overwrite)?;
        let file = File::create(temporary.temporary()).map_err(|error| failed(path, "", error))?;
        Ok(Self { path: path.to_owned(), temporary, file, fsync: options.fsync, dtypes: Mutex::default() })
    }

    /// The library would make the groups that lack.
    fn check_parent(&self, path: &str) -> Result<(), IoError> {
        match path.trim_matches('/').rsplit_once('/') {
            Some((parent, _)) => self.file.group(parent).map(drop).map_err(|error| failed(&self.path, path, error)),
            None => Ok(()),
        }
    }

    fn location(&self, object: &str) -> ::hdf5::Result<Location> {
        let path = format!("/{}", object.trim_matches('/'));
        match self.file.group(&path) {
            Ok(group) => Ok((*group).clone()),
            Err(_) => Ok((**self.file.dataset(&path)?).clone()),
        }
    }
}

fn create<T: H5Type + Copy>(
    file: &File,
    path: &str,
    shape: &[usize],
    layout: &Hdf5Layout,
    fill: Option<&[T]>,
) -> ::hdf5::Result<()>
where
    ::hdf5::types::OwnedDynValue: From<T>,
{
    let mut builder = file.new_dataset::<T>();
    if let Some(chunk) = &layout.chunk {
        builder = builder.chunk(chunk.clone());
        if layout.shuffle {
            builder = builder.shuffle();
        }
        if let Some(level) = layout.deflate {
            builder = builder.deflate(level.min(9) as u8);
        }
    }
    if let Some(&[fill]) = fill {
        builder = builder.fill_value(fill);
    }
    builder.shape(shape).create(path).map(drop)
}

fn set<T: H5Type>(location: &Location, name: &str, shape: &[usize], values: &[T]) -> ::hdf5::Result<()> {
    let array = ArrayViewD::from_shape(shape, values).map_err(|error| ::hdf5::Error::from(error.to_string()))?;
    location.new_attr_builder().with_data(array).create(name).map(drop)
}

impl Hdf5Writer for CWriter {
    fn create_group(&self, path: &str) -> Result<(), IoError> {
        self.check_parent(path)?;
        let created = self.file.create_group(path.trim_matches('/'));
        created.map(drop).map_err(|error| failed(&self.path, path, error))
    }

    fn create_data_set(&self, path: &str, shape: &[usize], dtype: DType, layout: &Hdf5Layout) -> Result<(), IoError> {
        self.check_parent(path)?;
        let name = path.trim_matches('/');
        let core = |error: CoreError| failed(&self.path, name, error);
        let mut fill = Voxels::zeros(dtype, 1).map_err(core)?;
        if let Some(bytes) = &layout.fill {
            if bytes.len() != dtype.size() {
                return Err(failed(&self.path, name, format!("a fill value of {dtype} has {} bytes", dtype.size())));
            }
            fill.view_mut().bytes_mut().copy_from_slice(bytes);
        }
        let has_fill = layout.fill.is_some();
        let created = match &fill {
            // The library has no fill values of these types: zero it is.
            Voxels::F16(_) | Voxels::Complex64(_) | Voxels::Complex128(_) if has_fill => {
                return Err(failed(&self.path, name, format!("a fill value of {dtype} can not be set")));
            }
            Voxels::F16(_) => create_plain::<half::f16>(&self.file, name, shape, layout),
            Voxels::Complex64(_) => create_plain::<num_complex::Complex<f32>>(&self.file, name, shape, layout),
            Voxels::Complex128(_) => create_plain::<num_complex::Complex<f64>>(&self.file, name, shape, layout),
            Voxels::U8(v) => create(&self.file, name, shape, layout, has_fill.then_some(v)),
            Voxels::I8(v) => create(&self.file, name, shape, layout, has_fill.then_some(v)),
            Voxels::U16(v) => create(&self.file, name, shape, layout, has_fill.then_some(v)),
            Voxels::I16(v) => create(&self.file, name, shape, layout, has_fill.then_some(v)),
            Voxels::U32(v) => create(&self.file, name, shape, layout, has_fill.then_some(v)),
            Voxels::I32(v) => create(&self.file, name, shape, layout, has_fill.then_some(v)),
            Voxels::U64(v) => create(&self.file, name, shape, layout, has_fill.then_some(v)),
            Voxels::I64(v) => create(&self.file, name, shape, layout, has_fill.then_some(v)),
            Voxels::F32(v) => create(&self.file, name, shape, layout, has_fill.then_some(v)),
            Voxels::F64(v) => create(&self.file, name, shape, layout, has_fill.then_some(v)),
            _ => return Err(failed(&self.path, name, format!("element type {dtype} has no counterpart in HDF5"))),
        };
        created.map_err(|error| failed(&self.path, name, error))?;
        self.dtypes.lock().unwrap_or_else(PoisonError::into_inner).insert(name.to_owned(), dtype);
        Ok(())
    }

    fn set_attribute(&self, object: &str, name: &str, value: &Hdf5Value) -> Result<(), IoError> {
        let text = |text: &str| text.replace('\0', "").parse::<VarLenUnicode>().unwrap_or_default();
        let set_in = |location: &Location| -> ::hdf5::Result<()> {
            if location.attr_names()?.iter().any(|known| known == name) {
                location.delete_attr(name)?;
            }
            match value {
                Hdf5Value::Text(value) => set(location, name, &[], &[text(value)]),
                Hdf5Value::Texts(values) => {
                    let texts: Vec<_> = values.iter().map(|value| text(value)).collect();
                    set(location, name, &[texts.len()], &texts)
                }
                Hdf5Value::Numbers(array) => with_c_type!(VoxelsRef, array.values().view(), values => {
                    set(location, name, array.shape(), values)
                }, Err("the element type has no counterpart in HDF5".into())),
                Hdf5Value::Other(kind) => Err(format!("a value of type {kind} can not be written").into()),
            }
        };
        let done = self.location(object).and_then(|location| set_in(&location));
        done.map_err(|error| failed(&self.path, object, error))
    }

    fn write_box(&self, data_set: &str, start: &[usize], size: &[usize], values: VoxelsRef<'_>) -> Result<(), IoError> {
        let name = data_set.trim_matches('/');
        let core = |error: CoreError| failed(&self.path, name, error);
        let dtype = self.dtypes.lock().unwrap_or_else(PoisonError::into_inner).get(name).copied();
        let dtype = dtype.ok_or_else(|| failed(&self.path, name, "there is no such data set"))?;
        let wrong = |error: ::hdf5::Error| failed(&self.path, name, error);
        let found = self.file.dataset(&format!("/{name}")).map_err(wrong)?;
        check_box(&found.shape(), start, size, values.len()).map_err(core)?;
        if !converts(values.dtype(), dtype) {
            return Err(core(CoreError::DType { from: values.dtype(), to: dtype }));
        }
        if values.is_empty() {
            return Ok(());
        }
        let mut stored = Voxels::zeros(dtype, values.len()).map_err(core)?;
        convert(values, stored.view_mut()).map_err(core)?;
        let refused = CoreError::DType { from: dtype, to: dtype };
        with_c_type!(Voxels, &stored, stored => {
            let written = if start.is_empty() {
                found.write_raw(&stored[..])
            } else {
                let array = ArrayViewD::from_shape(size, stored).expect("invariant: the box has as many values");
                found.write_slice(array, selection(start, size))
            };
            written.map_err(wrong)
        }, Err(core(refused)))
    }

    fn finish(self: Box<Self>) -> Result<(), IoError> {
        let Self { path, temporary, file, fsync, .. } = *self;
        file.close().map_err(|error| failed(&path, "", error))?;
        temporary.rename(fsync)
    }
}

/// A data set of an element type for which the library takes no fill value.
fn create_plain<T: H5Type>(file: &File, path: &str, shape: &[usize], layout: &Hdf5Layout) -> ::hdf5::Result<()> {
    let mut builder = file.new_dataset::<T>();
    if let Some(chunk) = &layout.chunk {
        builder = builder.chunk(chunk.clone());
        if layout.shuffle {
            builder = builder.shuffle();
        }
        if let Some(level) = layout.deflate {
            builder = builder.deflate(level.min(9) as u8);
        }
    }
    builder.shape(shape).create(path).map(drop)
}
