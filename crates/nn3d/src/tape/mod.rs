//! Networks as one node of candle's graph, with a backward pass of our own.
//!
//! Candle keeps every tensor of a graph until its last part is dropped, and adds each gradient to zeros that it makes
//! first. A tape keeps what the ops of this crate need, drops it as the backward pass goes by, and moves gradients.

mod checkpoint;
mod recording;

use std::cell::{Cell, RefCell};
use std::collections::{HashMap, HashSet};

use candle_core::{Result, Shape, Tensor, TensorId};

pub use checkpoint::checkpoint;
pub use recording::recorded;

use crate::computed::{Gradients, Node, Outcome, graph};

/// Gradients of the arguments of an op.
type Gradient = Box<dyn Fn(&Node<'_>) -> Result<Gradients> + Send + Sync>;

/// An op that was run.
struct Entry {
    args: Vec<Tensor>,
    id: TensorId,
    /// Its result, unless the gradient does not ask for it.
    result: Option<Tensor>,
    gradient: Gradient,
}

/// What was run, in order.
#[derive(Default)]
struct Ops {
    entries: Vec<Entry>,
    /// Tensors that are others in another shape.
    views: HashMap<TensorId, Tensor>,
}

/// What happens to the ops of this crate on this thread.
enum Mode {
    /// They are kept.
    Recording(Ops),
    /// They are run and forgotten, but for the variables that they begin at.
    Running(Leaves),
}

/// Tensors without a history of their own, in order, each once.
#[derive(Default)]
struct Leaves {
    tensors: Vec<Tensor>,
    seen: HashSet<TensorId>,
}

impl Leaves {
    /// Adds where the history of a tensor begins.
    fn add(&mut self, tensor: &Tensor) {
        if tensor.is_variable() {
            if self.seen.insert(tensor.id()) {
                self.tensors.push(tensor.clone());
            }
        } else if tensor.track_op() {
            tensor.sorted_nodes().into_iter().filter(|node| node.is_variable()).for_each(|leaf| self.add(leaf));
        }
    }
}

thread_local! {
    static MODES: RefCell<Vec<Mode>> = const { RefCell::new(Vec::new()) };
    static RERUN: Cell<bool> = const { Cell::new(false) };
}

/// Whether ops go on a tape on this thread now.
pub(crate) fn is_running() -> bool {
    MODES.with_borrow(|modes| !modes.is_empty())
}

/// Whether a segment of a [`checkpoint`] runs once more for its gradients: what a layer changes in itself when it runs, it
/// must not change again.
#[must_use]
pub fn is_rerun() -> bool {
    RERUN.get()
}

/// Runs `work` in a mode, and gives the mode back as it is then.
fn with_mode<R>(mode: Mode, work: impl FnOnce() -> R) -> (R, Option<Mode>) {
    /// Takes the mode off also when `work` panics.
    struct Off;
    impl Drop for Off {
        fn drop(&mut self) {
            MODES.with_borrow_mut(Vec::pop);
        }
    }
    MODES.with_borrow_mut(|modes| modes.push(mode));
    let off = Off;
    let result = work();
    std::mem::forget(off);
    (result, MODES.with_borrow_mut(Vec::pop))
}

/// Puts an op on the tape. At least one argument has a gradient.
pub(crate) fn record(args: &[&Tensor], result: Outcome, gradient: Gradient) -> Result<Tensor> {
    let is_kept = MODES.with_borrow_mut(|modes| match modes.last_mut() {
        Some(Mode::Running(leaves)) => {
            args.iter().for_each(|arg| leaves.add(arg));
            false
        }
        _ => true,
    });
    if !is_kept {
        return result.into_tensor();
    }
    let result = result.into_leaf()?;
    let args = args.iter().map(|arg| (*arg).clone()).collect();
    with_ops(|ops| ops.entries.push(Entry { args, id: result.id(), result: Some(result.clone()), gradient }));
    Ok(result)
}

/// Changes what was run, where it is kept.
fn with_ops(change: impl FnOnce(&mut Ops)) {
    MODES.with_borrow_mut(|modes| {
        if let Some(Mode::Recording(ops)) = modes.last_mut() {
            change(ops);
        }
    });
}

/// The same elements in another shape; on a tape its gradient is only reshaped, too.
pub(crate) fn reshape(x: &Tensor, shape: impl Into<Shape>) -> Result<Tensor> {
    let view = x.reshape(shape.into())?;
    if view.track_op() && view.id() != x.id() {
        with_ops(|ops| {
            ops.views.insert(view.id(), x.clone());
        });
    }
    Ok(view)
}

/// The ops between some leaves and a result.
struct Tape {
    ops: Ops,
    root: Tensor,
}

impl Tape {
    /// Runs `work` and keeps its ops.
    fn of(work: impl FnOnce() -> Result<Tensor>) -> Result<Self> {
        let (root, mode) = with_mode(Mode::Recording(Ops::default()), work);
        match mode {
            Some(Mode::Recording(ops)) => Ok(Self { ops, root: root? }),
            _ => candle_core::bail!("invariant: a mode is taken off by who put it on"),
        }
    }

    /// Where the result comes from, other than from the tape itself.
    fn leaves(&self) -> Vec<Tensor> {
        let mut leaves = Leaves::default();
        let made: HashSet<TensorId> = self.ops.entries.iter().map(|entry| entry.id).collect();
        self.ops.entries.iter().flat_map(|entry| &entry.args).for_each(|arg| leaves.add(arg));
        leaves.add(&self.root);
        leaves.tensors.retain(|leaf| !made.contains(&leaf.id()));
        leaves.tensors
    }

    /// Gradients with respect to some leaves, given that of the result. What an op needs is dropped with it.
    fn backward(self, grad: &Tensor, wanted: &[Tensor]) -> Result<Gradients> {
        let Self { ops: Ops { mut entries, views }, root } = self;
        let mut gradients = Sums { of: HashMap::new(), derived: Vec::new(), views };
        gradients.give(&root, grad.detach())?;
        drop(root);
        while let Some(Entry { args, id, result, gradient }) = entries.pop() {
            gradients.hand_on(Some(id))?;
            gradients.views.retain(|_, of| of.id() != id);
            let Some(grad) = gradients.of.remove(&id) else { continue };
            let needs: Vec<bool> = args.iter().map(Tensor::track_op).collect();
            let all = {
                let detached: Vec<Tensor> = args.iter().map(Tensor::detach).collect();
                let grad = grad.contiguous()?;
                let result = result.as_ref().map(Tensor::detach);
                gradient(&Node { args: &detached, needs: &needs, result: result.as_ref(), grad: &grad })?
            };
            drop((grad, result, gradient));
            for ((arg, gradient), needed) in args.iter().zip(all).zip(needs) {
                if let Some(gradient) = gradient.filter(|_| needed) {
                    gradients.give(arg, gradient)?;
                }
            }
        }
        gradients.hand_on(None)?;
        Ok(wanted.iter().map(|leaf| gradients.of.remove(&leaf.id())).collect())
    }
}

/// Gradients that are not complete yet, by tensor.
struct Sums {
    of: HashMap<TensorId, Tensor>,
    /// Those of tensors that candle's ops made of others, and the leaves that they were made of.
    derived: Vec<(Tensor, Tensor, Leaves)>,
    views: HashMap<TensorId, Tensor>,
}

impl Sums {
    /// Adds a gradient to that of a tensor.
    fn give(&mut self, tensor: &Tensor, gradient: Tensor) -> Result<()> {
        if let Some(whole) = self.views.get(&tensor.id()).cloned() {
            let gradient = gradient.reshape(whole.shape())?;
            return self.give(&whole, gradient);
        }
        if tensor.is_variable() {
            let sum = match self.of.remove(&tensor.id()) {
                Some(before) => before.add(&gradient)?,
                None => gradient,
            };
            self.of.insert(tensor.id(), sum);
            return Ok(());
        }
        match self.derived.iter_mut().find(|(other, ..)| other.id() == tensor.id()) {
            Some((_, sum, _)) => *sum = sum.add(&gradient)?,
            None => {
                let mut leaves = Leaves::default();
                leaves.add(tensor);
                self.derived.push((tensor.clone(), gradient, leaves));
            }
        }
        Ok(())
    }

    /// Hands the gradients of tensors that candle's ops made, of one tensor or of any, on to the leaves of these ops. They
    /// are complete when the turn of the first of these leaves has come.
    fn hand_on(&mut self, made_of: Option<TensorId>) -> Result<()> {
        let is_due = |leaves: &Leaves| made_of.is_none_or(|leaf| leaves.seen.contains(&leaf));
        while let Some(at) = self.derived.iter().position(|(.., leaves)| is_due(leaves)) {
            let (tensor, gradient, leaves) = self.derived.remove(at);
            let start = Tensor::zeros(1, tensor.dtype(), tensor.device())?;
            let seed = graph("seed", &[&tensor], start.into(), move |_| Ok(vec![Some(gradient.clone())]))?;
            let mut store = seed.backward()?;
            for leaf in &leaves.tensors {
                if let Some(gradient) = store.remove(leaf) {
                    self.give(leaf, gradient)?;
                }
            }
        }
        Ok(())
    }
}

/// The same values as a tensor without a history, of which gradients can be taken.
fn leaf(tensor: &Tensor) -> Result<Tensor> {
    if tensor.track_op() && !tensor.is_variable() {
        Outcome::from(tensor.detach()).into_leaf()
    } else {
        Ok(tensor.clone())
    }
}
