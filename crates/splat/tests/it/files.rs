//! Posed pictures, and turntables.

use std::path::Path;

use serde_json::{Value, json};
use volkit_splat::{
    Intrinsics, Orbit, RenderConfig, Rendering, TransformsOptions, Turntable, read_transforms, write_png,
};

use crate::scenes::{rasterizer, scene};

/// A picture of 4 x 2 pixels: red above, half transparent green below.
fn write_picture(path: &Path) {
    let mut encoder = png::Encoder::new(std::fs::File::create(path).unwrap(), 4, 2);
    encoder.set_color(png::ColorType::Rgba);
    encoder.set_depth(png::BitDepth::Eight);
    let bytes = [[255, 0, 0, 255].repeat(4), [0, 255, 0, 51].repeat(4)].concat();
    encoder.write_header().unwrap().write_image_data(&bytes).unwrap();
}

fn folder(index: &Value) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    write_picture(&folder.path().join("a.png"));
    std::fs::write(folder.path().join("transforms.json"), index.to_string()).unwrap();
    folder
}

fn index() -> Value {
    let matrix = [[1.0, 0.0, 0.0, 0.0], [0.0, 1.0, 0.0, 0.0], [0.0, 0.0, 1.0, 3.0], [0.0, 0.0, 0.0, 1.0]];
    json!({"camera_angle_x": std::f64::consts::FRAC_PI_2, "frames": [{"file_path": "./a", "transform_matrix": matrix}]})
}

#[test]
fn blender_and_nerfstudio() {
    let blender = folder(&index());
    let options = TransformsOptions::new().with_background([1.0; 3]);
    let images = read_transforms(blender.path().join("transforms.json"), &options).unwrap();
    let image = &images[0];
    assert_eq!(image.camera.intrinsics.focal_px.map(|f| (f * 1e9).round() / 1e9), [2.0, 2.0]);
    assert_eq!((image.camera.intrinsics.centre_px, image.camera.centre()), ([2.0, 1.0], [0.0, 0.0, 3.0]));
    assert_eq!(image.colour[..3], [1.0, 0.0, 0.0]);
    // A fifth of green over white.
    assert_eq!(image.colour[12..15], [0.8, 1.0, 0.8]);
    assert_eq!(image.alpha.as_ref().unwrap()[..], [1.0, 1.0, 1.0, 1.0, 0.2, 0.2, 0.2, 0.2]);
    // The origin is in the middle of the picture.
    assert_eq!(image.camera.to_pixel([0.0; 3]), Some([2.0, 1.0]));

    let mut full = index();
    for (key, value) in [("fl_x", 16.0), ("fl_y", 12.0), ("cx", 10.0), ("cy", 3.0), ("w", 8.0), ("h", 4.0), ("k1", 0.0)]
    {
        full[key] = json!(value);
    }
    full["frames"][0]["cy"] = json!(4.0);
    full["frames"][0]["file_path"] = json!("a.png");
    let full = folder(&full);
    let image = read_transforms(full.path().join("transforms.json"), &options).unwrap().remove(0);
    // The picture is half the size that the numbers are of; the frame's cy counts.
    assert_eq!((image.camera.intrinsics.focal_px, image.camera.intrinsics.centre_px), ([8.0, 6.0], [5.0, 2.0]));
}

#[test]
fn bad_files_are_refused_by_name() {
    let refused = |change: &dyn Fn(&mut Value), wanted: &str| {
        let mut index = index();
        change(&mut index);
        let folder = folder(&index);
        let error = read_transforms(folder.path().join("transforms.json"), &TransformsOptions::new()).unwrap_err();
        assert!(error.to_string().contains(wanted), "{error}");
    };
    refused(&|i| i["frames"] = json!([]), "frames: empty");
    refused(&|i| *i = json!(3), "JSON");
    refused(&|i| i["frames"][0]["transform_matrix"] = json!([[1.0]]), "frames[0].transform_matrix");
    refused(&|i| i["frames"][0]["transform_matrix"][3][3] = json!(2.0), "last row");
    refused(&|i| i["frames"][0]["file_path"] = json!("other"), "other.png");
    refused(&|i| i["k1"] = json!(0.1), "frames[0].k1: 0.1");
    refused(&|i| i["camera_model"] = json!("FISHEYE"), "FISHEYE");
    refused(&|i| i["camera_angle_x"] = Value::Null, "fl_x");
    refused(&|i| i["w"] = json!(-1.0), "frames[0].w");
    let folder = folder(&index());
    std::fs::write(folder.path().join("a.png"), b"\x89PNG\r\n\x1a\nnothing").unwrap();
    let error = read_transforms(folder.path().join("transforms.json"), &TransformsOptions::new()).unwrap_err();
    assert!(error.to_string().contains("a.png"), "{error}");
    assert!(read_transforms(folder.path().join("none.json"), &TransformsOptions::new()).is_err());
}

#[test]
fn a_turn_around_a_scene() {
    let orbit = Orbit {
        target: [1.0, 2.0, 3.0],
        up: [0.0, 0.0, 2.0],
        radius: 4.0,
        elevation: 0.3,
        intrinsics: Intrinsics::from_field_of_view(0.8, 32, 24),
    };
    let cameras = orbit.cameras(5).unwrap();
    for camera in &cameras {
        let pixel = camera.to_pixel(orbit.target).unwrap();
        assert!((pixel[0] - 16.0).abs() < 1e-9 && (pixel[1] - 12.0).abs() < 1e-9);
        assert!((camera.centre()[2] - 3.0 - 4.0 * 0.3f64.sin()).abs() < 1e-9);
        assert!(camera.to_pixel([1.0, 2.0, 3.5]).unwrap()[1] < 12.0, "up is up");
    }
    assert!(Orbit { up: [0.0; 3], ..orbit.clone() }.cameras(1).is_err());
    assert!(orbit.cameras(0).unwrap().is_empty());

    let folder = tempfile::tempdir().unwrap();
    let scene = scene(20, Some(1), 3);
    let config = RenderConfig::new().with_depth(false);
    let out = folder.path().join("turn");
    let paths = Turntable { cameras, config }.write(&out, &mut rasterizer(1), &scene.as_slices()).unwrap();
    assert_eq!((paths.len(), paths[4].file_name().unwrap().to_str()), (5, Some("0004.png")));
    assert_eq!(std::fs::read_dir(&out).unwrap().count(), 5);
    let mut reader =
        png::Decoder::new(std::io::BufReader::new(std::fs::File::open(&paths[0]).unwrap())).read_info().unwrap();
    let mut bytes = vec![0; reader.output_buffer_size().unwrap()];
    let info = reader.next_frame(&mut bytes).unwrap();
    assert_eq!((info.width, info.height), (32, 24));
    assert!(write_png(out.join("empty.png"), &Rendering::default()).is_err());
}
