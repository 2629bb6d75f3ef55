//! From a store of weights to a network.

use volkit_core::ArrayStore;
use volkit_kernels::{Activation, Conv3d, ConvOptions, ConvShape, Graph, GraphBuilder};

use super::config::{MeshNetConfig, MeshNetLayer, wrong};
use crate::SegError;
#[cfg(feature = "candle")]
use crate::composite::{CompositeNet, ConvWeights};

/// Added to the variance by the instance norm of published networks.
const NORM_EPS: f64 = 1e-5;

/// Reads the configuration of a store.
pub(super) fn config(store: &dyn ArrayStore) -> Result<MeshNetConfig, SegError> {
    let text = store.metadata("config").ok_or_else(|| {
        wrong("config", "absent", "a MeshNet's weights carry their configuration as metadata text 'config'")
    })?;
    let config = MeshNetConfig::parse(&text)?;
    let more = format!("layers.{}.weight", config.layers.len());
    if store.names().contains(&more) {
        let n_layers = format!("{} layers", config.layers.len());
        return Err(wrong("layers", n_layers, format!("the store also holds '{more}'")));
    }
    Ok(config)
}

/// Weight and bias of a layer.
pub(super) struct LayerWeights {
    pub(super) weight: Vec<f32>,
    pub(super) bias: Vec<f32>,
}

/// Reads the tensors of a layer and checks them.
pub(super) fn layer(store: &dyn ArrayStore, index: usize, layer: &MeshNetLayer) -> Result<LayerWeights, SegError> {
    let weight = tensor(store, format!("layers.{index}.weight"), &layer.weight_shape())?;
    let bias = tensor(store, format!("layers.{index}.bias"), &[layer.c_out])?;
    Ok(LayerWeights { weight, bias })
}

fn tensor(store: &dyn ArrayStore, name: String, shape: &[usize]) -> Result<Vec<f32>, SegError> {
    if store.names().binary_search(&name).is_err() {
        let wanted = format!("shape {shape:?}");
        return Err(SegError::Tensor { tensor: name, field: "presence", value: "missing".into(), wanted });
    }
    let array = store.get(&name).map_err(|source| SegError::ReadTensor { tensor: name.clone(), source })?;
    if array.shape() != shape {
        let (value, wanted) = (format!("{:?}", array.shape()), format!("{shape:?}"));
        return Err(SegError::Tensor { tensor: name, field: "shape", value, wanted });
    }
    let dtype = array.values().dtype();
    if !dtype.is_float() {
        let value = dtype.to_string();
        return Err(SegError::Tensor { tensor: name, field: "element type", value, wanted: "a float".into() });
    }
    let values = array.to_real::<f32>()?;
    if let Some(at) = values.iter().position(|value| !value.is_finite()) {
        let value = format!("{} at element {at}", values[at]);
        return Err(SegError::Tensor { tensor: name, field: "value", value, wanted: "finite numbers".into() });
    }
    Ok(values)
}

/// The network as a graph over images whose first axis is fastest.
pub(super) fn graph(
    config: &MeshNetConfig,
    layers: &[LayerWeights],
    options: ConvOptions<'_>,
) -> Result<Graph, SegError> {
    let mut builder = GraphBuilder::new(options.isa);
    let mut tensor = builder.input(1)?;
    let last = layers.len() - 1;
    for (index, (layer, weights)) in config.layers.iter().zip(layers).enumerate() {
        let activation = if index == last { Activation::Identity } else { config.activation };
        let normed = config.instance_norm && index != last;
        let in_conv = if normed { Activation::Identity } else { activation };
        let shape = ConvShape::new(layer.c_in, layer.c_out, [layer.kernel; 3]).with_dilation([layer.dilation; 3]);
        let weight = depth_first(&weights.weight, layer.kernel);
        let conv = Conv3d::new(shape, &weight, Some(&weights.bias), in_conv.into(), options)?;
        tensor = builder.conv(conv, &[tensor.into()])?;
        if normed {
            tensor = builder.instance_norm(tensor, NORM_EPS, activation)?;
        }
    }
    builder.output(tensor)?;
    Ok(builder.build()?)
}

/// The same on the composite path.
#[cfg(feature = "candle")]
pub(super) fn composite(
    config: &MeshNetConfig,
    layers: Vec<LayerWeights>,
    device: Option<&candle_core::Device>,
) -> Result<CompositeNet, SegError> {
    let mut net = CompositeNet::new(1, device.unwrap_or(&candle_core::Device::Cpu));
    let (mut tensor, last) = (0, layers.len() - 1);
    for (index, (layer, weights)) in config.layers.iter().zip(layers).enumerate() {
        let conv = ConvWeights {
            weight: depth_first(&weights.weight, layer.kernel),
            bias: weights.bias,
            channels: [layer.c_in, layer.c_out],
            kernel: layer.kernel,
            dilation: layer.dilation,
        };
        tensor = net.conv(conv, tensor)?;
        if index == last {
            break;
        }
        if config.instance_norm {
            tensor = net.instance_norm(NORM_EPS, tensor);
        }
        tensor = net.activation(config.activation, tensor);
    }
    Ok(net)
}

/// Turns kernels from `[kx][ky][kz]` to `[kz][ky][kx]`.
///
/// The networks were trained on arrays `[D, H, W] = [x, y, z]`, last axis fastest; ours have x fastest. Turning the
/// kernels once saves turning every image.
fn depth_first(weight: &[f32], k: usize) -> Vec<f32> {
    let mut turned = Vec::with_capacity(weight.len());
    for kernel in weight.chunks_exact(k * k * k) {
        for z in 0..k {
            for y in 0..k {
                turned.extend((0..k).map(|x| kernel[(x * k + y) * k + z]));
            }
        }
    }
    turned
}

/// FNV-1a (64 bits) of the little-endian f32 bytes of all tensors, layer by layer, weight before bias.
pub(super) fn fingerprint(layers: &[LayerWeights]) -> u64 {
    const OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
    const PRIME: u64 = 0x0100_0000_01b3;
    let values = layers.iter().flat_map(|layer| layer.weight.iter().chain(&layer.bias));
    values.flat_map(|value| value.to_le_bytes()).fold(OFFSET, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(PRIME))
}

#[cfg(test)]
mod tests {
    use super::{LayerWeights, depth_first, fingerprint};

    #[test]
    fn kernels_turn_and_turn_back() {
        let weight: Vec<f32> = (0..2 * 27).map(|v| v as f32).collect();
        let turned = depth_first(&weight, 3);
        // Tap (x, y, z) = (0, 1, 2) lay at 0 * 9 + 1 * 3 + 2 and now lies at 2 * 9 + 1 * 3 + 0.
        assert_eq!((turned[21], turned[27 + 21]), (5.0, 32.0));
        assert_eq!(depth_first(&turned, 3), weight);
        assert_eq!(depth_first(&[4.0, 5.0], 1), [4.0, 5.0]);
    }

    #[test]
    fn the_fingerprint_is_fnv_1a() {
        assert_eq!(fingerprint(&[]), 0xcbf2_9ce4_8422_2325);
        // "foob" as the four bytes of one f32.
        let one = LayerWeights { weight: vec![f32::from_le_bytes(*b"foob")], bias: vec![] };
        assert_eq!(fingerprint(&[one]), 0xdd12_0e79_0c25_12af);
    }
}
