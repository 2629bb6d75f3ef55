//! Scans of all kinds through the whole pipeline.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use volkit_core::{Affine, AxisMap, Complex, DType, Progress, SilentProgress, Stopped, Volume};
use volkit_geom::apply_axis_map;
use volkit_kernels::Threads;
use volkit_seg::{Conformed, ConformedVoxels, MeshNet, SegError, SegmentOptions, Segmentation, Segmenter as _};

use crate::nets::{ball, store, threshold_store};

const LIA: [[f64; 4]; 3] = [[-1.0, 0.0, 0.0, 128.0], [0.0, 0.0, 1.0, -128.0], [0.0, -1.0, 0.0, 128.0]];

fn options() -> SegmentOptions {
    SegmentOptions::new().with_threads(Arc::new(Threads::new(2)))
}

fn segment(scan: &Volume) -> Result<Segmentation, SegError> {
    MeshNet::from_store(&threshold_store(2)).unwrap().segment(scan, &options(), &SilentProgress)
}

/// Voxels that are labelled although dark, or not although bright.
fn wrong(scan: &Volume, segmentation: &Segmentation) -> usize {
    let labels = segmentation.labels.as_slice::<u8>().unwrap();
    let values: Vec<f32> = scan.to_real().unwrap();
    labels.iter().zip(values).filter(|&(&label, value)| (label == 1) != (value > 100.0)).count()
}

/// A small scan of a ball, 4 mm voxels.
fn small_scan() -> Volume {
    ball([40, 44, 36], Affine::from_scale([4.0; 3]).with_translation([-80.0, -88.0, -72.0]), [0.0, 4.0, 0.0], 50.0)
}

#[test]
fn a_conformed_scan_is_turned_and_never_resampled() {
    let lia = ball([256; 3], Affine::from_rows(LIA), [20.0, -30.0, 10.0], 50.0);
    let first = segment(&lia).unwrap();
    assert_eq!((wrong(&lia, &first), first.labels.affine()), (0, lia.affine()));
    assert!(first.conformed.is_none() && first.warnings.is_empty());
    assert_eq!(first.labels.dtype(), DType::U8);

    let map = AxisMap { source_axis: [2, 0, 1], flipped: [true, false, true] };
    let turned = apply_axis_map(&lia, &map).unwrap().cast::<i16>().unwrap();
    let conformed = Conformed::new(&turned).unwrap();
    assert!(!conformed.is_resampled());
    let ConformedVoxels::F32(values) = conformed.voxels() else { panic!("i16 voxels become f32") };
    assert!(values.iter().zip(lia.as_slice::<u8>().unwrap()).all(|(&a, &b)| a == f32::from(b)));
    assert_eq!(conformed.affine(), lia.affine());
    let second = segment(&turned).unwrap();
    assert_eq!(second.labels, apply_axis_map(&first.labels, &map).unwrap());
    assert_eq!(second.volumes, first.volumes);
}

#[test]
fn any_other_grid_is_resampled_and_labels_come_back_on_it() {
    let (sin, cos) = 0.5f64.sin_cos();
    let oblique = Affine::from_rows([
        [-2.0 * cos, 0.0, 3.0 * sin, 20.0],
        [0.0, 1.5, 0.0, -70.0],
        [2.0 * sin, 0.0, 3.0 * cos, -120.0],
    ]);
    let size = [70, 90, 60];
    let middle = oblique.apply([34.0, 44.0, 29.0]);
    let scan = ball(size, oblique, middle, 52.0);
    let segmentation =
        MeshNet::from_store(&threshold_store(2)).unwrap().segment(&scan, &options().with_conformed(), &SilentProgress);
    let segmentation = segmentation.unwrap();
    assert_eq!((segmentation.labels.shape(), segmentation.labels.affine()), (&size[..], &oblique));
    let ball_mm3 = 4.0 / 3.0 * std::f64::consts::PI * 52.0f64.powi(3);
    assert!((segmentation.volumes[1].mm3 / ball_mm3 - 1.0).abs() < 0.03, "{}", segmentation.volumes[1].mm3 / ball_mm3);
    // Only voxels at the surface may differ: a shell of one voxel's half diagonal.
    assert!(wrong(&scan, &segmentation) < 600, "{}", wrong(&scan, &segmentation));
    let conformed = segmentation.conformed.unwrap();
    assert_eq!((conformed.shape(), conformed.dtype()), (&[256usize; 3][..], DType::U8));
    let voxel = conformed.affine().inverse().unwrap().apply(middle).map(|x| x.round() as usize);
    assert_eq!(conformed.as_slice::<u8>().unwrap()[conformed.offset(voxel)], 255);
}

#[test]
fn voxels_that_are_not_finite_count_as_the_minimum() {
    let clean = small_scan().cast::<f32>().unwrap();
    let mut values: Vec<f32> = clean.to_real().unwrap();
    (values[0], values[5], values[77]) = (f32::NAN, f32::INFINITY, f32::NEG_INFINITY);
    let dirty = Volume::new(clean.shape(), values, *clean.affine()).unwrap();
    let segmentation = segment(&dirty).unwrap();
    assert_eq!(segmentation.labels, segment(&clean).unwrap().labels);
    assert_eq!(segmentation.warnings, ["3 voxels are NaN or infinite; they count as 0, the minimum"]);
    let nothing = Volume::new([8; 3], vec![f32::NAN; 512], Affine::IDENTITY).unwrap();
    let error = segment(&nothing).unwrap_err().to_string();
    assert_eq!(error, "scan: values = 512 voxels, none finite: there is nothing to segment");
}

#[test]
fn the_first_of_several_volumes_is_taken() {
    let scan = small_scan();
    let [nx, ny, nz] = scan.meta().spatial_size();
    let first: Vec<u8> = scan.to_real().unwrap();
    let inverted = first.iter().map(|v| 200 - v);
    let both: Vec<u8> = first.iter().copied().chain(inverted).collect();
    let stack = Volume::new([nx, ny, nz, 2], both, *scan.affine()).unwrap();
    let segmentation = segment(&stack).unwrap();
    assert_eq!(segmentation.labels, segment(&scan).unwrap().labels);
    assert_eq!(segmentation.warnings, ["the scan holds 2 volumes; the first one is segmented"]);
    let one = Volume::new([nx, ny, nz, 1, 1], first, *scan.affine()).unwrap();
    let alone = segment(&one).unwrap();
    assert_eq!((alone.labels, alone.warnings.len()), (segmentation.labels, 0));
}

#[test]
fn a_constant_scan_gets_labels_and_a_warning() {
    let scan = Volume::new([20; 3], vec![7i16; 8000], Affine::from_scale([5.0; 3])).unwrap();
    let segmentation = segment(&scan).unwrap();
    assert_eq!(segmentation.volumes[0].voxels, 8000);
    assert_eq!(segmentation.warnings, ["nearly all voxels have one value; the labels mean little"]);
}

#[test]
fn what_is_no_scan_is_refused_by_field_and_value() {
    let values = |n: usize| vec![1.0f32; n];
    let identity = Affine::IDENTITY;
    let volume = |shape: &[usize]| Volume::new(shape, values(shape.iter().product()), identity).unwrap();
    let nan = Affine::from_rows([[f64::NAN, 0.0, 0.0, 0.0], [0.0, 1.0, 0.0, 0.0], [0.0, 0.0, 1.0, 0.0]]);
    let cases = [
        (volume(&[64, 64]), "shape = [64, 64]: a scan has three spatial axes"),
        (volume(&[64, 64, 1]), "shape = [64, 64, 1]: a scan has three spatial axes; this one is a single slice"),
        (volume(&[64, 64, 3]), "shape = [64, 64, 3]: a scan has at least 4 voxels along each spatial axis"),
        (volume(&[0, 8, 8]), "shape = [0, 8, 8]: a scan has at least 4 voxels"),
        (volume(&[8, 8, 8, 0]), "shape = [8, 8, 8, 0]: a scan has voxels"),
        (volume(&[8, 8, 8, 1, 3]), "shape = [8, 8, 8, 1, 3]: a scan has three spatial axes and at most one more"),
        (Volume::new([8; 3], vec![[1u8, 2, 3]; 512], identity).unwrap(), "element type = rgb24: a scan has one real"),
        (
            Volume::new([8; 3], vec![Complex::new(1.0f32, 0.0); 512], identity).unwrap(),
            "element type = complex64: a scan has one real number a voxel",
        ),
        (Volume::new([8; 3], values(512), nan).unwrap(), "affine = [[NaN"),
        (Volume::new([8; 3], values(512), Affine::from_scale([1.0, 0.0, 1.0])).unwrap(), "affine = [[1.0, 0.0"),
    ];
    for (scan, message) in cases {
        let error = segment(&scan).unwrap_err().to_string();
        assert!(error.starts_with(&format!("scan: {message}")), "{error}");
        assert!(!error.contains('\n'));
    }
}

#[test]
fn more_classes_than_a_byte_holds() {
    let scan = small_scan();
    let net = MeshNet::from_store(&threshold_store(300)).unwrap();
    let segmentation = net.segment(&scan, &options(), &SilentProgress).unwrap();
    let labels = segmentation.labels.as_slice::<i16>().unwrap();
    assert_eq!(labels.iter().max(), Some(&299));
    assert_eq!(segmentation.volumes.len(), 300);
    assert_eq!(segmentation.volumes.iter().map(|volume| volume.voxels).sum::<u64>(), labels.len() as u64);
}

#[test]
fn decisions_agree_with_labels_and_threads_change_nothing() {
    let layers = [(3, 1, 1, 4), (3, 8, 4, 4), (1, 1, 4, 5)];
    let net = MeshNet::from_store(&store(&layers, "elu", "none")).unwrap();
    let scan = ball([256; 3], Affine::from_rows(LIA), [0.0; 3], 60.0);
    let one = SegmentOptions::new().with_threads(Arc::new(Threads::single()));
    let segmentation = net.segment(&scan, &one, &SilentProgress).unwrap();
    let decisions = net.decide(&Conformed::new(&scan).unwrap(), &Threads::new(3), &SilentProgress).unwrap();
    let labels = segmentation.labels.as_slice::<u8>().unwrap();
    assert!(labels.iter().zip(&decisions.labels).all(|(&a, &b)| u16::from(a) == b));
    assert_eq!(decisions.near_ties(0.0), 0);
    assert_eq!(decisions.near_ties(f32::INFINITY), labels.len());
    assert!(segmentation.volumes.iter().filter(|volume| volume.voxels > 0).count() >= 2);
}

#[derive(Default)]
struct Recorder {
    stages: std::sync::Mutex<Vec<(String, u64)>>,
    done: AtomicU64,
    stop_after: Option<u64>,
}

impl Progress for Recorder {
    fn begin(&self, stage: &str, total: u64) {
        self.stages.lock().unwrap().push((stage.to_owned(), total));
    }

    fn advance(&self, steps: u64) {
        self.done.fetch_add(steps, Ordering::Relaxed);
    }

    fn check(&self) -> Result<(), Stopped> {
        let stop = self.stop_after.is_some_and(|after| self.done.load(Ordering::Relaxed) > after);
        if stop { Err(Stopped) } else { Ok(()) }
    }
}

#[test]
fn stages_are_told_and_a_stop_is_obeyed() {
    let net = MeshNet::from_store(&threshold_store(2)).unwrap();
    let told = Recorder::default();
    net.segment(&small_scan(), &options(), &told).unwrap();
    let stages = told.stages.lock().unwrap().clone();
    let names: Vec<_> = stages.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["conform", "network", "labels to the scan"]);
    assert_eq!(told.done.load(Ordering::Relaxed), stages.iter().map(|(_, total)| total).sum::<u64>());

    let stopping = Recorder { stop_after: Some(100), ..Recorder::default() };
    let error = net.segment(&small_scan(), &options(), &stopping).unwrap_err();
    assert!(matches!(error, SegError::Stopped(_)), "{error}");
    assert!(stopping.done.load(Ordering::Relaxed) < 900);
}
