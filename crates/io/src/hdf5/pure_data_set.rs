//! Data sets of the pure-Rust library: it tells where the chunks lie, and they are read and decoded here, each once per
//! box and several at a time.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

use hdf5_pure::{Chunk, ChunkIndex, Dataset, Layout};
use rayon::prelude::*;
use volkit_core::{Affine, CoreError, DType, Region, VolumeMeta, VolumeSource as _, Voxels, VoxelsMut};

use super::api::{Hdf5DataSet, Hdf5Filter, Hdf5Info};
use super::box_values::{check_box, converts, copy_box, fill_box};
use super::datatype::{self, Element};
use super::pipeline;
use super::pure::Shared;
use crate::boxes::{Part, Parts, Place};
use crate::bytes::ByteSource;
use crate::decode::Decoder;
use crate::raw::{self, RawSource};
use crate::{Endian, IoError, ReadOptions, Scaling};

/// Largest chunk that is decoded.
const MAX_CHUNK_BYTES: u64 = 2 << 30;
/// The most that deflate shrinks anything, rounded up.
const MAX_COMPRESSION: u64 = 1040;

pub(super) struct PureDataSet {
    shared: Arc<Shared>,
    name: String,
    data_set: Dataset,
    info: Hdf5Info,
    element: Option<Element>,
    storage: Storage,
    fill: OnceLock<Voxels>,
}

/// Where the values are.
enum Storage {
    /// One dense array in the file.
    Dense { address: u64 },
    /// Chunks that are decoded here.
    Chunks { shape: Vec<usize>, index: OnceLock<HashMap<Vec<usize>, Chunk>> },
    /// Nowhere yet.
    Unwritten,
    /// The library reads them, by rows: in the header, or through a filter that is not ours.
    Library,
}

impl PureDataSet {
    pub(super) fn new(shared: Arc<Shared>, name: &str, data_set: Dataset) -> Result<Self, IoError> {
        let (shape, datatype, layout) =
            shared.guarded(name, || Ok((data_set.shape()?, data_set.datatype()?, data_set.layout()?)))?;
        let filters = shared.guarded(name, || Ok(data_set.filter_pipeline()))?;
        let size = |n: u64| usize::try_from(n).map_err(|_| shared.refused(name, format!("has an axis of {n}")));
        let shape = shape.into_iter().map(size).collect::<Result<Vec<_>, _>>()?;
        let filters: Vec<Hdf5Filter> = filters
            .into_iter()
            .map(|filter| Hdf5Filter { id: u32::from(filter.id), parameters: filter.client_data })
            .collect();
        let element = datatype::element(&datatype);
        let mut chunk = None;
        let storage = match layout {
            Layout::Contiguous { address: Some(address), .. } => Storage::Dense { address },
            Layout::Contiguous { address: None, .. } => Storage::Unwritten,
            Layout::Chunked { index: ChunkIndex::BTreeV2, .. } => {
                let why = "a chunk index by a version 2 B-tree is not known to the pure-Rust reader; the feature `hdf5-c` \
                           reads it";
                return Err(shared.unsupported(name, why));
            }
            Layout::Chunked { chunk_shape, .. } => {
                let sizes = chunk_shape.into_iter().map(size).collect::<Result<Vec<_>, _>>()?;
                if sizes.len() != shape.len() || sizes.contains(&0) {
                    return Err(shared.refused(name, format!("has chunks {sizes:?} for shape {shape:?}")));
                }
                chunk = Some(sizes.clone());
                let ours = pipeline::unknown(&filters).is_none();
                if ours { Storage::Chunks { shape: sizes, index: OnceLock::new() } } else { Storage::Library }
            }
            Layout::Virtual => {
                let why = "a virtual data set is not read; the feature `hdf5-c` reads it";
                return Err(shared.unsupported(name, why));
            }
            _ => Storage::Library,
        };
        let info = Hdf5Info {
            shape,
            dtype: element.map(|element| element.dtype),
            is_bool: element.is_some_and(|element| element.is_bool),
            type_name: datatype.to_string(),
            endian: element.map_or(Endian::Little, |element| element.endian),
            chunk,
            filters,
            fill: element.and_then(|element| datatype::declared_fill(&data_set, element)),
        };
        Ok(Self { shared, name: name.to_owned(), data_set, info, element, storage, fill: OnceLock::new() })
    }

    fn refused(&self, why: impl Into<String>) -> IoError {
        self.shared.refused(&self.name, why)
    }

    fn core(&self, error: CoreError) -> IoError {
        IoError::DataSet { path: self.shared.path.clone(), name: self.name.clone(), source: error.into() }
    }

    fn read_dense(
        &self,
        element: Element,
        address: u64,
        start: &[usize],
        size: &[usize],
        out: VoxelsMut<'_>,
    ) -> Result<(), IoError> {
        let reversed = |sizes: &[usize], scalar: usize| -> Vec<usize> {
            if sizes.is_empty() { vec![scalar] } else { sizes.iter().rev().copied().collect() }
        };
        let meta = VolumeMeta::new(reversed(&self.info.shape, 1), element.dtype, Affine::IDENTITY);
        let meta = meta.map_err(|error| self.core(error))?;
        let file = self.shared.file.try_clone().map_err(|error| IoError::io(&self.shared.path, "open", error))?;
        let bytes = ByteSource::plain(&self.shared.path, file, self.shared.file.size());
        let decoder = Decoder::new(&self.shared.path, element.dtype, Scaling::IDENTITY, &ReadOptions::default())?;
        let layout =
            raw::Layout { offset: address, endian: element.endian, decoder, last: false, shape_field: "shape" };
        let source = RawSource::new(bytes, &meta, layout)?;
        let region = Region::new(reversed(start, 0), reversed(size, 1)).map_err(|error| self.core(error))?;
        let read = source.read_region(&region, out);
        read.map_err(|error| crate::format::from_box(&self.shared.path, error))
    }

    fn read_chunks(
        &self,
        element: Element,
        chunk: &[usize],
        index: &HashMap<Vec<usize>, Chunk>,
        start: &[usize],
        size: &[usize],
        mut out: VoxelsMut<'_>,
    ) -> Result<(), IoError> {
        let parts: Vec<Part> = Parts::new(start, size, chunk).collect();
        for batch in parts.chunks(rayon::current_num_threads().max(1)) {
            let decoded = batch
                .par_iter()
                .map(|part| index.get(&part.chunk).map(|stored| self.decode(element, chunk, stored)).transpose());
            let decoded = decoded.collect::<Result<Vec<_>, _>>()?;
            for (part, values) in batch.iter().zip(decoded) {
                let target = Place { shape: size, start: &part.in_box };
                let copied = match values {
                    Some(values) => {
                        let source = Place { shape: chunk, start: &part.in_chunk };
                        copy_box((source, values.view()), (target, out.reborrow()), &part.size)
                    }
                    None => {
                        fill_box(target, out.reborrow(), &part.size, self.fill(element, &part.chunk, chunk)?.view())
                    }
                };
                copied.map_err(|error| self.core(error))?;
            }
        }
        Ok(())
    }

    /// The values of one chunk.
    fn decode(&self, element: Element, chunk: &[usize], stored: &Chunk) -> Result<Voxels, IoError> {
        let n = chunk.iter().product::<usize>();
        let n_bytes = n * element.dtype.size();
        let filters = &self.info.filters;
        let end = stored.address.checked_add(stored.storage_size);
        if end.is_none_or(|end| end > self.shared.file.size()) {
            return Err(self.refused(format!("the chunk at {:?} ends behind the file", stored.offset)));
        }
        if n_bytes as u64 > stored.storage_size.saturating_mul(MAX_COMPRESSION).saturating_add(MAX_COMPRESSION) {
            let why = format!("the chunk at {:?} has {} bytes for {n_bytes}", stored.offset, stored.storage_size);
            return Err(self.refused(why));
        }
        let mut bytes = vec![0; stored.storage_size as usize];
        let read = self.shared.file.read_exact(stored.address, &mut bytes);
        read.map_err(|error| IoError::io(&self.shared.path, "read", error))?;
        let decoded = pipeline::decode(filters, stored.filter_mask, bytes, n_bytes, element.dtype.size());
        let decoded = decoded.map_err(|why| self.refused(format!("the chunk at {:?}: {why}", stored.offset)))?;
        self.voxels(element, n, &decoded)
    }

    /// Stored bytes as values.
    fn voxels(&self, element: Element, n: usize, bytes: &[u8]) -> Result<Voxels, IoError> {
        let mut values = Voxels::zeros(element.dtype, n).map_err(|error| self.core(error))?;
        let mut view = values.view_mut();
        view.bytes_mut().copy_from_slice(bytes);
        element.endian.swap_if_needed(element.dtype, view.bytes_mut());
        Ok(values)
    }

    /// The index of chunks, read when it is first needed.
    fn index<'a>(
        &self,
        chunk: &[usize],
        dtype: DType,
        index: &'a OnceLock<HashMap<Vec<usize>, Chunk>>,
    ) -> Result<&'a HashMap<Vec<usize>, Chunk>, IoError> {
        if let Some(index) = index.get() {
            return Ok(index);
        }
        let chunk_bytes = chunk.iter().fold(dtype.size() as u128, |n, &m| n.saturating_mul(m as u128));
        let limit = self.shared.limits.volume_bytes.min(MAX_CHUNK_BYTES);
        if chunk_bytes > u128::from(limit) {
            let what = format!("a chunk {chunk:?} of data set '{}'", self.name);
            return Err(IoError::TooLarge { path: self.shared.path.clone(), what, needed: chunk_bytes, limit });
        }
        let chunks = self.shared.guarded(&self.name, || self.data_set.chunks())?;
        let mut found = HashMap::with_capacity(chunks.len());
        for stored in chunks {
            let grid = stored.offset.iter().zip(chunk).map(|(&at, &n)| usize::try_from(at).ok().map(|at| at / n));
            let grid = grid.collect::<Option<Vec<_>>>();
            let grid = grid.filter(|grid| grid.len() == chunk.len());
            let Some(grid) = grid else { return Err(self.refused(format!("has a chunk at {:?}", stored.offset))) };
            found.insert(grid, stored);
        }
        Ok(index.get_or_init(|| found))
    }

    /// The value of what was never written. The library tells it only with the row that it stands in, so the row of a
    /// missing chunk is read, once.
    fn fill(&self, element: Element, grid: &[usize], chunk: &[usize]) -> Result<&Voxels, IoError> {
        if let Some(fill) = self.fill.get() {
            return Ok(fill);
        }
        let shape = &self.info.shape;
        let row = grid.first().zip(chunk.first()).map_or(0, |(g, c)| g * c);
        let row_len = shape.iter().skip(1).try_fold(1usize, |product, &n| product.checked_mul(n));
        let row_len = row_len.ok_or_else(|| self.refused(format!("shape {shape:?} is too large")))?;
        self.check_size("one row of", row_len, element.dtype)?;
        let offset: usize = {
            let mut stride = 1;
            let axes = (1..shape.len()).rev().map(|axis| {
                let part = grid.get(axis).map_or(0, |g| g * chunk[axis]) * stride;
                stride *= shape[axis];
                part
            });
            axes.sum()
        };
        let bytes = self.shared.guarded(&self.name, || self.data_set.read_raw_rows(row as u64, 1))?;
        let size = element.dtype.size();
        let value = bytes.get(offset * size..(offset + 1) * size);
        let value = value.ok_or_else(|| self.refused("has no fill value"))?;
        let value = self.voxels(element, 1, value)?;
        Ok(self.fill.get_or_init(|| value))
    }

    fn check_size(&self, what: &str, n: usize, dtype: DType) -> Result<(), IoError> {
        let what = format!("{what} data set '{}'", self.name);
        self.shared.limits.check_array(&self.shared.path, &what, n, dtype.size()).map(drop)
    }

    /// Whole rows along the first axis, by the library.
    fn read_rows(&self, element: Element, start: &[usize], size: &[usize], out: VoxelsMut<'_>) -> Result<(), IoError> {
        if let Some(filter) = pipeline::unknown(&self.info.filters).filter(|filter| filter.id > u32::from(u8::MAX)) {
            let why = format!(
                "filter {} ({}) is not known to the pure-Rust reader; the feature `hdf5-c` reads it where its HDF5 \
                 library has the filter",
                filter.id,
                filter.name()
            );
            return Err(self.shared.unsupported(&self.name, &why));
        }
        let mut rows_shape = self.info.shape.clone();
        let (first, count) = match rows_shape.first_mut() {
            Some(rows) => {
                *rows = size[0];
                (start[0], size[0])
            }
            None => (0, 1),
        };
        let n = rows_shape.iter().try_fold(1usize, |product, &n| product.checked_mul(n));
        let n = n.ok_or_else(|| self.refused(format!("shape {rows_shape:?} is too large")))?;
        self.check_size("rows of", n, element.dtype)?;
        if (n * element.dtype.size()) as u64 > self.shared.file.size().saturating_mul(MAX_COMPRESSION) {
            return Err(self.refused(format!("shape {:?} is too large for the file", self.info.shape)));
        }
        let bytes = self.shared.guarded(&self.name, || self.data_set.read_raw_rows(first as u64, count as u64))?;
        if bytes.len() != n * element.dtype.size() {
            return Err(self.refused(format!("gives {} bytes, {} expected", bytes.len(), n * element.dtype.size())));
        }
        let values = self.voxels(element, n, &bytes)?;
        let mut from = start.to_vec();
        if let Some(first) = from.first_mut() {
            *first = 0;
        }
        let zero = vec![0; size.len()];
        let (source, target) = (Place { shape: &rows_shape, start: &from }, Place { shape: size, start: &zero });
        copy_box((source, values.view()), (target, out), size).map_err(|error| self.core(error))
    }
}

impl Hdf5DataSet for PureDataSet {
    fn info(&self) -> &Hdf5Info {
        &self.info
    }

    fn read_box(&self, start: &[usize], size: &[usize], out: VoxelsMut<'_>) -> Result<(), IoError> {
        let Some(element) = self.element else {
            return Err(self.refused(format!("has element type {}, which is no number", self.info.type_name)));
        };
        check_box(&self.info.shape, start, size, out.len()).map_err(|error| self.core(error))?;
        if !converts(element.dtype, out.dtype()) {
            return Err(self.core(CoreError::DType { from: element.dtype, to: out.dtype() }));
        }
        if out.is_empty() {
            return Ok(());
        }
        match &self.storage {
            Storage::Dense { address } => self.read_dense(element, *address, start, size, out),
            Storage::Chunks { shape, index } => {
                let index = self.index(shape, element.dtype, index)?;
                self.read_chunks(element, shape, index, start, size, out)
            }
            Storage::Unwritten => {
                let zero = vec![0; size.len()];
                let fill = self.fill(element, &zero, &zero)?;
                let target = Place { shape: size, start: &zero };
                fill_box(target, out, size, fill.view()).map_err(|error| self.core(error))
            }
            Storage::Library => self.read_rows(element, start, size, out),
        }
    }
}
