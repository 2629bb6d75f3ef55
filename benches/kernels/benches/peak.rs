//! Prints each layer's speed on one core beside the peak of that core, measured in turns by CPU time; the last column is
//! against the peak at the clock rate that the layer left behind.
//!
//! `cargo bench -p volkit-benches-kernels --bench peak [-- <part of a layer's name> [<instruction set> [<algorithm>]]]`.
//! Speeds are those of the sum itself: operations that a tiled algorithm saves are counted.

use volkit_benches_kernels::{Case, cases, measure};
use volkit_kernels::{Algorithm, ConvOptions, Isa, KernelError, Threads};

fn main() -> Result<(), KernelError> {
    let words: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
    let wanted = |index: usize, name: &str| words.get(index).is_none_or(|word| name.contains(word.as_str()));
    println!(
        "{:<24} {:<8} {:<12} {:>8} {:>10} {:>8} {:>9}",
        "layer", "isa", "algorithm", "peak", "GFLOP/s", "percent", "at clock"
    );
    for isa in Isa::ALL.into_iter().filter(|isa| *isa != Isa::Scalar && isa.is_available() && wanted(1, isa.name())) {
        for layer in cases().iter().filter(|layer| wanted(0, layer.name)) {
            for algorithm in Algorithm::ALL {
                if !algorithm.supports(&layer.shape) || !wanted(2, algorithm.name()) {
                    continue;
                }
                let mut case = Case::new(layer, ConvOptions::new(isa).with_algorithm(algorithm))?;
                let speeds = measure(isa, layer.flops(), 0.8, || case.run(&Threads::single()))?;
                println!(
                    "{:<24} {:<8} {:<12} {:>8.1} {:>10.1} {:>8.1} {:>9.1}",
                    layer.name,
                    isa.name(),
                    algorithm.name(),
                    speeds.peak * 1e-9,
                    speeds.work * 1e-9,
                    100.0 * speeds.of_peak,
                    100.0 * speeds.of_peak_at_clock
                );
            }
        }
    }
    Ok(())
}
