//! Reports on masks.

use volkit_pose::{FrameViews, MaskQuality};

/// Two views of 4 x 3 with so many pixels of the animal, from pixel `start` on.
fn views(counts: [usize; 2], start: usize) -> FrameViews {
    let mut views = FrameViews::new(2, [4, 3]);
    for (view, count) in counts.into_iter().enumerate() {
        for i in start..start + count {
            views.rgba[(12 * view + i) * 4 + 3] = 128;
        }
    }
    views
}

#[test]
fn masks_by_hand() {
    let mut quality = MaskQuality::default();
    // Pixels 5 and 6 are the inside of the picture.
    quality.add(&views([2, 1], 5));
    quality.add(&views([1, 0], 5));
    quality.add(&views([6, 1], 5));
    let [a, b] = &quality.reports()[..] else { panic!("two views") };
    assert_eq!((a.view, a.n_frames, a.n_empty, a.n_at_border), (0, 3, 0, 1));
    assert_eq!((a.median_share, a.largest_jump), (2.0 / 12.0, 6.0));
    assert_eq!((b.view, b.n_empty, b.n_at_border, b.median_share, b.largest_jump), (1, 1, 0, 1.0 / 12.0, 1.0));
    assert!(a.warning().unwrap().contains("6.0 times"));
    assert!(b.warning().unwrap().contains("1 of 3 masks are empty"));
}

#[test]
fn good_and_empty_views() {
    let mut quality = MaskQuality::default();
    assert!(quality.reports().is_empty());
    for _ in 0..4 {
        quality.add(&views([2, 0], 5));
    }
    let [a, b] = &quality.reports()[..] else { panic!("two views") };
    assert_eq!(a.warning(), None);
    assert!(b.warning().unwrap().contains("every mask is empty"));
    assert_eq!(b.median_share, 0.0);
}
