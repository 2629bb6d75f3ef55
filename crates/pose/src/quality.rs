//! How trustworthy the masks of a recording are.

use serde::Serialize;

use crate::views::{FrameViews, INSIDE, PIXEL};

/// What is known of the masks of one view.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct MaskReport {
    /// Number of the view.
    pub view: usize,
    /// Frames that were looked at.
    pub n_frames: usize,
    /// Of these, frames without a pixel of the animal.
    pub n_empty: usize,
    /// Frames whose mask touches the border of the picture: part of the animal may be outside.
    pub n_at_border: usize,
    /// Median share of the picture that the animal covers, of frames that are not empty.
    pub median_share: f64,
    /// Largest ratio of the areas of two neighbouring frames, at least 1; empty frames do not count.
    pub largest_jump: f64,
}

impl MaskReport {
    /// What a person should look at; none where all seems well.
    #[must_use]
    pub fn warning(&self) -> Option<String> {
        /// Ratio of areas that no animal reaches from one frame to the next.
        const JUMP: f64 = 2.5;
        let Self { view, n_frames, n_empty, .. } = *self;
        if n_empty == n_frames {
            Some(format!("view {view}: every mask is empty; the view says nothing"))
        } else if n_empty > 0 {
            Some(format!("view {view}: {n_empty} of {n_frames} masks are empty"))
        } else if self.largest_jump > JUMP {
            Some(format!(
                "view {view}: the mask grows or shrinks {:.1} times from one frame to the next",
                self.largest_jump
            ))
        } else {
            None
        }
    }
}

/// Gathers [`MaskReport`]s, frame after frame.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct MaskQuality {
    views: Vec<ViewAreas>,
    n_pixels: usize,
}

#[derive(Clone, Debug, Default, PartialEq)]
struct ViewAreas {
    areas: Vec<usize>,
    n_at_border: usize,
}

impl MaskQuality {
    /// Looks at the masks of the next frame.
    pub fn add(&mut self, views: &FrameViews) {
        let [width, height] = views.size;
        self.n_pixels = width * height;
        self.views.resize(views.n_views.max(self.views.len()), ViewAreas::default());
        for (number, view) in self.views.iter_mut().enumerate().take(views.n_views) {
            let is_inside = |i: usize| views.view(number)[PIXEL * i + 3] >= INSIDE;
            view.areas.push((0..self.n_pixels).filter(|i| is_inside(*i)).count());
            let is_border = |i: usize| {
                i.is_multiple_of(width) || i % width == width - 1 || i / width == 0 || i / width == height - 1
            };
            view.n_at_border += usize::from((0..self.n_pixels).any(|i| is_border(i) && is_inside(i)));
        }
    }

    /// A report a view.
    #[must_use]
    pub fn reports(&self) -> Vec<MaskReport> {
        let report = |(view, ViewAreas { areas, n_at_border }): (usize, &ViewAreas)| {
            let mut covered: Vec<usize> = areas.iter().copied().filter(|area| *area > 0).collect();
            let jumps = areas.windows(2).filter(|pair| pair.iter().all(|area| *area > 0));
            let jumps = jumps.map(|pair| pair[0].max(pair[1]) as f64 / pair[0].min(pair[1]) as f64);
            let largest_jump = jumps.fold(1.0, f64::max);
            let n_empty = areas.len() - covered.len();
            covered.sort_unstable();
            let median = covered.get(covered.len() / 2).copied().unwrap_or(0);
            let median_share = median as f64 / self.n_pixels.max(1) as f64;
            let (n_frames, n_at_border) = (areas.len(), *n_at_border);
            MaskReport { view, n_frames, n_empty, n_at_border, median_share, largest_jump }
        };
        self.views.iter().enumerate().map(report).collect()
    }
}
