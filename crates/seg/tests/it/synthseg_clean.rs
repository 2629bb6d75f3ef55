//! Clean-up while posteriors come out of a network, against whole volumes of them: the same bits.

use volkit_bench::seeded_posteriors;
use volkit_core::{Affine, SilentProgress};
use volkit_geom::keep_largest;
use volkit_kernels::Threads;
use volkit_seg::{
    Bounds, NetworkBuild, NetworkOptions, Networks, ParcellationNet, Placement, Posteriors, PostprocessOptions,
    QualityNet, SegmentationNet, Structures, SynthSeg, SynthSegOptions, postprocess,
};

use crate::nets::ball;
use crate::synthseg_net::{PARCELS, PLAIN, quality_store, store};

const SIZE: [usize; 3] = [23, 19, 14];
const KEPT: Bounds = Bounds { start: [2, 1, 3], end: [21, 18, 12] };

/// The order in which the published program's arrays add the channels of a voxel.
fn sum(values: &[f32]) -> f32 {
    let mut lanes: [f32; 8] = values[..8].try_into().unwrap();
    let whole = values.len() / 8 * 8;
    for block in values[8..whole].chunks_exact(8) {
        lanes.iter_mut().zip(block).for_each(|(lane, value)| *lane += value);
    }
    let [a, b, c, d, e, f, g, h] = lanes;
    values[whole..].iter().fold(((a + b) + (c + d)) + ((e + f) + (g + h)), |sum, value| sum + value)
}

fn kept_voxels() -> impl Iterator<Item = usize> {
    let [nx, ny, nz] = KEPT.size();
    (0..nx * ny * nz).map(move |at| {
        let p = [at % nx + KEPT.start[0], at / nx % ny + KEPT.start[1], at / (nx * ny) + KEPT.start[2]];
        p[0] + SIZE[0] * (p[1] + SIZE[1] * p[2])
    })
}

/// Clears every channel of `channels` outside the largest part of where it (or all of them together) is.
fn keep_part(values: &mut [f32], mask: &mut [u8], size: [usize; 3], channels: &[usize]) {
    keep_largest(mask, size).unwrap();
    for (voxel, _) in values.chunks_exact_mut(33).zip(&*mask).filter(|(_, inside)| **inside == 0) {
        channels.iter().for_each(|&channel| voxel[channel] = 0.0);
    }
}

/// Clean-up as the published program does it: whole arrays, one step after the other. Normalised posteriors of the kept
/// part and their largest channels.
fn whole_arrays(posteriors: &Posteriors, fast: bool) -> (Vec<f32>, Vec<usize>) {
    let structures = Structures::v2().channels();
    let cut: Vec<f32> = kept_voxels().flat_map(|at| posteriors.values[at * 33..][..33].to_vec()).collect();
    let (mut values, size) = if fast { (cut, KEPT.size()) } else { (posteriors.values.clone(), SIZE) };
    let all: Vec<usize> = (1..33).collect();
    let original = values.clone();
    let mut head: Vec<u8> = values.chunks_exact(33).map(|voxel| u8::from(sum(&voxel[1..]) > 0.25)).collect();
    keep_part(&mut values, &mut head, size, &all);
    if fast {
        let others = values.chunks_exact_mut(33).flat_map(|voxel| &mut voxel[1..]);
        others.filter(|value| **value <= 0.2).for_each(|value| *value = 0.0);
    } else {
        for class in 1..24 {
            let channels: Vec<usize> = (1..33).filter(|&c| structures[c].topological_class == class).collect();
            let is_there = |voxel: &[f32]| channels.iter().any(|&c| voxel[c] > 0.25);
            let of_head = values.chunks_exact(33).zip(original.chunks_exact(33)).zip(&head);
            let mut mask: Vec<u8> =
                of_head.map(|((voxel, _), &inside)| u8::from(inside != 0 && is_there(voxel))).collect();
            keep_part(&mut values, &mut mask, size, &channels);
        }
        values = kept_voxels().flat_map(|at| values[at * 33..][..33].to_vec()).collect();
    }
    let mut channels = Vec::new();
    for voxel in values.chunks_exact_mut(33) {
        let total = sum(voxel);
        voxel.iter_mut().for_each(|value| *value /= total);
        let best = (1..33).fold(0, |best, c| if voxel[c] > voxel[best] { c } else { best });
        channels.push(best);
    }
    (values, channels)
}

#[test]
fn what_is_kept_of_posteriors_gives_the_bits_of_whole_arrays() {
    let structures = Structures::v2();
    let posteriors = Posteriors::new(SIZE, 33, seeded_posteriors(SIZE, 33, 11).unwrap()).unwrap();
    let placement = Placement::whole(KEPT.size(), Affine::IDENTITY).padded(SIZE, KEPT).unwrap();
    for fast in [false, true] {
        let options = PostprocessOptions::new().with_fast(fast).with_keep_posteriors(true);
        let done = postprocess(&posteriors, None, structures, &placement, &options).unwrap();
        let (values, channels) = whole_arrays(&posteriors, fast);
        let labels: Vec<i32> = channels.iter().map(|&c| structures.channels()[c].label as i32).collect();
        assert!(channels.iter().any(|&c| c > 0) && channels.contains(&0), "there is a head");
        assert_eq!(done.labels.as_slice::<i32>().unwrap(), labels, "fast {fast}");
        let kept = done.posteriors.unwrap();
        assert_eq!(kept.n_frames(), 33);
        assert!(kept.frame(33).is_err());
        for channel in 0..33 {
            let wanted: Vec<f32> = values.iter().skip(channel).step_by(33).copied().collect();
            assert_eq!(kept.frame(channel).unwrap(), wanted, "fast {fast}, channel {channel}");
            let total: f64 = wanted.iter().map(|&value| f64::from(value)).sum();
            if channel > 0 {
                assert!((done.volumes.structures[channel - 1] - total).abs() <= 1e-9 * total.max(1.0), "{channel}");
            }
        }
        let lean = options.with_keep_posteriors(false);
        let lean = postprocess(&posteriors, None, structures, &placement, &lean).unwrap();
        assert_eq!((lean.labels, lean.volumes), (done.labels, done.volumes));
    }
}

/// The pipeline, which never has whole posteriors, gives what networks and post-processing give that have them.
#[test]
fn a_run_in_planes_equals_a_run_in_whole_volumes() {
    let scan = ball([30, 26, 22], Affine::from_scale([1.0; 3]), [15.0, 12.0, 11.0], 9.0);
    for (parcels, quality) in [(false, false), (true, false), (false, true), (true, true)] {
        let mut networks = Networks::new(SegmentationNet::from_store(&store(&[PLAIN]), &NetworkBuild::new()).unwrap());
        if parcels {
            let net = ParcellationNet::from_store(&store(&[PARCELS]), &NetworkBuild::new()).unwrap();
            networks = networks.with_parcellation(net);
        }
        if quality {
            networks = networks.with_quality(QualityNet::from_store(&quality_store(1), &NetworkBuild::new()).unwrap());
        }
        let synthseg = SynthSeg::new(networks);
        for (fast, compat) in [(false, false), (true, false), (false, true), (true, true)] {
            // The quality network sees 224^3 voxels: it runs only where it changes what is smoothed.
            if quality && !(fast && compat) {
                continue;
            }
            let what = format!("parcels {parcels}, quality {quality}, fast {fast}, compat {compat}");
            let options = SynthSegOptions::new().with_smallest_size(32).with_fast(fast).with_compat(compat);
            let prepared = SynthSeg::prepare(&scan, &options).unwrap();
            let (input, placement) = (prepared.prepared.net_input.clone(), prepared.prepared.placement);
            let network = NetworkOptions::default().with_fast(fast).with_compat(compat);
            let threads = Threads::new(2);
            let whole =
                synthseg.networks().run(&input, placement.padded_size, &network, &threads, &SilentProgress).unwrap();
            let how = PostprocessOptions::new().with_fast(fast).with_compat(compat);
            let structures = Structures::v2();
            let wanted =
                postprocess(&whole.segmentation, whole.parcellation.as_ref(), structures, &placement, &how).unwrap();
            for n_threads in if quality { vec![2] } else { vec![1, 3] } {
                let threads = Threads::new(n_threads);
                let got = synthseg.segment_prepared(prepared.clone(), &options, &threads, &SilentProgress).unwrap();
                assert_eq!(got.labels, wanted.labels, "{what}, {n_threads} threads");
                assert_eq!(got.volumes, wanted.volumes, "{what}, {n_threads} threads");
                assert_eq!(got.qc_scores.is_some(), quality, "{what}");
            }
        }
    }
}
