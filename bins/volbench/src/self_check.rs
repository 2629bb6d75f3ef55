//! A small network run with an instruction set and with the portable code.

use serde::Serialize;
use volkit_bench::{Random, compare};
use volkit_core::BoxError;
use volkit_kernels::{
    Activation, Conv3d, ConvShape, Executor, GraphBuilder, Isa, Plan, PlanOptions, SliceSink, SliceSource, Threads,
    no_progress,
};

/// Odd sizes, so that every kernel meets its ragged ends.
const SIZE: [usize; 3] = [7, 11, 21];
const CHANNELS: [usize; 3] = [2, 19, 5];

/// Outcome of a comparison.
#[derive(Debug, Serialize)]
pub(crate) struct SelfCheck {
    pub(crate) ok: bool,
    /// Largest difference to the portable code; its kernels do the same operations in the same order.
    pub(crate) largest_difference: Option<f64>,
    /// What went wrong, if something did.
    pub(crate) error: Option<String>,
}

pub(crate) fn self_check(isa: Isa) -> SelfCheck {
    let differences = || -> Result<f64, BoxError> {
        let (portable, other) = (run(Isa::Scalar)?, run(isa)?);
        Ok(compare(&portable, &other)?.worst())
    };
    match differences() {
        Ok(largest) => SelfCheck { ok: largest == 0.0, largest_difference: Some(largest), error: None },
        Err(error) => {
            SelfCheck { ok: false, largest_difference: None, error: Some(volkit_core::error_line(error.as_ref())) }
        }
    }
}

/// Two convolutions, the first dilated and with an activation, on seeded numbers.
fn run(isa: Isa) -> Result<Vec<f32>, BoxError> {
    let mut random = Random::new(1);
    let mut numbers = |n: usize| (0..n).map(|_| random.range(-1.0, 1.0) as f32).collect::<Vec<f32>>();
    let mut builder = GraphBuilder::new(isa);
    let mut tensor = builder.input(CHANNELS[0])?;
    for (layer, (dilation, activation)) in [(2, Activation::Elu), (1, Activation::Identity)].into_iter().enumerate() {
        let shape = ConvShape::new(CHANNELS[layer], CHANNELS[layer + 1], [3; 3]).with_dilation([dilation; 3]);
        let weight = numbers(CHANNELS[layer] * CHANNELS[layer + 1] * 27);
        let bias = numbers(CHANNELS[layer + 1]);
        let conv = Conv3d::new(shape, &weight, Some(&bias), activation.into(), isa)?;
        tensor = builder.conv(conv, &[tensor.into()])?;
    }
    builder.output(tensor)?;
    let n_voxels: usize = SIZE.iter().product();
    let input = numbers(n_voxels * CHANNELS[0]);
    let mut output = vec![0.0; n_voxels * CHANNELS[2]];
    let mut executor = Executor::new(Plan::new(&builder.build()?, SIZE, &PlanOptions::default())?)?;
    let (mut source, mut sink) = (SliceSource::new(&input), SliceSink::new(&mut output));
    executor.run(&mut source, &mut sink, &Threads::new(2), &mut no_progress)?;
    Ok(output)
}
