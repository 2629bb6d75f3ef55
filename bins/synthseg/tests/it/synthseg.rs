//! SynthSeg's flags, files and refusals, with networks in little.

use std::fs;

use volkit_core::DType;
use volkit_io::{Header, write_safetensors};

use crate::bench::Bench;
use crate::nets;

/// A folder with a scan of 1 mm, one of 2 mm, and `models` with all networks but those of version 1.
fn bench() -> Bench {
    let bench = Bench::new();
    fs::create_dir(bench.path("models")).unwrap();
    for (name, store) in [
        ("synthseg_2.0", nets::segmentation(33)),
        ("synthseg_robust_2.0", nets::robust()),
        ("synthseg_parc_2.0", nets::parcellation()),
        ("synthseg_qc_2.0", nets::quality()),
    ] {
        write_safetensors(bench.path(&format!("models/{name}.safetensors")), &store).unwrap();
    }
    bench.volume("one.nii.gz", &nets::head(1.0));
    bench.volume("two.mgz", &nets::head(2.0));
    bench
}

const SMALL: &str = "--models models --crop 32";

fn labels(bench: &Bench, name: &str) -> Vec<i32> {
    let image = volkit_io::read(bench.path(name)).unwrap();
    assert_eq!(image.volume().dtype(), DType::I32, "{name}");
    image.volume().to_real().unwrap()
}

fn count(labels: &[i32], label: i32) -> usize {
    labels.iter().filter(|&&found| found == label).count()
}

/// White matter: depth 5 and more, 14 x 10 x 6. Cortex: depth 2 to 4.
const WHITE: usize = 14 * 10 * 6;
const CORTEX: usize = 20 * 16 * 12 - WHITE;

#[test]
fn one_scan_with_everything_but_scores() {
    let bench = bench();
    let outputs = "--o o/l.nii.gz --vol o/v --post o/p.nii.gz --resample o/r.nii.gz --mask o/m.nii.gz \
                   --report o/page.html --picture o/p.png";
    let ran = bench.done(&format!("--i one.nii.gz {SMALL} {outputs} --json o/j.json"));
    assert!(
        ran.stderr.contains("SynthSeg 2.0, unet: 1 levels, 1 features, 33 labels (models/synthseg_2.0.safetensors)"),
        "{}",
        ran.stderr
    );
    assert!(ran.stderr.contains("needs about "), "{}", ran.stderr);
    let found = labels(&bench, "o/l.nii.gz");
    // Smoothing rounds corners off.
    let (white, cortex) = (count(&found, 2), count(&found, 3));
    assert!((WHITE * 9 / 10..=WHITE).contains(&white) && cortex.abs_diff(CORTEX) < CORTEX / 10, "{white} {cortex}");
    assert!(!bench.path("o/r.nii.gz").exists(), "the scan has voxels of 1 mm");
    let posteriors = volkit_io::read(bench.path("o/p.nii.gz")).unwrap();
    assert_eq!((posteriors.volume().shape(), posteriors.volume().dtype()), (&[24, 20, 16, 33][..], DType::F32));
    let mask: Vec<u8> = volkit_io::read(bench.path("o/m.nii.gz")).unwrap().volume().to_real().unwrap();
    assert_eq!(mask.iter().filter(|&&inside| inside == 1).count(), found.len() - count(&found, 0));
    let table = bench.read("o/v.csv");
    let (header, row) = table.split_once("\r\n").unwrap();
    assert!(header.starts_with("subject,total intracranial,left cerebral white matter,left cerebral cortex,"));
    assert!(header.ends_with(",grey matter,white matter,cerebrospinal fluid,brain"), "{header}");
    assert!(row.starts_with("one,") && row.ends_with("\r\n"));
    let cells: Vec<f64> = row.trim_end().split(',').skip(1).map(|cell| cell.parse().unwrap()).collect();
    assert_eq!(cells.len(), 1 + 32 + 4);
    // The average with the mirror image makes half of what the left channel finds right.
    let white = WHITE as f64;
    assert!((cells[1] - 0.5 * white).abs() < 0.01 * white && (cells[34] - white).abs() < 0.01 * white, "{cells:?}");
    let page = bench.read("o/page.html");
    assert!(page.contains("one.nii.gz") && page.contains("synthseg_2.0.safetensors"));
    let report: serde_json::Value = serde_json::from_str(&bench.read("o/j.json")).unwrap();
    assert_eq!(report["extra"]["model"]["kind"].as_str(), Some("SynthSeg 2.0"));
    let stages = report["extra"]["scans"][0]["wall_secs"].as_object().unwrap();
    for stage in ["read", "prepare", "segmentation network", "post-processing", "write"] {
        assert!(stages.contains_key(stage), "{stage}: {stages:?}");
    }
}

#[test]
fn parcels_scores_and_compat_tables() {
    let bench = bench();
    bench.done(&format!("--i one.nii.gz {SMALL} --o l.nii.gz --parc --qc q.csv --vol v.csv --compat --fast"));
    let found = labels(&bench, "l.nii.gz");
    let parcel = volkit_seg::parcels()[nets::PARCEL].label as i32;
    assert_eq!((count(&found, 2), count(&found, 3), count(&found, parcel)), (WHITE, 0, CORTEX));
    let wanted = "one,0.1000,0.2000,0.3000,0.4000,0.5000,0.6000,0.7000,0.8000\r\n";
    let scores = bench.read("q.csv");
    assert!(scores.starts_with("subject,") && scores.ends_with(wanted), "{scores}");
    let table = bench.read("v.csv");
    assert_eq!(table.lines().next().unwrap().split(',').count(), 1 + 1 + 32 + 68);
    assert!(!table.contains("grey matter"));
}

#[test]
fn resampled_scans_come_at_1_mm_or_on_their_own_voxels() {
    let bench = bench();
    bench.done("--i two.mgz --models models --o out --resample out --addctab --crop 64");
    let image = volkit_io::read(bench.path("out/two_synthseg.mgz")).unwrap();
    assert_eq!(image.volume().shape(), [48, 40, 32]);
    let Header::Mgh(header) = image.header() else { panic!("an MGH header") };
    let table = header.color_table().unwrap();
    assert!(table.iter().any(|entry| entry.id == 17 && entry.name == "left hippocampus" && entry.rgba[3] == 255));
    let resampled = volkit_io::read(bench.path("out/two_resampled.mgz")).unwrap();
    assert_eq!((resampled.volume().shape(), resampled.volume().dtype()), (&[48, 40, 32][..], DType::F32));
    bench.done("--i two.mgz --models models --o kept.mgz --mask mask.nii.gz --keepgeom --autocrop --fast");
    let kept = volkit_io::read(bench.path("kept.mgz")).unwrap();
    let scan = volkit_io::read(bench.path("two.mgz")).unwrap();
    assert_eq!((kept.volume().shape(), kept.volume().affine()), (scan.volume().shape(), scan.volume().affine()));
    let found: Vec<i32> = kept.volume().to_real().unwrap();
    assert!((WHITE * 9 / 10..=WHITE + 30).contains(&count(&found, 2)), "{}", count(&found, 2));
    assert_eq!(volkit_io::read(bench.path("mask.nii.gz")).unwrap().volume().shape(), [24, 20, 16]);
}

#[test]
fn other_versions_follow_from_flags_and_weights() {
    let bench = bench();
    let ran = bench.done(&format!("--i one.nii.gz {SMALL} --o r.nii.gz --robust"));
    assert!(ran.stderr.contains("SynthSeg 2.0 robust, unet:"), "{}", ran.stderr);
    assert_eq!(count(&labels(&bench, "r.nii.gz"), 2), WHITE);
    let lost = bench.run(&format!("--i one.nii.gz {SMALL} --o v1.nii.gz --v1"));
    assert_eq!(lost.code, Some(1));
    for part in [
        "no model 'synthseg_1.0' (.safetensors, .h5) in --models 'models'",
        "VOLKIT_MODELS (not set)",
        "FREESURFER_HOME (not set)",
        "data/volkit/models'",
        "--model",
        "FreeSurfer",
    ] {
        assert!(lost.stderr.contains(part), "{part}: {}", lost.stderr);
    }
    fs::create_dir_all(bench.path("fs/models")).unwrap();
    write_safetensors(bench.path("fs/models/synthseg_1.0.safetensors"), &nets::segmentation(32)).unwrap();
    let mut command = bench.command("--i one.nii.gz --crop 32 --o v1.nii.gz --v1 --vol v.csv --quiet");
    assert!(command.env("FREESURFER_HOME", bench.path("fs")).status().unwrap().success());
    assert!(bench.read("v.csv").starts_with("subject,left cerebral white matter,"));
}

#[test]
fn weights_that_do_not_fit_the_flags_are_refused() {
    let bench = bench();
    let model = |name: &str| format!("models/synthseg_{name}_2.0.safetensors");
    for (arguments, message) in [
        (format!("--model {}", model("parc")), "SynthSeg 2.0 parcellation network; --parc asks for it"),
        (format!("--model {}", model("qc")), "SynthSeg 2.0 quality network; --qc asks for it"),
        (format!("--model {} --v1", model("robust")), "SynthSeg 2.0 robust weights, but --v1 is given"),
        ("--model synthseg_2.0 --robust".into(), "SynthSeg 2.0 weights, but --robust is given"),
        (format!("--model synthseg_2.0 --model {}", model("robust")), "do the same"),
        (
            "--model model.safetensors --parc --fast".into(),
            "--parc, --fast, --crop are of SynthSeg only; this is a MeshNet",
        ),
        ("--max-memory 1MB".into(), "one.nii.gz: needs about 0.0 GB of memory for 32 x 32 x 32 voxels, 0.0 GB allowed"),
    ] {
        let ran = bench.run(&format!("--i one.nii.gz {SMALL} --o l.nii.gz --quiet {arguments}"));
        assert_eq!(ran.code, Some(1), "{arguments}: {ran:?}");
        assert!(ran.stderr.contains(message), "{arguments}: {}", ran.stderr);
        assert!(!bench.path("l.nii.gz").exists());
    }
}

#[test]
fn folders_get_an_index_and_go_on_after_failures() {
    let bench = bench();
    fs::create_dir(bench.path("in")).unwrap();
    for name in ["a.nii.gz", "c.nii.gz"] {
        fs::copy(bench.path("one.nii.gz"), bench.path(&format!("in/{name}"))).unwrap();
    }
    bench.text("in/b.nii", "no scan");
    let arguments = format!("--i in {SMALL} --o out --post post --vol v.csv --report pages --skip-existing");
    let ran = bench.run(&arguments);
    assert_eq!(ran.code, Some(1));
    assert!(
        ran.stderr.contains("in/c.nii.gz (3 of 3, about ") && ran.stderr.contains("1 of 3 scans failed"),
        "{}",
        ran.stderr
    );
    let index = bench.read("pages/index.html");
    for part in ["a_synthseg.html", "c_synthseg.html", "b.nii", "1 failed"] {
        assert!(index.contains(part), "{part}");
    }
    let table = bench.read("v.csv");
    let rows: Vec<&str> = table.lines().map(|line| line.split(',').next().unwrap()).collect();
    assert_eq!(rows, ["subject", "a", "c"]);
    bench.volume("in/b.nii", &nets::head(1.0));
    let ran = bench.done(&arguments);
    assert_eq!(ran.stderr.matches("outputs are there, skipped").count(), 2, "{}", ran.stderr);
    let rows = bench.read("v.csv");
    let rows: Vec<&str> = rows.lines().map(|line| line.split(',').next().unwrap()).collect();
    assert_eq!(rows, ["subject", "a", "b.nii", "c"]);
    assert!(bench.read("pages/index.html").contains("3 ok"));
}

#[test]
fn lists_name_every_output() {
    let bench = bench();
    bench.text("in.txt", "one.nii.gz\n");
    bench.text("o.txt", "l.mgz\n");
    bench.text("p.txt", "p.nii\n");
    bench.text("v.txt", "v\n");
    bench.text("q.txt", "page\nother\n");
    bench.done(&format!("--i in.txt {SMALL} --o o.txt --post p.txt --vol v.txt"));
    assert!(bench.read("v.csv").starts_with(",total intracranial,"));
    assert!(bench.path("l.mgz").is_file() && bench.path("p.nii").is_file());
    let ran = bench.run(&format!("--i in.txt {SMALL} --o o.txt --report q.txt"));
    assert_eq!(ran.stderr, "error: q.txt: lines = 2: --i lists 1 scans\n");
    let ran = bench.run(&format!("--i one.nii.gz {SMALL} --o l.mgz --vol v.csv --qc v.csv"));
    assert_eq!(ran.stderr, "error: v.csv: would be the table of --vol and of --qc\n");
    let ran = bench.run(&format!("--i one.nii.gz {SMALL} --o l.nii --post l.nii"));
    assert_eq!(ran.stderr, "error: l.nii: would be two outputs of one.nii.gz\n");
    let ran = bench.done(&format!("--i one.nii.gz {SMALL} --o name.xyz --addctab"));
    assert!(
        ran.stderr.contains("warning: name.xyz: '.xyz' is none of .nii.gz .nii .mgz .npz; taken for a folder"),
        "{}",
        ran.stderr
    );
    assert!(ran.stderr.contains("--addctab: only .mgz has a place for a colour table"), "{}", ran.stderr);
    assert!(bench.path("name.xyz/one_synthseg.nii.gz").is_file());
}
