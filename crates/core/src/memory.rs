//! Implementations of the traits in memory. ([`crate::Volume`] is a [`crate::VolumeSource`].)

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use crate::{
    Array, ArrayStore, BoxError, CoreError, Region, Volume, VolumeMeta, VolumeSink, Voxels, VoxelsRef, with_voxels,
};

/// Where the volume of a [`MemorySink`] appears when the sink is finished.
pub type MemorySlot = Arc<Mutex<Option<Volume>>>;

/// A sink that gathers a volume in memory, zero where nothing is written.
///
/// The volume appears in the slot that [`MemorySink::new`] gives when the sink is finished.
#[derive(Debug)]
pub struct MemorySink {
    meta: VolumeMeta,
    voxels: Mutex<Voxels>,
    slot: MemorySlot,
}

impl MemorySink {
    /// A sink and the slot that its volume will appear in.
    ///
    /// # Errors
    /// [`CoreError::Length`] when the memory can not be had.
    pub fn new(meta: VolumeMeta) -> Result<(Self, MemorySlot), CoreError> {
        let voxels = Mutex::new(Voxels::zeros(meta.dtype(), meta.n_voxels())?);
        let slot = Arc::new(Mutex::new(None));
        Ok((Self { meta, voxels, slot: Arc::clone(&slot) }, slot))
    }
}

impl VolumeSink for MemorySink {
    fn meta(&self) -> &VolumeMeta {
        &self.meta
    }

    fn write_region(&self, region: &Region, values: VoxelsRef<'_>) -> Result<(), BoxError> {
        let rows = region.rows(self.meta.shape())?;
        if values.len() != region.len() {
            let shape = region.size().to_vec();
            return Err(CoreError::Length { shape, wanted: region.len(), got: values.len() }.into());
        }
        let len = rows.run_len();
        let mut voxels = self.voxels.lock().unwrap_or_else(PoisonError::into_inner);
        for (run, offset) in rows.enumerate() {
            let part: VoxelsRef<'_> =
                with_voxels!(VoxelsRef, values, values => (&values[run * len..(run + 1) * len]).into());
            part.convert_into(voxels.view_mut().slice(offset..offset + len))?;
        }
        Ok(())
    }

    fn finish(self: Box<Self>) -> Result<(), BoxError> {
        let voxels = self.voxels.into_inner().unwrap_or_else(PoisonError::into_inner);
        let volume = Volume::from_meta(self.meta, voxels)?;
        *self.slot.lock().unwrap_or_else(PoisonError::into_inner) = Some(volume);
        Ok(())
    }
}

/// Named arrays in memory.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct MemoryStore {
    arrays: BTreeMap<String, Array>,
    metadata: BTreeMap<String, String>,
}

impl MemoryStore {
    /// A store without arrays.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds an array, or replaces the one of that name.
    pub fn insert(&mut self, name: impl Into<String>, array: Array) {
        self.arrays.insert(name.into(), array);
    }

    /// Sets the text under a key.
    pub fn set_metadata(&mut self, key: impl Into<String>, text: impl Into<String>) {
        self.metadata.insert(key.into(), text.into());
    }

    /// All arrays, by name.
    #[must_use]
    pub fn arrays(&self) -> &BTreeMap<String, Array> {
        &self.arrays
    }

    /// All texts, by key.
    #[must_use]
    pub fn all_metadata(&self) -> &BTreeMap<String, String> {
        &self.metadata
    }
}

impl ArrayStore for MemoryStore {
    fn names(&self) -> Vec<String> {
        self.arrays.keys().cloned().collect()
    }

    fn get(&self, name: &str) -> Result<Array, BoxError> {
        self.arrays.get(name).cloned().ok_or_else(|| CoreError::NoArray(name.to_owned()).into())
    }

    fn metadata(&self, key: &str) -> Option<String> {
        self.metadata.get(key).cloned()
    }
}
