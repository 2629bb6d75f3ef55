//! Data sets as volumes: the array `[.., z, y, x]` is the volume `[x, y, z, ..]`, whose first axis is fastest.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use volkit_core::{
    Affine, Array, BoxError, CoreError, DType, Region, VolumeMeta, VolumeSink, VolumeSource, Voxels, VoxelsMut,
    VoxelsRef,
};

use super::api::{Hdf5Backend, Hdf5DataSet, Hdf5File, Hdf5Kind, Hdf5Layout, Hdf5Value, Hdf5Writer};
use super::open::{open_hdf5, walk_hdf5};
use super::pure_writer::create_hdf5;
use crate::decode::Decoder;
use crate::{
    FileSource, Format, Header, ImageInfo, IoError, ReadOptions, Scaling, SpaceUnit, TimeUnit, Units, WriteOptions,
};

const SIGNATURE: &[u8] = b"\x89HDF\r\n\x1a\n";
/// A user block before the signature takes this many bytes or a power of two times as many.
const USER_BLOCK: usize = 512;
/// Attribute with the 4 x 4 matrix from voxels to millimetres, row after row.
const AFFINE: &str = "world_from_voxel";
/// Attribute with the spacing of each axis, in the order of the volume.
const SPACING: &str = "spacing";
/// Attribute of ilastik and of `ImageJ`'s HDF5 plugins: micrometres along `[z, y, x]`.
const ELEMENT_SIZE_UM: &str = "element_size_um";
/// Name of the data set when a volume is written without one.
const VOLUME_NAME: &str = "volume";

/// Volumes in HDF5 files.
///
/// [`ReadOptions::data_set`] and [`WriteOptions::data_set`] name the data set, or the path does: `scans.h5:/day1/t1`. A
/// file with a single array of numbers needs no name. Affine and spacing are attributes (`world_from_voxel`, 4 x 4, and
/// `spacing`); where they are not there, `element_size_um` counts, else the affine is the identity.
#[derive(Clone, Copy, Debug, Default)]
pub struct Hdf5Format;

impl Format for Hdf5Format {
    fn name(&self) -> &'static str {
        "HDF5"
    }

    fn suffixes(&self) -> &'static [&'static str] {
        &[".h5", ".hdf5", ".hdf"]
    }

    fn recognises(&self, path: &Path, prefix: &[u8]) -> bool {
        let at = |offset: usize| prefix.get(offset..).is_some_and(|rest| rest.starts_with(SIGNATURE));
        at(0) || at(USER_BLOCK) || (prefix.len() > USER_BLOCK && has_long_user_block(path))
    }

    fn open(&self, path: &Path, options: &ReadOptions) -> Result<FileSource, IoError> {
        let file = open_hdf5(path, Hdf5Backend::Auto, &options.limits)?;
        let name = match &options.data_set {
            Some(name) => name.trim_matches('/').to_owned(),
            None => only_data_set(path, file.as_ref())?,
        };
        let data_set = file.data_set(&name)?;
        let mut warnings = Vec::new();
        let attributes = file.attributes(&name)?;
        let refused = |why: String| IoError::DataSet { path: path.to_owned(), name: name.clone(), source: why.into() };
        let info = data_set.info();
        let Some(stored) = info.dtype else {
            return Err(refused(format!("has element type {}, which is no number", info.type_name)));
        };
        let shape: Vec<usize> = info.shape.iter().rev().copied().collect();
        let shape = if shape.is_empty() { vec![1] } else { shape };
        let affine = affine_of(&attributes, &mut warnings);
        let decoder = Decoder::new(path, stored, Scaling::IDENTITY, options)?;
        let meta = VolumeMeta::new(shape, decoder.value_dtype(), affine).map_err(|error| refused(error.to_string()))?;
        let meta = match numbers(&attributes, SPACING) {
            Some(spacing) => match meta.clone().with_spacing(spacing) {
                Ok(meta) => meta,
                Err(error) => {
                    warnings.push(format!("attribute '{SPACING}' is left aside: {error}"));
                    meta
                }
            },
            None => meta,
        };
        let info = ImageInfo {
            format: "HDF5",
            compressed: info.filters.iter().any(|filter| filter.name() != "shuffle"),
            meta: meta.clone(),
            stored,
            scaling: Scaling::IDENTITY,
            units: Units { space: SpaceUnit::Millimetre, time: TimeUnit::Second },
            endian: info.endian,
            header: Header::None,
            warnings,
        };
        Ok(FileSource::new(info, Box::new(Hdf5Source { path: path.to_owned(), data_set, meta, stored, decoder })))
    }

    fn create(
        &self,
        path: &Path,
        meta: &VolumeMeta,
        _header: &Header,
        options: &WriteOptions,
    ) -> Result<Box<dyn VolumeSink>, IoError> {
        if options.partial.is_some() {
            return Err(IoError::unsupported(path, "an HDF5 file can not be resumed; choose .zarr, .nii or .npy"));
        }
        let meta = meta.clone().with_dtype(options.dtype.unwrap_or(meta.dtype()));
        let writer = create_hdf5(path, Hdf5Backend::Auto, options)?;
        let name = options.data_set.as_deref().unwrap_or(VOLUME_NAME).trim_matches('/').to_owned();
        create_groups(writer.as_ref(), &name)?;
        let shape: Vec<usize> = meta.shape().iter().rev().copied().collect();
        let chunk = options.chunk.as_ref().map(|chunk| chunk.iter().rev().copied().collect::<Vec<_>>());
        let mut layout = Hdf5Layout::for_array(&shape, meta.dtype());
        if layout.chunk.is_some() {
            layout = layout.with_deflate((options.hdf5_level > 0).then_some(options.hdf5_level.min(9)));
            if let Some(chunk) = chunk {
                let clipped = chunk.iter().zip(&shape).map(|(&c, &n)| c.min(n)).collect();
                layout = layout.with_chunk(Some(if chunk.len() == shape.len() { clipped } else { chunk }));
            }
        }
        writer.create_data_set(&name, &shape, meta.dtype(), &layout)?;
        set_place(writer.as_ref(), &name, &meta)?;
        Ok(Box::new(Hdf5Sink { path: path.to_owned(), writer, name, meta }))
    }
}

/// Whether the signature follows a user block of 1024 bytes or more.
fn has_long_user_block(path: &Path) -> bool {
    const LONGEST: u64 = 1 << 24;
    let Ok(file) = std::fs::File::open(path) else { return false };
    let mut offset = 2 * USER_BLOCK as u64;
    let mut found = [0; 8];
    while offset <= LONGEST && crate::bytes::read_up_to(&file, offset, &mut found).is_ok_and(|n| n == found.len()) {
        if found == SIGNATURE {
            return true;
        }
        offset *= 2;
    }
    false
}

/// The one array of numbers that has at least an axis.
fn only_data_set(path: &Path, file: &dyn Hdf5File) -> Result<String, IoError> {
    let (nodes, _) = walk_hdf5(file)?;
    let mut names: Vec<&str> = Vec::new();
    let data_sets = nodes.iter().filter(|node| node.kind == Hdf5Kind::DataSet);
    for node in data_sets {
        // One that can not be opened is named too: it may be the one that is wanted.
        let is_array = file
            .data_set(&node.path)
            .map_or(true, |data_set| data_set.info().dtype.is_some() && !data_set.info().shape.is_empty());
        if is_array {
            names.push(&node.path);
        }
    }
    match names.as_slice() {
        [] => Err(IoError::not_this_format(path, "an HDF5 file without arrays of numbers")),
        [only] => Ok((*only).to_owned()),
        [first, ..] => {
            const SHOWN: usize = 12;
            let more = if names.len() > SHOWN { ", ..." } else { "" };
            let shown = names[..names.len().min(SHOWN)].join(", ");
            let what = format!(
                "holds {} data sets ({shown}{more}): name one, as in {}:/{first} or with --dataset {first}",
                names.len(),
                path.file_name().unwrap_or_default().to_string_lossy()
            );
            Err(IoError::unsupported(path, what))
        }
    }
}

fn numbers(attributes: &BTreeMap<String, Hdf5Value>, name: &str) -> Option<Vec<f64>> {
    match attributes.get(name)? {
        Hdf5Value::Numbers(array) => array.values().view().to_real().ok(),
        _ => None,
    }
}

fn affine_of(attributes: &BTreeMap<String, Hdf5Value>, warnings: &mut Vec<String>) -> Affine {
    if let Some(n) = numbers(attributes, AFFINE) {
        if n.len() == 16 && n.iter().all(|x| x.is_finite()) && n[12..] == [0.0, 0.0, 0.0, 1.0] {
            return Affine::from_rows(std::array::from_fn(|row| std::array::from_fn(|column| n[4 * row + column])));
        }
        warnings.push(format!("attribute '{AFFINE}' is no affine matrix: it is left aside"));
    }
    if let Some(n) = numbers(attributes, ELEMENT_SIZE_UM) {
        if let [z, y, x] = n[..]
            && n.iter().all(|x| x.is_finite() && *x > 0.0)
        {
            return Affine::from_scale([x, y, z].map(|micrometres| micrometres * 1e-3));
        }
        warnings.push(format!("attribute '{ELEMENT_SIZE_UM}' is not three sizes: it is left aside"));
    }
    Affine::IDENTITY
}

/// The groups that a data set lies in.
fn create_groups(writer: &dyn Hdf5Writer, name: &str) -> Result<(), IoError> {
    for (at, _) in name.match_indices('/') {
        writer.create_group(&name[..at])?;
    }
    Ok(())
}

/// Where the volume is in the world.
fn set_place(writer: &dyn Hdf5Writer, name: &str, meta: &VolumeMeta) -> Result<(), IoError> {
    let array = |shape: Vec<usize>, values: Vec<f64>| {
        Hdf5Value::Numbers(Array::new(shape, values).expect("invariant: as many numbers as the shape has"))
    };
    let matrix = meta.affine().to_matrix().concat();
    writer.set_attribute(name, AFFINE, &array(vec![4, 4], matrix))?;
    writer.set_attribute(name, SPACING, &array(vec![meta.spacing().len()], meta.spacing().to_vec()))?;
    let [x, y, z] = meta.affine().spacing();
    writer.set_attribute(name, ELEMENT_SIZE_UM, &array(vec![3], [z, y, x].map(|mm| mm * 1e3).to_vec()))
}

/// A data set that is read as a volume.
struct Hdf5Source {
    path: PathBuf,
    data_set: Box<dyn Hdf5DataSet>,
    meta: VolumeMeta,
    stored: DType,
    decoder: Decoder,
}

impl VolumeSource for Hdf5Source {
    fn meta(&self) -> &VolumeMeta {
        &self.meta
    }

    fn read_region(&self, region: &Region, out: VoxelsMut<'_>) -> Result<(), BoxError> {
        region.check_inside(self.meta.shape())?;
        if out.len() != region.len() {
            let shape = region.size().to_vec();
            return Err(CoreError::Length { shape, wanted: region.len(), got: out.len() }.into());
        }
        let rank = self.data_set.info().shape.len();
        let reversed = |sizes: &[usize]| sizes.iter().rev().copied().take(rank).collect::<Vec<_>>();
        let (start, size) = (reversed(region.start()), reversed(region.size()));
        if self.stored.is_real() || out.dtype() == self.stored {
            return Ok(self.data_set.read_box(&start, &size, out)?);
        }
        // Parts of complex numbers.
        let mut stored = Voxels::zeros(self.stored, out.len())?;
        self.data_set.read_box(&start, &size, stored.view_mut())?;
        let decoded = self.decoder.decode(stored.view(), out);
        Ok(decoded.map_err(|error| IoError::core(&self.path, error))?)
    }
}

/// A data set that is written as a volume.
struct Hdf5Sink {
    path: PathBuf,
    writer: Box<dyn Hdf5Writer>,
    name: String,
    meta: VolumeMeta,
}

impl VolumeSink for Hdf5Sink {
    fn meta(&self) -> &VolumeMeta {
        &self.meta
    }

    fn write_region(&self, region: &Region, values: VoxelsRef<'_>) -> Result<(), BoxError> {
        region.check_inside(self.meta.shape())?;
        let reversed = |sizes: &[usize]| sizes.iter().rev().copied().collect::<Vec<_>>();
        Ok(self.writer.write_box(&self.name, &reversed(region.start()), &reversed(region.size()), values)?)
    }

    fn finish(self: Box<Self>) -> Result<(), BoxError> {
        let Self { path, writer, .. } = *self;
        writer.finish().map_err(|error| crate::format::from_box(&path, error.into()))?;
        Ok(())
    }
}
