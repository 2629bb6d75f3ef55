//! SynthSeg as one call: which networks there are, what is kept, what is refused.

use volkit_core::{Affine, SilentProgress, Volume};
use volkit_geom::Grid;
use volkit_kernels::Threads;
use volkit_seg::{
    ModelKind, NetworkBuild, Networks, SegError, SegmentOptions, SegmentationNet, SynthSeg, SynthSegOptions,
    brain_mask, open_model,
};

use crate::nets::ball;
use crate::synthseg_net::{DENOISER, GROUPS, PARCELS, PLAIN, REFINED, V1, quality_store, store};

fn small() -> SynthSegOptions {
    SynthSegOptions::new().with_smallest_size(32)
}

/// 20 x 16 x 12 voxels of 2 mm that run to the left and to the back.
fn scan() -> Volume {
    let affine = Affine::from_rows([[-2.0, 0.0, 0.0, 19.0], [0.0, -2.0, 0.0, 15.0], [0.0, 0.0, 2.0, -11.0]]);
    ball([20, 16, 12], affine, [0.0; 3], 9.0)
}

#[test]
fn networks_are_recognised_by_their_layers() {
    for (kind, store) in [
        (ModelKind::SynthSeg1, store(&[V1])),
        (ModelKind::SynthSeg2, store(&[PLAIN])),
        (ModelKind::SynthSegRobust, store(&[GROUPS, DENOISER, REFINED])),
        (ModelKind::SynthSegParcellation, store(&[PARCELS])),
        (ModelKind::SynthSegParcellation, store(&[PLAIN, PARCELS])),
        (ModelKind::SynthSegQuality, quality_store(4)),
    ] {
        assert_eq!(ModelKind::recognise(&store).unwrap(), kind);
        match open_model(&store) {
            Ok(segmenter) => {
                assert!(kind.is_segmenter());
                assert_eq!(segmenter.info().kind, kind);
                assert!(segmenter.info().summary.starts_with(kind.name()), "{}", segmenter.info().summary);
                assert_eq!(segmenter.info().table.name(17), "left hippocampus");
            }
            Err(error) => {
                assert!(!kind.is_segmenter() && matches!(error, SegError::Follower { .. }), "{error}");
                assert!(error.to_string().contains(kind.name()), "{error}");
            }
        }
    }
}

#[test]
fn labels_come_on_both_grids() {
    let (synthseg, scan, threads) =
        (SynthSeg::from_store(&store(&[PLAIN]), &NetworkBuild::new()).unwrap(), scan(), Threads::new(2));
    let options = small().with_keep_geometry(true).with_keep_posteriors(true).with_keep_resampled(true);
    let output = synthseg.run(&scan, &options, &threads, &SilentProgress).unwrap();
    assert_eq!(output.labels.shape(), [40, 32, 24]);
    assert_eq!(output.placement.padded_size, [64, 32, 32]);
    let labels = output.scan_labels.as_ref().unwrap();
    assert_eq!(Grid::of(labels), Grid::of(&scan));
    assert_eq!(output.final_labels(), labels);
    assert_eq!(output.brain_mask().unwrap(), brain_mask(labels).unwrap());
    assert_eq!(output.posteriors.as_ref().unwrap().meta().shape(), [40, 32, 24, 33]);
    assert_eq!(output.resampled.as_ref().unwrap().shape(), [40, 32, 24]);
    assert_eq!(output.qc_scores, None);
    let lean = synthseg.run(&scan, &small().with_low_memory(true), &threads, &SilentProgress).unwrap();
    assert_eq!((&lean.labels, &lean.volumes), (&output.labels, &output.volumes));
    assert_eq!((lean.scan_labels, lean.posteriors, lean.resampled), (None, None, None));
    // In two steps, as batches do it.
    let prepared = SynthSeg::prepare(&scan, &options).unwrap();
    assert_eq!(synthseg.segment_prepared(prepared, &options, &threads, &SilentProgress).unwrap(), output);
}

#[test]
fn a_segmenter_counts_voxels_of_the_scan() {
    let scan = ball([30, 24, 20], Affine::from_scale([4.0, 5.0, 6.0]), [60.0; 3], 50.0);
    let segmenter = open_model(&store(&[PLAIN])).unwrap();
    let done = segmenter.segment(&scan, &SegmentOptions::new().with_conformed(), &SilentProgress).unwrap();
    assert_eq!((done.labels.shape(), done.labels.affine()), (scan.shape(), scan.affine()));
    assert_eq!(done.conformed.unwrap().shape(), [120, 120, 120]);
    assert_eq!(done.volumes.len(), 33);
    assert_eq!(done.volumes.iter().map(|volume| volume.voxels).sum::<u64>(), 30 * 24 * 20);
    assert!(done.volumes.iter().all(|volume| (volume.mm3 - volume.voxels as f64 * 120.0).abs() < 1e-6));
}

#[test]
fn sizes_and_bytes_are_known_before_the_scan_is_read() {
    let synthseg = SynthSeg::from_store(&store(&[PLAIN]), &NetworkBuild::new()).unwrap();
    let size = |options: &SynthSegOptions| SynthSeg::network_size(scan().meta(), options).unwrap();
    assert_eq!(size(&SynthSegOptions::new()), [128; 3]);
    assert_eq!(size(&small()), [64, 32, 32]);
    assert_eq!(size(&small().with_crop(Some([33, 20, 96]))), [64, 32, 96]);
    let bytes = |options: &SynthSegOptions| synthseg.run_bytes([64, 32, 32], options).unwrap();
    let n_voxels = 64 * 32 * 32;
    assert!(bytes(&small()) > 4 * n_voxels, "{}", bytes(&small()));
    let of_large = |low_memory: bool| synthseg.run_bytes([192; 3], &small().with_low_memory(low_memory)).unwrap();
    assert!(of_large(true) <= of_large(false), "{} {}", of_large(true), of_large(false));
    let posteriors = 33 * 4 * 192u64.pow(3) as usize;
    assert!(of_large(false) < posteriors, "{} for posteriors of {posteriors}", of_large(false));
    assert_eq!(bytes(&small().with_keep_posteriors(true)), bytes(&small()), "what is kept is stored anyway");
    let with_quality = Networks::new(SegmentationNet::from_store(&store(&[PLAIN]), &NetworkBuild::new()).unwrap())
        .with_quality(volkit_seg::QualityNet::from_store(&quality_store(4), &NetworkBuild::new()).unwrap());
    assert!(SynthSeg::new(with_quality).run_bytes([64, 32, 32], &small()).unwrap() > bytes(&small()));
}

#[test]
fn what_can_not_be_is_refused() {
    let synthseg = SynthSeg::from_store(&store(&[PLAIN]), &NetworkBuild::new()).unwrap();
    let refused = |scan: &Volume, options: &SynthSegOptions| {
        let error = synthseg.run(scan, options, &Threads::new(1), &SilentProgress).unwrap_err();
        let by_header = SynthSeg::network_size(scan.meta(), options).unwrap_err();
        assert_eq!(error.to_string(), by_header.to_string());
        error.to_string()
    };
    let both = small().with_crop(Some([32; 3])).with_autocrop(true);
    assert!(both.validate().is_err());
    assert!(refused(&scan(), &both).contains("autocrop"));
    assert!(refused(&scan(), &small().with_crop(Some([0, 32, 32]))).contains("crop"));
    let slice = Volume::new([30, 30, 1], vec![1.0f32; 900], Affine::IDENTITY).unwrap();
    assert!(refused(&slice, &small()).contains("single slice"));
    let flat = Volume::new([30, 30, 8], vec![1.0f32; 7200], Affine::IDENTITY).unwrap();
    assert!(refused(&flat, &small().with_compat(true)).contains("10 slices"));
}
