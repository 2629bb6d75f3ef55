//! Networks at a coarser voxel size, and the demonstration.

use volkit_bench::{Grid, HeadPhantom, dice};
use volkit_core::MemoryStore;
use volkit_io::write_safetensors;

use crate::bench::Bench;
use crate::nets;

/// The network by brightness, told to work at 2 mm.
fn compact(spacing: &str) -> MemoryStore {
    let mut store = nets::segmentation(33);
    store.set_metadata("spacing_mm", spacing);
    store
}

fn bench() -> Bench {
    let bench = Bench::new();
    write_safetensors(bench.path("compact.safetensors"), &compact("2")).unwrap();
    bench
}

fn count(bench: &Bench, name: &str, label: f32) -> usize {
    let labels = volkit_io::read(bench.path(name)).unwrap().volume().to_real::<f32>().unwrap();
    labels.iter().filter(|&&found| found == label).count()
}

#[test]
fn labels_come_on_the_voxels_of_the_scan() {
    let bench = bench();
    bench.volume("fine.nii.gz", &nets::head(1.0));
    bench.volume("coarse.nii.gz", &nets::head(2.0));
    for name in ["fine", "coarse"] {
        let ran =
            bench.done(&format!("--i {name}.nii.gz --model compact.safetensors --o {name}_l.nii.gz --vol {name}.csv"));
        assert!(ran.stderr.contains("volkit compact, 2 mm, unet: 1 levels"), "{}", ran.stderr);
        let labels = volkit_io::read(bench.path(&format!("{name}_l.nii.gz"))).unwrap();
        assert_eq!(labels.volume().shape(), [24, 20, 16]);
    }
    // White matter is 14 x 10 x 6 voxels of either scan; the smoothing of posteriors rounds corners off.
    let white = count(&bench, "coarse_l.nii.gz", 2.0);
    assert!((588..=840).contains(&white), "{white}");
    // Voxels of 2 mm see half as much of the finer scan.
    let white = count(&bench, "fine_l.nii.gz", 2.0);
    assert!((420..=1100).contains(&white), "{white}");
    assert!(bench.read("fine.csv").starts_with("subject,left cerebral white matter,"));
}

#[test]
fn what_a_coarser_network_can_not_do_is_told() {
    let bench = bench();
    bench.volume("scan.nii.gz", &nets::head(1.0));
    let refused = |line: &str| {
        let ran = bench.run(&format!("--i scan.nii.gz --o l.nii.gz {line}"));
        assert_eq!(ran.code, Some(1), "{line}");
        ran.stderr
    };
    let said = refused("--model compact.safetensors --fast --post p.nii.gz");
    assert!(said.contains("--fast, --post are of SynthSeg only; this is a volkit compact"), "{said}");
    write_safetensors(bench.path("odd.safetensors"), &compact("a few")).unwrap();
    let said = refused("--model odd.safetensors");
    assert!(said.contains("spacing_mm = a few"), "{said}");
}

#[test]
fn a_demonstration_needs_no_scan() {
    let bench = bench();
    bench.done("--demo show --model compact.safetensors --threads 2");
    for name in ["scan.nii.gz", "labels.nii.gz", "volumes.csv", "picture.png", "report.html"] {
        assert!(bench.path(&format!("show/{name}")).metadata().unwrap().len() > 0, "{name}");
    }
    let ran = bench.run("--demo show --i scan.nii.gz --o l.nii.gz");
    assert_eq!(ran.code, Some(2), "{}", ran.stderr);
    assert_eq!(bench.run("--o l.nii.gz").code, Some(2));
}

#[test]
fn the_network_of_the_program_finds_a_brain() {
    let bench = Bench::new();
    let ran = bench.done("--demo show --threads 2");
    assert!(ran.stderr.contains("volkit compact, 2 mm") && ran.stderr.contains("built-in network"), "{}", ran.stderr);
    // The head of the demonstration, with what it is made of.
    let truth = HeadPhantom::new(Grid::new([208; 3])).with_seed(7).generate().unwrap().labels.cast::<i32>().unwrap();
    let found = volkit_io::read(bench.path("show/labels.nii.gz")).unwrap().into_parts().0.cast::<i32>().unwrap();
    let overlaps = dice(truth.as_slice::<i32>().unwrap(), found.as_slice::<i32>().unwrap()).unwrap();
    for (label, least) in [(2, 0.6), (41, 0.6), (3, 0.5), (42, 0.5)] {
        let overlap = overlaps.iter().find(|overlap| overlap.label == label).unwrap();
        assert!(overlap.dice >= least, "label {label}: Dice {}", overlap.dice);
    }
}
