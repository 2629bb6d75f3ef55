//! CPU seconds and memory of the network of SynthSeg with made-up weights, in each mode, and how far its posteriors are
//! from those of the exact mode.
//!
//! `cargo bench -p volkit-benches-kernels --bench network [-- <depth>x<height>x<width> [<threads> [<runs>]]]`, 96x96x96 and
//! 2 threads by default. The smallest of the runs counts; `again` computes the first level twice to save memory.

use std::time::Instant;

use volkit_benches_kernels::{LABELS, Noise, process_cpu_secs, u_net};
use volkit_kernels::{
    BoxError, ConvOptions, Executor, Isa, KernelError, Mode, Plan, PlanOptions, SliceSource, Threads, no_progress,
};

/// Largest and mean difference of posteriors, and labels that differ.
#[derive(Default)]
struct Difference {
    most: f32,
    sum: f64,
    labels: usize,
}

fn main() -> Result<(), KernelError> {
    let words: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
    let axes: Vec<usize> =
        words.first().map_or_else(Vec::new, |w| w.split('x').filter_map(|n| n.parse().ok()).collect());
    let size = <[usize; 3]>::try_from(axes).unwrap_or([96; 3]);
    let number = |i: usize, default: usize| words.get(i).and_then(|w| w.parse().ok()).unwrap_or(default);
    let (threads, n_runs) = (Threads::new(number(1, 2)), number(2, 3));
    let input = Noise::new(3).floats(size.iter().product(), 1.0);
    println!("{size:?}, {} threads, {}", threads.count(), Isa::detect().name());
    println!(
        "{:<10} {:<6} {:>8} {:>8} {:>8} {:>10} {:>10} {:>10} {:>10} {:>8}",
        "mode", "level0", "pack s", "CPU s", "wall s", "packed MB", "arena MB", "most diff", "mean diff", "labels"
    );
    let mut exact: Vec<f32> = Vec::new();
    for mode in Mode::ALL {
        for again in [false, true] {
            let begin = process_cpu_secs();
            let graph = u_net(ConvOptions::new(Isa::detect()).with_mode(mode).with_threads(&threads), again)?;
            let pack = process_cpu_secs() - begin;
            let mut executor = Executor::new(Plan::new(&graph, size, &PlanOptions::default())?)?;
            let (mut cpu, mut wall) = (f64::INFINITY, f64::INFINITY);
            let mut difference = Difference::default();
            for run in 0..n_runs {
                let keep = mode == Mode::Exact && !again && run == 0;
                let (begin, start) = (process_cpu_secs(), Instant::now());
                let mut pause = 0.0;
                let mut sink = |z: usize, plane: &[f32]| -> Result<(), BoxError> {
                    let begin = process_cpu_secs();
                    if keep {
                        exact.extend_from_slice(plane);
                    } else if run == 0 {
                        difference.add(plane, &exact[z * plane.len()..][..plane.len()]);
                    }
                    pause += process_cpu_secs() - begin;
                    Ok(())
                };
                executor.run(&mut SliceSource::new(&input), &mut sink, &threads, &mut no_progress)?;
                cpu = cpu.min(process_cpu_secs() - begin - pause);
                wall = wall.min(start.elapsed().as_secs_f64());
            }
            println!(
                "{:<10} {:<6} {pack:>8.2} {cpu:>8.3} {wall:>8.3} {:>10.1} {:>10.1} {:>10.2e} {:>10.2e} {:>8}",
                mode.name(),
                if again { "again" } else { "kept" },
                graph.packed_bytes() as f64 * 1e-6,
                executor.plan().peak_bytes() as f64 * 1e-6,
                difference.most,
                difference.sum / exact.len() as f64,
                difference.labels
            );
        }
    }
    Ok(())
}

impl Difference {
    fn add(&mut self, plane: &[f32], exact: &[f32]) {
        let label = |voxel: &[f32]| (0..LABELS).rev().max_by(|&a, &b| voxel[a].total_cmp(&voxel[b]));
        for (a, b) in plane.chunks_exact(LABELS).zip(exact.chunks_exact(LABELS)) {
            self.labels += usize::from(label(a) != label(b));
            for (a, b) in a.iter().zip(b) {
                self.most = self.most.max((a - b).abs());
                self.sum += f64::from((a - b).abs());
            }
        }
    }
}
