//! Pictures of segmentations.

use volkit_core::{Affine, Volume};
use volkit_seg::{Label, LabelStyle, LabelTable, LabelVolume, MontageOptions, Picture, View, montage};

use crate::nets::ball;

const RED: [u8; 3] = [250, 10, 10];
const BLUE: [u8; 3] = [10, 10, 250];

fn table() -> LabelTable {
    LabelTable::new([Label::new(0, "none", [0; 3]), Label::new(1, "left", RED), Label::new(2, "right", BLUE)])
}

/// A ball whose left half has label 1 and whose right half has label 2.
pub(crate) fn labelled(size: [usize; 3], affine: Affine) -> (Volume, Volume, Vec<LabelVolume>) {
    let scan = ball(size, affine, [0.0; 3], 40.0);
    let mut counts = [0u64; 3];
    let values = scan.as_slice::<u8>().unwrap();
    let labels: Vec<u8> = (0..values.len())
        .map(|i| {
            let x = affine.apply([i % size[0], i / size[0] % size[1], i / (size[0] * size[1])].map(|n| n as f64))[0];
            let label = if values[i] == 0 { 0 } else { 1 + u8::from(x >= 0.0) };
            counts[usize::from(label)] += 1;
            label
        })
        .collect();
    let mm3 = affine.determinant().abs();
    let volumes =
        (0..3).map(|id| LabelVolume { id, voxels: counts[id as usize], mm3: counts[id as usize] as f64 * mm3 });
    (scan.clone(), Volume::new(size, labels, affine).unwrap(), volumes.collect())
}

fn draw(size: [usize; 3], affine: Affine, options: &MontageOptions) -> Picture {
    let (scan, labels, volumes) = labelled(size, affine);
    montage(&scan, &labels, &volumes, &table(), options).unwrap()
}

/// Mean column of pixels that are far more red than blue, and of those far more blue, left of `end`, below `top`.
fn mean_columns(picture: &Picture, end: usize, top: usize) -> [f64; 2] {
    let mut sums = [[0.0f64; 2]; 2];
    for y in top..picture.height() {
        for x in 0..end {
            let [r, _, b] = picture.pixel(x, y).unwrap().map(i32::from);
            if (r - b).abs() > 60 {
                let side = &mut sums[usize::from(b > r)];
                (side[0], side[1]) = (side[0] + x as f64, side[1] + 1.0);
            }
        }
    }
    sums.map(|[sum, count]| sum / count)
}

const ISOTROPIC: ([usize; 3], Affine) =
    ([60, 60, 60], Affine::from_rows([[2.0, 0.0, 0.0, -60.0], [0.0, 2.0, 0.0, -60.0], [0.0, 0.0, 2.0, -60.0]]));

#[test]
fn left_is_left_unless_the_view_is_radiological() {
    let options = MontageOptions::new().with_slices(1);
    let neurological = draw(ISOTROPIC.0, ISOTROPIC.1, &options);
    let [red, blue] = mean_columns(&neurological, neurological.width() / 2 + 120, 2 * neurological.height() / 3);
    assert!(red + 20.0 < blue, "{red} {blue}");
    let radiological = draw(ISOTROPIC.0, ISOTROPIC.1, &options.clone().with_view(View::Radiological));
    let [red, blue] = mean_columns(&radiological, radiological.width() / 2 + 120, 2 * radiological.height() / 3);
    assert!(blue + 20.0 < red, "{red} {blue}");
}

#[test]
fn orientation_and_voxel_size_do_not_change_the_picture() {
    let options = MontageOptions::new().with_slices(2);
    let wanted = draw(ISOTROPIC.0, ISOTROPIC.1, &options);
    // The same field of view as PSR, 4 mm thick along the first axis.
    let other = Affine::from_rows([[0.0, 0.0, 1.0, -60.5], [-4.0, 0.0, 0.0, 57.0], [0.0, 2.0, 0.0, -60.0]]);
    let got = draw([30, 60, 120], other, &options);
    assert!(got.width().abs_diff(wanted.width()) < 12 && got.height().abs_diff(wanted.height()) < 12);
    let coloured = |picture: &Picture| {
        let is_coloured = |p: &&[u8]| (i32::from(p[0]) - i32::from(p[2])).abs() > 60;
        picture.rgb().chunks(3).filter(is_coloured).count() as f64
    };
    assert!((coloured(&got) / coloured(&wanted) - 1.0).abs() < 0.1, "{} {}", coloured(&got), coloured(&wanted));
}

#[test]
fn the_first_column_has_no_labels_and_the_legend_names_the_largest() {
    let options = MontageOptions::new().with_slices(1).with_title("ball");
    let picture = draw(ISOTROPIC.0, ISOTROPIC.1, &options);
    let (scan, labels, mut volumes) = labelled(ISOTROPIC.0, ISOTROPIC.1);
    let plain_columns = (picture.width() - 200) / 2 - 10;
    let [red, blue] = mean_columns(&picture, plain_columns, 30);
    assert!(red.is_nan() && blue.is_nan(), "{red} {blue}");
    // A label that does not occur is not listed, so the legend has the colours of two.
    volumes.truncate(2);
    let shorter = montage(&scan, &labels, &volumes, &table(), &options).unwrap();
    assert_ne!(shorter.rgb(), picture.rgb());
    let none = montage(&scan, &labels, &[], &table(), &options).unwrap();
    assert!(none.width() < shorter.width());
}

/// Whether any pixel has red's own colour, brightened so that it is seen on black: mixed with nothing of the scan.
fn has_red_line(picture: &Picture) -> bool {
    picture.rgb().chunks(3).any(|p| p[0] >= RED[0] && p[1] == p[2] && (40..70).contains(&p[1]))
}

#[test]
fn outlines_are_lines_and_leave_the_inside_alone() {
    let options = MontageOptions::new().with_slices(1);
    let filled = draw(ISOTROPIC.0, ISOTROPIC.1, &options);
    let lines = draw(ISOTROPIC.0, ISOTROPIC.1, &options.clone().with_style(LabelStyle::Outlines));
    assert_eq!((lines.width(), lines.height()), (filled.width(), filled.height()));
    let coloured = |picture: &Picture| {
        let is_coloured = |p: &&[u8]| (i32::from(p[0]) - i32::from(p[2])).abs() > 60;
        picture.rgb().chunks(3).filter(is_coloured).count()
    };
    // A disc of radius 40 mm has 2 pi 40 / 0.8 = 314 pixels around and pi 50^2 = 7854 inside, in each of three planes.
    assert!(coloured(&filled) > 20_000, "{}", coloured(&filled));
    assert!((800..4_000).contains(&coloured(&lines)), "{}", coloured(&lines));
    assert!(has_red_line(&lines));
}

#[test]
fn smooth_labels_are_those_of_the_voxels_at_their_centres() {
    // Pixels of one voxel: every pixel centre is a voxel centre, so a lone voxel is not outvoted by its neighbours.
    let (size, n) = ([41; 3], 41 * 41 * 41);
    let mut labels = vec![0u8; n];
    labels[20 + 41 * (20 + 41 * 20)] = 1;
    let labels = Volume::new(size, labels, Affine::IDENTITY).unwrap();
    let scan = Volume::new(size, vec![5u8; n], Affine::IDENTITY).unwrap();
    let options = MontageOptions::new().with_slices(1).with_pixel_mm(1.0).with_style(LabelStyle::Outlines);
    let picture = montage(&scan, &labels, &[], &table(), &options).unwrap();
    assert!(has_red_line(&picture));
}

#[test]
fn odd_input_gives_a_picture_or_a_reason() {
    let affine = Affine::IDENTITY;
    let scan = Volume::new([4, 5, 6], vec![f32::NAN; 120], affine).unwrap();
    let labels = Volume::new([4, 5, 6], vec![0u8; 120], affine).unwrap();
    let options = MontageOptions::new();
    assert!(montage(&scan, &labels, &[], &table(), &options).is_ok());
    let one = Volume::new([1, 1, 1], vec![3i16], affine).unwrap();
    let one_label = Volume::new([1, 1, 1], vec![9i32], affine).unwrap();
    assert!(montage(&one, &one_label, &[], &LabelTable::default(), &options).is_ok());
    let error = montage(&scan, &one_label, &[], &table(), &options).unwrap_err().to_string();
    assert_eq!(error, "option labels = shape [1, 1, 1]: a picture needs labels on the scan's grid");
    for (options, message) in [
        (options.clone().with_slices(0), "option slices = 0: expected 1 to 20"),
        (options.clone().with_pixel_mm(0.0), "option pixel_mm = 0: expected 0.05 to 20 mm"),
    ] {
        assert_eq!(montage(&scan, &labels, &[], &table(), &options).unwrap_err().to_string(), message);
    }
    let huge = Volume::new([4, 5, 6], vec![1u8; 120], Affine::from_scale([1e6; 3])).unwrap();
    assert!(montage(&huge, &huge, &[], &table(), &options).is_err());
}
