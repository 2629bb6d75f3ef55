//! A page that shows a scene in a browser. (Feature `viewer`.)

use std::fmt::Write as _;
use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::rotation::Rotation;
use crate::{ColourSlices, GaussianSlices, RenderConfig, SH_C0, SplatError};

/// Program and layout of the page; the places between `@` are filled in.
const PAGE: &str = include_str!("page.html");
/// Share of the Gaussians that are within [`ViewerPage::around`]'s first view.
const SHARE_SEEN: f64 = 0.99;
/// Gaussians that are encoded at a time; a multiple of three, so that base64 has no padding within the text.
const CHUNK: usize = 3 * 1024;

/// One HTML file that shows a scene with WebGL2 and lets a person turn, move and enlarge it. It needs no other file and
/// no network.
///
/// Splats are those of the rasterizer (Kerbl et al., "3D Gaussian Splatting", 2023, section 4 and appendix A), in `f32`,
/// blended from the farthest to the nearest in the order of their centres' depths into 8 bits a channel; pixels are not
/// ended at `transmittance_min`.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct ViewerPage {
    /// Title of the page (default "Gaussians").
    pub title: String,
    /// What the camera turns around.
    pub target: [f64; 3],
    /// Which way is up in the world (default +z).
    pub up: [f64; 3],
    /// First distance of the camera from the target.
    pub radius: f64,
    /// First angle around `up`, in radians (default 0.8).
    pub azimuth: f64,
    /// First angle above the target's plane, in radians (default 0.35).
    pub elevation: f64,
    /// Field of view along the shorter side of the window, in radians (default 0.8).
    pub field_of_view: f64,
    /// Constants of projection and blending, and the background.
    pub render: RenderConfig,
}

impl ViewerPage {
    /// A page whose first view holds 99 of 100 centres of the scene.
    #[must_use]
    pub fn around(scene: &GaussianSlices<'_>) -> Self {
        let means: Vec<[f64; 3]> = scene.means.iter().map(|m| m.map(f64::from)).collect();
        let means: Vec<_> = means.into_iter().filter(|m| m.iter().all(|x| x.is_finite())).collect();
        let target: [f64; 3] = std::array::from_fn(|k| middle(means.iter().map(|m| m[k]).collect(), 0.5));
        let distances = means.iter().map(|m| (0..3).map(|k| (m[k] - target[k]).powi(2)).sum::<f64>().sqrt()).collect();
        let field_of_view: f64 = 0.8;
        let reach = middle(distances, SHARE_SEEN);
        let radius = if reach > 0.0 { 1.2 * reach / (0.5 * field_of_view).sin() } else { 1.0 };
        Self {
            title: "Gaussians".to_owned(),
            target,
            up: [0.0, 0.0, 1.0],
            radius,
            azimuth: 0.8,
            elevation: 0.35,
            field_of_view,
            render: RenderConfig::new(),
        }
    }

    /// The same under another title.
    #[must_use]
    pub fn with_title(self, title: impl Into<String>) -> Self {
        Self { title: title.into(), ..self }
    }

    /// The same with another direction that is up.
    #[must_use]
    pub fn with_up(self, up: [f64; 3]) -> Self {
        Self { up, ..self }
    }

    /// The same with other constants of rendering.
    #[must_use]
    pub fn with_render(self, render: RenderConfig) -> Self {
        Self { render, ..self }
    }

    /// Writes the page, `(10 + 3 K) * 16 / 3` bytes a Gaussian with `K` triples of colour. Gaussians that can not be drawn (a zero quaternion, a number that is not finite) are left out, and
    /// their number is returned. The file appears under its name once it is complete.
    ///
    /// # Errors
    /// [`SplatError::Io`]; [`SplatError::Parameter`] for a view that makes no sense; those of
    /// [`GaussianSlices::validate`].
    pub fn write(&self, path: impl AsRef<Path>, scene: &GaussianSlices<'_>) -> Result<usize, SplatError> {
        scene.validate()?;
        self.validate()?;
        let rows: Vec<Vec<f32>> = (0..scene.len()).filter_map(|i| row(scene, i)).collect();
        let degree = match scene.colours {
            ColourSlices::Rgb(_) => 0,
            ColourSlices::Sh { degree, .. } => degree.min(self.render.sh_degree.unwrap_or(degree)),
        };
        let stored = scene.colours.triples();
        let kept = crate::sh_coefficients(degree);
        let title = escaped(&self.title);
        let (head, rest) = PAGE.split_once("@DATA@").unwrap_or((PAGE, ""));
        let [red, green, blue] = self.render.background.map(|c| (255.0 * c.clamp(0.0, 1.0) + 0.5) as u8);
        let head = head.replace("@CSS_BACKGROUND@", &format!("rgb({red}, {green}, {blue})")).replace("@TITLE@", &title);
        let rest = rest.replace("@SETTINGS@", &self.settings(rows.len(), degree));
        crate::atomic::write_whole(path.as_ref(), |file: &File| {
            let mut out = BufWriter::new(file);
            out.write_all(head.as_bytes())?;
            for rows in rows.chunks(CHUNK) {
                let numbers = rows.iter().flat_map(|row| &row[..row.len() - 3 * (stored - kept)]);
                let bytes: Vec<u8> = numbers.flat_map(|x| x.to_le_bytes()).collect();
                out.write_all(STANDARD.encode(bytes).as_bytes())?;
            }
            out.write_all(rest.as_bytes())?;
            out.flush()
        })?;
        Ok(scene.len() - rows.len())
    }

    fn validate(&self) -> Result<(), SplatError> {
        self.render.validate()?;
        let is_positive = |x: f64| x.is_finite() && x > 0.0;
        for (name, value) in [("radius", self.radius), ("field_of_view", self.field_of_view)] {
            if !is_positive(value) {
                return Err(SplatError::parameter(name, &value, "finite and positive"));
            }
        }
        if self.field_of_view >= std::f64::consts::PI {
            return Err(SplatError::parameter("field_of_view", &self.field_of_view, "below pi radians"));
        }
        let length = self.up.iter().map(|x| x * x).sum::<f64>();
        if !is_positive(length) {
            return Err(SplatError::parameter("up", &format!("{:?}", self.up), "finite and not zero"));
        }
        for (name, value) in
            [("target", self.target.iter().sum()), ("azimuth", self.azimuth), ("elevation", self.elevation)]
        {
            if !f64::is_finite(value) {
                return Err(SplatError::parameter(name, &value, "finite numbers"));
            }
        }
        Ok(())
    }

    /// The page's settings as an object of JavaScript.
    fn settings(&self, count: usize, degree: usize) -> String {
        let render = &self.render;
        let mut text = format!("{{ count: {count}, degree: {degree}, antialiased: {}", render.antialiased);
        let numbers = [
            ("radius", self.radius),
            ("azimuth", self.azimuth),
            ("elevation", self.elevation),
            ("fieldOfView", self.field_of_view),
            ("blur", render.blur_px2),
            ("alphaMin", f64::from(render.alpha_min)),
            ("alphaMax", f64::from(render.alpha_max)),
            ("compensationMin", render.compensation_min),
            ("clampMargin", render.clamp_margin),
            ("near", render.depth_range[0]),
            ("sigmas", render.extent_sigmas),
        ];
        for (name, value) in numbers {
            // Writing to a string does not fail.
            let _ = write!(text, ", {name}: {value:?}");
        }
        let _ = write!(text, ", target: {:?}, up: {:?}, background: {:?} }}", self.target, self.up, render.background);
        text
    }
}

/// Centre, opacity, covariance (xx, xy, xz, yy, yz, zz) and coefficients of Gaussian `i`, if it can be drawn.
fn row(scene: &GaussianSlices<'_>, i: usize) -> Option<Vec<f32>> {
    let r = Rotation::new(scene.quats[i].map(f64::from))?.matrix();
    let variances = scene.log_scales[i].map(|s| (2.0 * f64::from(s)).exp());
    let opacity = 1.0 / (1.0 + (-f64::from(scene.logit_opacities[i])).exp());
    let mut row = scene.means[i].to_vec();
    row.push(opacity as f32);
    for (a, b) in [(0, 0), (0, 1), (0, 2), (1, 1), (1, 2), (2, 2)] {
        row.push((0..3).map(|k| r[a][k] * variances[k] * r[b][k]).sum::<f64>() as f32);
    }
    match scene.colours {
        ColourSlices::Rgb(rgb) => row.extend(rgb[i].map(|c| (c - 0.5) / SH_C0)),
        ColourSlices::Sh { coefficients, .. } => {
            let n = scene.colours.triples();
            row.extend(coefficients[i * n..(i + 1) * n].as_flattened());
        }
    }
    row.iter().all(|x| x.is_finite()).then_some(row)
}

/// The value that `share` of the values lie below; 0 of none.
fn middle(mut values: Vec<f64>, share: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    let at = (share * values.len().saturating_sub(1) as f64).round() as usize;
    values.get(at).copied().unwrap_or(0.0)
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
