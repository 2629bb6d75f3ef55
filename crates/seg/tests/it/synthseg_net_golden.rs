//! Runs of the published program with reduced weights: preparation, networks, post-processing.

use serde_json::Value;
use volkit_core::{ArrayStore as _, SilentProgress};
use volkit_io::SafetensorsStore;
use volkit_kernels::Threads;
use volkit_seg::{
    NetworkBuild, NetworkOptions, NetworkOutput, Networks, ParcellationNet, Posteriors, PostprocessOptions, Prepared,
    PreprocessOptions, QualityNet, SegmentationNet, postprocess, preprocess,
};

use crate::synthseg_files::{shared, weights};

/// As the golden folder's README allows for posteriors.
const POSTERIOR: f64 = 1e-4;
/// Share of labels that may differ: where the two best posteriors are as good as equal.
const LABELS: f64 = 1e-4;
/// The same for the robust chain. One voxel that its denoiser decides by 8e-6 comes out otherwise, which changes the
/// input of the next network by 1; with that voxel turned the posteriors are equal (unit test of the chain).
const ROBUST_LABELS: f64 = 1e-2;

/// One run of the published program and ours.
struct Run {
    name: String,
    case: Value,
    tensors: SafetensorsStore,
    prepared: Prepared,
    networks: Networks,
    options: NetworkOptions,
}

impl Run {
    fn new(name: &str, compat: bool) -> Option<Self> {
        let cases = std::fs::read_to_string(shared("runs.json")?).unwrap();
        let mut cases: Value = serde_json::from_str(&cases).unwrap();
        let case = cases[name].take();
        let is_set = |flag: &str| case["options"][flag] == Value::Bool(true);
        let input = case["input"].as_str().unwrap();
        let scan = volkit_io::read(shared(&format!("inputs/{input}"))?).unwrap().into_volume();
        let crop = case["options"]["crop"][0].as_u64().map(|n| [n as usize; 3]);
        let prepare = PreprocessOptions::new().with_crop(crop).with_ct(is_set("ct"));
        let prepared = preprocess(&scan, &prepare).unwrap();
        let model = if is_set("robust") {
            "robust"
        } else if is_set("v1") {
            "v1"
        } else {
            "v2"
        };
        let mut networks = Networks::new(SegmentationNet::from_store(&weights(model), &NetworkBuild::new()).unwrap());
        if is_set("parc") {
            networks = networks
                .with_parcellation(ParcellationNet::from_store(&weights("parc"), &NetworkBuild::new()).unwrap());
        }
        if is_set("qc") {
            networks = networks.with_quality(QualityNet::from_store(&weights("qc"), &NetworkBuild::new()).unwrap());
        }
        let options = NetworkOptions::default().with_fast(is_set("fast") || is_set("robust")).with_compat(compat);
        let tensors = SafetensorsStore::open(shared(&format!("runs/{name}.safetensors"))?).unwrap();
        Some(Self { name: name.into(), case, tensors, prepared, networks, options })
    }

    fn output(&self) -> NetworkOutput {
        let (input, size) = (&self.prepared.net_input, self.prepared.placement.padded_size);
        let bytes = self.networks.run_bytes(size, &self.options).unwrap();
        println!("{}: {size:?}, {:.1} MB", self.name, bytes as f64 / 1e6);
        self.networks.run(input, size, &self.options, &Threads::new(0), &SilentProgress).unwrap()
    }

    /// Compares with a tensor `[x][y][z][c]` that has every `step`-th voxel from `start` on; returns the share of voxels
    /// that differ by more than the tolerance.
    fn compare(&self, tensor: &str, step: usize, start: [usize; 3], got: &Posteriors) -> f64 {
        self.compare_voxels(tensor, step, start, got, |got, wanted| got.iter().copied().zip(wanted.to_vec()).collect())
    }

    /// The same for a tensor that the published program went on to work on in place: it has set some channels to
    /// nothing, channels below `first` to another value, and normalised. What is left must have the same proportions.
    fn compare_proportions(&self, tensor: &str, step: usize, start: [usize; 3], got: &Posteriors, first: usize) -> f64 {
        self.compare_voxels(tensor, step, start, got, |got, wanted| {
            let left: Vec<(f32, f32)> =
                got.iter().copied().zip(wanted.iter().copied()).skip(first).filter(|(_, w)| *w > 0.0).collect();
            let [sum, wanted_sum]: [f32; 2] = [left.iter().map(|(g, _)| g).sum(), left.iter().map(|(_, w)| w).sum()];
            left.into_iter().map(|(g, w)| (g / sum, w / wanted_sum)).collect()
        })
    }

    fn compare_voxels(
        &self,
        tensor: &str,
        step: usize,
        start: [usize; 3],
        got: &Posteriors,
        pairs: impl Fn(&[f32], &[f32]) -> Vec<(f32, f32)>,
    ) -> f64 {
        let array = self.tensors.get(tensor).unwrap();
        let wanted: Vec<f32> = array.to_real().unwrap();
        let [nx, ny, nz, c] = <[usize; 4]>::try_from(array.shape()).unwrap();
        assert_eq!(c, got.channels, "{tensor}");
        let (mut worst, mut n_pairs, mut n_wrong) = (0.0f64, 0, 0);
        for i in 0..nx * ny * nz {
            let at = [i / (ny * nz), i / nz % ny, i % nz];
            let voxel = got.voxel(std::array::from_fn(|a| start[a] + step * at[a])).unwrap();
            let pairs = pairs(voxel, &wanted[i * c..(i + 1) * c]);
            let error = pairs.iter().map(|(a, b)| f64::from((a - b).abs())).fold(0.0, f64::max);
            n_pairs += pairs.len();
            n_wrong += usize::from(error > POSTERIOR);
            worst = worst.max(error);
        }
        println!("{}: {tensor}: largest error {worst:.1e} in {n_pairs} values; {n_wrong} voxels off", self.name);
        assert!(n_pairs > 1000, "{tensor}: nothing to compare");
        n_wrong as f64 / (nx * ny * nz) as f64
    }

    fn check_mean(&self, index: usize, got: &Posteriors) {
        let wanted = self.case["net_output_mean"][index].as_f64().unwrap();
        let mean = got.values.iter().map(|&v| f64::from(v)).sum::<f64>() / got.values.len() as f64;
        println!("{}: mean of output {index}: {mean}, reference {wanted}", self.name);
        assert!((mean - wanted).abs() <= 1e-6, "{}: mean of output {index}: {mean}, {wanted}", self.name);
    }

    /// Labels and posteriors of the whole run.
    fn check_files(&self, output: &NetworkOutput) {
        let options = PostprocessOptions::new()
            .with_fast(self.options.fast)
            .with_keep_posteriors(true)
            .with_compat(self.options.compat);
        let structures = self.networks.segmentation.structures();
        let parcellation = output.parcellation.as_ref();
        let done = postprocess(&output.segmentation, parcellation, structures, &self.prepared.placement, &options);
        let done = done.unwrap();
        let extension = self.case["options"]["ext"].as_str().unwrap_or(".nii.gz");
        let file = shared(&format!("runs/{}_seg{extension}", self.name)).unwrap();
        let wanted = volkit_io::read(file).unwrap().into_volume();
        assert_eq!(done.labels.shape(), wanted.shape(), "{}", self.name);
        let (got, wanted) = (done.labels.to_real::<f64>().unwrap(), wanted.to_real::<f64>().unwrap());
        let different = got.iter().zip(&wanted).filter(|(a, b)| a != b).count();
        println!("{}: {different} of {} labels differ", self.name, got.len());
        let allowed = if self.networks.segmentation.is_robust() { ROBUST_LABELS } else { LABELS };
        assert!(different as f64 <= allowed * got.len() as f64, "{}: {different} labels", self.name);
        let volume = done.posteriors.unwrap().to_volume().unwrap();
        let [nx, ny, nz, c] = <[usize; 4]>::try_from(volume.shape()).unwrap();
        let values = volume.to_real::<f32>().unwrap();
        let voxels = nx * ny * nz;
        let interleaved = (0..voxels * c).map(|i| values[i / c + voxels * (i % c)]).collect();
        let stride = self.tensors.get("stride").unwrap().to_real::<f64>().unwrap()[0] as usize;
        let posteriors = Posteriors::new([nx, ny, nz], c, interleaved).unwrap();
        let off = self.compare("posteriors_stride", stride, [0; 3], &posteriors);
        assert!(off == 0.0 || self.networks.segmentation.is_robust(), "{}: {off}", self.name);
    }
}

#[test]
fn the_default_posterior_equals_the_published_programs() {
    let Some(run) = Run::new("iso_default", false) else { return };
    let output = run.output();
    let kept = run.prepared.placement.kept.start;
    let tensor = "net_seg_posterior_kept_region_stride4";
    assert_eq!(run.compare_proportions(tensor, 4, kept, &output.segmentation, 0), 0.0);
    run.check_files(&output);
}

#[test]
fn fast_runs_equal_the_published_programs() {
    for name in ["iso_fast_crop64", "iso_robust_crop64"] {
        let Some(run) = Run::new(name, false) else { return };
        let output = run.output();
        run.check_mean(0, &output.segmentation);
        run.check_files(&output);
    }
}

#[test]
fn runs_on_other_grids_equal_the_published_programs() {
    for name in ["shear_crop64", "rot_crop64", "flipped_crop32", "mgz_crop64", "ct_crop64"] {
        let Some(run) = Run::new(name, false) else { return };
        run.check_files(&run.output());
    }
}

#[test]
fn parcellation_runs_equal_the_published_programs() {
    for name in [
        "iso_fast_parc_crop64",
        "iso_parc_qc_crop64",
        "iso_fast_parc_qc_crop64",
        "iso_v1_parc_qc_crop64",
        "iso_robust_parc_qc_crop64",
    ] {
        let Some(run) = Run::new(name, true) else { return };
        let output = run.output();
        let parcellation = output.parcellation.as_ref().unwrap();
        let off = run.compare_proportions("net_parc_posterior_stride16", 16, [0; 3], parcellation, 1);
        assert!(off == 0.0 || run.networks.segmentation.is_robust(), "{name}: {off}");
        run.check_files(&output);
    }
}
