//! One scan and everything that can be made of it.

use std::fs;

use volkit_core::DType;

use crate::bench::{BLOCK_AFFINE, BLOCK_VOXELS, Bench};

const MODEL: &str = "--model model.safetensors";

#[test]
fn labels_volumes_picture_and_report() {
    let bench = Bench::new();
    bench.scan("sub-01_T1w.nii.gz");
    let outputs = "--o out/labels.nii.gz --vol out/volumes --picture out/p.png --json out/report.json --threads 1";
    let ran = bench.done(&format!("--i sub-01_T1w.nii.gz {MODEL} {outputs}"));
    assert!(ran.stderr.contains("MeshNet, 1 layers, 1 channels, 2 classes"), "{}", ran.stderr);

    let labels = volkit_io::read(bench.path("out/labels.nii.gz")).unwrap();
    assert_eq!((labels.volume().shape(), labels.volume().dtype()), (&[40, 36, 32][..], DType::U8));
    assert_eq!(labels.volume().affine(), &BLOCK_AFFINE);
    let counted = labels.volume().as_slice::<u8>().unwrap().iter().filter(|&&label| label == 1).count();
    assert_eq!(counted, BLOCK_VOXELS);
    assert_eq!(bench.read("out/volumes.csv"), "subject,label 1\r\nsub-01_T1w,512000.0\r\n");

    let picture = fs::File::open(bench.path("out/p.png")).unwrap();
    let reader = png::Decoder::new(std::io::BufReader::new(picture)).read_info().unwrap();
    assert!(reader.info().width > 500 && reader.info().height > 300);

    let report: serde_json::Value = serde_json::from_str(&bench.read("out/report.json")).unwrap();
    let stages: Vec<&str> = report["stages"].as_array().unwrap().iter().map(|s| s["name"].as_str().unwrap()).collect();
    assert_eq!(stages, ["load model", "read", "conform", "network", "labels to the scan", "write"]);
    assert_eq!((report["tool"].as_str(), report["threads"].as_u64()), (Some("synthseg"), Some(1)));
    assert_eq!(report["extra"]["device"].as_str(), Some("cpu"));
    assert_eq!(report["extra"]["scans"][0]["status"].as_str(), Some("done"));
    assert!(report["peak_bytes"].as_u64().is_none_or(|bytes| bytes > 1 << 20));
    assert!(report["isa"].as_str().is_some_and(|isa| !isa.is_empty()));
    let files: Vec<String> = bench.listing().into_iter().filter(|name| name.starts_with("out/")).collect();
    let record = "out/.labels.nii.gz.synthseg.json";
    assert_eq!(files, [record, "out/labels.nii.gz", "out/p.png", "out/report.json", "out/volumes.csv"]);
}

#[test]
fn threads_change_no_byte_and_quiet_says_nothing() {
    let bench = Bench::new();
    bench.scan("scan.nii");
    for threads in [1, 2] {
        let ran = bench.done(&format!("--i scan.nii {MODEL} --o {threads}.nii.gz --threads {threads} --quiet --cpu"));
        assert_eq!((ran.stdout.as_str(), ran.stderr.as_str()), ("", ""));
    }
    assert_eq!(fs::read(bench.path("1.nii.gz")).unwrap(), fs::read(bench.path("2.nii.gz")).unwrap());
}

#[test]
fn a_folder_as_output_names_files_after_the_scan() {
    let bench = Bench::new();
    bench.scan("a.mgz");
    bench.scan("b.npz");
    bench.done(&format!("--i a.mgz {MODEL} --o out --picture out"));
    bench.done(&format!("--i b.npz {MODEL} --o out/deep"));
    let files: Vec<String> = bench.listing().into_iter().filter(|name| name.starts_with("out/")).collect();
    let files: Vec<&String> = files.iter().filter(|name| !name.ends_with(".json")).collect();
    assert_eq!(files, ["out/a_synthseg.mgz", "out/a_synthseg.png", "out/deep", "out/deep/b_synthseg.npz"]);
    let labels = volkit_io::read(bench.path("out/a_synthseg.mgz")).unwrap();
    assert!(labels.volume().affine().is_close(&BLOCK_AFFINE, 1e-5, 1e-5));
}

#[test]
fn json_on_standard_output_stands_alone() {
    let bench = Bench::new();
    bench.scan("scan.nii");
    let ran = bench.done(&format!("--i scan.nii {MODEL} --o labels.nii --json -"));
    let report: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(report["extra"]["model"]["kind"].as_str(), Some("MeshNet"));
}

#[test]
fn a_table_names_the_columns_and_a_name_finds_the_model() {
    let bench = Bench::new();
    bench.scan("scan.nii");
    bench.text("table.tsv", "index\tname\tcolor\n1\tBright block\t#ff0000\n");
    fs::create_dir(bench.path("models")).unwrap();
    fs::copy(bench.path("model.safetensors"), bench.path("models/block.safetensors")).unwrap();
    bench.done("--i scan.nii --model block --models models --o labels.nii --vol v.csv --labels table.tsv");
    assert_eq!(bench.read("v.csv"), "subject,Bright block\r\nscan.nii,512000.0\r\n");
    let found =
        bench.command("--i scan.nii --model block --o other.nii --quiet").env("VOLKIT_MODELS", "models").status();
    assert!(found.unwrap().success());
    let lost = bench.run("--i scan.nii --model blok --models models --o other.nii");
    assert_eq!(lost.code, Some(1));
    assert!(
        lost.stderr.starts_with("error: blok: no such file; no model 'blok' (.safetensors, .h5) in --models 'models'"),
        "{}",
        lost.stderr
    );
}

#[test]
fn usage_mistakes_end_with_2_and_help_with_0() {
    let bench = Bench::new();
    for (arguments, message) in [
        ("", "required"),
        ("--i a.nii", "--o"),
        ("--i a.nii --o b.nii --robust --v1", "the robust networks exist for version 2.0 only"),
        ("--i a.nii --o b.nii --crop 64 --autocrop", "both say which part"),
        ("--i a.nii --o b.nii --crop 1 2", "1 size or 3"),
        ("--i a.nii --o b.nii --qc-threshold 2", "expected 0 to 1"),
        ("--i a.nii --o b.nii --max-memory lots", "expected a"),
        (
            "--i a.nii --o b.nii --model m --device cuda:0",
            "this build has no cuda support (feature cuda); use cpu or auto",
        ),
        ("--i a.nii --o b.nii --model m --mode fast", "expected one of exact, strict, fast-math"),
        ("--i a.nii --o b.nii --model m --threads many", "invalid value"),
        ("--i a.nii --o b.nii --path gpu", "expected auto, kernel or composite"),
        ("--i a.nii --o b.nii --device tpu", "expected auto, cpu, cuda, cuda:N, metal or metal:N"),
    ] {
        let ran = bench.run(arguments);
        assert_eq!(ran.code, Some(2), "{arguments}: {ran:?}");
        assert!(ran.stderr.contains(message), "{arguments}: {}", ran.stderr);
    }
    let help = bench.done("--help");
    for text in ["mm3", "[default: auto]", "Examples:", "Exit codes:"] {
        assert!(help.stdout.contains(text), "{text}");
    }
    assert!(bench.done("--version").stdout.starts_with("synthseg "));
}
