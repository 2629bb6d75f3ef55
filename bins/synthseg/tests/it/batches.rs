//! Folders and lists.

use std::fs;

use crate::bench::{BLOCK_AFFINE, Bench, block_scan, threshold_weights};

const MODEL: &str = "--model model.safetensors";

#[test]
fn a_folder_with_one_bad_scan_gives_the_others() {
    let bench = Bench::new();
    bench.scan("in/a.nii.gz");
    bench.scan("in/c.mgz");
    bench.text("in/b.nii", "this is no scan");
    bench.text("in/notes.md", "not looked at");
    let ran = bench.run(&format!("--i in {MODEL} --o out --vol volumes.csv --picture pictures"));
    assert_eq!(ran.code, Some(1));
    assert!(ran.stderr.contains("error: in/b.nii: "), "{}", ran.stderr);
    assert!(ran.stderr.contains("1 of 3 scans failed:\n  in/b.nii: "), "{}", ran.stderr);
    assert_eq!(bench.read("volumes.csv"), "subject,label 1\r\na,512000.0\r\nc.mgz,512000.0\r\n");
    let made: Vec<String> =
        bench.listing().into_iter().filter(|n| n.starts_with("out") || n.starts_with("pic")).collect();
    let wanted = [
        "out",
        "out/.a_synthseg.nii.gz.synthseg.json",
        "out/.c_synthseg.mgz.synthseg.json",
        "out/a_synthseg.nii.gz",
        "out/c_synthseg.mgz",
        "pictures",
        "pictures/a_synthseg.png",
        "pictures/c_synthseg.png",
    ];
    assert_eq!(made, wanted);
}

#[test]
fn a_list_names_every_output() {
    let bench = Bench::new();
    bench.scan("x.nii.gz");
    bench.scan("y.nii");
    bench.text("in.txt", "x.nii.gz\n\ny.nii\n");
    bench.text("out.txt", "ox.nii.gz\noy.mgz\n");
    bench.text("vol.txt", "vx.csv\nvy\n");
    bench.done(&format!("--i in.txt {MODEL} --o out.txt --vol vol.txt --quiet"));
    assert_eq!(bench.read("vx.csv"), ",label 1\r\nx,512000.0\r\n");
    assert_eq!(bench.read("vy.csv"), ",label 1\r\ny.nii,512000.0\r\n");
    assert!(bench.path("ox.nii.gz").is_file() && bench.path("oy.mgz").is_file());
}

#[test]
fn lists_and_folders_that_do_not_fit_are_refused_before_any_work() {
    let bench = Bench::new();
    bench.scan("x.nii");
    bench.scan("in/y.nii");
    bench.scan("in/z.nii");
    bench.text("two.txt", "x.nii\nin/y.nii\n");
    bench.text("one.txt", "o.nii\n");
    bench.text("same.txt", "o.nii\no.nii\n");
    bench.text("over.txt", "o.nii\nx.nii\n");
    bench.text("png.txt", "o.png\np.png\n");
    bench.text("empty.txt", "\n");
    fs::create_dir(bench.path("nothing")).unwrap();
    let before = bench.listing();
    for (arguments, message) in [
        ("--i two.txt --o one.txt", "one.txt: lines = 1: --i lists 2 scans"),
        ("--i two.txt --o out", "out: --o must be a .txt list, as --i is"),
        ("--i two.txt --o same.txt", "o.nii: would be the output of x.nii and of in/y.nii"),
        ("--i two.txt --o over.txt", "x.nii: is a scan and would be the output of in/y.nii"),
        ("--i two.txt --o png.txt", "o.png: must end in one of .nii.gz .nii .mgz .npz"),
        ("--i two.txt --o same.txt --vol v.csv", "v.csv: --vol must be a .txt list, as --i is"),
        ("--i empty.txt --o one.txt", "empty.txt: lists no scan"),
        ("--i nothing --o out", "nothing: holds no scan (.nii.gz .nii .mgz .npz)"),
        ("--i in --o out.nii", "out.nii: --o must be a folder, as --i is"),
        ("--i x.nii --o one.txt", "one.txt: --o is a list, but --i is none"),
        ("--i x.nii --o o.nii --vol v.txt", "v.txt: --vol is a list, but --i is none"),
        ("--i x.nii --o x.nii", "x.nii: is a scan and would be the output of x.nii"),
    ] {
        let ran = bench.run(&format!("{arguments} {MODEL}"));
        assert_eq!(ran.code, Some(1), "{arguments}: {ran:?}");
        assert_eq!(ran.stderr, format!("error: {message}\n"), "{arguments}");
        assert_eq!(bench.listing(), before, "{arguments}");
    }
}

/// Outputs are marked, so that making them anew shows.
fn mark(bench: &Bench, name: &str) {
    let path = bench.path(name);
    let marked = fs::metadata(&path).unwrap().modified().unwrap() - std::time::Duration::from_secs(86_400);
    fs::File::options().append(true).open(&path).unwrap().set_modified(marked).unwrap();
}

fn is_marked(bench: &Bench, name: &str) -> bool {
    fs::metadata(bench.path(name)).unwrap().modified().unwrap().elapsed().unwrap().as_secs() > 80_000
}

#[test]
fn existing_outputs_are_skipped_on_request_only() {
    let bench = Bench::new();
    bench.scan("in/a.nii");
    bench.scan("in/b.nii");
    let (a, b) = ("out/a_synthseg.nii", "out/b_synthseg.nii");
    let arguments = format!("--i in {MODEL} --o out --vol v.csv");
    bench.done(&arguments);
    let table = bench.read("v.csv");
    mark(&bench, a);
    mark(&bench, b);
    bench.done(&arguments);
    assert!(!is_marked(&bench, a) && !is_marked(&bench, b), "without the flag everything is made anew");

    // One output is missing, and the table.
    mark(&bench, a);
    fs::remove_file(bench.path(b)).unwrap();
    fs::remove_file(bench.path("v.csv")).unwrap();
    let arguments = format!("{arguments} --skip-existing");
    let ran = bench.done(&arguments);
    assert!(ran.stderr.contains("in/a.nii: outputs are there, skipped"), "{}", ran.stderr);
    assert!(is_marked(&bench, a) && !is_marked(&bench, b));
    assert_eq!(bench.read("v.csv"), table);

    // Another scan under the same name, another size of an output, another record, another flag, other weights.
    mark(&bench, b);
    bench.volume("in/a.nii", &volkit_core::Volume::new([40, 36, 32], vec![7i16; 46_080], BLOCK_AFFINE).unwrap());
    bench.done(&arguments);
    assert!(!is_marked(&bench, a) && is_marked(&bench, b), "the scan changed");
    fs::OpenOptions::new().append(true).open(bench.path(a)).unwrap().set_len(500).unwrap();
    bench.done(&arguments);
    assert_eq!(fs::metadata(bench.path(a)).unwrap().len(), fs::metadata(bench.path(b)).unwrap().len());
    fs::remove_file(bench.path("out/.b_synthseg.nii.synthseg.json")).unwrap();
    mark(&bench, a);
    bench.done(&arguments);
    assert!(is_marked(&bench, a) && !is_marked(&bench, b), "the record is gone");
    mark(&bench, b);
    bench.text("names.txt", "1 Block 1 2 3 0\n");
    bench.done(&format!("{arguments} --labels names.txt"));
    assert!(!is_marked(&bench, a) && !is_marked(&bench, b), "the names changed");
    mark(&bench, a);
    let mut weights = threshold_weights();
    weights.insert("layers.0.bias", volkit_core::Array::new([2], vec![0.0f32, -0.6]).unwrap());
    volkit_io::write_safetensors(bench.path("model.safetensors"), &weights).unwrap();
    bench.done(&format!("{arguments} --labels names.txt"));
    assert!(!is_marked(&bench, a), "the weights changed");
}

#[test]
fn several_volumes_are_a_warning() {
    let bench = Bench::new();
    let one = block_scan();
    let values: Vec<i16> = one.to_real().unwrap();
    let two = volkit_core::Volume::new([40, 36, 32, 2], [values.clone(), values].concat(), *one.affine()).unwrap();
    bench.volume("four.nii.gz", &two);
    let ran = bench.done(&format!("--i four.nii.gz {MODEL} --o out.nii.gz"));
    let warning = "warning: four.nii.gz: the scan holds 2 volumes; the first one is segmented";
    assert!(ran.stderr.contains(warning), "{}", ran.stderr);
    assert_eq!(volkit_io::read(bench.path("out.nii.gz")).unwrap().volume().shape(), [40, 36, 32]);
}
