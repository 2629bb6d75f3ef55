//! How good a picture is.

use serde::{Deserialize, Serialize};
use std::fmt::Write as _;
use std::sync::Arc;

use volkit_kernels::Threads;
use volkit_splat::{Rendering, Ssim, SsimBorder};

use super::loss::Target;
use crate::PoseError;
use crate::views::FrameViews;

/// Alpha above which a pixel counts as covered.
const COVERED: f32 = 0.5;
/// Added to both sides of the overlap, as published, so that nothing by nothing is 1.
const OVERLAP_FLOOR: f64 = 1e-6;

/// Measures of one picture, or their means over frames.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ViewMetrics {
    /// Overlap of mask and alpha above one half.
    pub iou: f64,
    /// Overlap of mask and alpha.
    pub soft_iou: f64,
    /// Absolute differences of all channels over the picture, divided by the area of the mask.
    pub l1: f64,
    /// `10 log10(1 / mse)` over the whole picture, whose background is white.
    pub psnr: f64,
    /// The same over the pixels of the mask.
    pub psnr_foreground: f64,
    /// Similarity of the whole picture.
    pub ssim: f64,
}

impl ViewMetrics {
    fn values(&self) -> [f64; 6] {
        [self.iou, self.soft_iou, self.l1, self.psnr, self.psnr_foreground, self.ssim]
    }

    fn from_values([iou, soft_iou, l1, psnr, psnr_foreground, ssim]: [f64; 6]) -> Self {
        Self { iou, soft_iou, l1, psnr, psnr_foreground, ssim }
    }

    /// The mean; none of nothing.
    #[must_use]
    pub fn mean<'a>(metrics: impl IntoIterator<Item = &'a Self>) -> Option<Self> {
        let (mut sums, mut n) = ([0.0; 6], 0.0);
        for one in metrics {
            for (sum, value) in sums.iter_mut().zip(one.values()) {
                *sum += value;
            }
            n += 1.0;
        }
        (n > 0.0).then(|| Self::from_values(sums.map(|sum| sum / n)))
    }
}

/// Compares a rendering with a view of a frame.
///
/// # Errors
/// [`PoseError::Parameter`] for a rendering of another size.
pub fn view_metrics(
    rendering: &Rendering,
    views: &FrameViews,
    view: usize,
    threads: &Arc<Threads>,
) -> Result<ViewMetrics, PoseError> {
    if [rendering.width, rendering.height] != views.size {
        let value = format!("{} x {}", rendering.width, rendering.height);
        return Err(PoseError::parameter("rendering", value, "the size of the pictures"));
    }
    let target = Target::new(views, view);
    let colour: Vec<f32> = rendering.colour.iter().map(|c| c.clamp(0.0, 1.0)).collect();
    let (mut hard, mut soft) = ([OVERLAP_FLOOR; 2], [OVERLAP_FLOOR; 2]);
    for (alpha, m) in rendering.alpha.iter().zip(&target.mask) {
        let m = f64::from(*m);
        for (sums, a) in [(&mut hard, f64::from(u8::from(*alpha > COVERED))), (&mut soft, f64::from(*alpha))] {
            sums[0] += a * m;
            sums[1] += a + m - a * m;
        }
    }
    let (mut absolute, mut square, mut inside) = (0.0, 0.0, 0.0);
    for ((predicted, wanted), m) in colour.chunks_exact(3).zip(target.colour.chunks_exact(3)).zip(&target.mask) {
        for (p, w) in predicted.iter().zip(wanted) {
            let difference = f64::from(p - w);
            absolute += difference.abs();
            square += difference * difference;
            inside += f64::from(*m) * difference * difference;
        }
    }
    let mut ssim = Ssim::new(SsimBorder::Valid, Arc::clone(threads));
    let [width, height] = views.size;
    let mut unused = vec![0.0; colour.len()];
    let ssim = if width.min(height) < 11 {
        f64::NAN
    } else {
        ssim.evaluate([height, width], [&colour, &target.colour], 0.0, &mut unused)?
    };
    Ok(ViewMetrics {
        iou: hard[0] / hard[1],
        soft_iou: soft[0] / soft[1],
        l1: absolute / target.area(),
        psnr: decibel(square / colour.len() as f64),
        psnr_foreground: decibel(inside / (3.0 * target.area())),
        ssim,
    })
}

fn decibel(mse: f64) -> f64 {
    10.0 * (1.0 / mse.max(1e-12)).log10()
}

/// Measures by camera.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct MetricsTable {
    /// Number of the camera, whether it is held out, and means over frames.
    pub rows: Vec<(usize, bool, ViewMetrics)>,
}

impl MetricsTable {
    /// Means over frames of what [`crate::evaluate_frame`] gives.
    #[must_use]
    pub fn new(frames: &[Vec<ViewMetrics>], held_out: &[usize]) -> Self {
        let n_views = frames.iter().map(Vec::len).min().unwrap_or(0);
        let row = |view| Some((view, held_out.contains(&view), ViewMetrics::mean(frames.iter().map(|f| &f[view]))?));
        Self { rows: (0..n_views).filter_map(row).collect() }
    }

    /// The mean over the cameras that are held out, or over those that are not.
    #[must_use]
    pub fn mean(&self, held_out: bool) -> Option<ViewMetrics> {
        ViewMetrics::mean(self.rows.iter().filter(|row| row.1 == held_out).map(|row| &row.2))
    }

    /// Comma-separated, with a header line.
    #[must_use]
    pub fn to_csv(&self) -> String {
        let mut text = "camera,heldout,iou,soft_iou,l1,psnr,psnr_foreground,ssim\n".to_owned();
        for (camera, held_out, metrics) in &self.rows {
            let values = metrics.values().map(|x| format!("{x:.6}")).join(",");
            // Writing to a text can not fail.
            let _ = writeln!(text, "{camera},{},{values}", u8::from(*held_out));
        }
        text
    }
}
