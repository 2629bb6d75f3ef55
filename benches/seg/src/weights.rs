//! Weights as a Keras file.

use std::path::Path;

use hdf5_pure::{AttrValue, FileBuilder};
use volkit_core::{ArrayStore as _, BoxError, MemoryStore};

/// Writes the arrays `<layer>/<weight>` of a store as Keras' `save_weights` does.
///
/// # Errors
/// When the file can not be written.
pub fn write_keras(path: &Path, store: &MemoryStore) -> Result<(), BoxError> {
    let names = store.names();
    let layer_of = |name: &str| name.split('/').next().unwrap_or_default().to_owned();
    let mut layers: Vec<String> = names.iter().map(|name| layer_of(name)).collect();
    layers.dedup();
    let mut file = FileBuilder::new();
    file.set_attr("layer_names", AttrValue::AsciiStringArray(layers.clone()));
    for layer in &layers {
        let weights: Vec<String> = names.iter().filter(|name| layer_of(name) == *layer).cloned().collect();
        let mut group = file.create_group(layer);
        group.set_attr("weight_names", AttrValue::AsciiStringArray(weights.clone()));
        let mut scope = group.create_group(layer);
        for name in &weights {
            let array = store.get(name)?;
            let shape: Vec<u64> = array.shape().iter().map(|&n| n as u64).collect();
            let weight = name.rsplit('/').next().unwrap_or_default();
            scope.create_dataset(weight).with_f32_data(&array.to_real::<f32>()?).with_shape(&shape);
        }
        group.add_group(scope.finish());
        file.add_group(group.finish());
    }
    Ok(file.write(path)?)
}

#[cfg(test)]
mod tests {
    use super::write_keras;
    use volkit_bench::SeededUNet;
    use volkit_core::ArrayStore as _;
    use volkit_io::KerasStore;
    use volkit_seg::{NetworkBuild, SegmentationNet};

    #[test]
    fn the_file_holds_the_same_network() {
        let store = SeededUNet::new().with_features(2).with_levels(3).generate().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("net.h5");
        write_keras(&path, &store).unwrap();
        let read = KerasStore::open(&path).unwrap();
        assert_eq!(read.names(), store.names());
        for name in store.names() {
            assert_eq!(read.get(&name).unwrap(), store.get(&name).unwrap(), "{name}");
        }
        let summary = SegmentationNet::from_store(&read, &NetworkBuild::new()).unwrap().summary();
        assert_eq!(summary, "unet: 3 levels, 2 features, 33 labels");
    }
}
