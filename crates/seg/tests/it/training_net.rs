//! The network in training and the one that segments are the same.

use volkit_core::SilentProgress;
use volkit_kernels::Threads;
use volkit_seg::training::{LossConfig, Renorm, TrainableUNet, UNetConfig};
use volkit_seg::{NetworkBuild, SegmentationNet};

const SIZE: [usize; 3] = [12, 8, 16];

fn image() -> Vec<f32> {
    (0..SIZE.iter().product::<usize>()).map(|i| (i * 7919 % 997) as f32 / 997.0).collect()
}

fn net() -> TrainableUNet {
    let mut config = UNetConfig::default();
    (config.features, config.levels, config.seed) = (4, 3, 5);
    TrainableUNet::new(config).unwrap()
}

#[test]
fn exported_weights_give_the_same_posteriors() {
    let (mut net, image) = (net(), image());
    let plain = Renorm::at(0, 10, 10);
    // The statistics of the only batch become the running ones.
    for _ in 0..3 {
        let pass = net.forward(&image, SIZE, plain).unwrap();
        (0..600).for_each(|_| net.update_statistics(&pass));
    }
    let renormed = Renorm::at(20, 10, 10);
    let logits = net.forward(&image, SIZE, renormed).unwrap().logits().unwrap();
    let exported = SegmentationNet::from_store(&net.to_store().unwrap(), &NetworkBuild::new()).unwrap();
    let threads = Threads::single();
    let posteriors = exported.forward(&image, SIZE, &threads, &SilentProgress).unwrap();
    let (n, labels) = (image.len(), net.labels());
    let mut worst = 0.0f32;
    for voxel in 0..n {
        let of = |label: usize| logits[label * n + voxel];
        let largest = (0..labels).map(of).fold(f32::MIN, f32::max);
        let total: f32 = (0..labels).map(|label| (of(label) - largest).exp()).sum();
        for label in 0..labels {
            let expected = (of(label) - largest).exp() / total;
            worst = worst.max((expected - posteriors.values[voxel * labels + label]).abs());
        }
    }
    assert!(worst < 2e-5, "{worst}");
}

#[test]
fn steps_against_the_gradient_lower_the_loss() {
    let (mut net, image) = (net(), image());
    let target: Vec<u8> = image.iter().map(|v| u8::from(*v > 0.5) * 3).collect();
    let mut loss = LossConfig::default();
    (loss.cross_entropy, loss.absent_labels) = (1.0, false);
    let mut losses = Vec::new();
    for step in 0..12 {
        let pass = net.forward(&image, SIZE, Renorm::at(0, 10, 10)).unwrap();
        let logits = pass.logits().unwrap();
        let mut gradient = vec![0.0; logits.len()];
        losses.push(loss.evaluate(step, (&logits, net.labels()), &target, &mut gradient).unwrap().total);
        let gradients = pass.backward(gradient).unwrap();
        for (parameter, gradient) in net.parameters_mut().iter_mut().zip(gradients) {
            let length = gradient.iter().map(|g| g * g).sum::<f32>().sqrt().max(1e-6);
            parameter.values.iter_mut().zip(gradient).for_each(|(value, g)| *value -= 0.1 * g / length);
        }
    }
    assert!(losses[11] < 0.8 * losses[0], "{losses:?}");
}

#[test]
fn the_same_seed_gives_the_same_network() {
    assert_eq!(net().parameters(), net().parameters());
    let mut config = *net().config();
    config.seed = 6;
    assert_ne!(TrainableUNet::new(config).unwrap().parameters(), net().parameters());
    config.levels = 1;
    assert!(TrainableUNet::new(config).is_err());
    // A size that the levels do not halve.
    assert!(net().forward(&[0.0; 6 * 8 * 8], [6, 8, 8], Renorm::at(0, 1, 1)).is_err());
    let mut net = net();
    assert!(net.set_statistics("unet_bn_down_9", [vec![], vec![]]).is_err());
    assert!(net.set_statistics("unet_bn_down_0", [vec![0.0; 4], vec![1.0; 4]]).is_ok());
}
