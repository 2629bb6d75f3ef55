//! Segments of a network that are run twice to save memory.

use candle_core::{Result, Tensor, bail};

use super::{Entry, Leaves, MODES, Mode, RERUN, Tape, is_running, leaf, recorded, with_mode, with_ops};
use crate::computed::Outcome;

/// Runs a segment of a network without keeping what lies between its inputs and its result; the backward pass runs it once
/// more to get that back (Chen et al., "Training deep nets with sublinear memory cost", 2016).
///
/// Gradients are the same to the bit. `segment` must compute the same each time; layers that change themselves do so in the
/// first run only (see [`is_rerun`](crate::is_rerun)), as the running statistics of batch norms. A chain of segments in one
/// [`recorded`] keeps the results of its segments and, one at a time, what lies in them.
///
/// # Errors
/// Those of `segment`.
pub fn checkpoint(
    inputs: &[&Tensor],
    segment: impl Fn(&[Tensor]) -> Result<Tensor> + Send + Sync + 'static,
) -> Result<Tensor> {
    if !is_running() {
        return recorded(inputs, |inputs| checkpoint(&inputs.iter().collect::<Vec<_>>(), segment));
    }
    let inputs: Vec<Tensor> = inputs.iter().map(|x| (*x).clone()).collect();
    let is_kept = MODES.with_borrow(|modes| matches!(modes.last(), Some(Mode::Recording(_))));
    if !is_kept {
        return segment(&inputs);
    }
    // Without a history of their own, so that candle's ops keep nothing either.
    let plain: Vec<Tensor> = inputs.iter().map(Tensor::detach).collect();
    let (result, mode) = with_mode(Mode::Running(Leaves::default()), || segment(&plain));
    let Some(Mode::Running(mut leaves)) = mode else { bail!("invariant: a mode is taken off by who put it on") };
    let result = result?;
    leaves.add(&result);
    let mut args = inputs.clone();
    args.extend(leaves.tensors);
    if !args.iter().any(Tensor::track_op) {
        return Ok(result.detach());
    }
    let result = Outcome::from(result).into_leaf()?;
    let mut wanted: Vec<Tensor> = inputs.iter().map(leaf).collect::<Result<_>>()?;
    let n_inputs = wanted.len();
    wanted.extend_from_slice(&args[n_inputs..]);
    let gradient = move |node: &crate::computed::Node<'_>| {
        let tape = rerun(|| segment(&wanted[..n_inputs]))?;
        tape.backward(node.grad, &wanted)
    };
    // The result comes back with the second run.
    with_ops(|ops| ops.entries.push(Entry { args, id: result.id(), result: None, gradient: Box::new(gradient) }));
    Ok(result)
}

/// Records a segment once more.
fn rerun(segment: impl FnOnce() -> Result<Tensor>) -> Result<Tape> {
    /// Takes the mark off also when the segment panics.
    struct Before(bool);
    impl Drop for Before {
        fn drop(&mut self) {
            RERUN.set(self.0);
        }
    }
    let _before = Before(RERUN.replace(true));
    Tape::of(segment)
}
