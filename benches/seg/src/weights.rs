//! A SynthSeg network with made-up weights, in memory and as a Keras file.

use std::path::Path;

use hdf5_pure::{AttrValue, FileBuilder};
use volkit_bench::Random;
use volkit_core::{Array, ArrayStore as _, BoxError, MemoryStore};

/// A U-Net as the published ones: two convolutions a level on the way down and up, `features * 2^level` channels.
///
/// # Errors
/// None for sizes that memory holds.
pub fn seeded_unet(features: usize, levels: usize, labels: usize) -> Result<MemoryStore, BoxError> {
    let (mut store, mut random) = (MemoryStore::new(), Random::new(7));
    let channels = |level: usize| features << level;
    for level in 0..levels {
        let c_in = if level == 0 { 1 } else { channels(level - 1) };
        conv(&mut store, &mut random, &format!("unet_conv_downarm_{level}_0"), 3, [c_in, channels(level)])?;
        conv(&mut store, &mut random, &format!("unet_conv_downarm_{level}_1"), 3, [channels(level); 2])?;
        norm(&mut store, &mut random, &format!("unet_bn_down_{level}"), channels(level))?;
    }
    for step in 0..levels.saturating_sub(1) {
        let (c, number) = (channels(levels - 2 - step), levels + step);
        conv(&mut store, &mut random, &format!("unet_conv_uparm_{number}_0"), 3, [3 * c, c])?;
        conv(&mut store, &mut random, &format!("unet_conv_uparm_{number}_1"), 3, [c; 2])?;
        norm(&mut store, &mut random, &format!("unet_bn_up_{step}"), c)?;
    }
    conv(&mut store, &mut random, "unet_likelihood", 1, [features, labels])?;
    Ok(store)
}

fn conv(
    store: &mut MemoryStore,
    random: &mut Random,
    layer: &str,
    kernel: usize,
    [c_in, c_out]: [usize; 2],
) -> Result<(), BoxError> {
    let shape = [kernel, kernel, kernel, c_in, c_out];
    let n = shape.iter().product();
    // Uniform numbers of variance 1 / inputs keep activations of order one.
    let width = (3.0 / (kernel.pow(3) * c_in) as f64).sqrt();
    store.insert(format!("{layer}/kernel:0"), Array::new(shape, uniform(random, n, -width, width))?);
    store.insert(format!("{layer}/bias:0"), Array::new([c_out], uniform(random, c_out, -0.1, 0.1))?);
    Ok(())
}

fn norm(store: &mut MemoryStore, random: &mut Random, layer: &str, channels: usize) -> Result<(), BoxError> {
    for (weight, low, high) in
        [("gamma", 0.6, 1.4), ("beta", -0.3, 0.3), ("moving_mean", -0.2, 0.4), ("moving_variance", 0.3, 1.2)]
    {
        let values = uniform(random, channels, low, high);
        store.insert(format!("{layer}/{weight}:0"), Array::new([channels], values)?);
    }
    Ok(())
}

fn uniform(random: &mut Random, n: usize, low: f64, high: f64) -> Vec<f32> {
    (0..n).map(|_| random.range(low, high) as f32).collect()
}

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
    use super::{seeded_unet, write_keras};
    use volkit_core::ArrayStore as _;
    use volkit_io::KerasStore;
    use volkit_seg::SegmentationNet;

    #[test]
    fn the_file_holds_the_same_network() {
        let store = seeded_unet(2, 3, 33).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("net.h5");
        write_keras(&path, &store).unwrap();
        let read = KerasStore::open(&path).unwrap();
        assert_eq!(read.names(), store.names());
        for name in store.names() {
            assert_eq!(read.get(&name).unwrap(), store.get(&name).unwrap(), "{name}");
        }
        let summary = SegmentationNet::from_store(&read).unwrap().summary();
        assert_eq!(summary, "unet: 3 levels, 2 features, 33 labels");
    }
}
