//! Centre and spread of the visual hull of a frame.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use volkit_geom::keep_largest;
use volkit_kernels::Threads;

use super::{headings, rough_centre};
use crate::PoseError;
use crate::carve::{CarveGrid, CarveRules, Carver, Level, Pose};
use crate::matrix::{add, add_outer, scaled, sub};
use crate::rig::Rig;
use crate::views::FrameViews;

/// How a frame is tracked.
#[derive(Clone, Debug)]
pub struct TrackConfig {
    /// Edge of the cube that is carved around the first guess, in units of the frame of the world.
    pub edge: f64,
    /// Points along it.
    pub grid_size: usize,
    /// Which views are used.
    pub observed: Vec<usize>,
    /// What silhouettes say.
    pub rules: CarveRules,
    /// Who shares the work.
    pub threads: Arc<Threads>,
}

/// Mean and covariance of the points of a visual hull.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Moments {
    /// Mean.
    pub centre: [f64; 3],
    /// Covariance, divided by the number of points.
    pub covariance: [[f64; 3]; 3],
    /// Number of points.
    pub n_points: usize,
}

/// Centres, headings and spreads of all frames.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Track {
    /// Centre of each frame.
    pub centres: Vec<[f64; 3]>,
    /// Angle of the body's axis from +x towards +y, in radians.
    pub angles: Vec<f64>,
    /// Covariance of each frame.
    pub covariances: Vec<[[f64; 3]; 3]>,
    /// Frames without a hull, which take after their neighbours.
    pub missing: Vec<usize>,
}

impl Track {
    /// The track of moments, frame after frame. Frames without any are filled in between their neighbours.
    ///
    /// # Errors
    /// [`PoseError::Parameter`] where no frame has moments.
    pub fn new(moments: &[Option<Moments>]) -> Result<Self, PoseError> {
        let found: Vec<usize> = (0..moments.len()).filter(|i| moments[*i].is_some()).collect();
        if found.is_empty() {
            return Err(PoseError::parameter("frames with a hull", 0, "at least one: check masks and calibration"));
        }
        let filled: Vec<Moments> = (0..moments.len()).filter_map(|i| between(moments, &found, i)).collect();
        Ok(Self {
            angles: headings(&filled),
            centres: filled.iter().map(|m| m.centre).collect(),
            covariances: filled.iter().map(|m| m.covariance).collect(),
            missing: (0..moments.len()).filter(|i| moments[*i].is_none()).collect(),
        })
    }

    /// Where the animal is in a frame.
    #[must_use]
    pub fn pose(&self, frame: usize) -> Pose {
        Pose { centre: self.centres[frame], angle: self.angles[frame] }
    }
}

/// The moments of frame `i`, or what lies between those of its neighbours.
fn between(moments: &[Option<Moments>], found: &[usize], i: usize) -> Option<Moments> {
    let after = found.partition_point(|f| *f < i).min(found.len() - 1);
    let next = found[after];
    let before = if next <= i { next } else { found[after.max(1) - 1].min(next) };
    let (a, b) = (moments[before]?, moments[next]?);
    let t = if next > before { (i - before) as f64 / (next - before) as f64 } else { 0.0 };
    let mix = |a: [f64; 3], b: [f64; 3]| add(scaled(a, 1.0 - t), scaled(b, t));
    let covariance = std::array::from_fn(|r| add(scaled(a.covariance[r], 1.0 - t), scaled(b.covariance[r], t)));
    Some(Moments { centre: mix(a.centre, b.centre), covariance, n_points: 0 })
}

/// Mean and covariance of the hull of a frame; none where there is none. The rig is that of the stored pictures, in the
/// frame of the world.
///
/// What counts are the points that all views agree on, where there are any, and of these the largest connected part: where
/// one view may err, silhouettes meet beside the animal too. With [`CarveRules::Reference`] all points count, as published.
///
/// # Errors
/// [`PoseError::Kernel`] for pictures that do not fit.
pub fn track_frame(rig: &Rig, views: &FrameViews, config: &TrackConfig) -> Result<Option<Moments>, PoseError> {
    let cameras: Vec<_> = config.observed.iter().map(|view| rig.cameras()[*view]).collect();
    let masks: Vec<_> = config.observed.iter().map(|view| views.mask(*view)).collect();
    let Some(centre) = rough_centre(&cameras, &masks, views.size[0]) else { return Ok(None) };
    let grid = CarveGrid::new(config.edge, config.grid_size);
    let carver = Carver::new(rig, &config.observed, config.rules, Arc::clone(&config.threads))?;
    let hull = carver.hull(views, &grid, &Pose { centre, angle: 0.0 })?;
    let mut is_body = vec![0u8; grid.len()];
    if config.rules == CarveRules::Reference {
        hull.occupied().for_each(|(index, _)| is_body[index] = 1);
    } else {
        let has_core = hull.occupied().any(|(_, level)| level == Level::Core);
        let counts = |level| level == Level::Core || !has_core;
        hull.occupied().filter(|(_, level)| counts(*level)).for_each(|(index, _)| is_body[index] = 1);
        // The first axis is the fastest there.
        let [n0, n1, n2] = grid.dims();
        keep_largest(&mut is_body, [n2, n1, n0]).map_err(|error| PoseError::Geom(Box::new(error)))?;
    }
    let body = is_body.iter().enumerate().filter(|(_, is_body)| **is_body > 0);
    let points: Vec<_> = body.map(|(index, _)| add(grid.point(index), centre)).collect();
    if points.is_empty() {
        return Ok(None);
    }
    let n = points.len() as f64;
    let mean = scaled(points.iter().fold([0.0; 3], |sum, p| add(sum, *p)), 1.0 / n);
    let mut covariance = [[0.0; 3]; 3];
    for p in &points {
        add_outer(&mut covariance, sub(*p, mean), 1.0 / n);
    }
    Ok(Some(Moments { centre: mean, covariance, n_points: points.len() }))
}
