//! The procedural animal as a recording in memory.

use std::sync::Arc;

use volkit_bench::{AnimalCamera, AnimalPhantom};
use volkit_core::{BoxError, Region, Volume, VoxelsMut};
use volkit_kernels::Threads;
use volkit_pose::{
    CarveGrid, CarveRules, ColourRules, FrameViews, Recording, Rig, RigCamera, Track, ViewStore, WorldFrame,
    up_from_rig,
};

/// Seconds between frames.
pub(crate) const FRAME_SECS: f64 = 0.1;

pub(crate) fn rig_of(cameras: &[AnimalCamera]) -> Rig {
    let camera = |c: &AnimalCamera| RigCamera {
        rotation: c.rotation,
        translation: c.translation,
        intrinsic: [[c.focal_px, 0.0, c.centre_px[0]], [0.0, c.focal_px, c.centre_px[1]], [0.0, 0.0, 1.0]],
        distortion: None,
    };
    Rig::new(cameras.iter().map(camera).collect(), "animal").unwrap()
}

/// Six views of `n` frames, masks binary and colours white outside of them.
pub(crate) fn views(animal: &AnimalPhantom, n: usize) -> Vec<FrameViews> {
    let cameras = animal.cameras().unwrap();
    let frame = |t: usize| {
        let mut views = FrameViews::new(cameras.len(), animal.size);
        for (camera, part) in cameras.iter().zip(views.rgba.chunks_mut(4 * animal.size[0] * animal.size[1])) {
            let seen = animal.render(camera, t as f64 * FRAME_SECS, t as u64).unwrap();
            for ((out, colour), mask) in part.chunks_mut(4).zip(seen.colour.chunks(3)).zip(&seen.mask) {
                out.fill(255);
                out[3] = *mask;
                if *mask >= 128 {
                    out[..3].copy_from_slice(colour);
                }
            }
        }
        views
    };
    (0..n).map(frame).collect()
}

pub(crate) fn store_of(frames: &[FrameViews]) -> ViewStore {
    let meta = ViewStore::meta(frames[0].size, frames[0].n_views, frames.len()).unwrap();
    let voxels: Vec<u8> = frames.iter().flat_map(|frame| frame.rgba.clone()).collect();
    ViewStore::new(Box::new(Shared(Volume::from_meta(meta, voxels).unwrap()))).unwrap()
}

struct Shared(Volume);

impl volkit_core::VolumeSource for Shared {
    fn meta(&self) -> &volkit_core::VolumeMeta {
        self.0.meta()
    }

    fn read_region(&self, region: &Region, out: VoxelsMut<'_>) -> Result<(), BoxError> {
        volkit_core::VolumeSource::read_region(&self.0, region, out)
    }
}

/// The upright frame of the animal's rig, and its poses in it.
pub(crate) fn placed(animal: &AnimalPhantom, n: usize) -> (Rig, WorldFrame, Track) {
    let rig = rig_of(&animal.cameras().unwrap());
    let frame = WorldFrame::upright(&rig, up_from_rig(&rig).unwrap()).unwrap();
    let poses = (0..n).map(|t| animal.pose(t as f64 * FRAME_SECS));
    let mut track = Track::default();
    for pose in poses {
        track.centres.push(frame.from_rig(pose.centre));
        track.angles.push(pose.heading);
        track.covariances.push([[0.0; 3]; 3]);
    }
    (frame.place(&rig), frame, track)
}

/// Six frames of 64 x 48 with true poses, on the grid of the preset `tiny`; views 1 and 5 are held out.
pub(crate) fn tiny(n: usize) -> Recording {
    let animal = AnimalPhantom::new([64, 48]);
    let (rig, _, track) = placed(&animal, n);
    let recording = Recording {
        store: store_of(&views(&animal, n)),
        rig,
        track,
        grid: CarveGrid::new(0.40, 32).with_crop([[0, 32], [8, 24], [0, 32]]).unwrap(),
        held_out: vec![5, 1],
        rules: CarveRules::Strict,
        colours: ColourRules::default(),
        threads: Arc::new(Threads::single()),
    };
    recording.validate().unwrap();
    recording
}
