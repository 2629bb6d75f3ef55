//! Calibrations of COLMAP and of the Middlebury pictures.

use volkit_pose::Rig;

const CAMERAS: &str =
    "# comment\n1 PINHOLE 640 480 500 510 320.5 240.5\n2 OPENCV 640 480 500 510 320.5 240.5 0.1 0.2 0.01 0.02\n";
const IMAGES: &str =
    "# comment\n7 1 0 0 0 0 0 4 1 b.png\n\n8 0.7071067811865476 0 0.7071067811865476 0 1 2 3 2 a.png\n10 10 -1\n";

#[test]
fn text_files_by_hand() {
    let rig = Rig::from_colmap(CAMERAS, IMAGES).unwrap();
    // In the order of the names: a.png is a quarter turn about y.
    let [a, b] = rig.cameras() else { panic!("two cameras") };
    assert_eq!(b.intrinsic, [[500.0, 0.0, 320.0], [0.0, 510.0, 240.0], [0.0, 0.0, 1.0]]);
    assert_eq!((b.translation, b.distortion), ([0.0, 0.0, 4.0], None));
    let quarter = [[0.0, 0.0, 1.0], [0.0, 1.0, 0.0], [-1.0, 0.0, 0.0]];
    assert!(
        a.rotation.iter().flatten().zip(quarter.iter().flatten()).all(|(x, y): (&f64, &f64)| (x - y).abs() < 1e-12)
    );
    let lens = a.distortion.unwrap();
    assert_eq!((lens.radial, lens.tangential), ([0.1, 0.2, 0.0], [0.01, 0.02]));
}

#[test]
fn lines_of_another_form_are_refused() {
    for (cameras, images) in [
        ("1 FISHEYE 640 480 500", IMAGES),
        ("1 PINHOLE 640 480 500 510 320", IMAGES),
        ("1 PINHOLE", IMAGES),
        (CAMERAS, "7 1 0 0 0 0 0 4 9 b.png"),
        (CAMERAS, "7 1 0 0 x 0 0 4 1 b.png"),
        (CAMERAS, "7 0 0 0 0 0 0 4 1 b.png"),
        (CAMERAS, "7 1 0"),
        ("", ""),
    ] {
        assert!(Rig::from_colmap(cameras, images).is_err(), "{cameras} {images}");
    }
}

const PICTURE: &str = "a.png 500 0 320 0 510 240 0 0 1 1 0 0 0 1 0 0 0 1 0.5 -1 4";

#[test]
fn middlebury_by_hand() {
    let turned = PICTURE.replace("a.png", "b.png").replace(" 1 0 0 0 1 0 0 0 1 0.5", " 0 0 1 0 1 0 -1 0 0 0.5");
    let text = format!("2\n{PICTURE}\n\n{turned}  \n");
    let (names, rig) = Rig::from_middlebury(&text, "par.txt").unwrap();
    assert_eq!(names, ["a.png", "b.png"]);
    assert_eq!(rig.cameras()[1].rotation, [[0.0, 0.0, 1.0], [0.0, 1.0, 0.0], [-1.0, 0.0, 0.0]]);
    assert_eq!(rig.cameras()[0].to_pixel([0.5, 1.0, 0.0]), Some([320.0 + 500.0 / 4.0, 240.0]));
    for bad in ["", "two", "2\na.png 1 2 3", "3\n", &format!("1\n{PICTURE}\n{PICTURE}"), &format!("1\n{PICTURE} 7")] {
        let error = Rig::from_middlebury(bad, "par.txt").unwrap_err().to_string();
        assert!(error.contains("par.txt"), "{error}");
    }
}
