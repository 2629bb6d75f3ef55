//! HDF5 files through the C library, for the filters and layouts that the pure-Rust reader does not know. The library
//! has one lock for the whole process: reads from several threads wait for each other.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use ::hdf5::datatype::ByteOrder;
use ::hdf5::filters::Filter;
use ::hdf5::plist::dataset_create::FillValue;
use ::hdf5::types::{FixedAscii, FixedUnicode, FloatSize, IntSize, TypeDescriptor, VarLenAscii, VarLenUnicode};
use ::hdf5::{Attribute, Dataset, File, H5Type, Hyperslab, LinkType, LocationType, SliceOrIndex};
use volkit_core::{Array, BoxError, CoreError, DType, Voxels, VoxelsMut};

use super::api::{Hdf5DataSet, Hdf5Entry, Hdf5File, Hdf5Filter, Hdf5Info, Hdf5Kind, Hdf5Value};
use super::box_values::{check_box, converts};
use crate::{Endian, IoError};

/// Texts of fixed length are read into buffers of one of these sizes.
const SHORT_TEXT: usize = 256;
const LONG_TEXT: usize = 1 << 16;

/// The element type that the C library has for a [`DType`], with `$values` the slice of it in `$voxels`.
macro_rules! with_c_type {
    ($kind:ident, $voxels:expr, $values:ident => $body:expr, $otherwise:expr) => {
        match $voxels {
            volkit_core::$kind::U8($values) => $body,
            volkit_core::$kind::I8($values) => $body,
            volkit_core::$kind::U16($values) => $body,
            volkit_core::$kind::I16($values) => $body,
            volkit_core::$kind::U32($values) => $body,
            volkit_core::$kind::I32($values) => $body,
            volkit_core::$kind::U64($values) => $body,
            volkit_core::$kind::I64($values) => $body,
            volkit_core::$kind::F16($values) => $body,
            volkit_core::$kind::F32($values) => $body,
            volkit_core::$kind::F64($values) => $body,
            volkit_core::$kind::Complex64($values) => $body,
            volkit_core::$kind::Complex128($values) => $body,
            _ => $otherwise,
        }
    };
}
pub(super) use with_c_type;

pub(super) struct CFile {
    path: PathBuf,
    file: File,
}

pub(super) fn failed(path: &Path, name: &str, error: impl Into<BoxError>) -> IoError {
    let name = if name.is_empty() { "/".to_owned() } else { name.to_owned() };
    IoError::DataSet { path: path.to_owned(), name, source: error.into() }
}

/// What the library's message about a data layout of a later version means.
fn newer_layout(error: &::hdf5::Error) -> Option<String> {
    // The only place where the library tells it is this text.
    error.to_string().contains("version number for layout message").then(|| {
        let (major, minor, patch) = ::hdf5::library_version();
        format!("its data layout is of a version that HDF5 library {major}.{minor}.{patch} does not know")
    })
}

impl CFile {
    pub(super) fn open(path: &Path) -> Result<Self, IoError> {
        if !std::fs::metadata(path).map_err(|error| IoError::io(path, "open", error))?.is_file() {
            return Err(IoError::not_this_format(path, "a folder"));
        }
        let file = File::open(path).map_err(|error| failed(path, "", error))?;
        Ok(Self { path: path.to_owned(), file })
    }
}

impl Hdf5File for CFile {
    fn entries(&self, group: &str) -> Result<Vec<Hdf5Entry>, IoError> {
        let path = rooted(group);
        let of = self.file.group(&path).map_err(|error| failed(&self.path, group, error))?;
        let mut links = Vec::new();
        of.iter_visit_default(|name, link| {
            links.push((name.to_owned(), link.link_type));
            Ok(())
        })
        .map_err(|error| failed(&self.path, group, error))?;
        links.sort_by(|a, b| a.0.cmp(&b.0));
        let entry = |(name, link): (String, LinkType)| {
            let info = if link == LinkType::External { None } else { of.loc_info_by_name(&name).ok() };
            let kind = match info.as_ref().map(|info| info.loc_type) {
                Some(LocationType::Group) => Hdf5Kind::Group,
                Some(LocationType::Dataset) => Hdf5Kind::DataSet,
                _ => Hdf5Kind::Other,
            };
            Hdf5Entry { name, kind, address: info.map(|info| address(&info.token)) }
        };
        Ok(links.into_iter().map(entry).collect())
    }

    fn attributes(&self, object: &str) -> Result<BTreeMap<String, Hdf5Value>, IoError> {
        let path = rooted(object);
        let wrong = |error: ::hdf5::Error| failed(&self.path, object, error);
        let location: ::hdf5::Location = match self.file.group(&path) {
            Ok(group) => (*group).clone(),
            Err(_) => (**self.file.dataset(&path).map_err(wrong)?).clone(),
        };
        let names = location.attr_names().map_err(wrong)?;
        let values = names.into_iter().map(|name| {
            let value = location.attr(&name).and_then(|attribute| value(&attribute));
            (name, value.unwrap_or_else(|error| Hdf5Value::Other(error.to_string())))
        });
        Ok(values.collect())
    }

    fn data_set(&self, path: &str) -> Result<Box<dyn Hdf5DataSet>, IoError> {
        let wrong = |error: ::hdf5::Error| failed(&self.path, path, error);
        let data_set = self.file.dataset(&rooted(path)).map_err(|error| match newer_layout(&error) {
            Some(what) => IoError::unsupported(&self.path, format!("'{path}': {what}")),
            None => wrong(error),
        })?;
        let datatype = data_set.dtype().map_err(wrong)?;
        let descriptor = datatype.to_descriptor();
        let dtype = descriptor.as_ref().ok().and_then(element);
        let is_bool = matches!(descriptor, Ok(TypeDescriptor::Boolean));
        let filters = data_set.filters();
        let info = Hdf5Info {
            shape: data_set.shape(),
            dtype,
            is_bool,
            type_name: descriptor.map_or_else(|error| error.to_string(), |descriptor| descriptor.to_string()),
            endian: if datatype.byte_order() == ByteOrder::BigEndian { Endian::Big } else { Endian::Little },
            chunk: data_set.chunk(),
            filters: filters.iter().map(described).collect(),
            fill: dtype.and_then(|dtype| declared_fill(&data_set, dtype, is_bool)),
        };
        let missing = filters.iter().position(|filter| !filter.is_available());
        Ok(Box::new(CDataSet {
            path: self.path.clone(),
            name: path.trim_matches('/').to_owned(),
            data_set,
            info,
            missing,
        }))
    }
}

/// Bytes of the fill value that a data set declares.
fn declared_fill(data_set: &Dataset, dtype: DType, is_bool: bool) -> Option<Vec<u8>> {
    let list = data_set.dcpl().ok()?;
    if list.fill_value_defined() != FillValue::UserDefined {
        return None;
    }
    if is_bool {
        return list.fill_value_as::<bool>().map(|on| vec![u8::from(on)]);
    }
    let mut value = Voxels::zeros(dtype, 1).ok()?;
    with_c_type!(VoxelsMut, value.view_mut(), one => one.fill(list.fill_value_as()?), return None);
    Some(value.view().bytes().to_vec())
}

fn rooted(path: &str) -> String {
    format!("/{}", path.trim_matches('/'))
}

/// A number that tells objects apart: the token's bytes, or their hash where they are more than a number.
fn address(token: &::hdf5::LocationToken) -> u64 {
    use std::hash::{DefaultHasher, Hash as _, Hasher as _};
    let mut hasher = DefaultHasher::new();
    format!("{token:?}").hash(&mut hasher);
    hasher.finish()
}

fn described(filter: &Filter) -> Hdf5Filter {
    let parameters = match filter {
        Filter::Deflate(level) => vec![u32::from(*level)],
        Filter::User(_, parameters) => parameters.clone(),
        _ => Vec::new(),
    };
    Hdf5Filter { id: filter.id() as u32, parameters }
}

fn integer(size: IntSize, signed: bool) -> DType {
    match (size, signed) {
        (IntSize::U1, false) => DType::U8,
        (IntSize::U2, false) => DType::U16,
        (IntSize::U4, false) => DType::U32,
        (IntSize::U8, false) => DType::U64,
        (IntSize::U1, true) => DType::I8,
        (IntSize::U2, true) => DType::I16,
        (IntSize::U4, true) => DType::I32,
        (IntSize::U8, true) => DType::I64,
    }
}

fn element(descriptor: &TypeDescriptor) -> Option<DType> {
    Some(match descriptor {
        TypeDescriptor::Integer(size) => integer(*size, true),
        TypeDescriptor::Unsigned(size) => integer(*size, false),
        TypeDescriptor::Float(FloatSize::U2) => DType::F16,
        TypeDescriptor::Float(FloatSize::U4) => DType::F32,
        TypeDescriptor::Float(FloatSize::U8) => DType::F64,
        TypeDescriptor::Boolean => DType::U8,
        TypeDescriptor::Enum(kind) => integer(kind.size, kind.signed),
        TypeDescriptor::Compound(compound) => {
            let [re, im] = compound.fields.as_slice() else { return None };
            let dtype = match (&re.ty, &im.ty) {
                (TypeDescriptor::Float(FloatSize::U4), TypeDescriptor::Float(FloatSize::U4)) => DType::Complex64,
                (TypeDescriptor::Float(FloatSize::U8), TypeDescriptor::Float(FloatSize::U8)) => DType::Complex128,
                _ => return None,
            };
            // The library converts compounds by the names of their members.
            if (re.name.as_str(), im.name.as_str()) == ("r", "i") { dtype } else { return None }
        }
        _ => return None,
    })
}

fn value(attribute: &Attribute) -> ::hdf5::Result<Hdf5Value> {
    let descriptor = attribute.dtype()?.to_descriptor()?;
    let shape = attribute.shape();
    if let Some(texts) = texts(attribute, &descriptor)? {
        let mut texts: Vec<String> = texts.into_iter().map(|text| text.trim_end_matches('\0').to_owned()).collect();
        return Ok(if shape.is_empty() && texts.len() == 1 {
            Hdf5Value::Text(texts.remove(0))
        } else {
            Hdf5Value::Texts(texts)
        });
    }
    let other = || Hdf5Value::Other(descriptor.to_string());
    let Some(dtype) = element(&descriptor) else { return Ok(other()) };
    let Ok(mut values) = Voxels::zeros(dtype, shape.iter().product()) else { return Ok(other()) };
    with_c_type!(Voxels, &mut values, values => {
        attribute.read_into_raw(values)?;
    }, return Ok(other()));
    Ok(Array::new(shape, values).map_or_else(|_| other(), Hdf5Value::Numbers))
}

/// The texts of an attribute; none where it is of another type.
fn texts(attribute: &Attribute, descriptor: &TypeDescriptor) -> ::hdf5::Result<Option<Vec<String>>> {
    fn all<T: H5Type + ToString>(attribute: &Attribute) -> ::hdf5::Result<Option<Vec<String>>> {
        Ok(Some(attribute.read_raw::<T>()?.iter().map(ToString::to_string).collect()))
    }
    match descriptor {
        TypeDescriptor::FixedAscii(len) if *len <= SHORT_TEXT => all::<FixedAscii<SHORT_TEXT>>(attribute),
        TypeDescriptor::FixedAscii(len) if *len <= LONG_TEXT => all::<FixedAscii<LONG_TEXT>>(attribute),
        TypeDescriptor::FixedUnicode(len) if *len <= SHORT_TEXT => all::<FixedUnicode<SHORT_TEXT>>(attribute),
        TypeDescriptor::FixedUnicode(len) if *len <= LONG_TEXT => all::<FixedUnicode<LONG_TEXT>>(attribute),
        TypeDescriptor::VarLenAscii => all::<VarLenAscii>(attribute),
        TypeDescriptor::VarLenUnicode => all::<VarLenUnicode>(attribute),
        _ => Ok(None),
    }
}

/// A box of a data set, as the library wants it.
pub(super) fn selection(start: &[usize], size: &[usize]) -> Hyperslab {
    let axes = start.iter().zip(size);
    let slices = axes.map(|(&start, &count)| SliceOrIndex::SliceCount { start, step: 1, count, block: 1 });
    Hyperslab::from(slices.collect::<Vec<_>>())
}

struct CDataSet {
    path: PathBuf,
    name: String,
    data_set: Dataset,
    info: Hdf5Info,
    /// The first filter that the library lacks.
    missing: Option<usize>,
}

impl CDataSet {
    fn read_into<T: H5Type + Copy>(&self, start: &[usize], size: &[usize], out: &mut [T]) -> ::hdf5::Result<()> {
        if start.is_empty() {
            out[0] = self.data_set.read_scalar()?;
            return Ok(());
        }
        let values = self.data_set.read_slice::<T, _, ndarray::IxDyn>(selection(start, size))?;
        for (out, value) in out.iter_mut().zip(values) {
            *out = value;
        }
        Ok(())
    }
}

impl Hdf5DataSet for CDataSet {
    fn info(&self) -> &Hdf5Info {
        &self.info
    }

    fn read_box(&self, start: &[usize], size: &[usize], mut out: VoxelsMut<'_>) -> Result<(), IoError> {
        let wrong = |error: CoreError| failed(&self.path, &self.name, error);
        let Some(dtype) = self.info.dtype else {
            let why = format!("has element type {}, which is no number", self.info.type_name);
            return Err(failed(&self.path, &self.name, why));
        };
        check_box(&self.info.shape, start, size, out.len()).map_err(wrong)?;
        if !converts(dtype, out.dtype()) {
            return Err(wrong(CoreError::DType { from: dtype, to: out.dtype() }));
        }
        if let Some(filter) = self.missing.map(|index| &self.info.filters[index]) {
            let (id, name) = (filter.id, filter.name());
            let what = format!("'{}': filter {id} ({name}) is not in this HDF5 library", self.name);
            return Err(IoError::unsupported(&self.path, what));
        }
        if out.is_empty() {
            return Ok(());
        }
        if dtype != out.dtype() {
            let mut stored = Voxels::zeros(dtype, out.len()).map_err(wrong)?;
            self.read_box(start, size, stored.view_mut())?;
            return stored.view().convert_into(out).map_err(wrong);
        }
        let refused = CoreError::DType { from: dtype, to: out.dtype() };
        let read =
            with_c_type!(VoxelsMut, &mut out, out => self.read_into(start, size, out), return Err(wrong(refused)));
        read.map_err(|error| failed(&self.path, &self.name, error))
    }
}
