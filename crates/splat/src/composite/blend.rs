//! Blending as matrices of splats and pixels, forward and backward.
//!
//! With `a` the alpha of a splat at a pixel, zero where a gate closes it, `P` the running product of `1 - a` and `B` the
//! product before a splat, the splats with `P > transmittance_min` are taken: `P` only falls, so that the first one that
//! is not taken ends the pixel. Weights are `a B`. By a pixel's derivatives `v` and `g = features . v`,
//! `dL/da = B g - (sum of what lies behind of weight g + T (background . v - v_alpha)) / (1 - a)`.

use candle_core::{Device, Result, Tensor};
use volkit_kernels::{Frame, ImageGradient, ImageMut, RasterOptions, Splat, SplatGradient, Threads};

use super::scan::{running_product, running_sum_from_behind, shifted, shifted_back};
use super::tiles::{TILE, TILE_PIXELS, Tile, groups, tiles};
use crate::SplatError;
use crate::pipeline::Blend;

/// Numbers of a splat in the table: centre, conic, opacity, features.
const NUMBERS: usize = 2 + 3 + 1 + 4;
/// Numbers of a splat's gradient: opacity, centre, conic, magnitudes by the centre, features.
const GRADIENTS: usize = 1 + 2 + 3 + 2 + 4;

/// Pairs of splat and pixel that are worked on at a time: about twenty arrays of so many floats exist at once, which a
/// CPU keeps near its caches and a GPU wants large.
fn most_pairs(device: &Device) -> usize {
    if device.is_cpu() { 1 << 19 } else { 1 << 23 }
}

/// Blends by operations of candle on one device.
#[derive(Debug)]
pub(super) struct TensorBlend {
    device: Device,
    last: Option<Last>,
}

/// What the last image was made of.
#[derive(Debug)]
struct Last {
    frame: Frame,
    tiles: Vec<Tile>,
    /// `[N + 1, NUMBERS]`: the splats, and one that nobody sees.
    table: Tensor,
    n_splats: usize,
    /// What is left of the light behind, `[H, W]`.
    transmittance: Vec<f32>,
}

impl TensorBlend {
    pub(super) fn new(device: &Device) -> Self {
        Self { device: device.clone(), last: None }
    }
}

impl Blend for TensorBlend {
    fn forward(
        &mut self,
        splats: &[Splat],
        frame: &Frame,
        image: ImageMut<'_>,
        _: &Threads,
    ) -> std::result::Result<(), SplatError> {
        self.last = None;
        let n_pixels = frame.size[0] * frame.size[1];
        let mut last = Last {
            frame: *frame,
            tiles: tiles(splats, frame.size, &frame.options),
            table: table(splats, &self.device)?,
            n_splats: splats.len(),
            transmittance: vec![1.0; n_pixels],
        };
        image.colour.as_chunks_mut::<3>().0.fill(frame.background);
        image.alpha.fill(0.0);
        image.depth.fill(0.0);
        for group in groups(&last.tiles, most_pairs(&self.device)) {
            let values = Samples::new(group, &last, &self.device)?.blended()?;
            for_each_pixel(group, frame.size, |pixel, at| {
                let [red, green, blue, depth, left] = std::array::from_fn(|k| values[5 * at + k]);
                last.transmittance[pixel] = left;
                let colour = &mut image.colour[3 * pixel..3 * pixel + 3];
                for (colour, (sum, behind)) in colour.iter_mut().zip([red, green, blue].iter().zip(frame.background)) {
                    *colour = sum + left * behind;
                }
                image.alpha[pixel] = 1.0 - left;
                if let Some(place) = image.depth.get_mut(pixel) {
                    *place = depth;
                }
            });
        }
        self.last = Some(last);
        Ok(())
    }

    fn backward(
        &mut self,
        image: &ImageGradient<'_>,
        gradients: &mut [SplatGradient],
        _: &Threads,
    ) -> std::result::Result<[f32; 3], SplatError> {
        let Some(last) = &self.last else { return Err(SplatError::NoForward("there was no forward pass")) };
        let n_pixels = last.transmittance.len();
        SplatError::check_len("upstream.colour", image.colour.len(), 3 * n_pixels)?;
        for (what, values) in [("upstream.alpha", image.alpha), ("upstream.depth", image.depth)] {
            if !values.is_empty() {
                SplatError::check_len(what, values.len(), n_pixels)?;
            }
        }
        SplatError::check_len("splat gradients", gradients.len(), last.n_splats)?;
        let (colours, _) = image.colour.as_chunks::<3>();
        let mut sums = vec![[0.0f64; GRADIENTS]; last.n_splats];
        for group in groups(&last.tiles, most_pairs(&self.device)) {
            let upstream = Upstream::new(group, last, image);
            let samples = Samples::new(group, last, &self.device)?;
            let values = samples.gradients(&upstream, &last.frame.options)?;
            let (values, _) = values.as_chunks::<GRADIENTS>();
            for (tile, values) in group.iter().zip(values.chunks_exact(samples.n_listed)) {
                for (&i, values) in tile.splats.iter().zip(values) {
                    sums[i as usize].iter_mut().zip(values).for_each(|(sum, value)| *sum += f64::from(*value));
                }
            }
        }
        for (gradient, sum) in gradients.iter_mut().zip(sums) {
            let [opacity, x, y, a, b, c, abs_x, abs_y, f0, f1, f2, f3] = sum.map(|value| value as f32);
            *gradient = SplatGradient {
                features: [f0, f1, f2, f3],
                opacity,
                mean: [x, y],
                conic: [a, b, c],
                mean_absolute: [abs_x, abs_y],
            };
        }
        let mut background = [0.0f64; 3];
        for (left, colour) in last.transmittance.iter().zip(colours) {
            background.iter_mut().zip(colour).for_each(|(sum, v)| *sum += f64::from(left * v));
        }
        Ok(background.map(|sum| sum as f32))
    }
}

fn table(splats: &[Splat], device: &Device) -> Result<Tensor> {
    let mut values = Vec::with_capacity((splats.len() + 1) * NUMBERS);
    for splat in splats {
        values.extend(splat.mean);
        values.extend(splat.conic);
        values.push(splat.opacity);
        values.extend(splat.features);
    }
    values.extend([0.0; NUMBERS]);
    Tensor::from_vec(values, (splats.len() + 1, NUMBERS), device)
}

/// Calls `visit` with the pixel of the image and its place in the group, tile by tile.
fn for_each_pixel(group: &[Tile], [height, width]: [usize; 2], mut visit: impl FnMut(usize, usize)) {
    for (number, tile) in group.iter().enumerate() {
        let [left, top] = tile.corner;
        for k in 0..TILE_PIXELS {
            let (column, row) = (left + k % TILE, top + k / TILE);
            if column < width && row < height {
                visit(row * width + column, number * TILE_PIXELS + k);
            }
        }
    }
}

/// Derivatives by the pixels of a group.
struct Upstream {
    /// By colour and depth, `[T, 256, 4]`; zeros outside of the image.
    features: Vec<f32>,
    /// `T (background . v_colour - v_alpha)`, `[T, 256]`.
    behind: Vec<f32>,
}

impl Upstream {
    fn new(group: &[Tile], last: &Last, image: &ImageGradient<'_>) -> Self {
        let n = group.len() * TILE_PIXELS;
        let mut upstream = Self { features: vec![0.0; 4 * n], behind: vec![0.0; n] };
        let frame = &last.frame;
        for_each_pixel(group, frame.size, |pixel, at| {
            let colour = &image.colour[3 * pixel..3 * pixel + 3];
            let features = &mut upstream.features[4 * at..4 * at + 4];
            features[..3].copy_from_slice(colour);
            if frame.options.depth {
                features[3] = image.depth.get(pixel).copied().unwrap_or(0.0);
            }
            let behind: f32 = colour.iter().zip(frame.background).map(|(v, background)| v * background).sum();
            let alpha = image.alpha.get(pixel).copied().unwrap_or(0.0);
            upstream.behind[at] = last.transmittance[pixel] * (behind - alpha);
        });
        upstream
    }
}

/// Every splat of a group's tiles at every pixel: `T` tiles, `K` splats each, `[T, K, 256]`.
struct Samples {
    n_tiles: usize,
    /// `K`: lists are filled up with the splat that nobody sees.
    n_listed: usize,
    /// `[T, K, 1]` each.
    conic: [Tensor; 3],
    /// `[T, K, 4]`.
    features: Tensor,
    /// From the pixel to the centre.
    dx: Tensor,
    dy: Tensor,
    /// `exp(-exponent)`, and times the opacity; zeros where a gate closes.
    falloff: Tensor,
    raw: Tensor,
    /// `raw`, cut.
    alpha: Tensor,
    /// Products of `1 - alpha` before and behind each splat.
    before: Tensor,
    after: Tensor,
    /// `alpha * before` of those that are taken.
    weight: Tensor,
    transmittance_min: f32,
}

impl Samples {
    fn new(group: &[Tile], last: &Last, device: &Device) -> Result<Self> {
        let options = &last.frame.options;
        let (n_tiles, n_listed) = (group.len(), group.iter().map(|tile| tile.splats.len()).max().unwrap_or(0));
        let mut indices = Vec::with_capacity(n_tiles * n_listed);
        let (mut xs, mut ys) = (Vec::new(), Vec::new());
        for tile in group {
            indices.extend(&tile.splats);
            indices.extend(std::iter::repeat_n(last.n_splats as u32, n_listed - tile.splats.len()));
            xs.extend((0..TILE_PIXELS).map(|k| (tile.corner[0] + k % TILE) as f32 + 0.5));
            ys.extend((0..TILE_PIXELS).map(|k| (tile.corner[1] + k / TILE) as f32 + 0.5));
        }
        let indices = Tensor::from_vec(indices, n_tiles * n_listed, device)?;
        let numbers = last.table.index_select(&indices, 0)?.reshape((n_tiles, n_listed, NUMBERS))?;
        let number = |k: usize| numbers.narrow(2, k, 1)?.contiguous();
        let pixels = |values: Vec<f32>| Tensor::from_vec(values, (n_tiles, 1, TILE_PIXELS), device);
        let (dx, dy) = (number(0)?.broadcast_sub(&pixels(xs)?)?, number(1)?.broadcast_sub(&pixels(ys)?)?);
        let conic = [number(2)?, number(3)?, number(4)?];
        let along = |k: usize, d: &Tensor| d.broadcast_mul(&conic[k]);
        let squares = ((along(0, &dx)? * &dx)? + (along(2, &dy)? * &dy)?)?;
        let exponent = (squares.affine(0.5, 0.0)? + (along(1, &dx)? * &dy)?)?;
        let falloff = exponent.neg()?.exp()?;
        let raw = falloff.broadcast_mul(&number(5)?)?;
        // Gates one after the other: what is no number passes none.
        let zeros = raw.zeros_like()?;
        let (inside, opaque) = (exponent.ge(0f32)?, raw.minimum(options.alpha_max)?.ge(options.alpha_min)?);
        let gated = |x: &Tensor| opaque.where_cond(&inside.where_cond(x, &zeros)?, &zeros);
        let (falloff, raw) = (gated(&falloff)?, gated(&raw)?);
        let alpha = raw.minimum(options.alpha_max)?;
        let after = running_product(&alpha.affine(-1.0, 1.0)?)?;
        let before = shifted(&after, 1.0)?;
        let taken = after.gt(options.transmittance_min)?;
        let weight = taken.where_cond(&(&alpha * &before)?, &zeros)?;
        let features = numbers.narrow(2, 6, 4)?.contiguous()?;
        let transmittance_min = options.transmittance_min;
        Ok(Self {
            n_tiles,
            n_listed,
            conic,
            features,
            dx,
            dy,
            falloff,
            raw,
            alpha,
            before,
            after,
            weight,
            transmittance_min,
        })
    }

    /// Colour, depth and what is left of the light of each pixel, `[T, 256, 5]`.
    fn blended(&self) -> Result<Vec<f32>> {
        let sums = self.weight.transpose(1, 2)?.contiguous()?.matmul(&self.features)?;
        // The light falls from splat to splat, to that behind the last one taken.
        let taken = self.after.gt(self.transmittance_min)?;
        let left = taken.where_cond(&self.after, &self.after.ones_like()?)?.min(1)?;
        Tensor::cat(&[sums, left.unsqueeze(2)?], 2)?.flatten_all()?.to_vec1()
    }

    /// Sums over the pixels of a tile of the derivatives by each of its splats, `[T, K, GRADIENTS]`.
    fn gradients(&self, upstream: &Upstream, options: &RasterOptions) -> Result<Vec<f32>> {
        let device = self.weight.device();
        let pixels = (self.n_tiles, TILE_PIXELS, 4);
        let by_features = Tensor::from_slice(&upstream.features, pixels, device)?;
        let behind = Tensor::from_slice(&upstream.behind, (self.n_tiles, 1, TILE_PIXELS), device)?;
        let g = self.features.matmul(&by_features.transpose(1, 2)?.contiguous()?)?;
        let behind = shifted_back(&running_sum_from_behind(&(&self.weight * &g)?)?)?.broadcast_add(&behind)?;
        let by_alpha = ((&self.before * &g)? - (behind / self.alpha.affine(-1.0, 1.0)?)?)?;
        let zeros = by_alpha.zeros_like()?;
        let gate = |open: Tensor, x: &Tensor| open.where_cond(x, &zeros);
        let by_raw = gate(self.after.gt(self.transmittance_min)?, &by_alpha)?;
        let by_raw = gate(self.alpha.gt(0f32)?, &by_raw)?;
        let by_raw = gate(self.raw.le(options.alpha_max)?, &by_raw)?;
        let by_exponent = (&by_raw * &self.raw)?.neg()?;
        let [a, b, c] = &self.conic;
        let (dx, dy) = (&self.dx, &self.dy);
        let by_x = (&by_exponent * (dx.broadcast_mul(a)? + dy.broadcast_mul(b)?)?)?;
        let by_y = (&by_exponent * (dx.broadcast_mul(b)? + dy.broadcast_mul(c)?)?)?;
        let (by_dx, by_dy) = ((&by_exponent * dx)?, (&by_exponent * dy)?);
        let sum = |x: Tensor| x.sum_keepdim(2);
        let magnitude = |x: &Tensor| if options.absolute_means { sum(x.abs()?) } else { sum(x.zeros_like()?) };
        let parts = [
            sum((&by_raw * &self.falloff)?)?,
            sum(by_x.clone())?,
            sum(by_y.clone())?,
            sum((&by_dx * dx)?)?.affine(0.5, 0.0)?,
            sum((&by_dx * dy)?)?,
            sum((&by_dy * dy)?)?.affine(0.5, 0.0)?,
            magnitude(&by_x)?,
            magnitude(&by_y)?,
            self.weight.matmul(&by_features)?,
        ];
        Tensor::cat(&parts, 2)?.flatten_all()?.to_vec1()
    }
}
