//! One data set that is being written: whole chunks at once and several at a time, others gathered until they are whole.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rayon::prelude::*;
use volkit_core::{BoxError, CoreError, DType, Voxels, VoxelsRef};

use super::api::{Hdf5Filter, Hdf5Layout};
use super::box_values::{check_box, converts, copy_box, sub};
use super::encode::{self, Messages, StoredChunk};
use super::pipeline;
use super::pure_writer::Output;
use crate::boxes::{Part, Parts, Place, copy_bytes, for_each_run};
use crate::cast::convert;
use crate::{Endian, IoError};

/// Chunks that are not complete are kept in memory up to this; beyond, the one that was touched longest ago is stored as
/// it is, and read again when more of it comes.
const MAX_GATHERED_BYTES: usize = 256 << 20;

pub(super) struct DataSetWriter {
    output: Arc<Output>,
    name: String,
    shape: Vec<usize>,
    dtype: DType,
    layout: Hdf5Layout,
    /// Address of a dense array.
    dense: u64,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    stored: BTreeMap<Vec<usize>, StoredChunk>,
    gathered: BTreeMap<Vec<usize>, Gathered>,
    clock: u64,
}

/// A chunk of which only a part has come.
struct Gathered {
    bytes: Vec<u8>,
    n_written: usize,
    touched: u64,
}

impl DataSetWriter {
    pub(super) fn new(
        output: Arc<Output>,
        name: &str,
        shape: &[usize],
        dtype: DType,
        layout: &Hdf5Layout,
    ) -> Result<Self, IoError> {
        let mut writer = Self {
            output,
            name: name.to_owned(),
            shape: shape.to_vec(),
            dtype,
            layout: layout.clone(),
            dense: encode::UNDEFINED,
            state: Mutex::default(),
        };
        writer.check()?;
        let n_bytes = shape.iter().try_fold(dtype.size(), |product, &n| product.checked_mul(n));
        let n_bytes = n_bytes.ok_or_else(|| writer.refused(format!("shape {shape:?} is too large")))?;
        if layout.chunk.is_none() && n_bytes > 0 {
            writer.dense = writer.output.allocate(n_bytes as u64);
            writer.fill_dense(n_bytes)?;
        }
        Ok(writer)
    }

    fn check(&self) -> Result<(), IoError> {
        if !encode::has_type(self.dtype) {
            return Err(self.refused(format!("element type {} has no counterpart in HDF5", self.dtype)));
        }
        if self.layout.fill.as_ref().is_some_and(|fill| fill.len() != self.dtype.size()) {
            return Err(self.refused(format!("a fill value of {} has {} bytes", self.dtype, self.dtype.size())));
        }
        let Some(chunk) = &self.layout.chunk else {
            let filtered = self.layout.deflate.is_some() || self.layout.shuffle;
            return if filtered { Err(self.refused("filters need chunks")) } else { Ok(()) };
        };
        let n_bytes = chunk.iter().fold(self.dtype.size() as u64, |product, &n| product.saturating_mul(n as u64));
        if chunk.len() != self.shape.len() || chunk.is_empty() || chunk.contains(&0) || n_bytes > u64::from(u32::MAX) {
            return Err(self.refused(format!("chunks {chunk:?} do not fit shape {:?}", self.shape)));
        }
        Ok(())
    }

    fn refused(&self, why: impl Into<BoxError>) -> IoError {
        IoError::DataSet { path: self.output.path().to_owned(), name: self.name.clone(), source: why.into() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The fill value as it is stored.
    fn fill(&self) -> Vec<u8> {
        let mut fill = self.layout.fill.clone().unwrap_or_else(|| vec![0; self.dtype.size()]);
        Endian::Little.swap_if_needed(self.dtype, &mut fill);
        fill
    }

    /// Zeros need not be written: the file has none but zeros where nothing was written.
    fn fill_dense(&self, n_bytes: usize) -> Result<(), IoError> {
        let fill = self.fill();
        if fill.iter().all(|&byte| byte == 0) {
            return Ok(());
        }
        let block = fill.repeat((1 << 20) / fill.len());
        for at in (0..n_bytes).step_by(block.len()) {
            self.output.write(self.dense + at as u64, &block[..block.len().min(n_bytes - at)])?;
        }
        Ok(())
    }

    pub(super) fn write_box(&self, start: &[usize], size: &[usize], values: VoxelsRef<'_>) -> Result<(), IoError> {
        check_box(&self.shape, start, size, values.len()).map_err(|error| self.refused(error))?;
        if !converts(values.dtype(), self.dtype) {
            return Err(self.refused(CoreError::DType { from: values.dtype(), to: self.dtype }));
        }
        let Some(chunk) = &self.layout.chunk else { return self.write_dense(start, size, values) };
        let mut touched = Parts::new(start, size, chunk);
        loop {
            let batch: Vec<Part> = touched.by_ref().take(2 * rayon::current_num_threads().max(1)).collect();
            if batch.is_empty() {
                return Ok(());
            }
            let (whole, parts): (Vec<_>, Vec<_>) =
                batch.into_iter().partition(|share| share.len() == self.n_in(&share.chunk));
            let encoded = whole.par_iter().map(|share| {
                let mut bytes = self.fill().repeat(chunk.iter().product());
                self.copy_share(share, size, values, &mut bytes)?;
                self.encode(&bytes)
            });
            let encoded = encoded.collect::<Result<Vec<_>, _>>()?;
            for (share, bytes) in whole.iter().zip(encoded) {
                let mut state = self.state();
                state.gathered.remove(&share.chunk);
                self.store(&mut state, &share.chunk, &bytes)?;
            }
            for share in &parts {
                self.gather(share, size, values)?;
            }
        }
    }

    /// Elements of a chunk that lie in the array.
    fn n_in(&self, grid: &[usize]) -> usize {
        let chunk = self.layout.chunk.as_deref().unwrap_or_default();
        grid.iter().zip(chunk).zip(&self.shape).map(|((g, c), n)| (n - g * c).min(*c)).product()
    }

    /// Copies the share of a box to the bytes of its chunk, as they are stored.
    fn copy_share(&self, share: &Part, size: &[usize], values: VoxelsRef<'_>, bytes: &mut [u8]) -> Result<(), IoError> {
        let core = |error: CoreError| self.refused(error);
        let zero = vec![0; size.len()];
        let (n, dense) = (share.len(), Place { shape: &share.size, start: &zero });
        let mut stored = Voxels::zeros(values.dtype(), n).map_err(core)?;
        let source = Place { shape: size, start: &share.in_box };
        copy_box((source, values), (dense, stored.view_mut()), &share.size).map_err(core)?;
        if values.dtype() != self.dtype {
            let mut converted = Voxels::zeros(self.dtype, n).map_err(core)?;
            convert(stored.view(), converted.view_mut()).map_err(core)?;
            stored = converted;
        }
        let element = self.dtype.size();
        let mut view = stored.view_mut();
        Endian::Little.swap_if_needed(self.dtype, view.bytes_mut());
        let from = stored.view().bytes().to_vec();
        let chunk = self.layout.chunk.as_deref().unwrap_or_default();
        let target = Place { shape: chunk, start: &share.in_chunk };
        copy_bytes(&share.size, element, (&from, dense), (bytes, target));
        Ok(())
    }

    fn encode(&self, bytes: &[u8]) -> Result<Vec<u8>, IoError> {
        let shuffle = self.layout.shuffle.then_some(self.dtype.size());
        pipeline::encode(bytes, shuffle, self.layout.deflate).map_err(|why| self.refused(why))
    }

    /// Puts a chunk into the file, in its old place where it fits there.
    fn store(&self, state: &mut State, grid: &[usize], bytes: &[u8]) -> Result<(), IoError> {
        let n_bytes = u32::try_from(bytes.len()).map_err(|_| self.refused("a compressed chunk exceeds 4 GiB"))?;
        let old = state.stored.get(grid).filter(|old| old.n_bytes >= n_bytes);
        let address = old.map_or_else(|| self.output.allocate(u64::from(n_bytes)), |old| old.address);
        self.output.write(address, bytes)?;
        state.stored.insert(grid.to_vec(), StoredChunk { address, n_bytes });
        Ok(())
    }

    /// Adds to a chunk of which only a part has come.
    fn gather(&self, share: &Part, size: &[usize], values: VoxelsRef<'_>) -> Result<(), IoError> {
        let mut state = self.state();
        state.clock += 1;
        let touched = state.clock;
        let mut gathered = match state.gathered.remove(&share.chunk) {
            Some(gathered) => gathered,
            None => Gathered { bytes: self.load(&state, &share.chunk)?, n_written: 0, touched },
        };
        self.copy_share(share, size, values, &mut gathered.bytes)?;
        gathered.n_written += share.len();
        gathered.touched = touched;
        if gathered.n_written >= self.n_in(&share.chunk) {
            let bytes = self.encode(&gathered.bytes)?;
            return self.store(&mut state, &share.chunk, &bytes);
        }
        let n_bytes = gathered.bytes.len();
        state.gathered.insert(share.chunk.clone(), gathered);
        while state.gathered.len() > 1 && state.gathered.len() * n_bytes > MAX_GATHERED_BYTES {
            let oldest = state.gathered.iter().min_by_key(|(_, gathered)| gathered.touched);
            let Some(oldest) = oldest.map(|(grid, _)| grid.clone()) else { break };
            self.store_gathered(&mut state, &oldest)?;
        }
        Ok(())
    }

    fn store_gathered(&self, state: &mut State, grid: &[usize]) -> Result<(), IoError> {
        let Some(gathered) = state.gathered.remove(grid) else { return Ok(()) };
        let bytes = self.encode(&gathered.bytes)?;
        self.store(state, grid, &bytes)
    }

    /// The values of a chunk so far.
    fn load(&self, state: &State, grid: &[usize]) -> Result<Vec<u8>, IoError> {
        let chunk = self.layout.chunk.as_deref().unwrap_or_default();
        let n = chunk.iter().product::<usize>();
        let Some(stored) = state.stored.get(grid) else { return Ok(self.fill().repeat(n)) };
        let mut bytes = vec![0; stored.n_bytes as usize];
        self.output.read(stored.address, &mut bytes)?;
        let element = self.dtype.size();
        let filter = |id| Hdf5Filter { id, parameters: Vec::new() };
        let shuffle = self.layout.shuffle.then(|| filter(pipeline::SHUFFLE));
        let deflate = self.layout.deflate.map(|_| filter(pipeline::DEFLATE));
        let filters: Vec<_> = shuffle.into_iter().chain(deflate).collect();
        pipeline::decode(&filters, 0, bytes, n * element, element).map_err(|why| self.refused(why))
    }

    fn write_dense(&self, start: &[usize], size: &[usize], values: VoxelsRef<'_>) -> Result<(), IoError> {
        let element = self.dtype.size();
        let zero = vec![0; size.len()];
        let (source, target) = (Place { shape: size, start: &zero }, Place { shape: &self.shape, start });
        let mut result = Ok(());
        for_each_run(size, source, target, |a, b, len| {
            if result.is_ok() {
                result = self.write_run(sub(values, a, len), self.dense + (b * element) as u64);
            }
        });
        result
    }

    fn write_run(&self, values: VoxelsRef<'_>, address: u64) -> Result<(), IoError> {
        let mut stored = Voxels::zeros(self.dtype, values.len()).map_err(|error| self.refused(error))?;
        convert(values, stored.view_mut()).map_err(|error| self.refused(error))?;
        let mut view = stored.view_mut();
        Endian::Little.swap_if_needed(self.dtype, view.bytes_mut());
        self.output.write(address, stored.view().bytes())
    }

    /// Stores what is left, writes the index of chunks and gives the messages of the header.
    pub(super) fn finish(&self, messages: &mut Messages) -> Result<(), IoError> {
        let mut state = self.state();
        while let Some(grid) = state.gathered.keys().next().cloned() {
            self.store_gathered(&mut state, &grid)?;
        }
        let mut address = self.dense;
        if let Some(chunk) = &self.layout.chunk
            && !state.stored.is_empty()
        {
            let chunks: Vec<_> = state.stored.iter().map(|(grid, stored)| (grid, *stored)).collect();
            let start = self.output.allocate(0);
            let (nodes, root) = encode::chunk_index(start, chunk, &chunks);
            let place = self.output.allocate(nodes.len() as u64);
            debug_assert_eq!(place, start, "nothing else is written while a file is finished");
            self.output.write(place, &nodes)?;
            address = root;
        }
        let layout = &self.layout;
        let fill = layout.fill.as_ref().map(|_| self.fill());
        let stored = layout.clone().with_fill(fill);
        messages.data_set(&self.shape, self.dtype, &stored, address).map_err(|why| self.refused(why))
    }
}
