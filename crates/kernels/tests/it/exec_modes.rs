//! Networks whose convolutions are computed by tiles: the same bits for every plan, and the memory that is promised.

use volkit_kernels::{
    Activation, Blocks, Conv3d, ConvOptions, ConvShape, Executor, Graph, GraphBuilder, Isa, Mode, Plan, PlanOptions,
    SliceSink, SliceSource, Source, TensorId, Threads, no_progress,
};

use crate::exec_naive::{Naive, Random};

/// A graph under construction, and the same network in plain loops.
struct Net {
    builder: GraphBuilder,
    naive: Naive,
    random: Random,
    mode: Mode,
}

impl Net {
    fn new(mode: Mode) -> Self {
        Self { builder: GraphBuilder::default(), naive: Naive::default(), random: Random::new(17), mode }
    }

    fn input(&mut self, channels: usize) -> TensorId {
        self.naive.input(channels);
        self.builder.input(channels).expect("channels")
    }

    fn conv(&mut self, shape: ConvShape, sources: &[Source]) -> TensorId {
        let range = (2.0 / (shape.c_in * shape.taps()) as f32).sqrt();
        let weight = self.random.floats(shape.c_in * shape.c_out * shape.taps(), range);
        let bias = self.random.floats(shape.c_out, 0.3);
        let options = ConvOptions::new(Isa::detect()).with_mode(self.mode);
        let op = Conv3d::new(shape.clone(), &weight, Some(&bias), Activation::Elu.into(), options).expect("conv");
        self.naive.conv(shape, weight, bias, Activation::Elu, sources);
        self.builder.conv(op, sources).expect("sources")
    }

    fn pool(&mut self, source: TensorId, channels: usize) -> TensorId {
        let (scale, shift) = (self.random.floats(channels, 1.0), self.random.floats(channels, 1.0));
        let id = self.builder.max_pool(source, Some((&scale, &shift))).expect("channels");
        self.naive.max_pool(source, scale, shift);
        id
    }

    fn build(mut self, output: TensorId) -> (Graph, Naive) {
        self.builder.output(output).expect("output");
        (self.builder.build().expect("graph"), self.naive)
    }
}

/// Three levels with 8, 16 and 24 channels, skips and up-sampling.
fn u_net(mode: Mode) -> (Graph, Naive) {
    let mut net = Net::new(mode);
    let channels = [8, 16, 24];
    let (mut at, mut c_in, mut skips) = (net.input(1), 1, Vec::new());
    for (level, c) in channels.into_iter().enumerate() {
        at = net.conv(ConvShape::new(c_in, c, [3; 3]), &[at.into()]);
        at = net.conv(ConvShape::new(c, c, [3; 3]), &[at.into()]);
        c_in = c;
        if level + 1 < channels.len() {
            skips.push((at, c));
            at = net.pool(at, c);
        }
    }
    for (skip, c) in skips.into_iter().rev() {
        at = net.conv(ConvShape::new(c + c_in, c, [3; 3]), &[skip.into(), at.upsampled()]);
        at = net.conv(ConvShape::new(c, c, [3; 3]), &[at.into()]);
        c_in = c;
    }
    at = net.conv(ConvShape::new(c_in, 3, [1; 3]), &[at.into()]);
    net.build(at)
}

/// A chain of dilated layers.
fn mesh_net(mode: Mode, channels: usize) -> (Graph, Naive) {
    let mut net = Net::new(mode);
    let (mut at, mut c_in) = (net.input(1), 1);
    for dilation in [1, 2, 4, 8, 16, 8, 4, 2, 1] {
        at = net.conv(ConvShape::new(c_in, channels, [3; 3]).with_dilation([dilation; 3]), &[at.into()]);
        c_in = channels;
    }
    at = net.conv(ConvShape::new(c_in, 3, [1; 3]), &[at.into()]);
    net.build(at)
}

fn run(graph: &Graph, size: [usize; 3], blocks: Blocks, threads: &Threads, input: &[f32]) -> Vec<f32> {
    let plan = Plan::new(graph, size, &PlanOptions::default().with_blocks(blocks)).expect("plan");
    let mut output = vec![f32::NAN; size.iter().product::<usize>() * 3];
    let mut executor = Executor::new(plan).expect("memory");
    let mut sink = SliceSink::new(&mut output);
    executor.run(&mut SliceSource::new(input), &mut sink, threads, &mut no_progress).expect("run");
    output
}

#[test]
fn every_plan_gives_the_same_bits_close_to_plain_loops() {
    for mode in Mode::ALL {
        for (net, size) in [(u_net(mode), [20, 12, 16]), (u_net(mode), [12, 8, 44]), (mesh_net(mode, 9), [37, 9, 14])] {
            let (graph, naive) = net;
            let input = Random::new(3).floats(size.iter().product(), 1.0);
            let whole = run(&graph, size, Blocks::Whole, &Threads::single(), &input);
            let expected = naive.run(size, &input);
            let scale = expected.iter().fold(0.0_f64, |most, x| most.max(x.abs()));
            for (i, (got, wanted)) in whole.iter().zip(&expected).enumerate() {
                let error = (f64::from(*got) - wanted).abs() / scale;
                // Ten layers with the error of one layer each, 8e-6 at most.
                assert!(error <= 1e-5, "{mode:?} on {size:?}, value {i}: {got}, exact {wanted}");
            }
            for (n, blocks) in
                [Blocks::Auto, Blocks::Planes(1), Blocks::Planes(3), Blocks::Planes(6)].into_iter().enumerate()
            {
                let streamed = run(&graph, size, blocks, &Threads::new(1 + n % 3), &input);
                let same = streamed.iter().zip(&whole).all(|(a, b)| a.to_bits() == b.to_bits());
                assert!(same, "{mode:?} on {size:?}, {blocks:?}");
            }
        }
    }
}

#[test]
fn rings_of_tiled_layers_are_counted_exactly() {
    let mut net = Net::new(Mode::FastMath);
    let input = net.input(24);
    let a = net.conv(ConvShape::new(24, 24, [3; 3]), &[input.into()]);
    let b = net.conv(ConvShape::new(24, 24, [3; 3]), &[a.into()]);
    let (graph, _) = net.build(b);
    let plan = Plan::new(&graph, [64, 256, 256], &PlanOptions::default()).expect("plan");
    let slots = |tensor| plan.layout(tensor).expect("tensor").slots;
    // A tile of 4 planes reads 6 of the input. The second layer's 6 lie in up to 3 tiles of the first, of which the
    // planes before the window are gone when the last is made: 3 to 11 for the tile at 4.
    assert_eq!([slots(input), slots(a), slots(b)], [6, 9, 4]);
    assert_eq!(plan.peak_bytes(), (6 + 9 + 4) * 256 * 256 * 24 * 4);
}

#[test]
fn a_mesh_net_of_a_head_fits_a_gigabyte_and_a_bit_in_every_mode() {
    let size = [256; 3];
    let peak = |mode| {
        let (graph, _) = mesh_net(mode, 30);
        Plan::new(&graph, size, &PlanOptions::default()).expect("plan").peak_bytes()
    };
    let [exact, strict, fast] = Mode::ALL.map(peak);
    println!("256^3: exact {exact}, strict {strict}, fast-math {fast}");
    assert!(exact < 850_000_000 && strict < 1_100_000_000 && fast < 1_130_000_000, "{exact}, {strict}, {fast}");
}
