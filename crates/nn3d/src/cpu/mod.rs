//! The kernel path: ops on the CPU by the kernels of `volkit-kernels`, forward and backward.
//!
//! Elements of 16 bits are converted to f32 at the edge of an op and back, so sums are always f32 or wider.

mod conv;
mod norm;
mod pointwise;
mod pool;
mod resize;
mod sums;

use std::sync::OnceLock;

use candle_core::backend::BackendStorage as _;
use candle_core::{CpuStorage, DType, Error, Result, Shape, Storage, Tensor, bail};
use volkit_kernels::{Cores, KernelError, Threads};

pub(crate) use conv::KernelConv;
pub(crate) use norm::{scale_shift, standardise};
pub(crate) use pointwise::{pointwise, rectifier_gradient};
pub(crate) use pool::{avg_pool, max_pool};
pub(crate) use resize::resize;
pub(crate) use sums::channel_sums;

use crate::computed::Outcome;

/// All cores that candle uses (`RAYON_NUM_THREADS` sets their number), by the best instruction set.
fn cores() -> Cores<'static> {
    static THREADS: OnceLock<Threads> = OnceLock::new();
    Cores::detect(THREADS.get_or_init(|| Threads::new(candle_core::utils::get_num_threads())))
}

/// Calls `work` with the elements of `tensors`, row-major and as f32.
fn read<R>(tensors: &[&Tensor], work: impl FnOnce(&[&[f32]]) -> std::result::Result<R, KernelError>) -> Result<R> {
    let wide: Vec<Tensor> =
        tensors.iter().map(|x| x.detach().to_dtype(DType::F32)?.contiguous()).collect::<Result<_>>()?;
    let guards: Vec<_> = wide.iter().map(Tensor::storage_and_layout).collect();
    let mut slices = Vec::with_capacity(guards.len());
    for (storage, layout) in &guards {
        let Storage::Cpu(storage) = &**storage else {
            bail!("a kernel of the CPU was given a tensor of another device")
        };
        let first = layout.start_offset();
        slices.push(&storage.as_slice::<f32>()?[first..first + layout.shape().elem_count()]);
    }
    work(&slices).map_err(Error::wrap)
}

/// Elements that a kernel will write; zeros, which cost nothing until they are touched.
fn room(n: usize) -> Vec<f32> {
    vec![0.0; n]
}

/// The result of a kernel as elements of `dtype`.
fn outcome(values: Vec<f32>, shape: impl Into<Shape>, dtype: DType) -> Result<Outcome> {
    let shape = shape.into();
    if dtype == DType::F32 {
        return Ok(Outcome::Cpu(CpuStorage::F32(values), shape));
    }
    let wide = Tensor::from_vec(values, shape.clone(), &candle_core::Device::Cpu)?.to_dtype(dtype)?;
    let (storage, layout) = wide.storage_and_layout();
    match &*storage {
        Storage::Cpu(storage) => Ok(Outcome::Cpu(storage.try_clone(layout)?, shape)),
        _ => bail!("invariant: a tensor made on the CPU is there"),
    }
}

/// The result of a kernel as a tensor like `like`.
fn tensor_like(values: Vec<f32>, like: &Tensor) -> Result<Tensor> {
    Tensor::from_vec(values, like.shape(), like.device())?.to_dtype(like.dtype())
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
