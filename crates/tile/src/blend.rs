//! How tiles become one image.

use std::fmt;
use std::sync::Arc;

use volkit_core::PredictorSpec;

use crate::{ImportanceMap, NamedWindow, Window};

/// How the outputs of tiles become one image.
#[derive(Clone)]
#[non_exhaustive]
pub enum Blend {
    /// Overlap-discard: every sample comes from one tile, the one in whose middle it lies. Equal to direct inference
    /// where half the overlap is at least the receptive radius of the model, and models without global operations
    /// (instance norm, attention) are meant.
    Crop,
    /// A sum weighted by a window that is normalised per axis.
    Window(Arc<dyn Window>),
    /// The weighted mean of another program.
    Importance(ImportanceMap),
}

impl Blend {
    /// A window.
    #[must_use]
    pub fn window(window: impl Window + 'static) -> Self {
        Self::Window(Arc::new(window))
    }

    /// What fits a model: overlap-discard where its receptive radius is known, else the Hann ramp.
    #[must_use]
    pub fn for_model(model: &PredictorSpec) -> Self {
        if model.receptive_radius.is_some() { Self::Crop } else { Self::default() }
    }

    /// Whether a sum of weights is kept beside the output.
    pub(crate) fn has_norm(&self) -> bool {
        matches!(self, Self::Importance(_))
    }
}

impl Default for Blend {
    /// The Hann ramp.
    fn default() -> Self {
        Self::window(NamedWindow::Hann)
    }
}

impl From<NamedWindow> for Blend {
    fn from(window: NamedWindow) -> Self {
        Self::window(window)
    }
}

impl From<ImportanceMap> for Blend {
    fn from(map: ImportanceMap) -> Self {
        Self::Importance(map)
    }
}

impl fmt::Debug for Blend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Crop => f.write_str("Crop"),
            Self::Window(_) => f.write_str("Window(..)"),
            Self::Importance(map) => f.debug_tuple("Importance").field(map).finish(),
        }
    }
}
