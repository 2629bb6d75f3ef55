//! Splatting written down once more in `f64`, pixel by pixel, without tiles, derivatives or shared code.

use volkit_splat::{Camera, Colours, Gaussians, RenderConfig};

type M3 = [[f64; 3]; 3];

/// Everything that a rendering depends on, as one list of numbers.
#[derive(Clone, Debug)]
pub(crate) struct Inputs {
    pub(crate) values: Vec<f64>,
    n: usize,
    sh_degree: Option<usize>,
}

/// Names and lengths of the parts of [`Inputs::values`], in order.
impl Inputs {
    pub(crate) fn new(scene: &Gaussians, camera: &Camera, config: &RenderConfig) -> Self {
        let (sh_degree, colours) = match &scene.colours {
            Colours::Rgb(rgb) => (None, rgb),
            Colours::Sh { degree, coefficients } => (Some(*degree), coefficients),
            other => panic!("{other:?}"),
        };
        let f32s = scene.means.as_flattened().iter().chain(scene.quats.as_flattened());
        let f32s = f32s.chain(scene.log_scales.as_flattened()).chain(&scene.logit_opacities);
        let f32s = f32s.chain(colours.as_flattened()).chain(&config.background).map(|x| f64::from(*x));
        let values = f32s.chain(camera.camera_from_world.into_iter().flatten()).collect();
        Self { values, n: scene.len(), sh_degree }
    }

    pub(crate) fn parts(&self) -> Vec<(&'static str, usize)> {
        let triples = self.sh_degree.map_or(1, |d| (d + 1) * (d + 1));
        vec![
            ("means", 3 * self.n),
            ("quats", 4 * self.n),
            ("log_scales", 3 * self.n),
            ("logit_opacities", self.n),
            ("colours", 3 * triples * self.n),
            ("background", 3),
            ("camera_from_world", 12),
        ]
    }

    fn part(&self, wanted: &str) -> &[f64] {
        let mut start = 0;
        for (name, len) in self.parts() {
            if name == wanted {
                return &self.values[start..start + len];
            }
            start += len;
        }
        panic!("{wanted}");
    }
}

/// A picture, and for each pixel which Gaussians were blended and which of them were cut at `alpha_max`.
pub(crate) struct Picture {
    pub(crate) colour: Vec<f64>,
    pub(crate) alpha: Vec<f64>,
    pub(crate) depth: Vec<f64>,
    pub(crate) decisions: Vec<Vec<(usize, bool)>>,
}

struct Splat {
    index: usize,
    z: f64,
    mean: [f64; 2],
    conic: [f64; 3],
    opacity: f64,
    colour: [f64; 3],
}

pub(crate) fn render(inputs: &Inputs, camera: &Camera, config: &RenderConfig) -> Picture {
    let mut splats: Vec<Splat> = (0..inputs.n).filter_map(|i| project(inputs, i, camera, config)).collect();
    splats.sort_by(|a, b| a.z.total_cmp(&b.z));
    let (w, h) = (camera.intrinsics.width, camera.intrinsics.height);
    let mut picture = Picture { colour: vec![], alpha: vec![], depth: vec![], decisions: vec![] };
    let background = inputs.part("background");
    for pixel in 0..w * h {
        let (px, py) = ((pixel % w) as f64 + 0.5, (pixel / w) as f64 + 0.5);
        let (mut t, mut out, mut depth, mut decisions) = (1.0, [0.0; 3], 0.0, vec![]);
        for s in &splats {
            let (dx, dy) = (s.mean[0] - px, s.mean[1] - py);
            let sigma = 0.5 * (s.conic[0] * dx * dx + s.conic[2] * dy * dy) + s.conic[1] * dx * dy;
            let raw = s.opacity * (-sigma).exp();
            let alpha = raw.min(f64::from(config.alpha_max));
            if sigma < 0.0 || alpha < f64::from(config.alpha_min) {
                continue;
            }
            let next = t * (1.0 - alpha);
            if next <= f64::from(config.transmittance_min) {
                break;
            }
            for (out, c) in out.iter_mut().zip(s.colour) {
                *out += alpha * t * c;
            }
            depth += alpha * t * s.z;
            decisions.push((s.index, raw > alpha));
            t = next;
        }
        picture.colour.extend((0..3).map(|c| out[c] + t * background[c]));
        picture.alpha.push(1.0 - t);
        picture.depth.push(depth);
        picture.decisions.push(decisions);
    }
    picture
}

fn project(inputs: &Inputs, i: usize, camera: &Camera, config: &RenderConfig) -> Option<Splat> {
    let pose = inputs.part("camera_from_world");
    let a: M3 = std::array::from_fn(|r| std::array::from_fn(|c| pose[4 * r + c]));
    let t: [f64; 3] = std::array::from_fn(|r| pose[4 * r + 3]);
    let m = &inputs.part("means")[3 * i..3 * i + 3];
    let p: [f64; 3] = std::array::from_fn(|r| (0..3).map(|c| a[r][c] * m[c]).sum::<f64>() + t[r]);
    let [x, y, z] = p;
    if !(config.depth_range[0]..=config.depth_range[1]).contains(&z) {
        return None;
    }
    // Sigma_c = A R diag(s^2) R^T A^T.
    let q = &inputs.part("quats")[4 * i..4 * i + 4];
    let rotation = rotation(q);
    let s = &inputs.part("log_scales")[3 * i..3 * i + 3];
    let sigma = multiply(&scaled_columns(&rotation, s), &transpose(&rotation));
    let sigma = multiply(&multiply(&a, &sigma), &transpose(&a));
    let k = &camera.intrinsics;
    let [fx, fy] = k.focal_px;
    let [cx, cy] = k.centre_px;
    let (w, h) = (k.width as f64, k.height as f64);
    let clamp = |v: f64, size: f64, c: f64, f: f64| {
        let margin = config.clamp_margin * 0.5 * size / f;
        v.clamp(-c / f - margin, (size - c) / f + margin)
    };
    let (tx, ty) = (z * clamp(x / z, w, cx, fx), z * clamp(y / z, h, cy, fy));
    let j = [[fx / z, 0.0, -fx * tx / (z * z)], [0.0, fy / z, -fy * ty / (z * z)]];
    let cov = |u: usize, v: usize| -> f64 {
        (0..3).map(|k| (0..3).map(|l| j[u][k] * sigma[k][l] * j[v][l]).sum::<f64>()).sum()
    };
    let (s00, s01, s11) = (cov(0, 0), cov(0, 1), cov(1, 1));
    let before = s00 * s11 - s01 * s01;
    let (s00, s11) = (s00 + config.blur_px2, s11 + config.blur_px2);
    let det = s00 * s11 - s01 * s01;
    let o = 1.0 / (1.0 + (-inputs.part("logit_opacities")[i]).exp());
    let rho = (before / det).max(config.compensation_min.powi(2)).sqrt();
    let opacity = if config.antialiased { o * rho } else { o };
    if opacity < f64::from(config.alpha_min) {
        return None;
    }
    let centre: [f64; 3] = std::array::from_fn(|c| -(0..3).map(|r| a[r][c] * t[r]).sum::<f64>());
    let d: [f64; 3] = std::array::from_fn(|k| m[k] - centre[k]);
    let length = d.iter().map(|x| x * x).sum::<f64>().sqrt();
    let colour = colour(inputs, i, d.map(|x| x / length), config);
    let mean = [fx * x / z + cx, fy * y / z + cy];
    Some(Splat { index: i, z, mean, conic: [s11 / det, -s01 / det, s00 / det], opacity, colour })
}

fn rotation(q: &[f64]) -> M3 {
    let length = q.iter().map(|x| x * x).sum::<f64>().sqrt();
    let [w, x, y, z] = [0, 1, 2, 3].map(|k| q[k] / length);
    [
        [1.0 - 2.0 * (y * y + z * z), 2.0 * (x * y - w * z), 2.0 * (x * z + w * y)],
        [2.0 * (x * y + w * z), 1.0 - 2.0 * (x * x + z * z), 2.0 * (y * z - w * x)],
        [2.0 * (x * z - w * y), 2.0 * (y * z + w * x), 1.0 - 2.0 * (x * x + y * y)],
    ]
}

fn scaled_columns(m: &M3, log_scales: &[f64]) -> M3 {
    m.map(|row| std::array::from_fn(|c| row[c] * (2.0 * log_scales[c]).exp()))
}

fn transpose(m: &M3) -> M3 {
    std::array::from_fn(|r| std::array::from_fn(|c| m[c][r]))
}

fn multiply(a: &M3, b: &M3) -> M3 {
    std::array::from_fn(|r| std::array::from_fn(|c| (0..3).map(|k| a[r][k] * b[k][c]).sum()))
}

fn colour(inputs: &Inputs, i: usize, [x, y, z]: [f64; 3], config: &RenderConfig) -> [f64; 3] {
    let values = inputs.part("colours");
    let Some(degree) = inputs.sh_degree else { return std::array::from_fn(|c| values[3 * i + c]) };
    let basis = [
        0.282_094_791_773_878_1,
        -0.488_602_511_902_92 * y,
        0.488_602_511_902_92 * z,
        -0.488_602_511_902_92 * x,
        1.092_548_430_592_079 * x * y,
        -1.092_548_430_592_079 * y * z,
        0.946_174_695_757_560_1 * z * z - 0.315_391_565_252_52,
        -1.092_548_430_592_079 * x * z,
        0.546_274_215_296_039_5 * (x * x - y * y),
        -0.590_043_589_926_643_5 * y * (3.0 * x * x - y * y),
        2.890_611_442_640_554 * x * y * z,
        y * (-2.285_228_997_322_329 * z * z + 0.457_045_799_464_465_8),
        z * (1.865_881_662_950_577 * z * z - 1.119_528_997_770_346),
        x * (-2.285_228_997_322_329 * z * z + 0.457_045_799_464_465_8),
        1.445_305_721_320_277 * z * (x * x - y * y),
        -0.590_043_589_926_643_5 * x * (x * x - 3.0 * y * y),
    ];
    let all = (degree + 1).pow(2);
    let used = (config.sh_degree.unwrap_or(degree).min(degree) + 1).pow(2);
    std::array::from_fn(|c| {
        let sum: f64 = (0..used).map(|k| basis[k] * values[3 * (i * all + k) + c]).sum();
        (sum + 0.5).max(0.0)
    })
}
