//! Windows over the part of a tile that its edge does not reach.

use std::fmt;
use std::sync::Arc;

use volkit_core::BoxError;

use crate::{Window, WindowAxis};

/// A window over the middle of the tile, 0 on its outermost `margin` samples.
///
/// With the receptive radius `R` of a model as margin, what the padding at a tile's edge has changed gets no weight: the
/// blend is one of equal values and equals direct inference up to the rounding of the sums, where the overlap is at least
/// `2 R`. (With a smaller one the margin is half the overlap, and what is left of the seams shows.) At the border of the
/// image, where the tile's edge is the image's, the margin counts in full.
#[derive(Clone)]
pub struct Inset {
    window: Arc<dyn Window>,
    margin: Vec<usize>,
}

impl Inset {
    /// The window within a margin of samples of the output: one number per axis.
    #[must_use]
    pub fn new(window: impl Window + 'static, margin: impl Into<Vec<usize>>) -> Self {
        Self { window: Arc::new(window), margin: margin.into() }
    }
}

impl Window for Inset {
    fn weights(&self, asked: WindowAxis) -> Result<Vec<f64>, BoxError> {
        let Some(&margin) = self.margin.get(asked.axis) else {
            return Err(format!("{} margins, none for axis {}", self.margin.len(), asked.axis).into());
        };
        let margin = margin.min(asked.overlap / 2).min(asked.tile.saturating_sub(1) / 2);
        let (tile, overlap) = (asked.tile - 2 * margin, asked.overlap.saturating_sub(2 * margin));
        let middle = self.window.weights(WindowAxis { axis: asked.axis, tile, overlap })?;
        let edge = std::iter::repeat_n(0.0, margin);
        Ok(edge.clone().chain(middle).chain(edge).collect())
    }
}

impl fmt::Debug for Inset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inset").field("margin", &self.margin).finish_non_exhaustive()
    }
}
