//! Windows and their normalisation.

use proptest::prelude::*;
use volkit_core::BoxError;
use volkit_tile::{AxisPlan, AxisSpec, Inset, Layout, NamedWindow, TileError, Window, WindowAxis, axis_weights};

pub(crate) fn windows() -> Vec<NamedWindow> {
    let names = ["constant", "hann", "linear", "hann-full", "triangle", "tukey", "gaussian", "torchio-hann"];
    let mut windows: Vec<NamedWindow> = names.iter().map(|name| name.parse().unwrap()).collect();
    windows.push("symmetric-hann".parse().unwrap());
    windows
}

/// A window given by its weights.
pub(crate) struct Given(pub(crate) Vec<f64>);

impl Window for Given {
    fn weights(&self, _axis: WindowAxis) -> Result<Vec<f64>, BoxError> {
        Ok(self.0.clone())
    }
}

fn weights_of(length: usize, spec: &AxisSpec, window: &dyn Window) -> Result<Vec<Vec<f64>>, TileError> {
    let plan = AxisPlan::new(0, length, spec).unwrap();
    Ok(axis_weights(0, &plan, window)?.iter().map(|weights| weights.to_vec()).collect())
}

#[test]
fn windows_by_hand() {
    let weights = |window: &NamedWindow, tile, overlap| {
        let got = window.weights(WindowAxis { axis: 0, tile, overlap }).unwrap();
        got.into_iter().map(|w| (w * 1e6).round() / 1e6).collect::<Vec<_>>()
    };
    assert_eq!(weights(&NamedWindow::Hann, 6, 2), [0.146447, 0.853553, 1.0, 1.0, 0.853553, 0.146447]);
    assert_eq!(weights(&NamedWindow::Linear, 6, 2), [0.25, 0.75, 1.0, 1.0, 0.75, 0.25]);
    assert_eq!(weights(&NamedWindow::Hann, 3, 0), [1.0; 3]);
    assert_eq!(weights(&NamedWindow::Triangle, 4, 1), [0.25, 0.75, 0.75, 0.25]);
    assert_eq!(weights(&NamedWindow::HannFull, 4, 1), weights(&NamedWindow::Tukey { alpha: 1.0 }, 4, 1));
    assert_eq!(weights(&NamedWindow::TorchioHann, 3, 0), [0.5, 1.0, 0.5]);
    assert_eq!(weights(&NamedWindow::SymmetricHann, 6, 2), [0.0, 0.75, 1.0, 1.0, 0.75, 0.0]);
    let edge = NamedWindow::gaussian().weights(WindowAxis { axis: 0, tile: 512, overlap: 0 }).unwrap()[0];
    assert!((edge - 3.4e-4).abs() < 1e-5, "{edge}");
    assert!("hanning".parse::<NamedWindow>().is_err());
    for bad in [NamedWindow::Tukey { alpha: 0.0 }, NamedWindow::Gaussian { sigma: vec![f64::NAN] }] {
        assert!(bad.weights(WindowAxis { axis: 0, tile: 4, overlap: 0 }).is_err());
    }
    let two = NamedWindow::Gaussian { sigma: vec![0.1, 0.2] };
    assert!(two.weights(WindowAxis { axis: 2, tile: 4, overlap: 0 }).is_err());
}

#[test]
fn neighbouring_ramps_add_to_one_before_they_are_normalised() {
    for window in [NamedWindow::Hann, NamedWindow::Linear] {
        let ramp = window.weights(WindowAxis { axis: 0, tile: 20, overlap: 7 }).unwrap();
        for k in 0..7 {
            assert!((ramp[k] + ramp[13 + k] - 1.0).abs() < 1e-15);
        }
    }
}

#[test]
fn a_sample_of_one_tile_has_weight_one_exactly() {
    for window in windows() {
        let weights = weights_of(100, &AxisSpec::new(32, 8), &window).unwrap();
        assert_eq!(weights[0][..24], [1.0; 24], "{window:?}");
        assert_eq!(weights[3][12..], [1.0; 20], "{window:?}");
    }
}

#[test]
fn zeros_at_the_border_of_the_image_count_as_one() {
    // The plain rule would give 0 / 0 at both ends.
    let weights = weights_of(9, &AxisSpec::new(5, 1), &Given(vec![0.0, 1.0, 1.0, 1.0, 0.0])).unwrap_err();
    assert_eq!(weights.to_string(), "axis 0: position 4 gets no weight from any tile");
    let weights = weights_of(8, &AxisSpec::new(5, 2), &Given(vec![0.0, 1.0, 1.0, 1.0, 0.0])).unwrap();
    assert_eq!(weights, [vec![1.0, 1.0, 1.0, 1.0, 0.0], vec![0.0, 1.0, 1.0, 1.0, 1.0]]);
    let alone = weights_of(5, &AxisSpec::new(5, 0), &Given(vec![0.0, 1.0, 0.0, 1.0, 0.0])).unwrap();
    assert_eq!(alone, [vec![1.0; 5]]);
}

#[test]
fn windows_that_are_none() {
    let error = |window: Vec<f64>| weights_of(8, &AxisSpec::new(3, 1), &Given(window)).unwrap_err().to_string();
    assert_eq!(error(vec![1.0; 4]), "axis 0: the window has 4 weights, the tile 3 samples");
    assert_eq!(error(vec![1.0, -1.0, 1.0]), "axis 0: the window has the weight -1 at sample 1");
    assert_eq!(error(vec![1.0, 1.0, f64::NAN]), "axis 0: the window has the weight NaN at sample 2");
    assert_eq!(error(vec![0.0; 3]), "axis 0: position 0 gets no weight from any tile");
    // Samples before a positive offset are in no tile.
    let spec = AxisSpec::new(3, 1).with_layout(Layout::Pad { offset: 2 });
    let error = weights_of(8, &spec, &NamedWindow::Hann).unwrap_err();
    assert!(matches!(error, TileError::Uncovered { axis: 0, position: 0 }), "{error}");
}

proptest! {
    #[test]
    fn weights_add_to_one(
        length in 1usize..300,
        tile in 1usize..60,
        overlap in 0.0f64..1.0,
        even in any::<bool>(),
        which in 0usize..9,
        margin in prop::option::of(0usize..9),
    ) {
        let overlap = (tile as f64 * overlap) as usize;
        let layout = if even { Layout::Even } else { Layout::End };
        let plan = AxisPlan::new(0, length, &AxisSpec::new(tile, overlap).with_layout(layout)).unwrap();
        // With a margin for what the edge of a tile changes, too.
        let named = windows()[which].clone();
        let window: Box<dyn Window> = match margin {
            Some(margin) => Box::new(Inset::new(named.clone(), vec![margin])),
            None => Box::new(named.clone()),
        };
        let weights = match axis_weights(0, &plan, window.as_ref()) {
            // Zeros of the window that no neighbour makes up for.
            Err(TileError::Uncovered { .. }) if which == 8 => return Ok(()),
            weights => weights.unwrap(),
        };
        let mut sums = vec![0.0; length];
        for (i, weights) in weights.iter().enumerate() {
            prop_assert_eq!(weights.len(), plan.covered(i).len());
            plan.covered(i).zip(weights.iter()).for_each(|(x, w)| sums[x] += w);
        }
        for sum in sums {
            prop_assert!((sum - 1.0f64).abs() < 1e-14, "{named:?} {margin:?}: {sum}");
        }
    }
}

#[test]
fn an_inset_window_by_hand() {
    let ask = |margin: usize, tile, overlap| {
        let window = Inset::new(NamedWindow::Linear, vec![margin]);
        window.weights(WindowAxis { axis: 0, tile, overlap }).unwrap()
    };
    assert_eq!(ask(1, 8, 4), [0.0, 0.25, 0.75, 1.0, 1.0, 0.75, 0.25, 0.0]);
    // The margin is at most half the overlap, and leaves a sample of the tile.
    assert_eq!(ask(3, 6, 2), [0.0, 1.0, 1.0, 1.0, 1.0, 0.0]);
    assert_eq!(ask(9, 3, 20), [0.0, 0.5 / 18.0, 0.0]);
    let window = Inset::new(NamedWindow::Linear, vec![1]);
    assert!(window.weights(WindowAxis { axis: 1, tile: 8, overlap: 4 }).is_err());
    // Partition of unity, with full weight at the border of the image.
    let plan = AxisPlan::new(0, 20, &AxisSpec::new(8, 4)).unwrap();
    let weights = axis_weights(0, &plan, &Inset::new(NamedWindow::Hann, vec![1])).unwrap();
    let mut sums = [0.0; 20];
    for (i, own) in weights.iter().enumerate() {
        plan.covered(i).zip(own.iter()).for_each(|(x, w)| sums[x] += w);
    }
    assert!(sums.iter().all(|sum| (sum - 1.0).abs() < 1e-12) && weights[0][0] == 1.0 && weights[1][0] == 0.0);
}
