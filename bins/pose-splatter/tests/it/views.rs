//! Pictures from any side, runs side by side, and a training that is given more epochs.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use volkit_bench::{ProgramFolder, ProgramRun};
use volkit_pose::{Frame, read_png};

use crate::program::{configure, folder, run};

const CONFIG: &str = "out/config.json";

fn picture(folder: &ProgramFolder, name: &str) -> Frame {
    let mut frame = Frame::default();
    let file = fs::File::open(folder.path(name)).unwrap();
    read_png(std::io::BufReader::new(file), name, &mut frame).unwrap();
    frame
}

/// How many pixels are not white.
fn covered(frame: &Frame) -> usize {
    frame.pixels.chunks(3).filter(|pixel| pixel.iter().any(|byte| *byte < 200)).count()
}

#[test]
fn a_trained_animal_from_all_sides() {
    let folder = folder();
    run(&folder, "synth out --preset tiny --epochs 1 --quiet").succeeded().unwrap();
    let early = run(&folder, &format!("render {CONFIG} --view 0"));
    assert!(early.code == Some(1) && early.stderr.contains("json"), "nothing is trained: {}", early.stderr);
    run(&folder, &format!("run {CONFIG} --to evaluate --quiet")).succeeded().unwrap();
    views(&folder);
    videos(&folder);
    compared(&folder);
    // More epochs: the training goes on, and what follows is done again.
    configure(&folder, CONFIG, &[("epochs", 2.into())]);
    let report = run(&folder, &format!("run {CONFIG} --to evaluate")).succeeded().unwrap();
    assert!(report.stdout.contains("2 epochs, 1 of them before"), "{}", report.stdout);
    assert_eq!(report.stdout.matches("done before").count(), 4, "{}", report.stdout);
    assert_eq!(fs::read_to_string(folder.path("out/project/losses.csv")).unwrap().lines().count(), 3);
}

fn views(folder: &ProgramFolder) {
    let report = run(folder, &format!("render {CONFIG} --view 1 --frames 8..11 --json")).succeeded().unwrap();
    let report: serde_json::Value = serde_json::from_str(&report.stdout).unwrap();
    assert_eq!(report["pictures"], 3);
    let name = "out/project/renders/view1-frames8..11/0002.png";
    let seen = picture(folder, name);
    assert_eq!((seen.width, seen.height), (64, 48));
    assert!((30..1500).contains(&covered(&seen)), "{}", covered(&seen));

    run(folder, &format!("render {CONFIG} --angle -30 --elevation 10 --full --out side --quiet")).succeeded().unwrap();
    let side = picture(folder, "side/0000.png");
    assert_eq!((side.width, side.height), (128, 96), "as large as the videos");
    assert!(covered(&side) > 100);
    run(folder, &format!("render {CONFIG} --angle 0 --egocentric --frames 10 --out face --quiet")).succeeded().unwrap();
    run(folder, &format!("render {CONFIG} --angle 90 --egocentric --frames 10 --out flank --quiet"))
        .succeeded()
        .unwrap();
    let [face, flank] = ["face/0000.png", "flank/0000.png"].map(|name| covered(&picture(folder, name)));
    assert!(flank > face, "longer than wide: {flank} {face}");
    run(folder, &format!("render {CONFIG} --turntable 4 --out turn --quiet")).succeeded().unwrap();
    assert_eq!(fs::read_dir(folder.path("turn")).unwrap().count(), 4);

    for (options, words) in [
        ("--view 6", "the rig has 6 cameras"),
        ("--view 0 --frames 8..99", "12 kept frames"),
        ("--angle 0 --elevation 90", "--elevation"),
        ("--turntable 0", "at least one"),
        ("--angle 0 --fps 0", "--fps"),
    ] {
        let refused = run(folder, &format!("render {CONFIG} {options}"));
        assert!(refused.code == Some(1) && refused.stderr.contains(words), "{options}: {}", refused.stderr);
    }
    for options in ["--view 0 --angle 3", "--egocentric", "--frames 5..2"] {
        assert_eq!(run(folder, &format!("render {CONFIG} {options}")).code, Some(2), "{options}");
    }
}

/// With a program in the place of ffmpeg: one that keeps what it gets, one that fails, none.
fn videos(folder: &ProgramFolder) {
    let fake = |name: &str, script: &str| {
        let programs = folder.path(name);
        fs::create_dir_all(&programs).unwrap();
        if !script.is_empty() {
            fs::write(programs.join("ffmpeg"), script).unwrap();
            fs::set_permissions(programs.join("ffmpeg"), fs::Permissions::from_mode(0o755)).unwrap();
        }
        let mut command = folder.command(&format!("render {CONFIG} --view 2 --frames 8..10 --out films/walk.mp4"));
        ProgramRun::of(command.env("PATH", programs)).unwrap()
    };
    fake("keeps", "#!/bin/sh\nfor last; do :; done\nexec /bin/cat > \"$last\"\n").succeeded().unwrap();
    assert_eq!(fs::metadata(folder.path("films/walk.mp4")).unwrap().len(), 2 * 64 * 48 * 3);
    fs::remove_file(folder.path("films/walk.mp4")).unwrap();
    let failed = fake("fails", "#!/bin/sh\necho no such codec >&2\nexit 1\n");
    assert!(failed.code == Some(1) && failed.stderr.contains("no such codec"), "{}", failed.stderr);
    let none = fake("none", "");
    assert!(none.code == Some(1) && none.stderr.contains("install ffmpeg"), "{}", none.stderr);
    assert_eq!(fs::read_dir(folder.path("films")).unwrap().count(), 0, "nothing half done is left");
}

fn compared(folder: &ProgramFolder) {
    let report = run(folder, "compare out out/config.json out/project --out side-by-side").succeeded().unwrap();
    assert_eq!(report.stdout.lines().count(), 7, "{}", report.stdout);
    let csv = fs::read_to_string(folder.path("side-by-side/comparison.csv")).unwrap();
    assert!(csv.starts_with("run,heldout,psnr,psnr_foreground,ssim,iou,soft_iou,l1\n\"out\",0,"), "{csv}");
    let page = fs::read_to_string(folder.path("side-by-side/index.html")).unwrap();
    let first = "0-test00008.png";
    assert!(page.contains(first) && folder.path("side-by-side").join(first).exists(), "{page}");
    assert!(page.contains("out/project") && page.contains("<b>"), "{page}");
    let none = run(folder, "compare out nowhere");
    assert!(none.code == Some(1) && none.stderr.contains("nowhere"), "{}", none.stderr);
    fs::write(folder.path("bare.json"), fs::read_to_string(folder.path(CONFIG)).unwrap()).unwrap();
    let bare = run(folder, "compare bare.json");
    assert!(bare.code == Some(1) && bare.stderr.contains("evaluate"), "{}", bare.stderr);
}
