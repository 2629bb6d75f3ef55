//! The published model, for the checkpoints that it has left.

use std::collections::BTreeMap;

use candle_core::{DType, Device, Tensor, Var};
use candle_nn::{Linear, Module as _, VarBuilder, VarMap, linear};
use volkit_core::ArrayStore;
use volkit_nn3d::relu;
use volkit_splat::{Colours, Gaussians, RenderConfig};

use super::evaluate::over_white;
use super::initial::{fill, named};
use super::{SceneModel, UNet3d, UNet3dConfig};
use crate::PoseError;
use crate::carve::{CarveGrid, CarvedVolume, Level, Pose};
use crate::matrix::{about_z, add, apply, eigen, product};

/// Channels of the volume, and of what the last U-Net makes of it.
const CHANNELS: [usize; 2] = [4, 8];
/// Hidden numbers of the head, and what it gives: quaternion, scales, opacity (unused), colour, offset.
const HEAD: [usize; 2] = [128, 14];
/// A point is kept whose probability is larger.
const LEAST_PROBABILITY: f32 = 0.25;
/// What is subtracted from the occupancy before the sigmoid, at first, and how it is changed.
const THRESHOLD: [f64; 2] = [0.25, 0.05];
/// Fewest and most Gaussians.
const NUMBERS: [usize; 2] = [1024, 16_000];
/// Largest value of a colour.
const MOST_COLOUR: f32 = 0.99;
/// Gaussians whose projected radius is not larger are left out, in pixels.
const RADIUS_CLIP_PX: f64 = 2.0;

/// The published model with the parameters of one of its checkpoints. It can not be trained.
///
/// Of its three U-Nets the first two are the identity: each hands its input on as its output and adds it, so the third sees
/// `4 v` of a volume `v`, and hands that on as its first four channels. They are neither loaded nor run. Opacities follow from
/// the votes alone; quaternions go through the matrix of the published program, which is not a rotation, and back.
#[derive(Clone, Debug)]
pub struct ReferenceModel {
    dims: [usize; 3],
    unet: UNet3d,
    head: [Linear; 2],
    scale: f32,
}

impl ReferenceModel {
    /// The model for volumes of `dims` points with the parameters `final_unet.*`, `gaussian_param_net.*` and `scale` of a
    /// store, as the published checkpoints name them.
    ///
    /// # Errors
    /// [`PoseError::Read`] for a parameter that is not there, [`PoseError::Input`] for one of another shape: the checkpoint
    /// belongs to another crop; those of [`UNet3d::new`].
    pub fn from_store(dims: [usize; 3], store: &dyn ArrayStore) -> Result<Self, PoseError> {
        let map = VarMap::new();
        let vb = VarBuilder::from_varmap(&map, DType::F32, &Device::Cpu);
        let unet = UNet3d::new(&UNet3dConfig::new(CHANNELS, dims), &vb.pp("final_unet"))?;
        let head = [
            linear(CHANNELS[1], HEAD[0], vb.pp("gaussian_param_net.0"))?,
            linear(HEAD[0], HEAD[1], vb.pp("gaussian_param_net.2"))?,
        ];
        vb.get(1, "scale")?;
        let vars: BTreeMap<String, Var> = named(&map);
        fill(&vars, store)?;
        let scale = vars.get("scale").map_or(Ok(0.0), |scale| scale.get(0)?.to_scalar::<f32>())?;
        Ok(Self { dims, unet, head, scale })
    }

    /// The kept points and what the network says of each, `[K, 14]`.
    fn parameters(&self, volume: &CarvedVolume, kept: &[(usize, Level)]) -> Result<Vec<f32>, PoseError> {
        let [n0, n1, n2] = self.dims;
        let shape = (1, CHANNELS[0], n0, n1, n2);
        let v = (Tensor::from_slice(&volume.values, shape, &Device::Cpu)? * 4.0)?;
        let out = self.unet.forward(&v, false)?.narrow(1, CHANNELS[0], CHANNELS[1] - CHANNELS[0])?;
        let x = Tensor::cat(&[v, out], 1)?.reshape((CHANNELS[1], n0 * n1 * n2))?;
        let indices: Vec<u32> = kept.iter().map(|(index, _)| *index as u32).collect();
        let columns = x.index_select(&Tensor::new(indices, &Device::Cpu)?, 1)?.t()?.contiguous()?;
        let numbers = self.head[1].forward(&relu(&self.head[0].forward(&columns)?)?)?;
        Ok(numbers.flatten_all()?.to_vec1()?)
    }
}

impl SceneModel for ReferenceModel {
    fn scene(&self, volume: &CarvedVolume, grid: &CarveGrid, pose: &Pose) -> Result<Gaussians, PoseError> {
        if volume.dims != self.dims || grid.dims() != self.dims {
            let value = format!("{:?}", volume.dims);
            return Err(PoseError::parameter("volume", value, "the size that the checkpoint was made for"));
        }
        let (kept, threshold) = selected(volume);
        let numbers = self.parameters(volume, &kept)?;
        let (turn, reach) = (about_z(pose.angle), 2.0 * grid.edge / grid.size as f64);
        let mut scene = Gaussians::empty(0);
        let mut colours = Vec::with_capacity(kept.len());
        for ((index, level), n) in kept.iter().zip(numbers.as_chunks::<14>().0) {
            let point = grid.point(*index);
            let moved = [0, 1, 2].map(|k| point[k] + reach * f64::from(n[11 + k]).tanh());
            scene.means.push(add(apply(&turn, moved), pose.centre).map(|x| x as f32));
            scene.quats.push(turned([n[0], n[1], n[2], n[3]].map(f64::from), pose.angle));
            scene.log_scales.push([0, 1, 2].map(|k| n[4 + k] + self.scale));
            let share = (probability(*level, threshold) - LEAST_PROBABILITY) / (1.0 - LEAST_PROBABILITY);
            scene.logit_opacities.push(share.clamp(0.0, 1.0));
            colours.push([0, 1, 2].map(|k| sigmoid(n[8 + k]).min(MOST_COLOUR)));
        }
        scene.colours = Colours::Rgb(colours);
        Ok(scene)
    }

    fn render_config(&self) -> RenderConfig {
        let mut config = over_white();
        config.radius_clip_px = RADIUS_CLIP_PX;
        config
    }
}

fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + (-x).exp())
}

/// `sigmoid(4 occupancy - threshold)`.
fn probability(level: Level, threshold: f64) -> f32 {
    let occupancy = match level {
        Level::Empty => 0.0,
        Level::Shell => 2.0,
        Level::Core => 4.0,
    };
    sigmoid(occupancy - threshold as f32)
}

/// The points that become Gaussians, and the threshold that they were found with. It is raised until there are not too many,
/// then lowered until there are not too few; of those that are too many even then, evenly many are left out (at random in the
/// published program).
fn selected(volume: &CarvedVolume) -> (Vec<(usize, Level)>, f64) {
    let n: usize = volume.dims.iter().product();
    let count = |level| volume.occupied.iter().filter(|(_, l)| *l == level).count();
    let counts = [(Level::Empty, n - volume.occupied.len()), (Level::Shell, count(Level::Shell))];
    let counts = [counts[0], counts[1], (Level::Core, count(Level::Core))];
    let is_kept = |level, threshold| probability(level, threshold) > LEAST_PROBABILITY;
    let number = |threshold| -> usize {
        counts.iter().filter(|(level, _)| is_kept(*level, threshold)).map(|(_, count)| count).sum()
    };
    let [mut threshold, step] = THRESHOLD;
    while number(threshold) > NUMBERS[1] {
        threshold += step;
    }
    while number(threshold) < NUMBERS[0].min(n) {
        threshold -= step;
    }
    let mut levels = vec![Level::Empty; n];
    volume.occupied.iter().for_each(|(index, level)| levels[*index] = *level);
    let all = levels.into_iter().enumerate().filter(|(_, level)| is_kept(*level, threshold));
    let all: Vec<(usize, Level)> = all.collect();
    let (total, most) = (all.len(), NUMBERS[1]);
    let is_chosen = |i: &usize| total <= most || (i * most) / total != ((i + 1) * most) / total;
    ((0..total).filter(is_chosen).map(|i| all[i]).collect(), threshold)
}

/// The quaternion that the published program makes of one and a heading: of its matrix, whose middle is 1 and whose first
/// column repeats the first row there, turned about z, the nearest rotation (Bar-Itzhack 2000, eq. 25).
fn turned(q: [f64; 4], angle: f64) -> [f32; 4] {
    let square: f64 = q.iter().map(|x| x * x).sum();
    let is_zero = square < 4.0 * f64::EPSILON;
    let factor = if is_zero { 0.0 } else { (2.0 / square).sqrt() };
    let [w, x, y, z] = q.map(|c| factor * c);
    let m = [
        [1.0 - y * y - z * z, x * y - z * w, x * z + y * w],
        [x * y - z * w, 1.0, y * z - x * w],
        [x * z - y * w, y * z + x * w, 1.0 - x * x - y * y],
    ];
    let [a, b, c] = product(&about_z(angle), &m);
    let k = [
        [a[0] - b[1] - c[2], a[1] + b[0], a[2] + c[0], c[1] - b[2]],
        [a[1] + b[0], b[1] - a[0] - c[2], b[2] + c[1], a[2] - c[0]],
        [a[2] + c[0], b[2] + c[1], c[2] - a[0] - b[1], b[0] - a[1]],
        [c[1] - b[2], a[2] - c[0], b[0] - a[1], a[0] + b[1] + c[2]],
    ];
    let [x, y, z, w] = eigen(&k).1[3];
    let sign = if w < 0.0 { -1.0 } else { 1.0 };
    [w, x, y, z].map(|c| (sign * c) as f32)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A volume of 32 x 16 x 16 with so many points of the shell and of the core.
    fn volume(shell: usize, core: usize) -> CarvedVolume {
        let level = |i: usize| if i < shell { Level::Shell } else { Level::Core };
        let dims = [32, 16, 16];
        let occupied = (0..shell + core).map(|i| (i + 7, level(i))).collect();
        CarvedVolume { dims, values: vec![0.0; 4 * 8192], occupied }
    }

    #[test]
    fn what_is_kept_is_what_all_views_but_one_agree_on() {
        // In 8192 points the threshold stays where it begins: empty ones have sigmoid(-0.25) = 0.44 and are kept.
        let (kept, threshold) = selected(&volume(300, 900));
        assert_eq!((kept.len(), threshold), (8192, 0.25));
        // In many points it rises until they go, at ln 3 = 1.0986.
        let mut many = volume(2000, 3000);
        many.dims = [32, 32, 32];
        let (kept, threshold) = selected(&many);
        assert_eq!(kept, many.occupied);
        assert!((threshold - 1.10).abs() < 1e-9, "{threshold}");
        // Of shell and core together too many: the core alone, at 2 + ln 3.
        many.occupied = (0..20_000).map(|i| (i, if i < 6000 { Level::Shell } else { Level::Core })).collect();
        let (kept, threshold) = selected(&many);
        assert_eq!((kept.len(), kept[0]), (14_000, (6000, Level::Core)));
        assert!((threshold - 3.10).abs() < 1e-9, "{threshold}");
        // A core that is too many by itself is thinned out.
        many.occupied = (0..20_000).map(|i| (i, Level::Core)).collect();
        assert_eq!(selected(&many).0.len(), 16_000);
        // Fewer points than the least: all, and an end.
        let small = CarvedVolume { dims: [8, 8, 8], values: vec![0.0; 4 * 512], occupied: vec![(3, Level::Core)] };
        assert_eq!(selected(&small).0.len(), 512);
    }

    #[test]
    fn opacities_of_the_specification() {
        let opacity = |level| sigmoid(((probability(level, 1.10) - 0.25) / 0.75).clamp(0.0, 1.0));
        assert!((opacity(Level::Shell) - 0.649).abs() < 1e-3 && (opacity(Level::Core) - 0.717).abs() < 1e-3);
    }

    #[test]
    fn quaternions_by_hand() {
        // The identity has the right matrix: what is left is the turn.
        let [w, x, y, z] = turned([2.0, 0.0, 0.0, 0.0], 0.6);
        assert!((w - 0.3f32.cos()).abs() < 1e-6 && (z - 0.3f32.sin()).abs() < 1e-6 && x.abs() + y.abs() < 1e-6);
        assert_eq!(turned([0.0; 4], 0.0), [1.0, 0.0, 0.0, 0.0]);
        // Half a turn about y: the matrix is diag(-1, 1, -1), a rotation.
        let [w, x, y, z] = turned([0.0, 0.0, 1.0, 0.0], 0.0);
        assert!((y.abs() - 1.0).abs() < 1e-6 && w.abs() + x.abs() + z.abs() < 1e-6);
        // A quarter turn about z has the rows (0, -1, 0), (-1, 1, 0), (0, 0, 1): the nearest rotation is none at all.
        let [w, x, y, z] = turned([1.0, 0.0, 0.0, 1.0], 0.0);
        assert!((w - 1.0).abs() < 1e-6 && x.abs() + y.abs() + z.abs() < 1e-6, "{w} {x} {y} {z}");
    }
}
