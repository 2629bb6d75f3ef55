//! Cameras around the animal, and pictures from them.

use std::sync::Arc;

use volkit_bench::Display;
use volkit_core::{BoxError, Progress as _};
use volkit_pose::{Recording, Rig, SceneModel, Split};
use volkit_splat::{Camera, CpuRasterizer, Gaussians, Orbit, Rasterizer as _, Rendering};

use crate::output::Output;
use crate::project::Project;
use crate::train;

/// One picture: a kept frame, seen by a camera in the frame of the world.
pub(crate) struct Shot {
    pub(crate) frame: usize,
    pub(crate) camera: Camera,
}

/// A trained model, its recording, and cameras for pictures of some size.
pub(crate) struct Studio {
    pub(crate) recording: Recording,
    model: Box<dyn SceneModel>,
    rig: Rig,
    size: [usize; 2],
}

impl Studio {
    /// Pictures are as large as the stored ones, or as the videos where `is_full`.
    pub(crate) fn open(project: &Project, is_full: bool) -> Result<Self, BoxError> {
        let (recording, model) = (project.recording()?, train::load(project)?);
        let (rig, size) = if is_full {
            (project.placed_rig(1)?, [project.config.image_width, project.config.image_height])
        } else {
            (recording.rig.clone(), recording.store.size())
        };
        Ok(Self { recording, model, rig, size })
    }

    /// Columns and rows of the pictures.
    pub(crate) fn size(&self) -> [usize; 2] {
        self.size
    }

    /// The middle of the test third.
    pub(crate) fn middle_frame(&self) -> usize {
        let test = Split::of(self.recording.store.n_frames()).test;
        (test.start + test.end) / 2
    }

    /// What a camera of the recording sees.
    pub(crate) fn view(&self, view: usize) -> Result<Camera, BoxError> {
        let n = self.rig.len();
        let camera = self.rig.cameras().get(view).ok_or_else(|| format!("view {view}: the rig has {n} cameras"))?;
        Ok(camera.to_splat(self.size)?)
    }

    /// A circle around the animal in a frame, with the lens of the first camera, as far away as that is from the animal in
    /// frame `distance_of`.
    pub(crate) fn orbit(&self, frame: usize, distance_of: usize, elevation: f64) -> Result<Orbit, BoxError> {
        let centres = &self.recording.track.centres;
        let eye = self.rig.cameras()[0].centre();
        let radius = (0..3).map(|k| (eye[k] - centres[distance_of][k]).powi(2)).sum::<f64>().sqrt();
        let mut intrinsics = self.view(0)?.intrinsics;
        intrinsics.centre_px = self.size.map(|n| 0.5 * n as f64);
        Ok(Orbit { target: centres[frame], up: [0.0, 0.0, 1.0], radius, elevation, intrinsics })
    }

    /// The Gaussians of a frame.
    pub(crate) fn scene(&self, frame: usize) -> Result<Gaussians, BoxError> {
        Ok(self.recording.scene(self.model.as_ref(), frame, &self.recording.store.read(frame)?)?)
    }

    /// Renders shots in turn, over white; the network runs once for neighbouring shots of one frame.
    pub(crate) fn shoot(&self, shots: &[Shot], mut output: Output, display: &Display) -> Result<(), BoxError> {
        let config = self.model.render_config();
        let mut rasterizer = CpuRasterizer::new(Arc::clone(&self.recording.threads))?;
        let (mut picture, mut scene) = (Rendering::default(), None);
        display.begin("render", shots.len() as u64);
        for shot in shots {
            display.check()?;
            let scene = match &mut scene {
                Some((frame, scene)) if *frame == shot.frame => scene,
                other => &mut other.insert((shot.frame, self.scene(shot.frame)?)).1,
            };
            rasterizer.forward(&scene.as_slices(), &shot.camera, &config, &mut picture)?;
            output.push(&picture)?;
            display.advance(1);
        }
        output.finish()
    }
}
