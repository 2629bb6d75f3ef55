//! Every layer of a small network, and the smoothing behind it.

use std::cell::OnceCell;

use volkit_core::{ArrayStore, BoxError};
use volkit_io::SafetensorsStore;
use volkit_seg::{LayerValues, NetPath, Posteriors, SegmentationNet};

use super::Fixture;
use super::tensors::Tensor;
use crate::check::Check;
use crate::suite::{Cases, Outcome};

/// Of the largest value of a layer.
const TOLERANCE: f64 = 1e-5;
/// Added to the variance by the batch norm of the published networks.
const NORM_EPS: f64 = 1e-3;
const FILE: &str = "unet_layers.safetensors";
const BLUR: &str = "gaussian_blur_0p5";
const KERNEL: &str = "gaussian_kernel_3d";

pub(super) fn run(fixture: &Fixture<'_>, cases: &mut Cases<'_>) -> bool {
    let path = fixture.path(FILE);
    if !path.exists() {
        return false;
    }
    let store = match SafetensorsStore::open(&path) {
        Ok(store) => store,
        Err(error) => {
            cases.case("layers".to_owned(), || Err(error.into()));
            return true;
        }
    };
    let layers = OnceCell::new();
    for name in store.names() {
        if name == "input" {
            continue;
        }
        cases.case(format!("layers/{name}"), || {
            if fixture.machine.path == NetPath::Composite {
                return Ok(Outcome::Skipped("layers are looked into on the kernels' path only".to_owned()));
            }
            let layers = layers.get_or_init(|| Layers::compute(fixture, &store).map_err(|error| error.to_string()));
            layers.as_ref().map_err(Clone::clone)?.case(&store, &name)
        });
    }
    true
}

/// What our network gives for the folder's input.
struct Layers {
    weights: Box<dyn ArrayStore>,
    layers: Vec<LayerValues>,
    smoothed: Posteriors,
}

impl Layers {
    fn compute(fixture: &Fixture<'_>, store: &SafetensorsStore) -> Result<Self, BoxError> {
        let weights = fixture.weights("v2")?;
        let net = SegmentationNet::from_store(weights.as_ref(), &fixture.build())?;
        let input = Tensor::read(store, "input")?;
        let layers = net.layers(&input.x_fastest(), input.size, &fixture.threads)?;
        let last = layers.last().ok_or("a network without layers")?;
        let smoothed = Posteriors::new(last.size, last.channels, last.values.clone())?.smoothed(&fixture.threads)?;
        Ok(Self { weights, layers, smoothed })
    }

    fn case(&self, store: &SafetensorsStore, name: &str) -> Result<Outcome, BoxError> {
        let wanted = Tensor::read(store, name)?;
        let got = match name {
            BLUR => self.smoothed.values.clone(),
            KERNEL => impulse_response()?,
            _ => self.layer(name)?,
        };
        let wanted = wanted.x_fastest();
        let largest = wanted.iter().fold(0.0f32, |most, value| most.max(value.abs()));
        let scaled = |values: &[f32]| values.iter().map(|&v| f64::from(v) / f64::from(largest)).collect::<Vec<_>>();
        let mut check = Check::new();
        check.close(name, &scaled(&got), &scaled(&wanted), 0.0, TOLERANCE);
        Ok(check.into())
    }

    /// The values of a layer; a batch norm that is part of pooling, and a convolution that its batch norm is computed
    /// with, are had from the other one of the two.
    fn layer(&self, name: &str) -> Result<Vec<f32>, BoxError> {
        let of = |name: &str| self.layers.iter().find(|layer| layer.name == name);
        if let Some(layer) = of(name) {
            return Ok(layer.values.clone());
        }
        let (other, norm, is_undone) = neighbour(name, self.levels()).ok_or_else(|| format!("no layer '{name}'"))?;
        let layer = of(&other).ok_or_else(|| format!("no layer '{name}' and no layer '{other}'"))?;
        let (scale, shift) = self.norm(&norm, layer.channels)?;
        let turned = |(i, value): (usize, &f32)| {
            let (channel, value) = (i % layer.channels, f64::from(*value));
            let (scale, shift) = (scale[channel], shift[channel]);
            (if is_undone { (value - shift) / scale } else { scale * value + shift }) as f32
        };
        Ok(layer.values.iter().enumerate().map(turned).collect())
    }

    fn levels(&self) -> usize {
        self.layers.iter().filter(|layer| layer.name.contains("_conv_downarm_") && layer.name.ends_with("_0")).count()
    }

    /// Scale and shift of a batch norm at inference.
    fn norm(&self, layer: &str, channels: usize) -> Result<(Vec<f64>, Vec<f64>), BoxError> {
        let read = |weight: &str| -> Result<Vec<f64>, BoxError> {
            let name = format!("{layer}/{weight}:0");
            let values = self.weights.get(&name)?.to_real::<f64>()?;
            if values.len() == channels { Ok(values) } else { Err(format!("{name}: {} values", values.len()).into()) }
        };
        let (gamma, beta) = (read("gamma")?, read("beta")?);
        let (mean, variance) = (read("moving_mean")?, read("moving_variance")?);
        let scale: Vec<f64> = gamma.iter().zip(&variance).map(|(g, v)| g / (v + NORM_EPS).sqrt()).collect();
        let shift = beta.iter().zip(&mean).zip(&scale).map(|((b, m), s)| b - m * s).collect();
        Ok((scale, shift))
    }
}

/// For a layer that is not computed by itself: the layer on the other side of a batch norm, that norm, and whether it is
/// to be undone.
fn neighbour(name: &str, levels: usize) -> Option<(String, String, bool)> {
    if let Some((prefix, level)) = name.split_once("_bn_down_") {
        return Some((format!("{prefix}_conv_downarm_{level}_1"), name.to_owned(), false));
    }
    if let Some((prefix, rest)) = name.split_once("_conv_downarm_") {
        let norm = format!("{prefix}_bn_down_{}", rest.strip_suffix("_1")?);
        return Some((norm.clone(), norm, true));
    }
    let (prefix, rest) = name.split_once("_conv_uparm_")?;
    let step = rest.strip_suffix("_1")?.parse::<usize>().ok()?.checked_sub(levels)?;
    let norm = format!("{prefix}_bn_up_{step}");
    Some((norm.clone(), norm, true))
}

/// What smoothing makes of a single 1: its kernel.
fn impulse_response() -> Result<Vec<f32>, BoxError> {
    let mut impulse = Posteriors::zeros([3; 3], 1)?;
    impulse.values[13] = 1.0;
    Ok(impulse.smoothed(&volkit_kernels::Threads::single())?.values)
}

#[cfg(test)]
mod tests {
    use super::{impulse_response, neighbour};

    #[test]
    fn layers_beside_a_norm() {
        let named = |name: &str| neighbour(name, 3);
        let both = |other: &str, norm: &str, undone| Some((other.to_owned(), norm.to_owned(), undone));
        assert_eq!(named("unet_bn_down_1"), both("unet_conv_downarm_1_1", "unet_bn_down_1", false));
        assert_eq!(named("unet_conv_downarm_2_1"), both("unet_bn_down_2", "unet_bn_down_2", true));
        assert_eq!(named("unet_conv_uparm_4_1"), both("unet_bn_up_1", "unet_bn_up_1", true));
        assert_eq!(named("unet_conv_uparm_2_1"), None);
        assert_eq!(named("something"), None);
    }

    #[test]
    fn the_kernel_adds_up_to_one() {
        let kernel = impulse_response().unwrap();
        assert!((kernel.iter().sum::<f32>() - 1.0).abs() < 1e-6 && kernel[13] > kernel[12]);
    }
}
