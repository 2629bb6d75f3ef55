//! Scenes in files.

use std::path::Path;

use volkit_splat::{Colours, Gaussians, SH_C0, read_ply, write_ply};

use crate::scenes::scene;

fn header(format: &str, count: &str, properties: &[String]) -> Vec<u8> {
    let mut text = format!("ply\r\nformat {format} 1.0\ncomment made by hand\nelement vertex {count}\n");
    properties.iter().for_each(|name| text.push_str(&format!("property float {name}\n")));
    text.push_str("element face 7\nproperty list uchar int vertex_indices\nend_header\n");
    text.into_bytes()
}

/// Names of band 0, in an order of our own, with one that means nothing.
fn names() -> Vec<String> {
    let mut names: Vec<String> =
        ["opacity", "f_dc_2", "f_dc_1", "f_dc_0", "z", "y", "x", "red"].map(str::to_owned).into();
    names.extend((0..4).map(|k| format!("rot_{k}")));
    names.extend((0..3).map(|k| format!("scale_{k}")));
    names
}

fn refusal(folder: &Path, bytes: &[u8]) -> String {
    let path = folder.join("bad.ply");
    std::fs::write(&path, bytes).unwrap();
    read_ply(&path).unwrap_err().to_string()
}

#[test]
fn written_and_read_is_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("scene.ply");
    for (degree, n) in [(0, 0), (0, 5), (1, 1), (2, 3), (3, 5000)] {
        let scene = scene(n, Some(degree), 21);
        assert_eq!(write_ply(&path, &scene.as_slices()).unwrap(), 0);
        assert_eq!(read_ply(&path).unwrap(), scene);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }
    // 62 numbers a Gaussian of band 3.
    let header = std::fs::read(&path).unwrap().windows(11).position(|w| w == b"end_header\n").unwrap() + 11;
    assert_eq!(std::fs::metadata(&path).unwrap().len(), (header + 5000 * 248) as u64);
}

#[test]
fn coefficients_are_channel_major() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("scene.ply");
    let mut scene = scene(1, Some(1), 1);
    scene.colours =
        Colours::Sh { degree: 1, coefficients: vec![[0.0; 3], [1.0, 4.0, 7.0], [2.0, 5.0, 8.0], [3.0, 6.0, 9.0]] };
    write_ply(&path, &scene.as_slices()).unwrap();
    let bytes = std::fs::read(&path).unwrap();
    let data = &bytes[bytes.len() - 4 * 26..];
    let numbers: Vec<f32> = data.as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b)).collect();
    assert_eq!(numbers[9..18], [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0]);
}

#[test]
fn plain_colours_become_band_0_and_broken_gaussians_stay_behind() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("scene.ply");
    let mut scene = scene(3, None, 2);
    scene.means[1][2] = f32::NAN;
    assert_eq!(write_ply(&path, &scene.as_slices()).unwrap(), 1);
    let back = read_ply(&path).unwrap();
    assert_eq!((back.len(), back.means[1]), (2, scene.means[2]));
    let (Colours::Sh { degree: 0, coefficients }, Colours::Rgb(rgb)) = (&back.colours, &scene.colours) else {
        panic!()
    };
    assert!((0..3).all(|c| (0.5 + SH_C0 * coefficients[1][c] - rgb[2][c]).abs() < 1e-6));
    let nowhere = folder.path().join("no/such/folder.ply");
    assert!(write_ply(&nowhere, &scene.as_slices()).unwrap_err().to_string().contains("no/such/folder.ply"));
    assert!(read_ply(&nowhere).unwrap_err().to_string().contains("no/such/folder.ply"));
}

#[test]
fn fields_are_found_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("turned.ply");
    let mut bytes = header("binary_little_endian", "2", &names());
    for i in 0..30u8 {
        bytes.extend(f32::from(i).to_le_bytes());
    }
    std::fs::write(&path, &bytes).unwrap();
    let got = read_ply(&path).unwrap();
    let wanted = Gaussians {
        means: vec![[6.0, 5.0, 4.0], [21.0, 20.0, 19.0]],
        quats: vec![[8.0, 9.0, 10.0, 11.0], [23.0, 24.0, 25.0, 26.0]],
        log_scales: vec![[12.0, 13.0, 14.0], [27.0, 28.0, 29.0]],
        logit_opacities: vec![0.0, 15.0],
        colours: Colours::Sh { degree: 0, coefficients: vec![[3.0, 2.0, 1.0], [18.0, 17.0, 16.0]] },
    };
    assert_eq!(got, wanted);
}

#[test]
fn hostile_files_are_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let little = "binary_little_endian";
    let check = |bytes: &[u8], wanted: &str| {
        let why = refusal(folder.path(), bytes);
        assert!(why.contains("bad.ply") && why.contains(wanted), "{why}");
    };
    check(b"", "no PLY file");
    check(b"PLY\n", "no PLY file");
    check(b"ply\nformat binary_little_endian 1.0\n", "ends before end_header");
    check(b"ply\nelement vertex 0\nend_header\n", "format: missing");
    check(&header("ascii", "1", &names()), "binary_little_endian");
    check(&header(little, "-1", &names()), "element vertex: count -1");
    check(&header(little, "99999999999999999999", &names()), "element vertex");
    // A count that lies must not be believed before the data are there.
    check(&header(little, "9000000000000000000", &names()), "ends before");
    let mut short = header(little, "2", &names());
    short.extend([0; 4 * 15 + 3]);
    check(&short, "count 2");
    for missing in ["x", "opacity", "rot_3", "scale_0", "f_dc_1"] {
        let names: Vec<String> = names().into_iter().filter(|name| name != missing).collect();
        check(&header(little, "1", &names), &format!("property {missing}: missing"));
    }
    let mut rest = names();
    rest.extend((0..7).map(|k| format!("f_rest_{k}")));
    check(&header(little, "1", &rest), "7 of them");
    let mut twice = names();
    twice.push("x".to_owned());
    check(&header(little, "1", &twice), "property x: named twice");
    check(b"ply\nformat binary_little_endian 1.0\nelement face 1\nend_header\n", "comes before the vertices");
    check(
        b"ply\nformat binary_little_endian 1.0\nelement vertex 1\nproperty list uchar int x\nend_header\n",
        "property list",
    );
    check(b"ply\nformat binary_little_endian 1.0\nelement vertex 1\nproperty quad x\nend_header\n", "type quad");
    check(&[&b"ply\n"[..], &[b'a'; 5000]].concat(), "1024 bytes");
    check(
        &[&b"ply\n"[..], &b"comment aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\n".repeat(3000)].concat(),
        "65536 bytes",
    );
    check(b"ply\n\xff\xfe\n", "not text");
}
