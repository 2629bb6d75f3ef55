//! Networks over images that are background for the most part, which is not computed.

use volkit_kernels::{
    Activation, Blocks, BoxError, Conv3d, ConvOptions, ConvShape, Epilogue, Executor, Graph, GraphBuilder, Isa, Mode,
    Plan, PlanOptions, PlaneSource, SliceSink, SliceSource, Threads, no_progress,
};

use crate::exec_naive::Random;

/// An image whose source says what its background is.
struct Scan<'a> {
    image: SliceSource<'a>,
    background: Vec<f32>,
}

impl PlaneSource for Scan<'_> {
    fn read_plane(&mut self, input: usize, z: usize, plane: &mut [f32]) -> Result<(), BoxError> {
        self.image.read_plane(input, z, plane)
    }

    fn background(&self, _input: usize) -> Option<Vec<f32>> {
        Some(self.background.clone())
    }
}

/// Noise in an ellipsoid off the centre, `background` around it and in a hole.
fn head([depth, height, width]: [usize; 3], background: &[f32]) -> Vec<f32> {
    let mut random = Random::new(5);
    let mut image = Vec::new();
    let share = |at: usize, n: usize, centre: f64| (at as f64 + 0.5) / n as f64 - centre;
    for z in 0..depth {
        for y in 0..height {
            for x in 0..width {
                let r = [share(z, depth, 0.5), share(y, height, 0.45), share(x, width, 0.6)];
                let r2: f64 = r.iter().map(|r| r * r).sum();
                let noise = random.floats(background.len(), 1.0);
                image.extend(if (0.002..0.06).contains(&r2) { &noise } else { background });
            }
        }
    }
    image
}

/// A chain of convolutions of `channels`, with these kernels and dilations.
fn chain(mode: Mode, c_in: usize, layers: &[(usize, [usize; 3], [usize; 3])]) -> Graph {
    let (mut builder, mut random) = (GraphBuilder::default(), Random::new(23));
    let mut at = builder.input(c_in).expect("channels");
    let mut c_in = c_in;
    for (channels, kernel, dilation) in layers {
        let shape = ConvShape::new(c_in, *channels, *kernel).with_dilation(*dilation);
        let range = (3.0 / (c_in * shape.taps()) as f32).sqrt();
        let weight = random.floats(c_in * channels * shape.taps(), range);
        let bias = random.floats(*channels, 0.3);
        let (scale, shift) = (random.floats(*channels, 1.0), random.floats(*channels, 1.0));
        let epilogue = Epilogue { activation: Activation::Elu, scale_shift: Some((scale, shift)) };
        let options = ConvOptions::new(Isa::detect()).with_mode(mode);
        let conv = Conv3d::new(shape, &weight, Some(&bias), epilogue, options).expect("conv");
        at = builder.conv(conv, &[at.into()]).expect("sources");
        c_in = *channels;
    }
    builder.output(at).expect("output");
    builder.build().expect("graph")
}

fn run(graph: &Graph, size: [usize; 3], blocks: Blocks, threads: usize, source: &mut dyn PlaneSource) -> Vec<f32> {
    let plan = Plan::new(graph, size, &PlanOptions::default().with_blocks(blocks)).expect("plan");
    let mut out = vec![f32::NAN; size.iter().product::<usize>() * graph.output_channels(0).expect("output")];
    let mut executor = Executor::new(plan).expect("memory");
    for _ in 0..2 {
        out.fill(f32::NAN);
        let (sink, threads) = (&mut SliceSink::new(&mut out), Threads::new(threads));
        executor.run(source, sink, &threads, &mut no_progress).expect("run");
    }
    out
}

/// Largest difference between a run that leaves the background out and one that does not; the bits of the first are
/// those of any plan and number of threads.
fn difference(mode: Mode, size: [usize; 3], background: &[f32], layers: &[(usize, [usize; 3], [usize; 3])]) -> f32 {
    let (image, graph) = (head(size, background), chain(mode, background.len(), layers));
    let whole = run(&graph, size, Blocks::Auto, 2, &mut SliceSource::new(&image));
    let mut scan = Scan { image: SliceSource::new(&image), background: background.to_vec() };
    let sparse = run(&graph, size, Blocks::Auto, 2, &mut scan);
    for (blocks, threads) in [(Blocks::Planes(1), 3), (Blocks::Planes(5), 1), (Blocks::Whole, 2)] {
        let again = run(&graph, size, blocks, threads, &mut scan);
        assert!(again.iter().zip(&sparse).all(|(a, b)| a.to_bits() == b.to_bits()), "{mode:?}, {blocks:?}");
    }
    whole.iter().zip(&sparse).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}

const SMALL: [usize; 3] = [40, 36, 70];

#[test]
fn direct_sums_keep_their_bits() {
    let layers = [
        (9, [3; 3], [1; 3]),
        (8, [3, 1, 5], [2, 1, 1]),
        (16, [3; 3], [1, 3, 2]),
        (50, [1; 3], [1; 3]),
        (3, [1, 3, 3], [1; 3]),
    ];
    assert_eq!(difference(Mode::Exact, SMALL, &[0.0], &layers), 0.0);
    assert_eq!(difference(Mode::Exact, SMALL, &[0.5, -0.25, -0.0], &layers), 0.0);
}

#[test]
fn tiles_differ_by_rounding_errors() {
    for mode in [Mode::Strict, Mode::FastMath] {
        for (channels, dilation) in [(24, [1; 3]), (8, [1; 3]), (30, [2, 1, 3]), (16, [5, 4, 5])] {
            let layers = [(channels, [3; 3], [1; 3]), (channels, [3; 3], dilation), (channels, [3; 3], [1; 3])];
            let most = difference(mode, SMALL, &[0.0], &layers);
            assert!(most < 2e-5, "{mode:?}, {channels} channels, {dilation:?}: {most:e}");
        }
        let flat = [(8, [1, 3, 3], [1; 3]), (9, [1, 3, 3], [1, 2, 2])];
        assert!(difference(mode, SMALL, &[0.5, 2.0], &flat) < 2e-5);
    }
}

#[test]
fn a_background_that_does_not_occur_changes_nothing() {
    let (graph, image) = (chain(Mode::FastMath, 1, &[(24, [3; 3], [1; 3]); 2]), head(SMALL, &[0.0]));
    let whole = run(&graph, SMALL, Blocks::Auto, 2, &mut SliceSource::new(&image));
    for background in [vec![7.0], vec![f32::NAN], vec![], vec![0.0, 0.0]] {
        let mut scan = Scan { image: SliceSource::new(&image), background };
        assert_eq!(run(&graph, SMALL, Blocks::Auto, 2, &mut scan), whole);
    }
}

#[test]
fn a_dilation_beyond_the_volume_reads_the_ends_everywhere() {
    let layers = [(8, [3; 3], [100_000_000; 3]), (8, [3; 3], [39, 1, 1])];
    for mode in Mode::ALL {
        assert!(difference(mode, SMALL, &[0.0], &layers) < 2e-5);
    }
}
