//! The robust chain: how far its inner decisions are from a tie.

use std::path::PathBuf;

use volkit_core::{ArrayStore as _, SilentProgress};
use volkit_io::{KerasStore, SafetensorsStore};
use volkit_kernels::{PlaneSource, SliceSink, Threads};

use super::super::{PostprocessOptions, Prepared, PreprocessOptions, postprocess, preprocess};
use super::*;

fn shared(path: &str) -> Option<PathBuf> {
    let root = std::env::var_os("VOLKIT_SHARED")
        .map_or_else(|| PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared")), PathBuf::from);
    let path = root.join("golden/synthseg").join(path);
    if !path.exists() {
        println!("skipped: {} is absent", path.display());
        return None;
    }
    Some(path)
}

/// Margin that the rounding of two f32 programs may turn.
const TIE: f32 = 1e-5;

struct Bench {
    net: SegmentationNet,
    prepared: Prepared,
    golden: SafetensorsStore,
    threads: Threads,
}

impl Bench {
    fn posterior(&self, net: &UNet, source: &mut dyn PlaneSource) -> Posteriors {
        let size = self.prepared.placement.padded_size;
        let mut posteriors = Posteriors::zeros(size, net.labels()).unwrap();
        let work = Work { threads: &self.threads, progress: &SilentProgress };
        self.net.run_net(net, size, work, source, &mut SliceSink::new(&mut posteriors.values)).unwrap();
        posteriors
    }

    /// Labels, and the voxels in which another label is nearly as good, closest first: margin, voxel, other label.
    fn decide(&self, posteriors: &Posteriors) -> (Vec<u8>, Vec<(f32, usize, u8)>) {
        let labels = posteriors.argmax(&self.threads).unwrap();
        let voxels = posteriors.values.chunks_exact(posteriors.channels).enumerate();
        let mut ties: Vec<(f32, usize, u8)> = voxels
            .map(|(at, voxel)| {
                let best = usize::from(labels[at]);
                let others = (0..voxel.len()).filter(|&c| c != best);
                let second = others.max_by(|&a, &b| voxel[a].total_cmp(&voxel[b])).unwrap();
                (voxel[best] - voxel[second], at, second as u8)
            })
            .collect();
        ties.sort_by(|a, b| a.0.total_cmp(&b.0));
        ties.truncate(12);
        (labels, ties)
    }

    /// Largest error of the final posteriors when the denoiser decides so.
    fn error(&self, chain: &Robust, denoised: &[u8]) -> f64 {
        let mut source = OneHotSource::behind(&self.prepared.net_input, denoised, GROUPS);
        let posteriors = self.posterior(&chain.refined, &mut source);
        let options = PostprocessOptions::new().with_fast(true).with_keep_posteriors(true);
        let placement = &self.prepared.placement;
        let done = postprocess(&posteriors, None, self.net.structures(), placement, &options).unwrap();
        let volume = done.posteriors.unwrap().to_volume().unwrap();
        let got = volume.to_real::<f32>().unwrap();
        let [nx, ny, nz, c] = <[usize; 4]>::try_from(volume.shape()).unwrap();
        let array = self.golden.get("posteriors_stride").unwrap();
        let wanted: Vec<f32> = array.to_real().unwrap();
        let [wx, wy, wz] = [nx, ny, nz].map(|n| n.div_ceil(6));
        assert_eq!(array.shape(), [wx, wy, wz, c]);
        let mut worst = 0.0f64;
        for (i, wanted) in wanted.iter().enumerate() {
            let (channel, z, y, x) = (i % c, i / c % wz * 6, i / (c * wz) % wy * 6, i / (c * wz * wy) * 6);
            worst = worst.max(f64::from((got[x + nx * (y + ny * (z + nz * channel))] - wanted).abs()));
        }
        worst
    }
}

#[test]
fn the_robust_chain_differs_from_the_published_program_only_by_ties() {
    let (Some(weights), Some(scan), Some(golden)) =
        (shared("weights/robust.h5"), shared("inputs/head_iso.nii.gz"), shared("runs/iso_robust_crop64.safetensors"))
    else {
        return;
    };
    let net = SegmentationNet::from_store(&KerasStore::open(weights).unwrap(), &NetworkBuild::new()).unwrap();
    let scan = volkit_io::read(scan).unwrap().into_volume();
    let prepared = preprocess(&scan, &PreprocessOptions::new().with_crop(Some([64; 3]))).unwrap();
    let golden = SafetensorsStore::open(golden).unwrap();
    let bench = Bench { net, prepared, golden, threads: Threads::new(0) };
    let Chain::Robust(chain) = &bench.net.chain else { panic!("the robust chain") };
    let mut source = ImageSource::new(&bench.prepared.net_input, 64);
    let (groups, _) = bench.decide(&bench.posterior(&chain.groups, &mut source));
    let (denoised, ties) = bench.decide(&bench.posterior(&chain.denoiser, &mut OneHotSource::new(&groups, GROUPS)));
    let decided = bench.error(chain, &denoised);
    println!("largest error of the posteriors: {decided:.1e}");
    // One voxel decided otherwise changes the input of the last network by 1: errors far beyond rounding, in all that
    // this voxel reaches.
    let ties: Vec<_> = ties.into_iter().take_while(|(margin, ..)| *margin <= TIE).collect();
    let otherwise = ties.iter().map(|(margin, at, other)| {
        let mut denoised = denoised.clone();
        denoised[*at] = *other;
        let error = bench.error(chain, &denoised);
        println!("largest error with voxel {at}, decided by {margin:.1e}, decided otherwise: {error:.1e}");
        error
    });
    let least = otherwise.fold(decided, f64::min);
    assert!(least <= 1e-4, "{least}");
}
