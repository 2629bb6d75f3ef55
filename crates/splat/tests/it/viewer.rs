//! Pages for browsers.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use volkit_splat::{RenderConfig, SplatError, ViewerPage};

use crate::scenes::scene;

/// The text between two others.
fn between<'a>(page: &'a str, before: &str, after: &str) -> &'a str {
    page.split_once(before).unwrap().1.split_once(after).unwrap().0
}

#[test]
fn a_page_holds_the_scene_and_nothing_from_elsewhere() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("page.html");
    // More than one piece of the encoder, and one that can not be drawn.
    let mut scene = scene(3500, Some(2), 3);
    scene.quats[7] = [0.0; 4];
    let page = ViewerPage::around(&scene.as_slices()).with_title("mice & <men>");
    assert_eq!(page.write(&path, &scene.as_slices()).unwrap(), 1);
    let text = std::fs::read_to_string(&path).unwrap();
    for absent in ["@", "http", "src=", "import "] {
        assert!(!text.contains(absent), "{absent}");
    }
    assert!(text.contains("<title>mice &amp; &lt;men&gt;</title>") && text.contains("{ count: 3499, degree: 2,"));
    let bytes = STANDARD.decode(between(&text, "id=\"scene\">", "</script>")).unwrap();
    let numbers: Vec<f32> = bytes.as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b)).collect();
    assert_eq!(numbers.len(), 3499 * 37);
    let row = &numbers[7 * 37..8 * 37];
    assert_eq!(
        (&row[..3], &row[10..13]),
        (
            &scene.means[8][..],
            match &scene.colours {
                volkit_splat::Colours::Sh { coefficients, .. } => &coefficients[8 * 9][..],
                _ => panic!(),
            }
        )
    );
    // The trace of a covariance is the sum of the variances, whatever the rotation.
    let variances: f32 = scene.log_scales[8].iter().map(|s| (2.0 * s).exp()).sum();
    assert!((row[4] + row[7] + row[9] - variances).abs() < 1e-5 * variances);
}

#[test]
fn the_first_view_holds_the_scene() {
    let mut scene = scene(200, None, 5);
    scene.means.iter_mut().for_each(|m| m[0] += 40.0);
    scene.means[3] = [f32::NAN; 3];
    let page = ViewerPage::around(&scene.as_slices());
    assert!((page.target[0] - 40.0).abs() < 0.3 && (3.0..8.0).contains(&page.radius), "{page:?}");
    let empty = volkit_splat::Gaussians::empty(0);
    assert!(ViewerPage::around(&empty.as_slices()).radius > 0.0);
}

#[test]
fn views_without_sense_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let scene = scene(2, None, 5);
    let page = || ViewerPage::around(&scene.as_slices());
    let spoilers: [fn(&mut ViewerPage); 5] = [
        |p| p.radius = 0.0,
        |p| p.up = [0.0; 3],
        |p| p.field_of_view = 3.2,
        |p| p.elevation = f64::NAN,
        |p| p.render = RenderConfig::new().with_background([f32::NAN; 3]),
    ];
    for spoil in spoilers {
        let mut page = page();
        spoil(&mut page);
        let path = folder.path().join("page.html");
        assert!(matches!(page.write(&path, &scene.as_slices()), Err(SplatError::Parameter { .. })));
        assert!(!path.exists());
    }
}
