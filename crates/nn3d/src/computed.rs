//! Puts a result that was computed outside the graph into it, with a gradient written by hand.

use std::sync::{Mutex, PoisonError};

use candle_core::backend::BackendStorage as _;
use candle_core::op::BackpropOp;
use candle_core::{
    CpuStorage, CudaStorage, CustomOp1, CustomOp2, CustomOp3, Layout, MetalStorage, Result, Shape, Storage, Tensor,
    Var, bail,
};

use crate::tape;

/// Gradients of the arguments; `None` for those that need none.
pub(crate) type Gradients = Vec<Option<Tensor>>;

/// What a gradient is computed from. All tensors are detached.
pub(crate) struct Node<'a> {
    /// Arguments of the op.
    pub(crate) args: &'a [Tensor],
    /// Which arguments need a gradient.
    pub(crate) needs: &'a [bool],
    /// Result of the op, where the gradient asks for it.
    pub(crate) result: Option<&'a Tensor>,
    /// Gradient of the result, contiguous.
    pub(crate) grad: &'a Tensor,
}

impl<'a> Node<'a> {
    /// Result of the op.
    pub(crate) fn result(&self) -> Result<&'a Tensor> {
        let Some(result) = self.result else { bail!("invariant: an op that asks for its result keeps it") };
        Ok(result)
    }
}

/// A result on its way into the graph.
pub(crate) enum Outcome {
    /// Computed by ops of candle, from detached tensors.
    Tensor(Tensor),
    /// Computed by a kernel of the CPU.
    Cpu(CpuStorage, Shape),
}

impl From<Tensor> for Outcome {
    fn from(tensor: Tensor) -> Self {
        Self::Tensor(tensor)
    }
}

impl Outcome {
    /// As a tensor outside of any graph.
    pub(crate) fn into_tensor(self) -> Result<Tensor> {
        match self {
            Self::Tensor(tensor) => Ok(tensor),
            Self::Cpu(storage, shape) => {
                Ok(Tensor::from_storage(Storage::Cpu(storage), shape, BackpropOp::none(), false))
            }
        }
    }

    /// As a tensor where a graph of candle begins.
    pub(crate) fn into_leaf(self) -> Result<Tensor> {
        match self {
            Self::Tensor(tensor) => Ok(Var::from_tensor(&tensor.detach())?.into_inner()),
            Self::Cpu(storage, shape) => {
                Ok(Tensor::from_storage(Storage::Cpu(storage), shape, BackpropOp::none(), true))
            }
        }
    }
}

/// The node `result = name(args)`, whose gradients of the arguments are `gradient(node)`: on the tape where one runs, else
/// in candle's graph.
///
/// A tensor is returned as it is when no argument has a gradient; otherwise its storage is copied once, which is what a
/// custom op of candle asks for. The storage of a kernel's result is moved.
pub(crate) fn attach<G>(name: &'static str, args: &[&Tensor], result: impl Into<Outcome>, gradient: G) -> Result<Tensor>
where
    G: Fn(&Node<'_>) -> Result<Gradients> + Send + Sync + 'static,
{
    let result = result.into();
    if !args.iter().any(|arg| arg.track_op()) {
        return result.into_tensor();
    }
    if tape::is_running() {
        tape::record(args, result, Box::new(gradient))
    } else {
        graph(name, args, result, gradient)
    }
}

/// [`attach`] to candle's graph; at least one argument has a gradient.
pub(crate) fn graph<G>(name: &'static str, args: &[&Tensor], result: Outcome, gradient: G) -> Result<Tensor>
where
    G: Fn(&Node<'_>) -> Result<Gradients> + Send + Sync + 'static,
{
    let result = match result {
        // The storage is handed over whole, so it must hold the result and nothing else.
        Outcome::Tensor(tensor) if !tensor.is_contiguous() || tensor.layout().start_offset() != 0 => {
            Outcome::Tensor(tensor.force_contiguous()?)
        }
        other => other,
    };
    let op = Computed { name, result: Mutex::new(Some(result)), gradient };
    match args {
        [a] => a.apply_op1(op),
        [a, b] => a.apply_op2(b, op),
        [a, b, c] => a.apply_op3(b, c, op),
        _ => bail!("{name}: a custom op takes 1 to 3 tensors, got {}", args.len()),
    }
}

struct Computed<G> {
    name: &'static str,
    result: Mutex<Option<Outcome>>,
    gradient: G,
}

impl<G> Computed<G> {
    fn take(&self) -> Result<Outcome> {
        match self.result.lock().unwrap_or_else(PoisonError::into_inner).take() {
            Some(result) => Ok(result),
            None => bail!("{}: applied twice", self.name),
        }
    }

    /// The result of candle's ops on a device that no kernel knows.
    fn take_tensor(&self) -> Result<Tensor> {
        self.take()?.into_tensor()
    }

    fn cpu(&self) -> Result<(CpuStorage, Shape)> {
        let result = match self.take()? {
            Outcome::Cpu(storage, shape) => return Ok((storage, shape)),
            Outcome::Tensor(result) => result,
        };
        let (storage, layout) = result.storage_and_layout();
        match &*storage {
            Storage::Cpu(storage) => Ok((storage.try_clone(layout)?, layout.shape().clone())),
            _ => bail!("{}: the result is not on the CPU", self.name),
        }
    }

    fn cuda(&self) -> Result<(CudaStorage, Shape)> {
        let result = self.take_tensor()?;
        let (storage, layout) = result.storage_and_layout();
        match &*storage {
            Storage::Cuda(storage) => Ok((storage.try_clone(layout)?, layout.shape().clone())),
            _ => bail!("{}: the result is not on a CUDA device", self.name),
        }
    }

    fn metal(&self) -> Result<(MetalStorage, Shape)> {
        let result = self.take_tensor()?;
        let (storage, layout) = result.storage_and_layout();
        match &*storage {
            Storage::Metal(storage) => Ok((storage.try_clone(layout)?, layout.shape().clone())),
            _ => bail!("{}: the result is not on a Metal device", self.name),
        }
    }
}

impl<G> Computed<G>
where
    G: Fn(&Node<'_>) -> Result<Gradients>,
{
    fn gradients<const N: usize>(
        &self,
        args: [&Tensor; N],
        res: &Tensor,
        grad: &Tensor,
    ) -> Result<[Option<Tensor>; N]> {
        // Arguments reach the gradient detached: what it computes must not grow the graph.
        let node = Node {
            args: &args.map(Tensor::detach),
            needs: &args.map(Tensor::track_op),
            result: Some(&res.detach()),
            grad: &grad.contiguous()?,
        };
        let all = (self.gradient)(&node)?;
        let mut wanted = all.into_iter().zip(node.needs).map(|(gradient, &needed)| gradient.filter(|_| needed));
        Ok(std::array::from_fn(|_| wanted.next().flatten()))
    }
}

impl<G> CustomOp1 for Computed<G>
where
    G: Fn(&Node<'_>) -> Result<Gradients>,
{
    fn name(&self) -> &'static str {
        self.name
    }

    fn cpu_fwd(&self, _: &CpuStorage, _: &Layout) -> Result<(CpuStorage, Shape)> {
        self.cpu()
    }

    fn cuda_fwd(&self, _: &CudaStorage, _: &Layout) -> Result<(CudaStorage, Shape)> {
        self.cuda()
    }

    fn metal_fwd(&self, _: &MetalStorage, _: &Layout) -> Result<(MetalStorage, Shape)> {
        self.metal()
    }

    fn bwd(&self, arg: &Tensor, res: &Tensor, grad: &Tensor) -> Result<Option<Tensor>> {
        let [gradient] = self.gradients([arg], res, grad)?;
        Ok(gradient)
    }
}

impl<G> CustomOp2 for Computed<G>
where
    G: Fn(&Node<'_>) -> Result<Gradients>,
{
    fn name(&self) -> &'static str {
        self.name
    }

    fn cpu_fwd(&self, _: &CpuStorage, _: &Layout, _: &CpuStorage, _: &Layout) -> Result<(CpuStorage, Shape)> {
        self.cpu()
    }

    fn cuda_fwd(&self, _: &CudaStorage, _: &Layout, _: &CudaStorage, _: &Layout) -> Result<(CudaStorage, Shape)> {
        self.cuda()
    }

    fn metal_fwd(&self, _: &MetalStorage, _: &Layout, _: &MetalStorage, _: &Layout) -> Result<(MetalStorage, Shape)> {
        self.metal()
    }

    fn bwd(&self, a: &Tensor, b: &Tensor, res: &Tensor, grad: &Tensor) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let [ga, gb] = self.gradients([a, b], res, grad)?;
        Ok((ga, gb))
    }
}

type Three = (Option<Tensor>, Option<Tensor>, Option<Tensor>);

impl<G> CustomOp3 for Computed<G>
where
    G: Fn(&Node<'_>) -> Result<Gradients>,
{
    fn name(&self) -> &'static str {
        self.name
    }

    fn cpu_fwd(
        &self,
        _: &CpuStorage,
        _: &Layout,
        _: &CpuStorage,
        _: &Layout,
        _: &CpuStorage,
        _: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        self.cpu()
    }

    fn cuda_fwd(
        &self,
        _: &CudaStorage,
        _: &Layout,
        _: &CudaStorage,
        _: &Layout,
        _: &CudaStorage,
        _: &Layout,
    ) -> Result<(CudaStorage, Shape)> {
        self.cuda()
    }

    fn metal_fwd(
        &self,
        _: &MetalStorage,
        _: &Layout,
        _: &MetalStorage,
        _: &Layout,
        _: &MetalStorage,
        _: &Layout,
    ) -> Result<(MetalStorage, Shape)> {
        self.metal()
    }

    fn bwd(&self, a: &Tensor, b: &Tensor, c: &Tensor, res: &Tensor, grad: &Tensor) -> Result<Three> {
        let [ga, gb, gc] = self.gradients([a, b, c], res, grad)?;
        Ok((ga, gb, gc))
    }
}
