//! A dilated network on a volume, run plane by plane, next to the same network run layer by layer.
//!
//! `cargo run --release -p volkit-kernels --example plane_by_plane`

use std::error::Error;
use std::time::Instant;

use volkit_kernels::{
    Activation, Blocks, BoxError, Conv3d, ConvShape, Executor, Graph, GraphBuilder, Isa, LabelSink, Plan, PlanOptions,
    Threads, no_progress,
};

const SIZE: [usize; 3] = [96, 64, 64];
const CHANNELS: usize = 12;
const LABELS: usize = 5;

/// Floats in `-1..1` from a fixed seed.
fn seeded(seed: u64) -> impl FnMut() -> f32 {
    let mut state = seed | 1;
    move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 40) as f32 / (1u64 << 23) as f32 - 1.0
    }
}

/// MeshNet's pattern: 3x3x3 convolutions whose dilation grows and shrinks, then one label per voxel.
fn network(isa: Isa) -> Result<Graph, Box<dyn Error>> {
    let mut random = seeded(7);
    let mut builder = GraphBuilder::new(isa);
    let mut last = builder.input(1)?;
    let mut c_in = 1;
    for dilation in [1, 2, 4, 8, 4, 2, 1] {
        let shape = ConvShape::new(c_in, CHANNELS, [3; 3]).with_dilation([dilation; 3]);
        let range = (6.0 / (c_in * shape.taps()) as f32).sqrt();
        let weight: Vec<f32> = (0..c_in * CHANNELS * shape.taps()).map(|_| random() * range).collect();
        last = builder.conv(Conv3d::new(shape, &weight, None, Activation::Relu.into(), isa)?, &[last.into()])?;
        c_in = CHANNELS;
    }
    let weight: Vec<f32> = (0..CHANNELS * LABELS).map(|_| random()).collect();
    let head = Conv3d::new(ConvShape::new(CHANNELS, LABELS, [1; 3]), &weight, None, Activation::Identity.into(), isa)?;
    let labels = builder.conv(head, &[last.into()])?;
    builder.output(labels)?;
    Ok(builder.build()?)
}

/// Runs the network on a ball in noise; returns its labels.
fn run(name: &str, graph: &Graph, options: &PlanOptions, threads: &Threads) -> Result<Vec<u8>, Box<dyn Error>> {
    let [depth, height, width] = SIZE;
    let mut executor = Executor::new(Plan::new(graph, SIZE, options)?)?;
    let mut labels = vec![0_u8; depth * height * width];
    // The volume exists one plane at a time only.
    let mut source = |z: usize, plane: &mut [f32]| -> Result<(), BoxError> {
        let mut noise = seeded(z as u64 + 1);
        let from_centre = |i: usize, n: usize| 2.0 * i as f32 / n as f32 - 1.0;
        for (i, value) in plane.iter_mut().enumerate() {
            let p = [from_centre(z, depth), from_centre(i / width, height), from_centre(i % width, width)];
            let inside = p.iter().map(|x| x * x).sum::<f32>() < 0.5;
            *value = if inside { 1.0 } else { 0.0 } + 0.1 * noise();
        }
        Ok(())
    };
    let start = Instant::now();
    executor.run(&mut source, &mut LabelSink::new(&mut labels, Isa::detect()), threads, &mut no_progress)?;
    let (seconds, plan) = (start.elapsed().as_secs_f64(), executor.plan());
    println!(
        "{name:<16} peak {:>6.1} MB   {seconds:.2} s   {:.0} GFLOP/s",
        plan.peak_bytes() as f64 / 1e6,
        plan.flops() as f64 / seconds / 1e9,
    );
    Ok(labels)
}

fn main() -> Result<(), Box<dyn Error>> {
    let isa = Isa::detect();
    let (graph, threads) = (network(isa)?, Threads::new(0));
    println!("{SIZE:?} voxels, {CHANNELS} channels, {}, {} threads", isa.name(), threads.count());
    let streamed = run("plane by plane", &graph, &PlanOptions::default(), &threads)?;
    let whole = run("layer by layer", &graph, &PlanOptions::default().with_blocks(Blocks::Whole), &threads)?;
    assert_eq!(streamed, whole, "every plan gives the same bits");
    let mut counts = [0; LABELS];
    streamed.iter().for_each(|label| counts[usize::from(*label)] += 1);
    println!("the same labels both times; voxels per label: {counts:?}");
    Ok(())
}
