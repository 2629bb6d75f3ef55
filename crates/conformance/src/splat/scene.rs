//! A scene of a golden file, and its pictures.

use std::sync::Arc;

use volkit_core::BoxError;
use volkit_splat::{
    Camera, Colours, CpuRasterizer, Gaussians, Gradients, Intrinsics, Rasterizer, RenderConfig, Rendering,
    RenderingGradient, Splat, SplatGradient, Threads, sh_coefficients,
};

use super::tensors::Tensors;
use crate::check::Check;
use crate::machine::Machine;

/// Tolerances of `f32` implementations, from the README of the golden folder.
const COLOUR_ATOL: f64 = 1e-5;
const DEPTH_ATOL: f64 = 1e-4;
const MEAN_ATOL_PX: f64 = 1e-4;
const CONIC_RTOL: f64 = 5e-5;
const RADIUS_ATOL_PX: u32 = 1;
const LOSS_RTOL: f64 = 1e-5;
/// Beyond this many pixels the rounding of `f32` itself exceeds the tolerance.
const MOST_MEAN_PX: f32 = 1e3;

/// Inputs of a scene file.
pub(super) struct Scene {
    pub(super) n: usize,
    pub(super) size: [usize; 2],
    pub(super) n_cameras: usize,
    pub(super) n_triples: usize,
    pub(super) is_sh: bool,
    gaussians: Gaussians,
    cameras: Vec<Camera>,
    configs: Vec<RenderConfig>,
}

/// What one camera gives.
pub(super) struct View {
    picture: Rendering,
    splats: Vec<Splat>,
    radii: Vec<[u32; 2]>,
    compensations: Vec<f32>,
    pub(super) splat_gradients: Vec<SplatGradient>,
    pub(super) gradients: Gradients,
}

impl Scene {
    pub(super) fn read(tensors: &Tensors) -> Result<Self, BoxError> {
        let (n, n_cameras): (usize, usize) = (tensors.integer("n")?, tensors.integer("cameras")?);
        let (width, height) = (tensors.integer("width")?, tensors.integer("height")?);
        let degree: i64 = tensors.integer("sh_degree")?;
        let colours = if let Ok(degree) = usize::try_from(degree) {
            let coefficients = tensors.rows::<3>("sh", &[n, sh_coefficients(degree)])?;
            Colours::Sh { degree, coefficients }
        } else {
            Colours::Rgb(tensors.rows::<3>("colors", &[n])?)
        };
        let gaussians = Gaussians {
            means: tensors.rows::<3>("means", &[n])?,
            quats: tensors.rows::<4>("quats", &[n])?,
            log_scales: tensors.rows::<3>("log_scales", &[n])?,
            logit_opacities: tensors.values("logit_opacities", &[n])?,
            colours,
        };
        let poses = tensors.values("viewmats", &[n_cameras, 4, 4])?;
        let intrinsics = tensors.values("Ks", &[n_cameras, 3, 3])?;
        let cameras = poses.as_chunks::<16>().0.iter().zip(intrinsics.as_chunks::<9>().0).map(|(v, k)| {
            let k = k.map(f64::from);
            let intrinsics = Intrinsics { focal_px: [k[0], k[4]], centre_px: [k[2], k[5]], width, height };
            Camera::new(std::array::from_fn(|r| std::array::from_fn(|c| f64::from(v[4 * r + c]))), intrinsics)
        });
        let cameras = cameras.collect::<Result<_, _>>()?;
        let base = config(tensors)?;
        let backgrounds = tensors.rows::<3>("backgrounds", &[n_cameras])?;
        let configs = backgrounds.into_iter().map(|background| base.with_background(background)).collect();
        let (is_sh, n_triples) = (degree >= 0, gaussians.as_slices().colours.triples());
        Ok(Self { n, size: [height, width], n_cameras, n_triples, is_sh, gaussians, cameras, configs })
    }

    /// Renders every camera, and goes back with the weights of the file's loss.
    pub(super) fn render(
        &self,
        tensors: &Tensors,
        machine: &Machine,
        threads: &Arc<Threads>,
    ) -> Result<Vec<View>, BoxError> {
        #[cfg(feature = "candle")]
        if machine.path == volkit_seg::NetPath::Composite {
            let rasterizer = volkit_splat::CompositeRasterizer::new(Arc::clone(threads), &machine.device);
            return self.render_by(tensors, rasterizer, |r| (r.splats().to_vec(), r.compensations().to_vec()));
        }
        #[cfg(not(feature = "candle"))]
        let _ = machine;
        let rasterizer = CpuRasterizer::new(Arc::clone(threads))?;
        self.render_by(tensors, rasterizer, |r| (r.splats().to_vec(), r.compensations().to_vec()))
    }

    fn render_by<R: Rasterizer>(
        &self,
        tensors: &Tensors,
        mut rasterizer: R,
        projected: impl Fn(&R) -> (Vec<Splat>, Vec<f32>),
    ) -> Result<Vec<View>, BoxError> {
        let [h, w] = self.size;
        let (c, n_pixels) = (self.n_cameras, h * w);
        let colour = tensors.values("w_render", &[c, h, w, 3])?;
        let alpha = tensors.values("w_alpha", &[c, h, w])?;
        let depth = tensors.values("w_depth", &[c, h, w])?;
        let slices = self.gaussians.as_slices();
        let mut views = Vec::new();
        for (k, (camera, config)) in self.cameras.iter().zip(&self.configs).enumerate() {
            let mut picture = Rendering::default();
            rasterizer.forward(&slices, camera, config, &mut picture)?;
            let mut gradients = Gradients::zeros(&slices);
            let part = k * n_pixels..(k + 1) * n_pixels;
            let upstream = RenderingGradient {
                colour: &colour[3 * part.start..3 * part.end],
                alpha: &alpha[part.clone()],
                depth: &depth[part],
            };
            rasterizer.backward(&slices, &upstream, &mut gradients)?;
            let (splats, compensations) = projected(&rasterizer);
            views.push(View {
                picture,
                splats,
                radii: rasterizer.radii().to_vec(),
                compensations,
                splat_gradients: rasterizer.splat_gradients().to_vec(),
                gradients,
            });
        }
        Ok(views)
    }

    /// Splats: where, how large, how opaque and of which colour.
    pub(super) fn check_projection(&self, tensors: &Tensors, views: &[View]) -> Result<Check, BoxError> {
        let leading = [self.n_cameras, self.n];
        let radii = tensors.rows::<2>("radii", &leading)?;
        let means = tensors.rows::<2>("means2d", &leading)?;
        let conics = tensors.rows::<3>("conics", &leading)?;
        let depths = tensors.values("depths", &leading)?;
        let compensations = tensors.values("compensations", &leading)?;
        let opacities = tensors.values("opacities_eff", &leading)?;
        let colours = tensors.rows::<3>("colors_eval", &leading)?;
        let mut check = Check::new();
        let mut n_visible = 0;
        for at in 0..self.n_cameras * self.n {
            let (view, i) = (&views[at / self.n], at % self.n);
            let (splat, got) = (&view.splats[i], view.radii[i]);
            let wanted = radii[at].map(|r| r as u32);
            let place = |what: &str| format!("{what} of Gaussian {i}, camera {}", at / self.n);
            if (got == [0; 2]) != (wanted == [0; 2]) {
                check.fail(format!("{} is {got:?}, expected {wanted:?}", place("radii")));
            }
            if got == [0; 2] || wanted == [0; 2] {
                continue;
            }
            n_visible += 1;
            if (0..2).any(|k| got[k].abs_diff(wanted[k]) > RADIUS_ATOL_PX) {
                check.fail(format!("{} is {got:?}, expected {wanted:?}", place("radii")));
            }
            let compare = |check: &mut Check, what: &str, got: &[f32], wanted: &[f32], rtol: f64, atol: f64| {
                let [got, wanted] = [got, wanted].map(|v| v.iter().map(|x| f64::from(*x)).collect::<Vec<_>>());
                check.close(&place(what), &got, &wanted, rtol, atol);
            };
            if means[at].iter().all(|x| x.abs() < MOST_MEAN_PX) {
                compare(&mut check, "means2d", &splat.mean, &means[at], 0.0, MEAN_ATOL_PX);
            }
            let largest = conics[at].iter().fold(0.0f32, |most, x| most.max(x.abs()));
            compare(&mut check, "conics", &splat.conic, &conics[at], 0.0, CONIC_RTOL * f64::from(largest));
            compare(&mut check, "depths", &splat.features[3..], &depths[at..=at], 1e-6, 0.0);
            compare(&mut check, "compensations", &[view.compensations[i]], &compensations[at..=at], CONIC_RTOL, 1e-6);
            compare(&mut check, "opacities_eff", &[splat.opacity], &opacities[at..=at], CONIC_RTOL, 1e-6);
            compare(&mut check, "colors_eval", &splat.features[..3], &colours[at], 0.0, COLOUR_ATOL);
        }
        check.note(format!("{n_visible} of {} visible", self.n_cameras * self.n));
        Ok(check)
    }

    /// Pixels, but those that rounding decides.
    pub(super) fn check_picture(&self, tensors: &Tensors, views: &[View]) -> Result<Check, BoxError> {
        let [h, w] = self.size;
        let (c, n_pixels) = (self.n_cameras, h * w);
        let fragile = tensors.values("fragile", &[c, h, w])?;
        let colour = tensors.rows::<3>("render", &[c, h, w])?;
        let alpha = tensors.values("alpha", &[c, h, w])?;
        let depth = tensors.values("depth", &[c, h, w])?;
        let weights = [tensors.values("w_alpha", &[c, h, w])?, tensors.values("w_depth", &[c, h, w])?];
        let colour_weights = tensors.rows::<3>("w_render", &[c, h, w])?;
        let mut check = Check::new();
        let (mut worst, mut loss, mut size, mut n_left_out) = ([0.0f64; 3], 0.0, 0.0, 0);
        for at in 0..c * n_pixels {
            let (picture, pixel) = (&views[at / n_pixels].picture, at % n_pixels);
            let got = &picture.colour[3 * pixel..3 * pixel + 3];
            let terms = (0..3).map(|k| f64::from(colour_weights[at][k]) * f64::from(got[k]));
            let terms = terms.chain([
                f64::from(weights[0][at]) * f64::from(picture.alpha[pixel]),
                f64::from(weights[1][at]) * f64::from(picture.depth[pixel]),
            ]);
            for term in terms {
                loss += term;
                size += term.abs();
            }
            if fragile[at] != 0.0 {
                n_left_out += 1;
                continue;
            }
            let difference = |a: f32, b: f32| f64::from((a - b).abs());
            let off = (0..3).map(|k| difference(got[k], colour[at][k])).fold(0.0, f64::max);
            let off = [off, difference(picture.alpha[pixel], alpha[at]), difference(picture.depth[pixel], depth[at])];
            for (worst, off) in worst.iter_mut().zip(off) {
                *worst = if off.is_nan() { f64::INFINITY } else { worst.max(off) };
            }
        }
        for (what, off, tolerance) in
            [("render", worst[0], COLOUR_ATOL), ("alpha", worst[1], COLOUR_ATOL), ("depth", worst[2], DEPTH_ATOL)]
        {
            check.within(what, off, tolerance);
        }
        // Terms of both signs cancel in the sum, so their magnitudes are what rounding goes by.
        let wanted = f64::from(tensors.values("loss", &[1])?[0]);
        check.within("loss", (loss - wanted).abs(), LOSS_RTOL * wanted.abs().max(size));
        check.note(format!("{n_left_out} of {} pixels left out as fragile", c * n_pixels));
        Ok(check)
    }
}

fn config(tensors: &Tensors) -> Result<RenderConfig, BoxError> {
    let mut config = RenderConfig::new().with_absolute_means(true);
    config.antialiased = tensors.integer::<u8>("antialiased")? == 1;
    config.alpha_max = tensors.number("max_alpha")? as f32;
    config.compensation_min = tensors.number("min_compensation")?;
    config.alpha_min = tensors.number("alpha_threshold")? as f32;
    config.transmittance_min = tensors.number("transmittance_threshold")? as f32;
    config.blur_px2 = tensors.number("eps2d")?;
    config.depth_range = [tensors.number("near")?, tensors.number("far")?];
    config.radius_clip_px = tensors.number("radius_clip")?;
    Ok(config)
}
