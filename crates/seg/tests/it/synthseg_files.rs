//! Files of the golden folder `synthseg`.

use std::path::PathBuf;

use volkit_io::KerasStore;

use crate::golden;

/// A file or folder of it, where it is.
pub(crate) fn shared(path: &str) -> Option<PathBuf> {
    golden::shared(&format!("golden/synthseg/{path}"))
}

/// Reduced weights of a network.
pub(crate) fn weights(name: &str) -> KerasStore {
    KerasStore::open(shared(&format!("weights/{name}.h5")).unwrap()).unwrap()
}
