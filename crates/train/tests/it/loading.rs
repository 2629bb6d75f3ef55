//! Batches made ahead of time, and the order of samples.

use std::sync::Mutex;

use candle_core::{Device, Tensor};
use volkit_core::BoxError;
use volkit_train::{BatchRequest, DataSet, prefetch};

/// Gives the numbers of the samples; fails at one of them.
struct Numbers {
    fails_at: Option<usize>,
    asked: Mutex<usize>,
}

impl DataSet for Numbers {
    fn len(&self) -> usize {
        100
    }

    fn batch(&self, request: &BatchRequest) -> Result<Vec<Tensor>, BoxError> {
        *self.asked.lock().unwrap() += 1;
        if self.fails_at.is_some_and(|at| request.samples.contains(&at)) {
            return Err("bad sector".into());
        }
        let numbers: Vec<u32> = request.samples.iter().map(|&i| i as u32).collect();
        Ok(vec![Tensor::new(numbers, &Device::Cpu)?])
    }
}

fn requests() -> impl Iterator<Item = BatchRequest> + Send {
    (0..10).map(|i| BatchRequest::new(0, vec![2 * i, 2 * i + 1], 5))
}

#[test]
fn batches_come_in_order_and_few_are_made_ahead() {
    for depth in [0, 1, 2] {
        let data = Numbers { fails_at: None, asked: Mutex::new(0) };
        let most = prefetch(&data, requests(), depth, |batches| {
            for i in 0..4_u32 {
                let batch = batches.next().unwrap().unwrap();
                assert_eq!(batch.tensors[0].to_vec1::<u32>().unwrap(), [2 * i, 2 * i + 1]);
            }
            *data.asked.lock().unwrap()
        });
        // Four were taken, `depth` lie ready, and one is in the making or waits for room.
        assert!(most <= 4 + depth + 1, "{most} with depth {depth}");
    }
}

#[test]
fn an_error_comes_in_its_place_and_is_the_last() {
    let data = Numbers { fails_at: Some(7), asked: Mutex::new(0) };
    prefetch(&data, requests(), 2, |batches| {
        assert!((0..3).all(|_| batches.next().unwrap().is_ok()));
        let error = batches.next().unwrap().unwrap_err();
        assert_eq!(error.to_string(), "batch [6, 7] failed");
        assert_eq!(std::error::Error::source(&error).unwrap().to_string(), "bad sector");
        assert!(batches.next().is_none());
    });
    assert_eq!(*data.asked.lock().unwrap(), 4);
}

#[test]
fn samples_draw_their_own_numbers() {
    let request = BatchRequest::new(3, vec![1, 2], 9);
    assert_eq!(request.random(1).next_u64(), BatchRequest::new(3, vec![1], 9).random(1).next_u64());
    let others = [
        request.random(2).next_u64(),
        BatchRequest::new(4, vec![1], 9).random(1).next_u64(),
        BatchRequest::new(3, vec![1], 8).random(1).next_u64(),
    ];
    assert!(!others.contains(&request.random(1).next_u64()));
}
