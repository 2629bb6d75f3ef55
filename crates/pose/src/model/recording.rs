//! All that is known of a recording once it is prepared: what a model is trained and judged on.

use std::ops::Range;
use std::sync::Arc;

use volkit_kernels::Threads;

use crate::PoseError;
use crate::carve::{CarveGrid, CarveRules, CarvedVolume, Carver, ColourRules};
use crate::rig::Rig;
use crate::track::Track;
use crate::views::{FrameViews, ViewStore};

/// A prepared recording.
pub struct Recording {
    /// Pictures and masks.
    pub store: ViewStore,
    /// The cameras of the stored pictures, in the frame of the world.
    pub rig: Rig,
    /// Where the animal is.
    pub track: Track,
    /// The points that are carved.
    pub grid: CarveGrid,
    /// Views that are never an input nor a target of training.
    pub held_out: Vec<usize>,
    /// What silhouettes say.
    pub rules: CarveRules,
    /// How points are coloured.
    pub colours: ColourRules,
    /// Who shares the work.
    pub threads: Arc<Threads>,
}

/// Which frames serve what: thirds of the recording, in time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Split {
    /// The first third.
    pub train: Range<usize>,
    /// The second.
    pub valid: Range<usize>,
    /// The rest.
    pub test: Range<usize>,
}

impl Split {
    /// The split of `n` frames.
    #[must_use]
    pub fn of(n: usize) -> Self {
        let third = n / 3;
        Self { train: 0..third, valid: third..2 * third, test: 2 * third..n }
    }
}

impl Recording {
    /// Refuses parts that do not fit each other.
    ///
    /// # Errors
    /// [`PoseError::Input`] that names the part.
    pub fn validate(&self) -> Result<(), PoseError> {
        let refuse = |field, value: String, why| Err(PoseError::input("recording", field, value, why));
        let n_views = self.store.n_views();
        if n_views != self.rig.len() {
            return refuse("views", n_views.to_string(), "as many as the calibration has cameras");
        }
        let n = self.store.n_frames();
        if [self.track.centres.len(), self.track.angles.len()] != [n; 2] {
            let value = self.track.centres.len().to_string();
            return refuse("track", value, "as many frames as there are pictures: run the steps before again");
        }
        if let Some(view) = self.held_out.iter().find(|view| **view >= n_views) {
            return refuse("holdout_views", view.to_string(), "numbers of cameras");
        }
        if self.observed().len() < 2 {
            return refuse("holdout_views", format!("{:?}", self.held_out), "at least two views that are left");
        }
        Ok(())
    }

    /// The views that are seen.
    #[must_use]
    pub fn observed(&self) -> Vec<usize> {
        (0..self.rig.len()).filter(|view| !self.held_out.contains(view)).collect()
    }

    /// Carves a frame from some views.
    ///
    /// # Errors
    /// Those of [`Carver::volume`].
    pub fn carve(&self, frame: usize, views: &FrameViews, from: &[usize]) -> Result<CarvedVolume, PoseError> {
        let carver = Carver::new(&self.rig, from, self.rules, Arc::clone(&self.threads))?;
        carver.volume(views, &self.grid, &self.track.pose(frame), &self.colours)
    }
}
