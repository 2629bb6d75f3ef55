//! Files of weights, whichever program wrote them.

use std::path::Path;

use volkit_core::ArrayStore;

use crate::bytes::ByteSource;
use crate::npz::{NpzStore, zip_read};
use crate::{IoError, ReadOptions, SafetensorsStore, TorchStore};

/// First bytes of an HDF5 file.
pub(crate) const HDF5_MAGIC: [u8; 8] = *b"\x89HDF\r\n\x1a\n";

/// Opens a file of named arrays; its content decides how it is read: safetensors, a PyTorch state dict, `.npz`, or (feature
/// `hdf5`) Keras weights.
///
/// # Errors
/// As the stores.
pub fn open_weights(path: impl AsRef<Path>) -> Result<Box<dyn ArrayStore>, IoError> {
    let path = path.as_ref();
    let mut magic = [0; HDF5_MAGIC.len()];
    let bytes = ByteSource::open(path, &ReadOptions::default())?;
    bytes.read_up_to(0, &mut magic)?;
    #[cfg(feature = "hdf5")]
    if magic == HDF5_MAGIC {
        return Ok(Box::new(crate::KerasStore::open(path)?));
    }
    if !magic.starts_with(zip_read::MAGIC) {
        return Ok(Box::new(SafetensorsStore::open(path)?));
    }
    match TorchStore::open(path) {
        Err(IoError::NotThisFormat { .. }) => Ok(Box::new(NpzStore::open(path)?)),
        store => Ok(Box::new(store?)),
    }
}
