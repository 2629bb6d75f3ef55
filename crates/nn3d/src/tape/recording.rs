//! A tape as a node of candle's graph.

use std::sync::{Arc, Mutex, PoisonError};

use candle_core::{DType, Result, Tensor, bail};

use super::{Tape, is_running, leaf};
use crate::computed::{Outcome, graph};

/// Runs `work` on `inputs` so that all its ops become one node of candle's graph.
///
/// Same values, same gradients (up to the order of sums of three or more), but what the ops of this crate need for the
/// backward pass is dropped as the pass goes by, and gradients are moved where candle would add them to zeros. Candle's own
/// ops may stand between them. Each gradient can be taken once: a second backward pass through the node is an error.
/// Within another call the ops go on its tape.
///
/// ```
/// use candle_core::{DType, Device, Tensor, Var};
/// use volkit_nn3d::{Conv3dConfig, conv3d, recorded, relu};
///
/// let x = Tensor::ones((1, 2, 4, 5, 6), DType::F32, &Device::Cpu)?;
/// let weight = Var::ones((3, 2, 3, 3, 3), DType::F32, &Device::Cpu)?;
/// let y = recorded(&[&x], |x| Ok(relu(&conv3d(&x[0], &weight, None, &Conv3dConfig::same([3; 3]))?)?))?;
/// let gradients = y.sum_all()?.backward()?;
/// assert_eq!(gradients.get(&weight).map(|gradient| gradient.dims()), Some([3, 2, 3, 3, 3].as_slice()));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// Those of `work`.
pub fn recorded(inputs: &[&Tensor], work: impl FnOnce(&[Tensor]) -> Result<Tensor>) -> Result<Tensor> {
    if is_running() {
        return work(&inputs.iter().map(|x| (*x).clone()).collect::<Vec<_>>());
    }
    let leaves: Vec<Tensor> = inputs.iter().map(|x| leaf(x)).collect::<Result<_>>()?;
    let tape = Tape::of(|| work(&leaves))?;
    let wanted = tape.leaves();
    // Outside of the tape an input is what it was.
    let outer = |leaf: &Tensor| {
        let at = leaves.iter().position(|input| input.id() == leaf.id());
        at.map_or_else(|| leaf.clone(), |at| inputs[at].clone())
    };
    let targets: Vec<Tensor> = wanted.iter().map(outer).collect();
    node(tape, wanted, &targets)
}

/// The node of a tape. A custom op of candle takes three arguments at most, so the targets hang on a chain of nodes behind
/// it that hand them their gradients.
fn node(tape: Tape, wanted: Vec<Tensor>, targets: &[Tensor]) -> Result<Tensor> {
    let result = tape.root.detach();
    let gradients = Arc::new(Mutex::new(vec![None; wanted.len()]));
    let zero = Tensor::zeros(1, DType::F32, result.device())?;
    let mut chain = zero.clone();
    for (index, target) in targets.iter().enumerate() {
        let (gradients, zero) = (gradients.clone(), zero.clone());
        chain = graph("hand over", &[&chain, target], Outcome::Tensor(zero.clone()), move |node| {
            let gradient = gradients.lock().unwrap_or_else(PoisonError::into_inner)[index].take();
            let gradient = gradient.map_or_else(|| node.args[1].zeros_like(), Ok)?;
            Ok(vec![Some(zero.clone()), Some(gradient)])
        })?;
    }
    if targets.is_empty() {
        return Ok(result);
    }
    let tape = Mutex::new(Some(tape));
    graph("recorded", &[&chain], Outcome::Tensor(result), move |node| {
        let Some(tape) = tape.lock().unwrap_or_else(PoisonError::into_inner).take() else {
            bail!("recorded: the gradient was taken before");
        };
        *gradients.lock().unwrap_or_else(PoisonError::into_inner) = tape.backward(node.grad, &wanted)?;
        Ok(vec![Some(zero.clone())])
    })
}
