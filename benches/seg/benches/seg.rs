//! `seg/preprocess/..`, `seg/postprocess/..` and `seg/load/..`: what lies around the networks, and reading their weights.
//! `seg/generate/..`: synthetic scans to train on.
//! Throughput is voxels of the scan, or bytes of the weights.
#![allow(missing_docs)] // criterion_group! makes an undocumented function.

use std::hint::black_box;
use std::path::Path;
use std::time::Duration;

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion, Throughput, criterion_group, criterion_main};
use volkit_bench::{Grid, HeadPhantom, SeededUNet, seeded_posteriors};
use volkit_benches_seg::write_keras;
use volkit_core::{Affine, ArrayStore, BoxError, Volume};
use volkit_io::{KerasStore, SafetensorsStore, write_safetensors};
use volkit_seg::training::{Generator, GeneratorConfig, LabelMap};
use volkit_seg::{
    NetworkBuild, Placement, Posteriors, PostprocessOptions, PreprocessOptions, SegmentationNet, Structures,
    postprocess, preprocess,
};

/// Voxels along each axis: the least that a network sees.
const SIZE: usize = 128;
/// Features and levels of the published networks.
const PUBLISHED: [usize; 2] = [24, 5];

fn group<'a>(criterion: &'a mut Criterion, name: &str, throughput: Throughput) -> BenchmarkGroup<'a, WallTime> {
    let mut group = criterion.benchmark_group(name);
    group.throughput(throughput).sample_size(10);
    group.warm_up_time(Duration::from_millis(500)).measurement_time(Duration::from_secs(2));
    group
}

fn preprocessing(criterion: &mut Criterion) -> Result<(), BoxError> {
    for (name, size, spacing) in [("resampled-1.5mm", [128, 128, 128], 1.5), ("flipped-1mm", [160, 192, 160], 1.0)] {
        let grid = Grid::new(size).with_spacing([spacing; 3]).with_orientation("LIA");
        let scan = HeadPhantom::new(grid).with_seed(7).generate()?.image;
        let voxels = Throughput::Elements(scan.voxels().len() as u64);
        let mut group = group(criterion, "seg/preprocess", voxels);
        let options = PreprocessOptions::new();
        group.bench_function(name, |bencher| bencher.iter(|| black_box(preprocess(&scan, &options))));
        group.finish();
    }
    Ok(())
}

fn postprocessing(criterion: &mut Criterion) -> Result<(), BoxError> {
    let (size, structures) = ([SIZE; 3], Structures::v2());
    let n = structures.count();
    let posteriors = Posteriors::new(size, n, seeded_posteriors(size, n, 7)?)?;
    let placement = Placement::whole(size, Affine::IDENTITY);
    let mut group = group(criterion, "seg/postprocess", Throughput::Elements(size.iter().product::<usize>() as u64));
    let plain = PostprocessOptions::new();
    for (name, options) in [
        ("default", plain),
        ("fast", plain.with_fast(true)),
        ("default-with-posteriors", plain.with_keep_posteriors(true)),
    ] {
        let run = || black_box(postprocess(&posteriors, None, structures, &placement, &options));
        group.bench_function(format!("{SIZE}x{SIZE}x{SIZE}/{name}"), |bencher| {
            bencher.iter(run);
        });
    }
    group.finish();
    Ok(())
}

/// Opens a file of weights and packs the network for the kernels.
fn load<S: ArrayStore>(open: impl Fn(&Path) -> Result<S, volkit_io::IoError>, path: &Path) -> Result<(), BoxError> {
    black_box(SegmentationNet::from_store(&open(path)?, &NetworkBuild::new())?);
    Ok(())
}

fn loading(criterion: &mut Criterion) -> Result<(), BoxError> {
    let folder = tempfile::tempdir()?;
    let [features, levels] = PUBLISHED;
    let weights = SeededUNet::new().with_features(features).with_levels(levels).generate()?;
    let (keras, safetensors) = (folder.path().join("net.h5"), folder.path().join("net.safetensors"));
    write_keras(&keras, &weights)?;
    write_safetensors(&safetensors, &weights)?;
    let bytes = std::fs::metadata(&safetensors)?.len();
    let mut group = group(criterion, "seg/load", Throughput::Bytes(bytes));
    group.bench_function("h5", |bencher| bencher.iter(|| load(|path| KerasStore::open(path), &keras)));
    group.bench_function("safetensors", |bencher| {
        bencher.iter(|| load(|path| SafetensorsStore::open(path), &safetensors));
    });
    group.finish();
    Ok(())
}

/// Nested boxes with labels of a head, 256^3 voxels.
fn nested_boxes() -> Result<Volume, BoxError> {
    const N: usize = 256;
    let label = |at: usize| {
        let far = [at % N, at / N % N, at / (N * N)].map(|i| i.abs_diff(N / 2)).into_iter().max().unwrap_or(0);
        [41i16, 42, 24, 515, 530, 0][[30, 60, 70, 80, 90].iter().filter(|&&bound| far > bound).count()]
    };
    Ok(Volume::new([N; 3], (0..N * N * N).map(label).collect::<Vec<i16>>(), Affine::IDENTITY)?)
}

/// The settings of the published training at 1 mm, and those of the network of this project.
fn generating(criterion: &mut Criterion) -> Result<(), BoxError> {
    let maps = [LabelMap::new(&nested_boxes()?, false)?];
    let published = GeneratorConfig::new().with_size(96);
    let mut coarse = GeneratorConfig::new().with_size(64).with_spacing_mm(2.0);
    coarse.deformation.elastic_reduction = 4;
    for (name, config) in [("96x96x96/1mm", published), ("64x64x64/2mm", coarse)] {
        let mut group = group(criterion, "seg/generate", Throughput::Elements(config.size.pow(3) as u64));
        let generator = Generator::new(config)?;
        let mut index = 0;
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                index += 1;
                black_box(generator.sample(&maps, index))
            });
        });
        group.finish();
    }
    Ok(())
}

fn suite(criterion: &mut Criterion) {
    preprocessing(criterion).expect("phantoms are valid scans");
    postprocessing(criterion).expect("posteriors fit their placement");
    loading(criterion).expect("the temporary folder can be written");
    generating(criterion).expect("boxes are a valid map");
}

criterion_group!(benches, suite);
criterion_main!(benches);
