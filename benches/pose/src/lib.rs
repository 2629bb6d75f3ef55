//! The recording that the suite of volkit-pose works on: a frame with the sizes of the published mouse.
#![forbid(unsafe_code)]

use volkit_bench::{AnimalPhantom, BenchError};
use volkit_pose::{FrameViews, Pose, PoseError, Rig, RigCamera, WorldFrame, up_from_rig};

/// A frame of the animal, the rig in the frame of the world, and where the animal is.
#[derive(Clone, Debug)]
pub struct Scene {
    /// All views.
    pub views: FrameViews,
    /// The cameras.
    pub rig: Rig,
    /// Centre and heading.
    pub pose: Pose,
}

/// Six views of 288 x 256 pixels.
///
/// # Errors
/// None: the sizes are right.
pub fn scene() -> Result<Scene, Box<dyn std::error::Error>> {
    let animal = AnimalPhantom::new([288, 256]);
    let (rig, frame) = rig(&animal)?;
    let views = views(&animal)?;
    let pose = animal.pose(0.5);
    Ok(Scene { views, rig, pose: Pose { centre: frame.from_rig(pose.centre), angle: pose.heading } })
}

fn rig(animal: &AnimalPhantom) -> Result<(Rig, WorldFrame), Box<dyn std::error::Error>> {
    let cameras = animal.cameras()?;
    let camera = |c: &volkit_bench::AnimalCamera| RigCamera {
        rotation: c.rotation,
        translation: c.translation,
        intrinsic: [[c.focal_px, 0.0, c.centre_px[0]], [0.0, c.focal_px, c.centre_px[1]], [0.0, 0.0, 1.0]],
        distortion: None,
    };
    let rig: Result<Rig, PoseError> = Rig::new(cameras.iter().map(camera).collect(), "animal");
    let rig = rig?;
    let frame = WorldFrame::upright(&rig, up_from_rig(&rig)?)?;
    Ok((frame.place(&rig), frame))
}

fn views(animal: &AnimalPhantom) -> Result<FrameViews, BenchError> {
    let cameras = animal.cameras()?;
    let mut views = FrameViews::new(cameras.len(), animal.size);
    for (camera, part) in cameras.iter().zip(views.rgba.chunks_mut(4 * animal.size[0] * animal.size[1])) {
        let seen = animal.render(camera, 0.5, 10)?;
        for ((out, colour), mask) in part.chunks_mut(4).zip(seen.colour.chunks(3)).zip(&seen.mask) {
            out[..3].copy_from_slice(colour);
            out[3] = *mask;
        }
    }
    Ok(views)
}
