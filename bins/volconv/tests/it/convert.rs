//! `volconv convert`.

use volkit_core::{Affine, DType, Volume};
use volkit_geom::Orientation;
use volkit_io::{Image, WriteOptions, read, write};

use crate::{counting, one_line, save, volconv};

fn load(path: &std::path::Path) -> Volume {
    read(path).unwrap().into_volume()
}

#[test]
fn formats_types_and_orientations() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    save(&path("in.nii"), counting());
    let run = volconv(folder.path(), &["convert", "in.nii", "out.mgz"]);
    assert_eq!((run.code, run.err.as_str()), (0, ""));
    assert_eq!(one_line(&run.out), "out.mgz: [4, 3, 2] voxels, LAS, i16");
    assert_eq!(load(&path("out.mgz")).voxels(), load(&path("in.nii")).voxels());

    let run = volconv(folder.path(), &["convert", "in.nii", "ras.nii.gz", "--orient", "RAS", "--dtype", "f32"]);
    assert_eq!(run.code, 0, "{}", run.err);
    let turned = load(&path("ras.nii.gz"));
    assert_eq!((turned.dtype(), Orientation::of(turned.affine()).unwrap()), (DType::F32, Orientation::RAS));
    assert_eq!(turned.as_slice::<f32>().unwrap()[..4], [3.0, 2.0, 1.0, 0.0]);
    // Every voxel stays where it was: the first of the new order was the fourth of the old.
    let old = load(&path("in.nii"));
    assert_eq!(turned.affine().apply([0.0; 3]), old.affine().apply([3.0, 0.0, 0.0]));

    let run = volconv(folder.path(), &["convert", "in.nii", "u8.nii", "--dtype", "u8", "--rescale"]);
    assert_eq!(run.code, 0, "{}", run.err);
    assert_eq!(load(&path("u8.nii")).to_real::<f64>().unwrap(), old.to_real::<f64>().unwrap());
}

#[test]
fn spacing_keeps_the_box_of_the_world() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    save(&path("in.nii"), counting());
    let run = volconv(folder.path(), &["convert", "in.nii", "fine.nii", "--spacing", "1", "--order", "0"]);
    assert_eq!(run.code, 0, "{}", run.err);
    let (old, fine) = (load(&path("in.nii")), load(&path("fine.nii")));
    assert_eq!(fine.shape(), [8, 6, 4]);
    assert_eq!(fine.affine().spacing(), [1.0; 3]);
    // The outer corner of the first voxel is where it was.
    let corner = |volume: &Volume| volume.affine().apply([-0.5; 3]);
    assert!(corner(&old).iter().zip(corner(&fine)).all(|(a, b)| (a - b).abs() < 1e-9));
    // Each old voxel became eight new ones.
    let (old, new) = (old.to_real::<i16>().unwrap(), fine.to_real::<i16>().unwrap());
    for (index, value) in new.iter().enumerate() {
        let (i, j, k) = (index % 8, index / 8 % 6, index / 48);
        assert_eq!(*value, old[i / 2 + 4 * (j / 2 + 3 * (k / 2))], "voxel {i}, {j}, {k}");
    }
    let run = volconv(folder.path(), &["convert", "in.nii", "coarse.nii", "--spacing", "4,2,2", "--no-smooth"]);
    assert_eq!(run.code, 0, "{}", run.err);
    // Linear, half way between two voxels; half away from zero.
    assert_eq!(load(&path("coarse.nii")).to_real::<i16>().unwrap()[..2], [1, 3]);
}

#[test]
fn coarser_grids_are_smoothed_first() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    save(&path("in.nii"), counting());
    let run = volconv(folder.path(), &["convert", "in.nii", "coarse.nii", "--spacing", "4,2,2"]);
    assert_eq!(run.code, 0, "{}", run.err);
    let coarse = load(&path("coarse.nii"));
    assert_eq!(coarse.dtype(), DType::I16);
    // Rows 0 1 2 3, sigma sqrt(3) / 2.3548 = 0.7355 voxels, ends reflected: 0.256 1.014 1.986 2.744; half way between
    // two of them 0.635 and 2.365. The other axes keep their spacing and are not touched.
    assert_eq!(coarse.to_real::<i16>().unwrap()[..4], [1, 2, 5, 6]);

    // Stripes as fine as a voxel: on voxels of three their mean remains, sampled they would all be 0 or all 100.
    let stripes: Vec<f32> = (0..30 * 30 * 30).map(|i| if i % 30 % 2 == 0 { 0.0 } else { 100.0 }).collect();
    let image = Image::new(Volume::new([30, 30, 30], stripes, Affine::IDENTITY).unwrap());
    write(path("stripes.nii"), &image, &WriteOptions::default()).unwrap();
    let coarse = |name: &str, more: &[&str]| {
        let args = [&["convert", "stripes.nii", name, "--spacing", "3"], more].concat();
        let run = volconv(folder.path(), &args);
        assert_eq!(run.code, 0, "{}", run.err);
        load(&path(name)).to_real::<f32>().unwrap()
    };
    // At the ends the reflected stripe is twice as wide, which leaves 100 (w2 - w3 + w4) = 7 of it.
    assert!(coarse("smooth.nii", &[]).iter().all(|value| (value - 50.0).abs() < 8.0));
    for (name, more) in [("sharp.nii", &["--no-smooth"][..]), ("nearest.nii", &["--order", "0"])] {
        assert!(coarse(name, more).iter().all(|value| *value == 0.0 || *value == 100.0), "{name}");
    }
}

#[test]
fn an_existing_output_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    save(&folder.path().join("in.nii"), counting());
    std::fs::write(folder.path().join("out.nii"), "precious").unwrap();
    let run = volconv(folder.path(), &["convert", "in.nii", "out.nii"]);
    assert_eq!(run.code, 1);
    assert_eq!(one_line(&run.err), "volconv: out.nii: exists already; --overwrite replaces it");
    assert_eq!(std::fs::read(folder.path().join("out.nii")).unwrap(), b"precious");
    let run = volconv(folder.path(), &["convert", "in.nii", "out.nii", "--overwrite"]);
    assert_eq!(run.code, 0, "{}", run.err);
    assert_eq!(load(&folder.path().join("out.nii")), load(&folder.path().join("in.nii")));
}

#[test]
fn errors_name_the_file_and_leave_nothing() {
    let folder = tempfile::tempdir().unwrap();
    save(&folder.path().join("in.nii"), counting());
    let whole = std::fs::read(folder.path().join("in.nii")).unwrap();
    std::fs::write(folder.path().join("cut.nii"), &whole[..380]).unwrap();
    let files = || std::fs::read_dir(folder.path()).unwrap().count();
    let before = files();
    for (args, told) in [
        (&["convert", "none.nii", "out.nii"][..], "none.nii"),
        (&["convert", "cut.nii", "out.nii"], "cut.nii"),
        (&["convert", "in.nii", "out.xyz"], "out.xyz"),
        (&["convert", "in.nii", "no/such/out.nii"], "no/such/out.nii"),
        (&["convert", "in.nii", "out.nii", "--spacing", "0"], "in.nii: rescaled grid: spacing_mm"),
        (&["convert", "in.nii", "out.nii", "--spacing", "1,2"], "--spacing takes 1 or 3 numbers, got 2"),
        (&["convert", "in.nii", "out.nii", "--spacing", "1e-9"], "in.nii"),
        (&["convert", "in.nii", "out.mgz", "--dtype", "f64"], "out.mgz"),
    ] {
        let run = volconv(folder.path(), args);
        assert_eq!((run.code, run.out.as_str()), (1, ""), "{args:?}");
        assert!(one_line(&run.err).contains(told), "{args:?}: {}", run.err);
    }
    assert_eq!(files(), before);
}

#[test]
fn wrong_command_lines_are_code_2() {
    let folder = tempfile::tempdir().unwrap();
    for args in [
        &["convert", "in.nii"][..],
        &["convert", "in.nii", "out.nii", "--dtype", "float"],
        &["convert", "in.nii", "out.nii", "--orient", "RAL"],
        &["convert", "in.nii", "out.nii", "--spacing", "1", "--order", "2"],
        &["convert", "in.nii", "out.nii", "--rescale"],
        &["diff", "a.nii", "b.nii", "--tolerance", "-1"],
        &["swirl"],
        &[],
    ] {
        let run = volconv(folder.path(), args);
        assert_eq!(run.code, 2, "{args:?}: {}", run.err);
    }
    let help = volconv(folder.path(), &["convert", "--help"]);
    assert_eq!(help.code, 0);
    assert!(help.out.contains("Examples:") && help.out.contains("millimetres"), "{}", help.out);
}
