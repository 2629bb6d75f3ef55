//! Joining tensors.

use candle_core::{CpuStorage, DType, Result as CandleResult, Shape, Storage, Tensor};

use crate::Result;
use crate::computed::{Outcome, attach};

/// Tensors side by side along an axis, in the type of the widest: [`Tensor::cat`] with a gradient that goes on a tape
/// ([`recorded`](crate::recorded)).
///
/// # Errors
/// [`Nn3dError::Candle`](crate::Nn3dError::Candle) if there is none, or their other axes differ.
pub fn cat(tensors: &[&Tensor], axis: usize) -> Result<Tensor> {
    let types = || tensors.iter().map(|x| x.dtype());
    let dtype = types().next().unwrap_or(DType::F32);
    // f16 and bf16 have no common type of 16 bits.
    let dtype = if types().all(|other| other == dtype) { dtype } else { DType::F32 };
    let tensors: Vec<Tensor> = tensors.iter().map(|x| x.to_dtype(dtype)).collect::<CandleResult<_>>()?;
    if tensors.len() > 3 && !crate::tape::is_running() {
        return Ok(Tensor::cat(&tensors, axis)?);
    }
    let plain: Vec<Tensor> = tensors.iter().map(|x| x.detach().contiguous()).collect::<CandleResult<_>>()?;
    let sizes: Vec<usize> = tensors.iter().map(|x| x.dim(axis)).collect::<CandleResult<_>>()?;
    let joined = joined(&plain, axis)?;
    Ok(attach("cat", &tensors.iter().collect::<Vec<_>>(), joined, move |node| {
        let mut first = 0;
        let part = |&size: &usize| {
            let part = node.grad.narrow(axis, first, size)?.contiguous()?;
            first += size;
            Ok(Some(part))
        };
        sizes.iter().map(part).collect()
    })?)
}

/// The elements side by side; for f32 on the CPU in memory that the graph can take over.
fn joined(tensors: &[Tensor], axis: usize) -> CandleResult<Outcome> {
    let first = &tensors[0];
    let alike = |x: &Tensor| {
        let others =
            |dims: &[usize]| dims.iter().enumerate().filter(|(a, _)| *a != axis).map(|(_, n)| *n).collect::<Vec<_>>();
        x.dtype() == DType::F32
            && x.device().is_cpu()
            && x.rank() == first.rank()
            && others(x.dims()) == others(first.dims())
    };
    if !tensors.iter().all(alike) {
        return Ok(Tensor::cat(tensors, axis)?.into());
    }
    let guards: Vec<_> = tensors.iter().map(Tensor::storage_and_layout).collect();
    let mut slices = Vec::with_capacity(tensors.len());
    for (storage, layout) in &guards {
        let Storage::Cpu(storage) = &**storage else { return Ok(Tensor::cat(tensors, axis)?.into()) };
        let start = layout.start_offset();
        slices.push(&storage.as_slice::<f32>()?[start..start + layout.shape().elem_count()]);
    }
    let rows: usize = first.dims()[..axis].iter().product();
    let mut shape = first.dims().to_vec();
    shape[axis] = tensors.iter().map(|x| x.dims()[axis]).sum();
    let mut values = Vec::with_capacity(shape.iter().product());
    for row in 0..rows {
        for slice in &slices {
            let len = slice.len() / rows;
            values.extend_from_slice(&slice[row * len..(row + 1) * len]);
        }
    }
    Ok(Outcome::Cpu(CpuStorage::F32(values), Shape::from(shape)))
}
