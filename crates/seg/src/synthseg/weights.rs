//! Layers of Keras networks out of a store of arrays.

use std::collections::BTreeSet;

use volkit_core::ArrayStore;
use volkit_kernels::{Activation, Conv3d, ConvOptions, ConvShape, Epilogue, Workspace};

use crate::{NetPath, NetworkBuild, SegError};

/// Added to the variance by the batch norm of the published networks.
pub(super) const NORM_EPS: f64 = 1e-3;

/// A batch norm at inference: `scale * x + shift` for each channel.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Norm {
    pub(super) scale: Vec<f32>,
    pub(super) shift: Vec<f32>,
}

impl Norm {
    pub(super) fn as_pair(&self) -> (&[f32], &[f32]) {
        (&self.scale, &self.shift)
    }
}

/// Reads layers of a store whose arrays are named `<layer>/<weight>`.
pub(super) struct Layers<'a> {
    store: &'a dyn ArrayStore,
    names: BTreeSet<String>,
    options: ConvOptions<'a>,
    /// What runs the layers.
    #[cfg_attr(not(feature = "candle"), expect(dead_code, reason = "there is one path only"))]
    pub(super) path: NetPath,
    /// Whose memory runs take.
    pub(super) workspace: Option<&'a Workspace>,
    /// Where the composite path runs.
    #[cfg(feature = "candle")]
    pub(super) device: candle_core::Device,
}

impl<'a> Layers<'a> {
    /// The layers of `store`, to be built like that.
    ///
    /// # Errors
    /// [`SegError::Option`] for a path that this build does not have.
    pub(super) fn new(store: &'a dyn ArrayStore, build: &NetworkBuild<'a>) -> Result<Self, SegError> {
        build.path.check()?;
        let NetworkBuild { conv: options, path, workspace, .. } = *build;
        Ok(Self {
            store,
            names: store.names().into_iter().collect(),
            options,
            path,
            workspace,
            #[cfg(feature = "candle")]
            device: build.device.cloned().unwrap_or(candle_core::Device::Cpu),
        })
    }

    /// Levels of an encoder: one more than the largest `l` of layers named `<prefix>_conv_downarm_<l>_..`.
    ///
    /// A level that is missing below the largest one is not counted out: reading its layers then tells its name.
    pub(super) fn levels(&self, prefix: &str) -> usize {
        let start = format!("{prefix}_conv_downarm_");
        let level = |name: &String| name.strip_prefix(&start)?.split('_').next()?.parse::<usize>().ok();
        self.names.iter().filter_map(level).max().map_or(0, |level| level.saturating_add(1))
    }

    /// Shape `[kx, ky, kz, c_in, c_out]` of a convolution's kernel.
    pub(super) fn kernel_shape(&self, layer: &str) -> Result<[usize; 5], SegError> {
        let name = kernel_name(layer);
        let array = self.read(&name, "a kernel [kx, ky, kz, c_in, c_out]")?;
        <[usize; 5]>::try_from(array.shape()).map_err(|_| SegError::Tensor {
            tensor: name,
            field: "shape",
            value: format!("{:?}", array.shape()),
            wanted: "[kx, ky, kz, c_in, c_out]".into(),
        })
    }

    /// The convolution `layer` with `kernel` taps along each axis, `activation` and a batch norm behind it.
    pub(super) fn conv(
        &self,
        layer: &str,
        kernel: usize,
        [c_in, c_out]: [usize; 2],
        activation: Activation,
        norm: Option<&Norm>,
    ) -> Result<Conv3d, SegError> {
        let (weight, bias) = self.conv_weights(layer, kernel, [c_in, c_out])?;
        let scale_shift = norm.map(|norm| (norm.scale.clone(), norm.shift.clone()));
        let shape = ConvShape::new(c_in, c_out, [kernel; 3]);
        Ok(Conv3d::new(shape, &weight, Some(&bias), Epilogue { activation, scale_shift }, self.options)?)
    }

    /// Weight `[c_out][c_in][kz][ky][kx]` and bias of the convolution `layer`.
    pub(super) fn conv_weights(
        &self,
        layer: &str,
        kernel: usize,
        [c_in, c_out]: [usize; 2],
    ) -> Result<(Vec<f32>, Vec<f32>), SegError> {
        let weight = self.tensor(kernel_name(layer), &[kernel, kernel, kernel, c_in, c_out])?;
        let bias = self.tensor(format!("{layer}/bias:0"), &[c_out])?;
        Ok((channels_first(&weight, kernel, c_in, c_out), bias))
    }

    /// The batch norm `layer`, folded in f64.
    pub(super) fn norm(&self, layer: &str, channels: usize) -> Result<Norm, SegError> {
        let [gamma, beta, mean, variance] = self.norm_weights(layer, channels)?;
        let mut norm = Norm { scale: Vec::with_capacity(channels), shift: Vec::with_capacity(channels) };
        for (((gamma, beta), mean), variance) in gamma.iter().zip(&beta).zip(&mean).zip(&variance) {
            if *variance < 0.0 {
                return Err(SegError::Tensor {
                    tensor: format!("{layer}/moving_variance:0"),
                    field: "value",
                    value: variance.to_string(),
                    wanted: "variances".into(),
                });
            }
            let scale = f64::from(*gamma) / (f64::from(*variance) + NORM_EPS).sqrt();
            norm.scale.push(scale as f32);
            norm.shift.push((f64::from(*beta) - f64::from(*mean) * scale) as f32);
        }
        Ok(norm)
    }

    /// Gamma, beta, mean and variance of the batch norm `layer`.
    pub(super) fn norm_weights(&self, layer: &str, channels: usize) -> Result<[Vec<f32>; 4], SegError> {
        let read = |weight: &str| self.tensor(format!("{layer}/{weight}:0"), &[channels]);
        Ok([read("gamma")?, read("beta")?, read("moving_mean")?, read("moving_variance")?])
    }

    fn read(&self, name: &str, wanted: &str) -> Result<volkit_core::Array, SegError> {
        if !self.names.contains(name) {
            let (field, value) = ("presence", "missing".into());
            return Err(SegError::Tensor { tensor: name.to_owned(), field, value, wanted: wanted.to_owned() });
        }
        self.store.get(name).map_err(|source| SegError::ReadTensor { tensor: name.to_owned(), source })
    }

    fn tensor(&self, name: String, shape: &[usize]) -> Result<Vec<f32>, SegError> {
        let array = self.read(&name, &format!("shape {shape:?}"))?;
        if array.shape() != shape {
            let (value, wanted) = (format!("{:?}", array.shape()), format!("{shape:?}"));
            return Err(SegError::Tensor { tensor: name, field: "shape", value, wanted });
        }
        let dtype = array.values().dtype();
        if !dtype.is_float() {
            let (value, wanted) = (dtype.to_string(), "a float".into());
            return Err(SegError::Tensor { tensor: name, field: "element type", value, wanted });
        }
        let values = array.to_real::<f32>()?;
        if let Some(at) = values.iter().position(|value| !value.is_finite()) {
            let (value, wanted) = (format!("{} at element {at}", values[at]), "finite numbers".into());
            return Err(SegError::Tensor { tensor: name, field: "value", value, wanted });
        }
        Ok(values)
    }
}

pub(super) fn kernel_name(layer: &str) -> String {
    format!("{layer}/kernel:0")
}

/// Turns a kernel `[kx][ky][kz][c_in][c_out]` into `[c_out][c_in][kz][ky][kx]`.
///
/// The networks were trained on arrays `[x, y, z]` whose last axis is fastest; ours have x fastest. Turning the kernels
/// once saves turning every image.
fn channels_first(weight: &[f32], k: usize, c_in: usize, c_out: usize) -> Vec<f32> {
    let mut turned = Vec::with_capacity(weight.len());
    for o in 0..c_out {
        for i in 0..c_in {
            for tap in 0..k * k * k {
                let (z, y, x) = (tap / (k * k), tap / k % k, tap % k);
                turned.push(weight[(((x * k + y) * k + z) * c_in + i) * c_out + o]);
            }
        }
    }
    turned
}

#[cfg(test)]
mod tests {
    use volkit_core::{Array, ArrayStore as _, MemoryStore};
    use volkit_kernels::Isa;

    use super::{Layers, channels_first};
    use crate::NetworkBuild;

    fn layers(store: &MemoryStore) -> Layers<'_> {
        Layers::new(store, &NetworkBuild::new().with_conv(Isa::Scalar)).unwrap()
    }

    #[test]
    fn kernels_turn() {
        let (k, c_in, c_out) = (3, 2, 4);
        let weight: Vec<f32> = (0..27 * 8).map(|v| v as f32).collect();
        let turned = channels_first(&weight, k, c_in, c_out);
        // Tap (x, y, z) = (2, 0, 1), channels 1 -> 3.
        let from = ((2 * 3 * 3 + 1) * 2 + 1) * 4 + 3;
        assert_eq!(turned[(3 * 2 + 1) * 27 + 3 * 3 + 2], weight[from]);
        assert_eq!(channels_first(&[4.0, 5.0], 1, 1, 2), [4.0, 5.0]);
    }

    #[test]
    fn a_norm_worked_by_hand() {
        let mut store = MemoryStore::new();
        for (name, value) in [("gamma", -3.0f32), ("beta", 0.5), ("moving_mean", 2.0), ("moving_variance", 0.249)] {
            store.insert(format!("bn/{name}:0"), Array::new([1], vec![value]).unwrap());
        }
        assert_eq!(store.names().len(), 4);
        let norm = layers(&store).norm("bn", 1).unwrap();
        // sqrt(0.249 + 0.001) = 0.5
        assert!((norm.scale[0] + 6.0).abs() < 1e-6 && (norm.shift[0] - 12.5).abs() < 1e-5, "{norm:?}");
        store.insert("bn/moving_variance:0", Array::new([1], vec![-1.0f32]).unwrap());
        let error = layers(&store).norm("bn", 1).unwrap_err().to_string();
        assert!(error.contains("bn/moving_variance:0"), "{error}");
    }

    #[test]
    fn levels_are_counted_by_the_deepest() {
        let mut store = MemoryStore::new();
        for layer in ["unet_conv_downarm_0_0", "unet_conv_downarm_3_1", "unet_conv_downarm_x", "unet2_conv_downarm_7_0"]
        {
            store.insert(format!("{layer}/bias:0"), Array::new([1], vec![0.0f32]).unwrap());
        }
        let found = layers(&store);
        assert_eq!(["unet", "unet2", "l2l"].map(|prefix| found.levels(prefix)), [4, 8, 0]);
    }
}
