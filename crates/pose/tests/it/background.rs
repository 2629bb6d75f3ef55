//! Masks by background subtraction.

use volkit_bench::AnimalPhantom;
use volkit_pose::{Background, Frame, PoseError};

use crate::scene::FRAME_SECS;

fn frame(width: usize, pixels: &[u8]) -> Frame {
    Frame { width, height: pixels.len() / width, channels: 1, pixels: pixels.to_vec() }
}

fn mask(background: &Background, frame: &Frame) -> Vec<u8> {
    let mut mask = Frame::default();
    background.mask(frame, &mut mask).unwrap();
    assert_eq!((mask.width, mask.height, mask.channels), (frame.width, frame.height, 1));
    mask.pixels
}

#[test]
fn the_background_is_the_median() {
    let samples = [frame(3, &[10, 20, 30]), frame(3, &[10, 90, 31]), frame(3, &[200, 20, 32])];
    let background = Background::new(&samples, Some(50), "video").unwrap();
    assert_eq!(background.picture().pixels, [10, 20, 31]);
    assert_eq!(background.threshold(), 50);
    assert_eq!(mask(&background, &samples[1]), [0, 255, 0]);
    assert_eq!(mask(&background, &frame(3, &[59, 70, 31])), [0, 255, 0], "49 is less than 50");
}

#[test]
fn the_largest_part_counts_and_its_holes_are_filled() {
    let still = frame(5, &[100; 20]);
    let background = Background::new(&[still.clone(), still.clone(), still.clone()], None, "video").unwrap();
    assert_eq!(background.threshold(), 20, "no differences: the floor");
    // A ring around (1, 1), and one bright pixel far from it.
    let mut seen = still.clone();
    for i in [0, 1, 2, 5, 7, 10, 11, 12, 19] {
        seen.pixels[i] = 180;
    }
    let wanted: Vec<u8> = (0..20).map(|i| if i % 5 < 3 && i < 15 { 255 } else { 0 }).collect();
    assert_eq!(mask(&background, &seen), wanted);
    assert_eq!(mask(&background, &still), [0; 20], "nothing moved");
}

#[test]
fn colours_differ_by_their_most_different_channel() {
    let pixel = |r, g, b| Frame { width: 1, height: 1, channels: 3, pixels: vec![r, g, b] };
    let background = Background::new(&[pixel(9, 9, 9), pixel(9, 9, 9), pixel(9, 9, 9)], Some(30), "video").unwrap();
    assert_eq!(mask(&background, &pixel(9, 39, 9)), [255]);
    assert_eq!(mask(&background, &pixel(38, 0, 38)), [0]);
}

#[test]
fn the_animal_is_found_before_a_white_wall() {
    let size = [160, 120];
    let animal = AnimalPhantom::new(size).with_background(1.0);
    let camera = animal.cameras().unwrap()[2];
    let seen = |t: usize| animal.render(&camera, t as f64 * FRAME_SECS, t as u64).unwrap();
    let picture = |t: usize| Frame { width: size[0], height: size[1], channels: 3, pixels: seen(t).colour };
    // The animal turns on one spot: only where it is away for most of the time is the median the wall.
    let wall = Frame { pixels: vec![255; 3 * 160 * 120], ..picture(0) };
    let samples: Vec<Frame> = (0..30).map(|t| if t % 3 == 0 { picture(t) } else { wall.clone() }).collect();
    let background = Background::new(&samples, None, "video").unwrap();
    for t in [3, 17, 31] {
        let found = mask(&background, &picture(t));
        let truth = seen(t).mask;
        let count = |f: &dyn Fn(bool, bool) -> bool| {
            found.iter().zip(&truth).filter(|(a, b)| f(**a > 0, **b >= 128)).count() as f64
        };
        let iou = count(&|a, b| a && b) / count(&|a, b| a || b);
        // Pixels that the animal covers by less than half differ too.
        assert!(iou > 0.75, "frame {t}: {iou}");
    }
}

#[test]
fn pictures_that_do_not_fit_are_refused() {
    let a = frame(2, &[1, 2]);
    let few = Background::new(&[a.clone(), a.clone()], None, "view 3").unwrap_err();
    assert!(matches!(few, PoseError::Input { .. }) && few.to_string().contains("view 3"), "{few}");
    let other = frame(1, &[1, 2]);
    assert!(Background::new(&[a.clone(), a.clone(), other.clone()], None, "v").is_err());
    let background = Background::new(&[a.clone(), a.clone(), a], None, "v").unwrap();
    assert!(background.mask(&other, &mut Frame::default()).is_err());
}
