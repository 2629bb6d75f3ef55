//! The model: a U-Net over the carved volume, and a head that gives every carved point its Gaussian.

use std::collections::BTreeMap;

use candle_core::{DType, Device, Tensor, Var};
use candle_nn::ops::sigmoid;
use candle_nn::{Init, Linear, Module as _, VarBuilder, VarMap, linear};
use serde::{Deserialize, Serialize};
use volkit_core::{Array, ArrayStore, CoreError, MemoryStore, Voxels};
use volkit_nn3d::relu;
use volkit_splat::GaussianTensors;

use super::initial::{draw, fill, is_trained, named};
use super::{UNet3d, UNet3dConfig};
use crate::PoseError;
use crate::carve::{CarveGrid, CarvedVolume, Level, Pose};
use crate::matrix::about_z;

/// Channels of the volume, and of what the U-Net makes of it.
const CHANNELS: [usize; 2] = [4, 8];
/// Hidden numbers of the head.
const HIDDEN: usize = 128;
/// Numbers of a Gaussian in the head: quaternion, scales, opacity, colour, offset.
const HEAD: [usize; 5] = [4, 3, 1, 3, 3];
/// The head's last layer starts this much smaller than usual, so that an untrained model shows the carved colours.
const HEAD_START: f64 = 0.1;
/// Logits of the opacity before training: of points that all views agree on, and that all but one do.
const OPACITY_START: [f64; 2] = [2.0, -1.5];
/// Colours are kept this far from 0 and 1, where their logits are infinite.
const COLOUR_MARGIN: f32 = 0.01;
/// How far a Gaussian may move from its point, in distances of grid points.
const MOST_OFFSET: f64 = 2.0;

/// Sizes and starting values of a [`PoseModel`].
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ModelConfig {
    /// Points of the volume along each axis.
    pub dims: [usize; 3],
    /// Channels of the U-Net's finest level (default 8).
    pub width: usize,
    /// Numbers of its code (default 512).
    pub code: usize,
    /// Standard deviation of a Gaussian before training, in distances of grid points (default 0.5).
    pub start_size: f64,
    /// Most Gaussians of a frame (default 100 000); of more points, evenly many are left out.
    pub most_gaussians: usize,
    /// Seed of the parameters (default 0).
    pub seed: u64,
}

impl ModelConfig {
    /// The published widths, for volumes of `dims` points.
    #[must_use]
    pub fn new(dims: [usize; 3]) -> Self {
        Self { dims, width: 8, code: 512, start_size: 0.5, most_gaussians: 100_000, seed: 0 }
    }

    /// The same with other widths.
    #[must_use]
    pub fn with_widths(self, width: usize, code: usize) -> Self {
        Self { width, code, ..self }
    }

    /// The same with another seed.
    #[must_use]
    pub fn with_seed(self, seed: u64) -> Self {
        Self { seed, ..self }
    }

    /// The same with Gaussians of another size before training.
    #[must_use]
    pub fn with_start_size(self, start_size: f64) -> Self {
        Self { start_size, ..self }
    }
}

/// Turns carved volumes into Gaussians.
///
/// With `v` the volume, `x = U(v) + [v, 0]` and, at each point that is not empty, `q, s, o, c, d = head(x)`:
/// rotation `(1, 0, 0, 0) + q`, turned by the heading with the exact product of quaternions; log scales
/// `s + s0`; logit of the opacity `o + b(level)`; colour `sigmoid(c + logit(carved colour))`; mean the point plus
/// `2 spacing tanh(d)`, turned and moved with the animal. `s0` and the two `b` are trained.
#[derive(Clone, Debug)]
pub struct PoseModel {
    config: ModelConfig,
    vars: BTreeMap<String, Var>,
    unet: UNet3d,
    head: [Linear; 2],
    scale: Tensor,
    opacity: Tensor,
}

impl PoseModel {
    /// A model before training.
    ///
    /// # Errors
    /// Those of [`UNet3d::new`].
    pub fn new(config: ModelConfig) -> Result<Self, PoseError> {
        let map = VarMap::new();
        let vb = VarBuilder::from_varmap(&map, DType::F32, &Device::Cpu);
        let unet_config = UNet3dConfig::new(CHANNELS, config.dims).with_widths(config.width, config.code);
        let unet = UNet3d::new(&unet_config, &vb.pp("unet"))?;
        let head = [
            linear(CHANNELS[1], HIDDEN, vb.pp("gaussian_param_net.0"))?,
            linear(HIDDEN, HEAD.iter().sum(), vb.pp("gaussian_param_net.2"))?,
        ];
        let scale = vb.get_with_hints(1, "scale", Init::Const(config.start_size.ln()))?;
        let opacity = vb.get_with_hints(2, "opacity", Init::Const(0.0))?;
        let vars = named(&map);
        draw(&vars, config.seed)?;
        for name in ["gaussian_param_net.2.weight", "gaussian_param_net.2.bias"] {
            if let Some(var) = vars.get(name) {
                var.set(&(var.as_tensor() * HEAD_START)?)?;
            }
        }
        if let Some(var) = vars.get("opacity") {
            var.set(&Tensor::new(&OPACITY_START.map(|x| x as f32), &Device::Cpu)?)?;
        }
        Ok(Self { config, vars, unet, head, scale, opacity })
    }

    /// A model with the parameters of a store.
    ///
    /// # Errors
    /// [`PoseError::Read`] for a parameter that is not there or has another shape.
    pub fn from_store(config: ModelConfig, store: &dyn ArrayStore) -> Result<Self, PoseError> {
        let model = Self::new(config)?;
        fill(&model.vars, store)?;
        Ok(model)
    }

    /// All parameters and running statistics as numbers of `dtype`: what [`PoseModel::from_store`] reads.
    ///
    /// # Errors
    /// [`PoseError::Seam`] for an element type that holds no real numbers.
    pub fn to_store(&self, dtype: volkit_core::DType) -> Result<MemoryStore, PoseError> {
        let failed = |error: CoreError| PoseError::Seam("storing the model", error.into());
        let mut store = MemoryStore::new();
        for (name, var) in &self.vars {
            let values = Voxels::from(var.flatten_all()?.to_vec1::<f32>()?);
            let mut converted = Voxels::zeros(dtype, values.len()).map_err(failed)?;
            values.view().convert_into(converted.view_mut()).map_err(failed)?;
            store.insert(name, Array::new(var.dims(), converted).map_err(failed)?);
        }
        Ok(store)
    }

    /// Sizes and starting values.
    #[must_use]
    pub fn config(&self) -> &ModelConfig {
        &self.config
    }

    /// All parameters and running statistics by name.
    #[must_use]
    pub fn variables(&self) -> &BTreeMap<String, Var> {
        &self.vars
    }

    /// The parameters that are trained, in the order of their names.
    pub fn trained(&self) -> impl Iterator<Item = (&str, &Var)> {
        self.vars.iter().filter(|(name, _)| is_trained(name)).map(|(name, var)| (name.as_str(), var))
    }

    /// The Gaussians of a carved frame, in the frame of the world; parts of one graph.
    ///
    /// # Errors
    /// [`PoseError::Parameter`] for a volume of another size or with no point; those of the layers.
    pub fn forward(
        &self,
        volume: &CarvedVolume,
        grid: &CarveGrid,
        pose: &Pose,
        train: bool,
    ) -> Result<GaussianTensors, PoseError> {
        let [n0, n1, n2] = self.config.dims;
        if volume.dims != self.config.dims || grid.dims() != self.config.dims {
            let value = format!("{:?}", volume.dims);
            return Err(PoseError::parameter("volume", value, "the size that the model was made for"));
        }
        let kept = self.kept(volume);
        if kept.is_empty() {
            return Err(PoseError::parameter("volume", "empty", "at least one point: does the crop miss the animal?"));
        }
        let v = Tensor::from_slice(&volume.values, (1, CHANNELS[0], n0, n1, n2), &Device::Cpu)?;
        let out = self.unet.forward(&v, train)?;
        let padding = out.narrow(1, CHANNELS[0], CHANNELS[1] - CHANNELS[0])?;
        let residual = (out.narrow(1, 0, CHANNELS[0])? + &v)?;
        let x = Tensor::cat(&[residual, padding], 1)?.reshape((CHANNELS[1], n0 * n1 * n2))?;
        let indices: Vec<u32> = kept.iter().map(|(index, _)| *index as u32).collect();
        let columns = x.index_select(&Tensor::new(indices, &Device::Cpu)?, 1)?.t()?.contiguous()?;
        let parameters = self.head[1].forward(&relu(&self.head[0].forward(&columns)?)?)?;
        self.place(&parameters, &kept, volume, (grid, pose))
    }

    /// The points that become Gaussians.
    fn kept(&self, volume: &CarvedVolume) -> Vec<(usize, Level)> {
        let (n, most) = (volume.occupied.len(), self.config.most_gaussians.max(1));
        let is_kept = |i: &usize| n <= most || (i * most) / n != ((i + 1) * most) / n;
        (0..n).filter(is_kept).map(|i| volume.occupied[i]).collect()
    }

    /// Gaussians from the numbers of the head, `[K, 14]`.
    fn place(
        &self,
        parameters: &Tensor,
        kept: &[(usize, Level)],
        volume: &CarvedVolume,
        (grid, pose): (&CarveGrid, &Pose),
    ) -> Result<GaussianTensors, PoseError> {
        let n = kept.len();
        let mut start = 0;
        let parts = HEAD.map(|len| {
            start += len;
            parameters.narrow(1, start - len, len)
        });
        let [quats, scales, opacities, colours, offsets] = parts;
        let device = &Device::Cpu;

        let points: Vec<f32> = kept.iter().flat_map(|(index, _)| grid.point(*index)).map(|x| x as f32).collect();
        let points = Tensor::from_vec(points, (n, 3), device)?;
        let turn: Vec<f32> =
            crate::matrix::transposed(&about_z(pose.angle)).as_flattened().iter().map(|x| *x as f32).collect();
        let centre = Tensor::new(&pose.centre.map(|x| x as f32), device)?;
        let moved = (points + (offsets?.tanh()? * (MOST_OFFSET * grid.spacing()))?)?;
        let means = moved.matmul(&Tensor::from_vec(turn, (3, 3), device)?)?.broadcast_add(&centre)?;

        let unit = Tensor::new(&[1f32, 0.0, 0.0, 0.0], device)?;
        let turned = Tensor::new(&heading_product(pose.angle), device)?;
        let quats = quats?.broadcast_add(&unit)?.matmul(&turned)?;

        let log_scales = scales?.broadcast_add(&self.scale)?.affine(1.0, grid.spacing().ln())?;

        let shares = kept.iter().flat_map(|(_, level)| if *level == Level::Core { [1f32, 0.0] } else { [0.0, 1.0] });
        let shares = Tensor::from_vec(shares.collect::<Vec<f32>>(), (n, 2), device)?;
        let logit_opacities = (opacities?.squeeze(1)? + shares.matmul(&self.opacity.reshape((2, 1))?)?.squeeze(1)?)?;

        let carved = kept.iter().flat_map(|(index, _)| carved_logits(volume, *index)).collect::<Vec<f32>>();
        let colours = sigmoid(&(colours? + Tensor::from_vec(carved, (n, 3), device)?)?)?;
        Ok(GaussianTensors { means, quats, log_scales, logit_opacities, colours })
    }
}

/// Logits of the carved colour of a point.
fn carved_logits(volume: &CarvedVolume, index: usize) -> [f32; 3] {
    let n: usize = volume.dims.iter().product();
    [1, 2, 3].map(|channel| {
        let colour = volume.values[channel * n + index].clamp(COLOUR_MARGIN, 1.0 - COLOUR_MARGIN);
        (colour / (1.0 - colour)).ln()
    })
}

/// The matrix `M` for which `q M` is the product of the turn by `angle` about z and the quaternion `q = (w, x, y, z)`.
fn heading_product(angle: f64) -> [[f32; 4]; 4] {
    let (s, c) = (0.5 * angle).sin_cos();
    let (s, c) = (s as f32, c as f32);
    // (c, 0, 0, s) (w, x, y, z) = (c w - s z, c x - s y, c y + s x, c z + s w)
    [[c, 0.0, 0.0, s], [0.0, c, s, 0.0], [0.0, -s, c, 0.0], [-s, 0.0, 0.0, c]]
}

#[cfg(test)]
mod tests {
    use super::heading_product;

    #[test]
    fn a_quarter_turn_by_hand() {
        let m = heading_product(std::f64::consts::FRAC_PI_2);
        let h = std::f32::consts::FRAC_1_SQRT_2;
        let times = |q: [f32; 4]| -> [f32; 4] { std::array::from_fn(|c| (0..4).map(|r| q[r] * m[r][c]).sum()) };
        assert_eq!(times([1.0, 0.0, 0.0, 0.0]), [h, 0.0, 0.0, h]);
        // Half a turn about x, then a quarter about z: half a turn about the diagonal.
        assert_eq!(times([0.0, 1.0, 0.0, 0.0]), [0.0, h, h, 0.0]);
        assert_eq!(times([0.0, 0.0, 1.0, 0.0]), [0.0, -h, h, 0.0]);
    }
}
