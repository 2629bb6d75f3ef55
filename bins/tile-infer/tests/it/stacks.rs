//! Stacks of pictures.

use volkit_core::{Affine, Region, VolumeMeta};
use volkit_io::{ReadOptions, WriteOptions, create_stack, open_stack, stack_files, stack_names};

use crate::bench::Bench;

const SHAPE: [usize; 3] = [45, 70, 11];

/// Writes eleven pictures of 45 x 70, and the same values as an array.
fn with_pictures(pattern: &str) -> Bench {
    let bench = Bench::new();
    let values: Vec<u8> = (0..SHAPE.iter().product::<usize>()).map(|i| (i * i % 251) as u8).collect();
    let meta = VolumeMeta::new(SHAPE, volkit_core::DType::U8, Affine::IDENTITY).unwrap();
    let names = stack_names(bench.path(pattern), SHAPE[2]).unwrap();
    let sink = create_stack(&names, &meta, &WriteOptions::new()).unwrap();
    sink.write_region(&Region::whole(&SHAPE), values.as_slice().into()).unwrap();
    sink.finish().unwrap();
    let floats: Vec<f32> = values.iter().map(|&value| f32::from(value)).collect();
    bench.save("same.npy", &[SHAPE[2], SHAPE[1], SHAPE[0]], &floats);
    bench
}

#[test]
fn pictures_give_what_the_same_array_gives() {
    for pattern in ["f*.bmp", "f*.png", "f*.tif"] {
        let bench = with_pictures(pattern);
        let run = "--model mean --tile-size 20 --tile-overlap 6 --quiet";
        bench.done(&format!("--input same.npy --output wanted.npy {run}"));
        bench.done(&format!("--input {pattern} --output got.npy {run}"));
        let [wanted, got] = ["wanted.npy", "got.npy"].map(|name| std::fs::read(bench.path(name)).unwrap());
        assert!(wanted == got, "{pattern}: the files differ");
        bench.done(&format!("--input {pattern} --output mean.tif {run}"));
        let mean = open_stack(&[bench.path("mean.tif")], &ReadOptions::default()).unwrap();
        let mean = volkit_core::read_all(mean.as_ref()).unwrap().to_real::<f32>().unwrap();
        assert_eq!(mean, bench.load("wanted.npy").to_real::<f32>().unwrap());
    }
}

#[test]
fn channels_become_pictures() {
    let bench = with_pictures("f*.png");
    let run = "--input f*.png --model identity --tile-size 20 --quiet";
    bench.done(&format!("{run} --output g*.tif"));
    let files = stack_files(bench.path("g*.tif")).unwrap();
    assert_eq!((files.len(), files[10].file_name().unwrap().to_str()), (11, Some("g10.tif")));
    let whole = open_stack(&files, &ReadOptions::default()).unwrap();
    let values = volkit_core::read_all(whole.as_ref()).unwrap().to_real::<f32>().unwrap();
    assert_eq!(values, bench.load("same.npy").to_real::<f32>().unwrap());
    bench.done(&format!("{run} --output most.png --argmax"));
    bench.done("--input same.npy --model identity --output most.npy --argmax --quiet");
    let most = open_stack(&[bench.path("most.png")], &ReadOptions::default()).unwrap();
    let most = volkit_core::read_all(most.as_ref()).unwrap().to_real::<f32>().unwrap();
    assert_eq!(most, bench.load("most.npy").to_real::<f32>().unwrap());
    for (output, wanted) in [
        ("h.tif", "11 channels are written as one picture each"),
        ("h*.png", "can not hold f32"),
        ("h.png --resume --argmax", "can not be resumed"),
    ] {
        let ran = bench.run(&format!("{run} --output {output}"));
        assert!(ran.code == Some(1) && ran.stderr.contains(wanted), "{output}: {}", ran.stderr);
    }
    let ran = bench.run("--input none*.png --model identity --output o.npy");
    assert!(ran.stderr.contains("no file matches the pattern"), "{}", ran.stderr);
}
