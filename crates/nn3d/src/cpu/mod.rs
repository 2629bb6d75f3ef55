//! The kernel path: ops on the CPU by the kernels of `volkit-kernels`, forward and backward.
//!
//! Elements of 16 bits are converted to f32 and back in pieces, within the op, so sums are always f32 or wider.

mod conv;
mod norm;
mod pointwise;
mod pool;
mod resize;
mod sums;

use std::sync::OnceLock;

use candle_core::backend::BackendStorage as _;
use candle_core::{CpuStorage, DType, Error, Result, Shape, Storage, Tensor, bail};
use half::{bf16, f16};
use volkit_kernels::{Cores, Elements, ElementsMut, KernelError, Threads, convert};

pub(crate) use conv::{KernelConv, Source};
pub(crate) use norm::{scale_shift, standardise};
pub(crate) use pointwise::{pointwise, rectifier_gradient};
pub(crate) use pool::{avg_pool, max_pool};
pub(crate) use resize::resize;
pub(crate) use sums::{bias_gradient, channel_sums};

use crate::computed::Outcome;

/// All cores that candle uses (`RAYON_NUM_THREADS` sets their number), by the best instruction set.
fn cores() -> Cores<'static> {
    static THREADS: OnceLock<Threads> = OnceLock::new();
    Cores::detect(THREADS.get_or_init(|| Threads::new(candle_core::utils::get_num_threads())))
}

/// Calls `work` with the elements of `tensors`, row-major.
fn elements<R>(
    tensors: &[&Tensor],
    work: impl FnOnce(&[Elements<'_>]) -> std::result::Result<R, KernelError>,
) -> Result<R> {
    let whole: Vec<Tensor> = tensors.iter().map(|x| x.detach().contiguous()).collect::<Result<_>>()?;
    let guards: Vec<_> = whole.iter().map(Tensor::storage_and_layout).collect();
    let mut all = Vec::with_capacity(guards.len());
    for (storage, layout) in &guards {
        let range = layout.start_offset()..layout.start_offset() + layout.shape().elem_count();
        all.push(match &**storage {
            Storage::Cpu(CpuStorage::F32(x)) => Elements::F32(&x[range]),
            Storage::Cpu(CpuStorage::F16(x)) => Elements::F16(&x[range]),
            Storage::Cpu(CpuStorage::BF16(x)) => Elements::Bf16(&x[range]),
            Storage::Cpu(other) => bail!("no kernel of the CPU takes {:?}", other.dtype()),
            _ => bail!("a kernel of the CPU was given a tensor of another device"),
        });
    }
    work(&all).map_err(Error::wrap)
}

/// [`elements`] as f32, converted where they are not. For what is small, or has no kernel for 16 bits.
fn read<R>(tensors: &[&Tensor], work: impl FnOnce(&[&[f32]]) -> std::result::Result<R, KernelError>) -> Result<R> {
    elements(tensors, |all| {
        let mut wide: Vec<Option<Vec<f32>>> = Vec::with_capacity(all.len());
        for x in all {
            wide.push(match x {
                Elements::F32(_) => None,
                other => {
                    let mut values = room(other.len());
                    convert(*other, &mut values, &cores())?;
                    Some(values)
                }
            });
        }
        let slices: Vec<&[f32]> = all
            .iter()
            .zip(&wide)
            .map(|(x, wide)| match (x, wide) {
                (Elements::F32(x), _) => x,
                (_, wide) => wide.as_deref().unwrap_or_default(),
            })
            .collect();
        work(&slices)
    })
}

/// Elements that a kernel will write; zeros, which cost nothing until they are touched.
fn room(n: usize) -> Vec<f32> {
    vec![0.0; n]
}

/// A tensor of `dtype` that `work` writes, and what it returns.
fn written<R>(
    dtype: DType,
    shape: impl Into<Shape>,
    work: impl FnOnce(ElementsMut<'_>) -> Result<R>,
) -> Result<(Outcome, R)> {
    let shape = shape.into();
    let n = shape.elem_count();
    let (storage, result) = match dtype {
        DType::F32 => {
            let mut values = room(n);
            let result = work(ElementsMut::F32(&mut values))?;
            (CpuStorage::F32(values), result)
        }
        DType::F16 => {
            let mut values = vec![f16::ZERO; n];
            let result = work(ElementsMut::F16(&mut values))?;
            (CpuStorage::F16(values), result)
        }
        DType::BF16 => {
            let mut values = vec![bf16::ZERO; n];
            let result = work(ElementsMut::Bf16(&mut values))?;
            (CpuStorage::BF16(values), result)
        }
        other => bail!("no kernel of the CPU gives {other:?}"),
    };
    Ok((Outcome::Cpu(storage, shape), result))
}

/// The result of a kernel as elements of `dtype`.
fn outcome(values: Vec<f32>, shape: impl Into<Shape>, dtype: DType) -> Result<Outcome> {
    if dtype == DType::F32 {
        return Ok(Outcome::Cpu(CpuStorage::F32(values), shape.into()));
    }
    let narrow = |to: ElementsMut<'_>| convert(&values, to, &cores()).map_err(Error::wrap);
    Ok(written(dtype, shape, narrow)?.0)
}

/// The result of a kernel as a tensor like `like`.
fn tensor_like(values: Vec<f32>, like: &Tensor) -> Result<Tensor> {
    outcome(values, like.shape(), like.dtype())?.into_tensor()
}

/// Errors unless all tensors have the element type of the first.
fn same_dtype(op: &'static str, tensors: &[&Tensor]) -> Result<()> {
    for other in &tensors[1..] {
        if other.dtype() != tensors[0].dtype() {
            return Err(Error::DTypeMismatchBinaryOp { lhs: tensors[0].dtype(), rhs: other.dtype(), op }.bt());
        }
    }
    Ok(())
}
