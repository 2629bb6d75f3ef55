//! Padding, which no kernel asks for yet, and memory that several tensors share.

use super::*;
use crate::conv::kept_by_this_thread;
use crate::exec::graph::GraphBuilder;
use crate::exec::plan::{Blocks, PlanOptions};
use crate::exec::stream::{BoxError, SliceSink, SliceSource};
use crate::exec::workspace::Workspace;
use crate::{Activation, Conv3d, ConvOptions, ConvShape, Graph, Isa, Mode};

const SIZE: [usize; 3] = [12, 6, 10];

/// Convolutions of different widths, a pool and its up-sampling, two outputs.
fn graph() -> Graph {
    graph_in(Mode::Exact)
}

fn graph_in(mode: Mode) -> Graph {
    let mut builder = GraphBuilder::default();
    let conv = |builder: &mut GraphBuilder, c_out: usize, sources: &[crate::Source], c_in: usize| {
        let shape = ConvShape::new(c_in, c_out, [3; 3]);
        let weight: Vec<f32> =
            (0..shape.taps() * c_in * c_out).map(|i| ((i * 37 % 101) as f32 - 50.0) / 200.0).collect();
        let op =
            Conv3d::new(shape, &weight, None, Activation::Elu.into(), ConvOptions::new(Isa::detect()).with_mode(mode))
                .unwrap();
        builder.conv(op, sources).unwrap()
    };
    let input = builder.input(2).unwrap();
    let a = conv(&mut builder, 5, &[input.into()], 2);
    let b = conv(&mut builder, 3, &[a.into()], 5);
    let pooled = builder.max_pool(b, None).unwrap();
    let deep = conv(&mut builder, 9, &[pooled.into()], 3);
    let wide = conv(&mut builder, 4, &[b.into(), deep.upsampled()], 12);
    let norm = builder.instance_norm(wide, 1e-5, Activation::Relu).unwrap();
    let last = conv(&mut builder, 2, &[norm.into()], 4);
    builder.output(wide).unwrap();
    builder.output(last).unwrap();
    builder.build().unwrap()
}

fn input() -> Vec<f32> {
    (0..SIZE.iter().product::<usize>() * 2).map(|i| (i * 7919 % 1000) as f32 / 500.0 - 1.0).collect()
}

fn outputs(executor: &mut Executor) -> [Vec<f32>; 2] {
    let voxels = SIZE.iter().product::<usize>();
    let (mut first, mut second) = (vec![0.0; voxels * 4], vec![0.0; voxels * 2]);
    let mut sink = SliceSink::many(vec![&mut first, &mut second]);
    executor.run(&mut SliceSource::new(&input()), &mut sink, &Threads::new(2), &mut no_progress).unwrap();
    [first, second]
}

#[test]
fn a_thread_keeps_as_much_scratch_as_the_plan_says() {
    for mode in [Mode::Exact, Mode::Strict, Mode::FastMath] {
        for (size, blocks) in [(SIZE, Blocks::Auto), (SIZE, Blocks::Planes(1)), ([6, 34, 130], Blocks::Auto)] {
            let options = PlanOptions::default().with_blocks(blocks);
            let plan = Plan::new(&graph_in(mode), size, &options).unwrap();
            let wanted = plan.scratch_bytes(1);
            let kept = std::thread::spawn(move || {
                let voxels = size.iter().product::<usize>();
                let (mut first, mut second) = (vec![0.0; voxels * 4], vec![0.0; voxels * 2]);
                let mut sink = SliceSink::many(vec![&mut first, &mut second]);
                let input = vec![0.5; voxels * 2];
                let mut executor = Executor::new(plan).unwrap();
                executor.run(&mut SliceSource::new(&input), &mut sink, &Threads::single(), &mut no_progress).unwrap();
                kept_by_this_thread() * size_of::<f32>()
            });
            assert!(wanted > 0 && kept.join().unwrap() == wanted, "{mode:?} {size:?} {blocks:?}: {wanted}");
        }
    }
}

#[test]
fn padding_changes_no_bit_and_is_zero_whoever_had_the_memory_before() {
    let graph = graph();
    let expected = outputs(&mut Executor::new(Plan::new(&graph, SIZE, &PlanOptions::default()).unwrap()).unwrap());
    for blocks in [Blocks::Auto, Blocks::Planes(1), Blocks::Whole] {
        let options = PlanOptions::default().with_blocks(blocks);
        let plan = Plan::with_padding(&graph, SIZE, &options, 3).unwrap();
        let mut executor = Executor::new(plan).unwrap();
        for _ in 0..2 {
            assert_eq!(outputs(&mut executor), expected, "{blocks:?}");
            // Whoever wrote last left the padding of its own memory as zero as it found it.
            let last = executor.plan.ring(executor.plan.graph().outputs()[1]);
            let memory = &executor.arena[last.range()];
            let padding =
                memory.chunks(last.layout.row_stride()).flat_map(|row| row[..6].iter().chain(&row[row.len() - 6..]));
            assert!(padding.clone().count() > 0 && padding.copied().all(|x| x == 0.0));
        }
    }
    let whole = PlanOptions::default().with_blocks(Blocks::Whole);
    let plan = Plan::with_padding(&graph, SIZE, &whole, 3).unwrap();
    assert!((0..graph.nodes().len()).any(|i| plan.ring(TensorId(i)).shared), "nothing is shared");
}

#[test]
fn memory_of_another_network_changes_no_bit() {
    let graph = graph();
    let expected = outputs(&mut Executor::new(Plan::new(&graph, SIZE, &PlanOptions::default()).unwrap()).unwrap());
    let workspace = Workspace::default();
    for (blocks, pad_w) in [(Blocks::Whole, 2), (Blocks::Auto, 3), (Blocks::Planes(1), 0)] {
        let plan = Plan::with_padding(&graph, SIZE, &PlanOptions::default().with_blocks(blocks), pad_w).unwrap();
        let mut executor = Executor::new_in(plan, &workspace).unwrap();
        assert_eq!(outputs(&mut executor), expected, "{blocks:?}");
        // Whatever is left there.
        executor.arena.fill(f32::NAN);
        assert_eq!(workspace.bytes(), 0);
        drop(executor);
        assert!(workspace.bytes() > 0);
    }
}

#[test]
fn a_closure_sees_dense_planes_of_padded_outputs() {
    let mut builder = GraphBuilder::default();
    let input_id = builder.input(2).unwrap();
    builder.output(input_id).unwrap();
    let graph = builder.build().unwrap();
    let plan = Plan::with_padding(&graph, SIZE, &PlanOptions::default(), 2).unwrap();
    // One padded plane and one dense plane to fill it from, from the next cache line on.
    let (ring, staging) = (6 * 14 * 2_usize, 6 * 10 * 2);
    assert_eq!(plan.peak_bytes(), (ring.next_multiple_of(16) + staging) * 4);
    let mut seen = Vec::new();
    let mut sink = |_: usize, plane: &[f32]| -> Result<(), BoxError> {
        seen.extend_from_slice(plane);
        Ok(())
    };
    let mut executor = Executor::new(plan).unwrap();
    executor.run(&mut SliceSource::new(&input()), &mut sink, &Threads::single(), &mut no_progress).unwrap();
    assert_eq!(seen, input());
}
