//! What is learnt from, and in which order.

use candle_core::Tensor;
use volkit_core::{BoxError, Random};

use crate::TrainError;

/// Samples that are asked for together.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct BatchRequest {
    /// Epoch, from 0.
    pub epoch: u64,
    /// Numbers of the samples.
    pub samples: Vec<usize>,
    /// Seed of the run.
    pub seed: u64,
}

impl BatchRequest {
    /// A request by hand.
    #[must_use]
    pub fn new(epoch: u64, samples: Vec<usize>, seed: u64) -> Self {
        Self { epoch, samples, seed }
    }

    /// The random numbers of a sample in this epoch: for patches, flips and noise. They depend on seed, epoch and sample
    /// alone, so that a run that is resumed draws what it would have drawn.
    #[must_use]
    pub fn random(&self, sample: usize) -> Random {
        let mut epoch = Random::new(self.seed ^ mixed(self.epoch));
        Random::new(epoch.next_u64() ^ mixed(!(sample as u64)))
    }
}

/// Bits of a small number spread over a word.
fn mixed(number: u64) -> u64 {
    Random::new(number).next_u64()
}

/// Gives samples. It is asked from another thread, ahead of time.
pub trait DataSet: Send + Sync {
    /// Number of samples.
    fn len(&self) -> usize;

    /// The tensors of some samples, each with the samples along its first axis, as [`crate::Task::loss`] expects them.
    /// The same request must give the same bits.
    ///
    /// # Errors
    /// What reading meets; it ends the training.
    fn batch(&self, request: &BatchRequest) -> Result<Vec<Tensor>, BoxError>;

    /// Whether there is none.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// The order of samples: one permutation an epoch, a function of seed and epoch alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Sampler {
    pub(crate) n_samples: usize,
    pub(crate) batch_size: usize,
    pub(crate) seed: u64,
    pub(crate) shuffle: bool,
    pub(crate) drop_last: bool,
}

impl Sampler {
    /// # Errors
    /// [`TrainError::Data`] for less than a batch.
    pub(crate) fn check(&self) -> Result<(), TrainError> {
        if self.n_samples < self.batch_size {
            return Err(TrainError::Data { samples: self.n_samples, batch_size: self.batch_size });
        }
        Ok(())
    }

    /// Batches of an epoch.
    pub(crate) fn n_batches(&self) -> u64 {
        let whole = self.n_samples / self.batch_size;
        let rest = usize::from(!self.drop_last && !self.n_samples.is_multiple_of(self.batch_size));
        (whole + rest) as u64
    }

    /// The batches of an epoch from number `first` on.
    pub(crate) fn epoch(&self, epoch: u64, first: u64) -> Vec<BatchRequest> {
        let mut order: Vec<usize> = (0..self.n_samples).collect();
        if self.shuffle {
            let mut random = Random::new(self.seed ^ mixed(epoch));
            for i in (1..order.len()).rev() {
                order.swap(i, (random.next_u64() % (i as u64 + 1)) as usize);
            }
        }
        let batches = order.chunks(self.batch_size).take(self.n_batches() as usize).skip(first as usize);
        batches.map(|samples| BatchRequest::new(epoch, samples.to_vec(), self.seed)).collect()
    }
}
