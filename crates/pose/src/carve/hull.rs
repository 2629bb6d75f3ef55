//! Carving: silhouettes vote for points.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use volkit_kernels::{Beyond, Carve, Isa, Silhouette, Threads};

use super::{CarveGrid, Pose};
use crate::PoseError;
use crate::rig::{Rig, RigCamera};
use crate::views::FrameViews;

/// Fewest views that make a hull.
const LEAST_VOTES: u8 = 2;

/// What silhouettes say of a point.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CarveRules {
    /// Views that do not show the point, and views in which the animal is nowhere, say nothing. Half of the views, and two
    /// at least, must say that it is inside; one more where one says that it is not, unless all the others do (default).
    #[default]
    Strict,
    /// As published: a point outside of a picture has what the nearest pixel of the border has.
    Reference,
}

/// How many views agree on a point.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Two or more do not.
    Empty,
    /// All but one.
    Shell,
    /// All.
    Core,
}

/// Carves hulls out of the masks of some views.
#[derive(Clone, Debug)]
pub struct Carver {
    observed: Vec<(usize, RigCamera)>,
    rules: CarveRules,
    carve: Carve,
    threads: Arc<Threads>,
}

/// The counts of a grid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hull {
    /// Views that a point lies inside of.
    pub votes: Vec<u8>,
    /// Views that it lies outside of.
    pub misses: Vec<u8>,
    /// Fewest votes of points of the core, and of the shell.
    least: [u8; 2],
}

impl Hull {
    /// How many views agree on a point.
    #[must_use]
    pub fn level(&self, index: usize) -> Level {
        let is_voted = |least: u8| self.votes[index] >= least;
        match self.misses[index] {
            0 if is_voted(self.least[0]) => Level::Core,
            1 if is_voted(self.least[1]) => Level::Shell,
            _ => Level::Empty,
        }
    }

    /// Points that are not empty, in order.
    pub fn occupied(&self) -> impl Iterator<Item = (usize, Level)> {
        let levels = (0..self.votes.len()).map(|index| (index, self.level(index)));
        levels.filter(|(_, level)| *level != Level::Empty)
    }
}

impl Carver {
    /// A carver for the views `observed` of a rig, which is that of the stored pictures in the frame of the world.
    ///
    /// # Errors
    /// [`PoseError::Parameter`] for a view that is not there.
    pub fn new(rig: &Rig, observed: &[usize], rules: CarveRules, threads: Arc<Threads>) -> Result<Self, PoseError> {
        let beyond = if rules == CarveRules::Reference { Beyond::Border } else { Beyond::Unknown };
        let camera = |view: &usize| {
            let camera = rig.cameras().get(*view).map(|camera| (*view, *camera));
            camera.ok_or_else(|| PoseError::parameter("observed views", view, "numbers of the rig"))
        };
        let observed = observed.iter().map(camera).collect::<Result<_, _>>()?;
        Ok(Self { observed, rules, carve: Carve::new(Isa::detect(), beyond)?, threads })
    }

    /// Numbers and cameras of the views.
    #[must_use]
    pub fn observed(&self) -> &[(usize, RigCamera)] {
        &self.observed
    }

    /// Counts the votes of the masks of a frame.
    ///
    /// # Errors
    /// [`PoseError::Kernel`] for pictures of no size; [`PoseError::Parameter`] for views that are not there.
    pub fn hull(&self, views: &FrameViews, grid: &CarveGrid, pose: &Pose) -> Result<Hull, PoseError> {
        if let Some((view, _)) = self.observed.iter().find(|(view, _)| *view >= views.n_views) {
            return Err(PoseError::parameter("observed views", view, "numbers of the frame's views"));
        }
        let masks: Vec<_> = self.observed.iter().map(|(view, _)| views.mask(*view)).collect();
        let silhouettes = self.observed.iter().zip(&masks).map(|((_, camera), mask)| Silhouette {
            mask,
            size: [views.size[1], views.size[0]],
            pixel_from_grid: grid.projection(camera, pose).map(|row| row.map(|x| x as f32)),
        });
        let is_reference = self.rules == CarveRules::Reference;
        let silhouettes: Vec<_> = silhouettes.filter(|s| is_reference || s.mask.contains(&1)).collect();
        let [mut votes, mut misses] = [vec![0; grid.len()], vec![0; grid.len()]];
        self.carve.count(&silhouettes, grid.dims(), [&mut votes, &mut misses], &self.threads)?;
        let n = silhouettes.len() as u8;
        let core = LEAST_VOTES.max(n / 2);
        let shell = LEAST_VOTES.max((core + 1).min(n.saturating_sub(1)));
        Ok(Hull { votes, misses, least: if is_reference { [0; 2] } else { [core, shell] } })
    }
}
