//! One pass over the videos.

use std::io::Cursor;

use volkit_core::{MemorySink, MemorySlot, SilentProgress, Volume};
use volkit_kernels::Threads;
use volkit_pose::{
    Background, Distortion, Frame, MaskSource, PixmapStream, PoseError, Preparation, PrepareConfig, Rig, RigCamera,
    Sampling, ViewStore, ViewVideos, prepare,
};

const SIZE: [usize; 2] = [5, 4];

/// A video whose pixel has the value `20 frame + index`, and one of masks that is bright in even columns.
fn videos(n_frames: usize) -> ViewVideos {
    let frame = |value: &dyn Fn(usize) -> u8| {
        let pixels: Vec<u8> = (0..SIZE[0] * SIZE[1]).map(value).collect();
        [format!("P5 {} {} 255 ", SIZE[0], SIZE[1]).into_bytes(), pixels].concat()
    };
    let colour: Vec<u8> = (0..n_frames).flat_map(|t| frame(&|i| (20 * t + i) as u8)).collect();
    let mask: Vec<u8> =
        (0..n_frames).flat_map(|_| frame(&|i| if (i % SIZE[0]).is_multiple_of(2) { 200 } else { 10 })).collect();
    let stream = |bytes: Vec<u8>| Box::new(PixmapStream::new(Box::new(Cursor::new(bytes)), "pipe"));
    ViewVideos { colour: stream(colour), mask: MaskSource::Video(stream(mask)) }
}

fn rig(distortion: Option<Distortion>) -> Rig {
    let camera = RigCamera {
        rotation: [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]],
        translation: [0.0; 3],
        intrinsic: [[10.0, 0.0, 2.0], [0.0, 10.0, 1.5], [0.0, 0.0, 1.0]],
        distortion,
    };
    Rig::new(vec![camera; 2], "rig").unwrap()
}

fn run(config: &PrepareConfig, n_frames: [usize; 2], rig: &Rig) -> Result<(MemorySlot, Vec<usize>), PoseError> {
    let (sink, slot) = MemorySink::new(ViewStore::meta(config.size(), 2, config.n_kept).unwrap()).unwrap();
    let mut stored = Vec::new();
    let job = Preparation {
        videos: &mut n_frames.map(videos),
        rig,
        sink: &sink,
        on_stored: &mut |n| {
            stored.push(n);
            Ok(())
        },
        progress: &SilentProgress,
        threads: &Threads::new(2),
    };
    prepare(job, config)?;
    volkit_core::VolumeSink::finish(Box::new(sink)).unwrap();
    Ok((slot, stored))
}

fn volume(slot: &MemorySlot) -> Volume {
    slot.lock().unwrap().clone().unwrap()
}

#[test]
fn every_second_frame_and_pixel() {
    let config = PrepareConfig::new(SIZE, 3).with_steps(2, 2);
    assert_eq!(config.size(), [2, 2]);
    let (slot, stored) = run(&config, [6, 5], &rig(None)).unwrap();
    assert_eq!(stored, [1, 2, 3]);
    let volume = volume(&slot);
    assert_eq!(volume.shape(), [4, 2, 2, 2, 3]);
    let store = ViewStore::new(Box::new(volume)).unwrap();
    // Pixels 0, 2, 10 and 12 of frame 2, all in even columns.
    let frame = store.read(1).unwrap();
    let values: Vec<u8> = frame.view(1).chunks(4).map(|p| p[0]).collect();
    assert_eq!(values, [40, 42, 50, 52]);
    assert!(frame.view(0).chunks(4).all(|p| p[3] == 200));
    assert_eq!(frame.mask(0), [1; 4]);
}

#[test]
fn what_is_outside_of_the_mask_is_white() {
    let (slot, _) = run(&PrepareConfig::new(SIZE, 1), [1, 1], &rig(None)).unwrap();
    let store = ViewStore::new(Box::new(volume(&slot))).unwrap();
    let frame = store.read(0).unwrap();
    let row: Vec<[u8; 2]> = frame.view(0).chunks(4).take(5).map(|p| [p[0], p[3]]).collect();
    assert_eq!(row, [[0, 200], [255, 10], [2, 200], [255, 10], [4, 200]]);
    // Means over 2 x 2 pixels: two of the animal, two white.
    let config = PrepareConfig::new(SIZE, 1).with_steps(2, 1).with_sampling(Sampling::Area);
    let (slot, _) = run(&config, [1, 1], &rig(None)).unwrap();
    let frame = ViewStore::new(Box::new(volume(&slot))).unwrap().read(0).unwrap();
    // (0 + 5 + 255 + 255) / 4 = 128.75; half is covered.
    assert_eq!(frame.view(0)[..4], [129, 129, 129, 128]);
}

#[test]
fn a_run_that_was_interrupted_goes_on() {
    let whole = run(&PrepareConfig::new(SIZE, 4), [4, 4], &rig(None)).unwrap().0;
    let (rest, stored) = run(&PrepareConfig::new(SIZE, 4).with_stored(2), [4, 4], &rig(None)).unwrap();
    assert_eq!(stored, [3, 4]);
    let (whole, rest) = (volume(&whole), volume(&rest));
    let (whole, rest) = (whole.as_slice::<u8>().unwrap(), rest.as_slice::<u8>().unwrap());
    let half = whole.len() / 2;
    assert_eq!(whole[half..], rest[half..]);
    assert!(rest[..half].iter().all(|x| *x == 0));
}

#[test]
fn lenses_are_undone() {
    // A lens that only shifts: p2 adds p2 (r^2 + 2 x^2) to x. Small enough to look up by hand: compare with its formula.
    let lens = Distortion { radial: [0.4, 0.0, 0.0], tangential: [0.0; 2] };
    let (slot, _) = run(&PrepareConfig::new(SIZE, 1), [1, 1], &rig(Some(lens))).unwrap();
    let frame = ViewStore::new(Box::new(volume(&slot))).unwrap().read(0).unwrap();
    // The pixel above the middle stays in its column; its row 1 lies at 1.5 - 0.5 (1 + 0.4 0.05^2) of the lens's picture.
    let at = (5 + 2) * 4;
    let place = 1.5 - 0.5 * (1.0 + 0.4 * 0.0025);
    let wanted = 2.0 + 5.0 * place;
    assert!((f64::from(frame.view(0)[at]) - wanted).abs() <= 0.5 + 1e-3);
    // The corner comes from outside of the picture: nothing is known there.
    assert_eq!(frame.view(0)[..4], [255, 255, 255, 0]);
}

#[test]
fn skew_is_undone() {
    let mut camera = rig(None).cameras()[0];
    camera.intrinsic[0][1] = 1.0;
    let skewed = Rig::new(vec![camera; 2], "skewed").unwrap();
    let (slot, _) = run(&PrepareConfig::new(SIZE, 1), [1, 1], &skewed).unwrap();
    let frame = ViewStore::new(Box::new(volume(&slot))).unwrap().read(0).unwrap();
    // Row 1 lies half a pixel above the middle, so it is taken from (1 - 1.5) / 10 of a pixel to the left:
    // 0.95 * 200 + 0.05 * 10.
    assert!((190..=191).contains(&frame.view(0)[(5 + 2) * 4 + 3]));
}

#[test]
fn videos_that_do_not_fit_are_refused() {
    let short = run(&PrepareConfig::new(SIZE, 4), [4, 3], &rig(None)).unwrap_err().to_string();
    assert!(short.contains("view 1"), "{short}");
    let size = run(&PrepareConfig::new([4, 4], 1), [1, 1], &rig(None)).unwrap_err().to_string();
    assert!(size.contains("5 x 4"), "{size}");
    assert!(run(&PrepareConfig::new(SIZE, 1).with_steps(0, 1), [1, 1], &rig(None)).is_err());
    assert!(run(&PrepareConfig::new(SIZE, 1).with_steps(9, 1), [1, 1], &rig(None)).is_err());
}

#[test]
fn masks_come_from_the_pictures_where_there_are_none() {
    // Grey pictures in which one pixel is bright, at a place of its own in each frame.
    let picture = |t: usize| {
        let mut pixels = vec![50u8; SIZE[0] * SIZE[1]];
        pixels[3 * t + 1] = 250;
        Frame { width: SIZE[0], height: SIZE[1], channels: 1, pixels }
    };
    let samples: Vec<Frame> = (0..5).map(picture).collect();
    let background = Background::new(&samples, None, "video").unwrap();
    let stream = || {
        let bytes: Vec<u8> = samples.iter().flat_map(|f| [&b"P5 5 4 255 "[..], &f.pixels[..]].concat()).collect();
        Box::new(PixmapStream::new(Box::new(Cursor::new(bytes)), "pipe"))
    };
    let view = || ViewVideos { colour: stream(), mask: MaskSource::Background(background.clone()) };
    let config = PrepareConfig::new(SIZE, 3).with_steps(1, 2);
    let (sink, slot) = MemorySink::new(ViewStore::meta(SIZE, 2, 3).unwrap()).unwrap();
    let job = Preparation {
        videos: &mut [view(), view()],
        rig: &rig(None),
        sink: &sink,
        on_stored: &mut |_| Ok(()),
        progress: &SilentProgress,
        threads: &Threads::single(),
    };
    prepare(job, &config).unwrap();
    volkit_core::VolumeSink::finish(Box::new(sink)).unwrap();
    let store = ViewStore::new(Box::new(volume(&slot))).unwrap();
    for kept in 0..3 {
        let frame = store.read(kept).unwrap();
        for (i, pixel) in frame.view(1).chunks(4).enumerate() {
            let wanted: [u8; 4] = if i == 6 * kept + 1 { [250, 250, 250, 255] } else { [255, 255, 255, 0] };
            assert_eq!(pixel, wanted, "frame {kept}, pixel {i}");
        }
    }
}
