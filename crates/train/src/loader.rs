//! Batches made ahead of time.

use std::sync::mpsc::{Receiver, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use candle_core::Tensor;

use crate::{BatchRequest, DataSet, TrainError};

/// A batch of a [`DataSet`].
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Batch {
    /// What was asked for.
    pub request: BatchRequest,
    /// The tensors, samples along the first axis.
    pub tensors: Vec<Tensor>,
}

/// Batches in the order of their requests, some of them made ahead by a thread of its own.
#[derive(Debug)]
pub struct Batches {
    receiver: Receiver<Result<Batch, TrainError>>,
    waited: Duration,
}

impl Batches {
    /// Time that was spent waiting for batches. One less its share of the whole time is the efficiency of the loader.
    #[must_use]
    pub fn waited(&self) -> Duration {
        self.waited
    }
}

impl Iterator for Batches {
    type Item = Result<Batch, TrainError>;

    fn next(&mut self) -> Option<Self::Item> {
        let begun = Instant::now();
        let batch = self.receiver.recv().ok();
        self.waited += begun.elapsed();
        batch
    }
}

/// Calls `work` with the batches of `requests`, of which up to `depth` lie ready while another is made.
///
/// An error is given in the place of its batch and ends the sequence.
pub fn prefetch<R>(
    data: &dyn DataSet,
    requests: impl IntoIterator<Item = BatchRequest, IntoIter: Send>,
    depth: usize,
    work: impl FnOnce(&mut Batches) -> R,
) -> R {
    let (sender, receiver) = sync_channel(depth);
    let requests = requests.into_iter();
    thread::scope(|scope| {
        scope.spawn(move || {
            for request in requests {
                let tensors = data.batch(&request);
                let failed = tensors.is_err();
                let batch = tensors
                    .map_err(|source| TrainError::Inner { what: format!("batch {:?}", request.samples), source })
                    .map(|tensors| Batch { request, tensors });
                // Nobody listens when the work has ended early.
                if sender.send(batch).is_err() || failed {
                    break;
                }
            }
        });
        let mut batches = Batches { receiver, waited: Duration::ZERO };
        work(&mut batches)
    })
}
