//! What a convolution refuses, before anything is computed.

use std::ops::Range;

use super::{ConvShape, Epilogue};
use crate::{KernelError, Layout, Planes};

const OP: &str = "conv3d";

fn shape_error<T>(wanted: String, got: String) -> Result<T, KernelError> {
    Err(KernelError::Shape { op: OP, wanted, got })
}

fn parameter_error<T>(name: &'static str, value: String, why: &'static str) -> Result<T, KernelError> {
    Err(KernelError::Parameter { op: OP, name, value, why })
}

/// Checks the parameters of a new convolution.
pub(super) fn parameters(
    shape: &ConvShape,
    weight: &[f32],
    bias: Option<&[f32]>,
    epilogue: &Epilogue,
) -> Result<(), KernelError> {
    if shape.c_in == 0 || shape.c_out == 0 {
        return parameter_error("channels", format!("{} -> {}", shape.c_in, shape.c_out), "at least 1 -> 1");
    }
    if shape.kernel.iter().any(|k| k % 2 == 0) {
        return parameter_error("kernel", format!("{:?}", shape.kernel), "odd sizes only");
    }
    if shape.dilation.contains(&0) {
        return parameter_error("dilation", format!("{:?}", shape.dilation), "at least 1");
    }
    let sizes = [shape.c_out, shape.c_in, shape.kernel[0], shape.kernel[1], shape.kernel[2]];
    let count = sizes.into_iter().try_fold(1_usize, usize::checked_mul);
    if count != Some(weight.len()) {
        return shape_error(
            format!("weight [C_out, C_in, kd, kh, kw] = {sizes:?}"),
            format!("{} floats", weight.len()),
        );
    }
    let (scale, shift) = match &epilogue.scale_shift {
        Some((scale, shift)) => (Some(scale.as_slice()), Some(shift.as_slice())),
        None => (None, None),
    };
    for (name, values) in [("bias", bias), ("scale", scale), ("shift", shift)] {
        if let Some(values) = values
            && values.len() != shape.c_out
        {
            return shape_error(format!("{name} [C_out] = [{}]", shape.c_out), format!("{} floats", values.len()));
        }
    }
    Ok(())
}

/// Checks the tensors of one call, which reads the planes `reads` of all sources.
pub(super) fn tensors(
    shape: &ConvShape,
    sources: &[Planes<'_>],
    out: &Layout,
    planes: &Range<usize>,
    reads: &Range<usize>,
) -> Result<(), KernelError> {
    let channels: Vec<usize> = sources.iter().map(|source| source.layout().channels).collect();
    if channels.iter().sum::<usize>() != shape.c_in {
        return shape_error(format!("sources with {} channels together", shape.c_in), format!("channels {channels:?}"));
    }
    if out.channels != shape.c_out {
        return shape_error(format!("output with {} channels", shape.c_out), format!("{} channels", out.channels));
    }
    if let Some(source) = sources.iter().find(|source| source.size() != out.size()) {
        return shape_error(format!("sources of the output's size {:?}", out.size()), format!("{:?}", source.size()));
    }
    if planes.end > out.depth || planes.start > planes.end {
        return shape_error(format!("planes within 0..{}", out.depth), format!("{planes:?}"));
    }
    if planes.is_empty() {
        return Ok(());
    }
    if planes.len() > out.slots {
        return shape_error(format!("an output ring of at least {} planes", planes.len()), format!("{}", out.slots));
    }
    let (low, high) = (reads.start, reads.end - 1);
    for source in sources {
        let factor = if source.is_upsampled() { 2 } else { 1 };
        let needed = high / factor - low / factor + 1;
        if source.layout().slots < needed {
            return shape_error(
                format!("a source ring that holds planes {}..={}", low / factor, high / factor),
                format!("{} slots", source.layout().slots),
            );
        }
    }
    Ok(())
}
