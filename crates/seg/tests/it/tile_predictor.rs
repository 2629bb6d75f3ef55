//! Networks as models of tiles.

use volkit_core::{Batch, Predictor as _};
use volkit_kernels::Threads;
use volkit_seg::{MeshNet, ModelKind, NetworkBuild, SegError, TilePredictor};

use crate::nets::store;
use crate::synthseg_files::{shared, weights};

fn image(size: [usize; 3]) -> Vec<f32> {
    (0..size.iter().product::<usize>()).map(|i| ((i * 73) % 101) as f32 / 100.0).collect()
}

#[test]
fn a_mesh_net_gives_its_logits_channels_first() {
    let store = store(&[(3, 1, 1, 4), (3, 3, 4, 4), (1, 1, 4, 3)], "elu", "none");
    let mut model = TilePredictor::from_store(&store, &NetworkBuild::new()).unwrap();
    assert_eq!(model.spec().receptive_radius, Some(vec![4; 3]));
    assert_eq!((model.spec().input_channels, model.spec().outputs[0].channels), (1, 3));
    let (size, n) = ([5, 6, 7], 210);
    let values = [image(size), image(size).iter().map(|x| 1.0 - x).collect()].concat();
    let net = MeshNet::from_store(&store).unwrap();
    let got = model.predict(&Batch::new([2, 1, 7, 6, 5], values.clone()).unwrap()).unwrap().remove(0);
    assert_eq!(got.shape(), [2, 3, 7, 6, 5]);
    for (tile, image) in values.chunks_exact(n).enumerate() {
        let logits = net.logits(image, size, &Threads::single()).unwrap();
        for (voxel, logits) in logits.chunks_exact(3).enumerate() {
            for (channel, wanted) in logits.iter().enumerate() {
                let value = got.values()[(tile * 3 + channel) * n + voxel];
                assert!((value - wanted).abs() <= 1e-5, "{value} {wanted}");
            }
        }
    }
    assert!(model.workspace_bytes([7, 6, 5]).unwrap() > 4 * 3 * 210);
    let error = model.predict(&Batch::new([1, 2, 3, 3, 3], vec![0.0; 54]).unwrap()).unwrap_err();
    assert!(error.to_string().contains("[1, 2, 3, 3, 3]"), "{error}");
}

#[test]
fn a_norm_over_the_image_has_no_radius() {
    let store = store(&[(3, 1, 1, 4), (1, 1, 4, 2)], "relu", "instance");
    let model = TilePredictor::from_store(&store, &NetworkBuild::new()).unwrap();
    assert_eq!(model.spec().receptive_radius, None);
}

#[test]
fn synthseg_gives_its_posteriors() {
    if shared("golden/synthseg/weights").is_none_or(|folder| !folder.exists()) {
        println!("skipped: no golden weights");
        return;
    }
    let mut model = TilePredictor::from_store(&weights("v2"), &NetworkBuild::new()).unwrap();
    let multiple = model.spec().multiple_of;
    let size = [multiple, multiple, 2 * multiple];
    let n = size.iter().product::<usize>();
    let batch = Batch::new([1, 1, size[2], size[1], size[0]], image(size)).unwrap();
    let got = model.predict(&batch).unwrap().remove(0);
    assert_eq!(got.shape()[1], 33);
    for voxel in [0, n / 2, n - 1] {
        let sum: f32 = (0..33).map(|channel| got.values()[channel * n + voxel]).sum();
        assert!((sum - 1.0).abs() < 1e-4, "{sum}");
    }
    let error = TilePredictor::from_store(&weights("qc"), &NetworkBuild::new()).unwrap_err();
    assert!(matches!(error, SegError::Follower { kind } if kind == ModelKind::SynthSegQuality.name()));
}
