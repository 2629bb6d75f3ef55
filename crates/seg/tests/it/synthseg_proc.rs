//! Pre- and post-processing of `SynthSeg`: tables, shapes, small cases worked by hand.

use volkit_core::{Affine, Volume};
use volkit_geom::Grid;
use volkit_seg::{
    Bounds, Placement, Posteriors, PostprocessOptions, Postprocessed, PreprocessOptions, QC_SIZE, SegError, Structures,
    SynthSegCsv, brain_mask, labels_on_grid, parcels, postprocess, preprocess, qc_groups, qc_header, qc_input, qc_row,
    qc_scores,
};

#[test]
fn tables_are_whole_and_flips_are_involutions() {
    for (structures, count) in [(Structures::v1(), 32), (Structures::v2(), 33)] {
        assert_eq!(structures.count(), count);
        let channels = structures.channels();
        let mut labels: Vec<u32> = channels.iter().map(|s| s.label).collect();
        assert!(labels.is_sorted());
        labels.dedup();
        assert_eq!(labels.len(), count);
        let flips = structures.flip_channels();
        assert!((0..count).all(|channel| flips[flips[channel]] == channel));
        for (channel, structure) in channels.iter().enumerate() {
            let other = &channels[flips[channel]];
            assert_eq!(structure.name.replace("left", "right"), other.name.replace("left", "right"));
            assert_eq!((structure.qc_group, structure.qc_group < qc_groups().len()), (other.qc_group, true));
            assert!(structure.topological_class < 32);
        }
        assert_eq!(structures.label_table(false).len(), count);
        assert_eq!(structures.label_table(true).len(), count + 68);
        assert_eq!(Structures::of_channels(count).unwrap(), structures);
    }
    let added: Vec<u32> = Structures::v2().channels().iter().map(|s| s.label).collect();
    let old: Vec<u32> = Structures::v1().channels().iter().map(|s| s.label).collect();
    assert_eq!(added.into_iter().filter(|label| !old.contains(label)).collect::<Vec<_>>(), [24]);
    assert_eq!((Structures::v1().cortex_channels(), Structures::v2().cortex_channels()), (vec![2, 19], vec![2, 20]));
    assert_eq!((Structures::v1().has_total(), Structures::v2().has_total()), (false, true));
    assert!(Structures::of_channels(5).is_err());
    let labels: Vec<u32> = parcels().iter().map(|parcel| parcel.label).collect();
    assert_eq!((labels.len(), labels[0], labels[1], labels[68], labels.is_sorted()), (69, 0, 1001, 2035, true));
    assert!((1..35).all(|i| labels[i] + 1000 == labels[i + 34]));
    assert_eq!((qc_groups().len(), qc_groups()[0].as_str(), qc_groups()[5].as_str()), (9, "background", "brainstem"));
    let table = Structures::v2().label_table(true);
    assert_eq!((table.name(17), table.colour(24)), ("left hippocampus".into(), [60, 60, 60]));
}

fn ramp(size: [usize; 3], affine: Affine) -> Volume {
    let values: Vec<f32> = (0..size.iter().product()).map(|i| (i * 7 % 101) as f32).collect();
    Volume::new(size, values, affine).unwrap()
}

#[test]
fn a_scan_at_1_mm_is_turned_rescaled_and_padded() {
    let lps = Affine::from_scale([-1.0, -1.0, 1.0]).with_translation([4.0, 5.0, 6.0]);
    let scan = ramp([10, 12, 14], lps);
    let prepared = preprocess(&scan, &PreprocessOptions::new()).unwrap();
    let placement = prepared.placement;
    assert_eq!((placement.padded_size, placement.resampled), ([128; 3], false));
    assert_eq!(placement.kept, Bounds { start: [59, 58, 57], end: [69, 70, 71] });
    let value = |p: [usize; 3]| scan.as_slice::<f32>().unwrap()[scan.offset(p)];
    // Both ends clip: 0 and 100 are each more than 0.5 % of the ramp.
    let input = |p: [usize; 3]| prepared.net_input[p[0] + 59 + 128 * (p[1] + 58 + 128 * (p[2] + 57))];
    for p in [[0, 0, 0], [9, 11, 13], [3, 7, 5]] {
        assert_eq!(input(p), value([9 - p[0], 11 - p[1], p[2]]) / 100.0);
    }
    assert_eq!(
        prepared.net_input.iter().filter(|v| **v != 0.0).count(),
        scan.as_slice::<f32>().unwrap().iter().filter(|v| **v != 0.0).count()
    );
    assert_eq!(placement.scan_from_aligned().unwrap().flipped, [true, true, false]);
    assert!(prepared.resampled.is_none() && prepared.warnings.is_empty());
}

#[test]
fn resampling_is_decided_by_the_recorded_spacing() {
    let scan = ramp([20, 20, 20], Affine::from_scale([1.0; 3]));
    for (mm, resampled) in [(1.05f32, false), (0.95f32, true), (1.051, true), (0.96, false)] {
        let meta = scan.meta().clone().with_spacing([f64::from(mm), 1.0, 1.0]).unwrap();
        let scan = Volume::from_meta(meta, scan.voxels().clone()).unwrap();
        let options = PreprocessOptions::new().with_keep_resampled(true).with_smallest_size(32);
        let prepared = preprocess(&scan, &options).unwrap();
        assert_eq!(prepared.placement.resampled, resampled, "{mm}");
        assert_eq!(prepared.resampled.is_some(), resampled);
        let used = if resampled { 1.0 } else { f64::from(mm) };
        assert_eq!(prepared.placement.spacing_mm, [used, 1.0, 1.0]);
        assert_eq!(prepared.placement.voxel_mm3(), used);
    }
}

#[test]
fn autocrop_pastes_back_to_the_same_place() {
    let mut values = vec![0.0f32; 80 * 70 * 60];
    let at = |p: [usize; 3]| p[0] + 80 * (p[1] + 70 * p[2]);
    for (i, p) in (0..8000).map(|i| (i, [i % 20 + 40, i / 20 % 20 + 2, i / 400 + 35])) {
        values[at(p)] = (i % 90 + 10) as f32;
    }
    let scan = Volume::new([80, 70, 60], values, Affine::IDENTITY).unwrap();
    let options = PreprocessOptions::new().with_autocrop(true).with_smallest_size(32);
    let prepared = preprocess(&scan, &options).unwrap();
    let placement = prepared.placement;
    // Extent 21 of 32 wanted: 5 before.
    assert_eq!(placement.crop, Some(Bounds { start: [35, 0, 30], end: [67, 32, 60] }));
    assert_eq!((placement.padded_size, placement.kept.start), ([32; 3], [0, 0, 1]));
    let whole = preprocess(&scan, &PreprocessOptions::new().with_smallest_size(32)).unwrap();
    let brightest = |input: &[f32]| input.iter().filter(|v| **v > 0.0).count();
    assert_eq!(brightest(&prepared.net_input), brightest(&whole.net_input));
}

fn refused(result: Result<volkit_seg::Prepared, SegError>) -> String {
    result.unwrap_err().to_string()
}

#[test]
fn scans_that_can_not_be_are_refused_with_a_reason() {
    let options = PreprocessOptions::new();
    let of = |shape: &[usize]| Volume::new(shape, vec![1.0f32; shape.iter().product()], Affine::IDENTITY).unwrap();
    for (shape, wanted) in [
        (vec![20, 20], "single slice"),
        (vec![20, 20, 1], "single slice"),
        (vec![20, 20, 3], "at most 3 slices"),
        (vec![20, 0, 20], "has voxels"),
        (vec![20, 20, 20, 2, 2], "at most one more"),
    ] {
        let message = refused(preprocess(&of(&shape), &options));
        assert!(message.contains(wanted) && message.contains(&format!("{shape:?}")), "{message}");
    }
    let rgb = Volume::new([11, 11, 11], vec![[1u8; 3]; 1331], Affine::IDENTITY).unwrap();
    assert!(refused(preprocess(&rgb, &options)).contains("one real number"));
    let flat = Volume::new([11, 11, 11], vec![1u8; 1331], Affine::from_scale([1.0, 0.0, 1.0])).unwrap();
    assert!(refused(preprocess(&flat, &options)).contains("singular"));
    let nothing = Volume::new([11, 11, 11], vec![f32::NAN; 1331], Affine::IDENTITY).unwrap();
    assert!(refused(preprocess(&nothing, &options)).contains("none finite"));
    let scan = of(&[20, 20, 20]);
    assert!(refused(preprocess(&scan, &options.clone().with_crop(Some([0, 1, 1])))).contains("crop"));
    let both = options.clone().with_crop(Some([32; 3])).with_autocrop(true);
    assert!(refused(preprocess(&scan, &both)).contains("autocrop"));
    assert!(preprocess(&scan, &options.with_smallest_size(usize::MAX)).is_err());
}

#[test]
fn few_slices_and_many_volumes_depend_on_compat() {
    let options = PreprocessOptions::new().with_smallest_size(32);
    let compat = options.clone().with_compat(true);
    let thick = Affine::from_scale([1.0, 1.0, 4.0]);
    let slices = Volume::new([20, 20, 8], vec![1.0f32; 3200], thick).unwrap();
    assert_eq!(preprocess(&slices, &options).unwrap().placement.aligned_size, [20, 20, 32]);
    assert!(refused(preprocess(&slices, &compat)).contains("2 voxel sizes"));
    assert!(preprocess(&slices, &compat.clone().with_three_spacings(true)).is_ok());
    let thin = Volume::new([20, 20, 8], vec![1.0f32; 3200], Affine::IDENTITY).unwrap();
    assert!(preprocess(&thin, &options).is_ok());
    assert!(refused(preprocess(&thin, &compat.clone().with_three_spacings(true))).contains("padded"));
    let series = Volume::new([11, 11, 11, 12], vec![1i16; 1331 * 12], Affine::IDENTITY).unwrap();
    assert!(preprocess(&series, &options).unwrap().warnings[0].contains("12 volumes"));
    assert!(refused(preprocess(&series, &compat)).contains("4 voxel sizes"));
    assert!(preprocess(&series, &compat.with_three_spacings(true)).is_ok());
}

#[test]
fn odd_values_are_survived() {
    let options = PreprocessOptions::new().with_smallest_size(32);
    let constant = Volume::new([12, 12, 12], vec![7u16; 1728], Affine::IDENTITY).unwrap();
    assert!(preprocess(&constant, &options).unwrap().net_input.iter().all(|v| *v == 0.0));
    let mut values: Vec<f32> = (0..1728).map(|i| i as f32).collect();
    (values[3], values[9], values[17]) = (f32::NAN, f32::INFINITY, f32::NEG_INFINITY);
    let prepared = preprocess(&Volume::new([12, 12, 12], values, Affine::IDENTITY).unwrap(), &options).unwrap();
    assert!(prepared.net_input.iter().all(|v| (0.0..=1.0).contains(v)));
    assert!(prepared.warnings[0].contains("3 voxels"), "{:?}", prepared.warnings);
    let ct: Vec<i16> = (0..1728).map(|i| i - 1000).collect();
    let scan = Volume::new([12, 12, 12], ct, Affine::IDENTITY).unwrap();
    let input = preprocess(&scan, &options.with_ct(true)).unwrap().net_input;
    assert_eq!(input.iter().filter(|v| **v > 0.0 && **v < 1.0).count(), 79);
}

/// Voxels in a row, each wholly one label of version 2 (`None`: no posterior at all).
fn row_of(labels: &[Option<u32>]) -> Posteriors {
    let structures = Structures::v2();
    let mut posteriors = Posteriors::zeros([labels.len(), 1, 1], 33).unwrap();
    for (voxel, label) in posteriors.values.chunks_exact_mut(33).zip(labels) {
        if let Some(label) = label {
            voxel[structures.channel_of(*label).unwrap()] = 1.0;
        }
    }
    posteriors
}

fn segment(posteriors: &Posteriors, placement: &Placement, options: &PostprocessOptions) -> Postprocessed {
    postprocess(posteriors, None, Structures::v2(), placement, options).unwrap()
}

#[test]
fn stray_parts_vanish_and_tissues_add_up() {
    let labels = [2, 24, 17, 17, 2, 2, 24, 0, 4].map(Some);
    let placement = Placement::whole([9, 1, 1], Affine::from_scale([1.0, 1.0, 2.0]));
    let plain = segment(&row_of(&labels), &placement, &PostprocessOptions::new());
    // The head is the first seven voxels; of class 4 the second part is the larger one.
    assert_eq!(plain.labels.as_slice::<i32>().unwrap(), [0, 24, 17, 17, 2, 2, 24, 0, 0]);
    let fast = segment(&row_of(&labels), &placement, &PostprocessOptions::new().with_fast(true));
    assert_eq!(fast.labels.as_slice::<i32>().unwrap(), [2, 24, 17, 17, 2, 2, 24, 0, 0]);
    let volumes = &fast.volumes;
    assert_eq!((volumes.total, volumes.structures[0], volumes.structures[15]), (Some(14.0), 6.0, 4.0));
    let tissues = volumes.tissues;
    assert_eq!(tissues.figures(), [4.0, 6.0, 4.0, 10.0]);
    let mask = brain_mask(&fast.labels).unwrap();
    assert_eq!(mask.as_slice::<u8>().unwrap(), [1, 0, 1, 1, 1, 1, 0, 0, 0]);
    assert_eq!(brain_mask(&fast.labels.cast::<u8>().unwrap()).unwrap(), mask);
    let csv = SynthSegCsv::new(Structures::v2()).with_tissues();
    let line = csv.row("a", volumes);
    assert!(line.starts_with("a,14.0,6.0,0.0,") && line.ends_with(",4.0,6.0,4.0,10.0\r\n"), "{line}");
    assert!(csv.header("").starts_with(",total intracranial,") && csv.header("").ends_with(",brain\r\n"));
    assert_eq!(csv.clone().with_parcels().names().len(), 33 + 68 + 4);
    assert_eq!(csv.with_parcels().row("a", volumes).matches(',').count(), 33 + 68 + 4);
}

#[test]
fn voxels_without_posterior_are_background_and_nan_with_compat() {
    let placement = Placement::whole([3, 1, 1], Affine::IDENTITY);
    let labels = [Some(2), None, Some(0)];
    let options = PostprocessOptions::new().with_keep_posteriors(true);
    let plain = segment(&row_of(&labels), &placement, &options);
    assert_eq!(plain.labels.as_slice::<i32>().unwrap(), [2, 0, 0]);
    assert_eq!(
        &plain.posteriors.unwrap().to_volume().unwrap().as_slice::<f32>().unwrap()[..6],
        [0.0, 1.0, 1.0, 1.0, 0.0, 0.0]
    );
    assert_eq!(plain.volumes.total, Some(1.0));
    let compat = segment(&row_of(&labels), &placement, &options.with_compat(true));
    assert_eq!(compat.labels, plain.labels);
    assert!(compat.posteriors.unwrap().to_volume().unwrap().as_slice::<f32>().unwrap()[1].is_nan());
    assert!(compat.volumes.single && compat.volumes.total.unwrap().is_nan());
    assert!(SynthSegCsv::new(Structures::v2()).row("a", &compat.volumes).starts_with("a,nan,nan,"));
}

#[test]
fn a_cropped_part_comes_back_in_its_place() {
    // Axes of the scan: y, -x, z of RAS; 4 x 5 x 3 voxels in RAS, of which 2 x 2 x 1 were analysed.
    let affine = Affine::from_rows([[0.0, -1.0, 0.0, 0.0], [1.0, 0.0, 0.0, 0.0], [0.0, 0.0, 1.0, 0.0]]);
    let mut placement = Placement::whole([2, 2, 1], affine);
    placement.aligned_size = [4, 5, 3];
    placement.crop = Some(Bounds { start: [1, 2, 1], end: [3, 4, 2] });
    let kept = Bounds { start: [1, 0, 2], end: [3, 2, 3] };
    let placement = placement.padded([4, 2, 4], kept).unwrap();
    let mut posteriors = Posteriors::zeros([4, 2, 4], 33).unwrap();
    let structures = Structures::v2();
    for (x, y, label) in [(1, 0, 2), (2, 0, 3), (1, 1, 41), (2, 1, 42)] {
        posteriors.values[(x + 4 * (y + 2 * 2)) * 33 + structures.channel_of(label).unwrap()] = 0.8;
    }
    let options = PostprocessOptions::new().with_fast(true).with_keep_posteriors(true);
    let result = segment(&posteriors, &placement, &options);
    assert_eq!((result.labels.shape(), result.labels.affine()), ([5, 4, 3].as_slice(), &affine));
    let labels = result.labels.as_slice::<i32>().unwrap();
    // RAS voxel (x, y) is (y, 3 - x) of the scan.
    for ([x, y], label) in [([1, 2], 2), ([2, 2], 3), ([1, 3], 41), ([2, 3], 42)] {
        assert_eq!(labels[result.labels.offset([y, 3 - x, 1])], label);
    }
    assert_eq!(labels.iter().filter(|label| **label != 0).count(), 4);
    let posteriors = result.posteriors.unwrap().to_volume().unwrap();
    assert_eq!(posteriors.shape(), [5, 4, 3, 33]);
    let sums = |frame: &[f32]| frame.iter().sum::<f32>();
    let frames: Vec<f32> = posteriors.as_slice::<f32>().unwrap().chunks_exact(60).map(sums).collect();
    assert_eq!((frames[0], frames[1], frames[20], frames.iter().sum::<f32>()), (56.0, 1.0, 1.0, 60.0));
    assert_eq!(result.volumes.total, Some(4.0));
}

#[test]
fn parcels_replace_the_cortex_and_add_up_to_it() {
    let labels = [3, 2, 42, 2, 2].map(Some);
    let placement = Placement::whole([5, 1, 1], Affine::IDENTITY);
    let mut parcellation = Posteriors::zeros([5, 1, 1], 69).unwrap();
    // Background wins everywhere but is not asked inside the cortex; the third voxel has nothing else.
    for (voxel, values) in [(0, (0.6, 10, 0.4)), (1, (0.5, 40, 0.5)), (2, (1.0, 68, 0.0))] {
        let at = voxel * 69;
        (parcellation.values[at], parcellation.values[at + values.1]) = (values.0, values.2);
    }
    let run = |compat: bool| {
        let options = PostprocessOptions::new().with_fast(true).with_compat(compat);
        postprocess(&row_of(&labels), Some(&parcellation), Structures::v2(), &placement, &options).unwrap()
    };
    let plain = run(false);
    assert_eq!(plain.labels.as_slice::<i32>().unwrap(), [parcels()[10].label as i32, 2, 42, 2, 2]);
    assert!((plain.volumes.parcels.iter().sum::<f64>() - 2.0).abs() < 1e-12);
    assert!((plain.volumes.parcels[9] / plain.volumes.parcels[39] - 3.0).abs() < 1e-6);
    let compat = run(true);
    assert_eq!(compat.labels.as_slice::<i32>().unwrap(), [parcels()[10].label as i32, 2, 0, 2, 2]);
}

#[test]
fn posteriors_of_another_size_are_refused() {
    let placement = Placement::whole([3, 1, 1], Affine::IDENTITY);
    let options = PostprocessOptions::new();
    let run = |posteriors: Posteriors, parcellation: Option<&Posteriors>| {
        postprocess(&posteriors, parcellation, Structures::v2(), &placement, &options).map(|_| ())
    };
    assert!(run(row_of(&[None; 4]), None).unwrap_err().to_string().contains("4, 1, 1"));
    assert!(run(Posteriors::zeros([3, 1, 1], 32).unwrap(), None).is_err());
    assert!(run(row_of(&[None; 3]), Some(&row_of(&[None; 3]))).is_err());
    assert!(placement.padded([2, 1, 1], Bounds::whole([3, 1, 1])).is_err());
}

#[test]
fn the_quality_cube_holds_groups_around_the_brain() {
    let structures = Structures::v2();
    let size = [40, 30, 20];
    let mut channels = vec![0u8; 40 * 30 * 20];
    let at = |p: [usize; 3]| p[0] + 40 * (p[1] + 30 * p[2]);
    let channel = |label: u32| structures.channel_of(label).unwrap() as u8;
    channels[at([10, 10, 10])] = channel(10);
    channels[at([20, 12, 11])] = channel(53);
    // The fluid (channel 16) does not widen the box; channel 24 does, except with compat.
    channels[at([0, 0, 0])] = channel(24);
    channels[at([39, 12, 11])] = 24;
    let input = qc_input(&channels, size, structures, false).unwrap();
    assert_eq!(input.start, [10 - 97, 10 - 111, 10 - 111]);
    let place = |p: [usize; 3]| {
        let [x, y, z] = std::array::from_fn(|axis| (p[axis] as i64 - input.start[axis]) as usize);
        x + QC_SIZE * (y + QC_SIZE * z)
    };
    assert_eq!((input.groups[place([10, 10, 10])], input.groups[place([20, 12, 11])]), (6, 8));
    assert_eq!(input.groups[place([39, 12, 11])], 4);
    assert_eq!(input.groups.iter().filter(|group| **group != 0).count(), 3);
    let compat = qc_input(&channels, size, structures, true).unwrap();
    assert_eq!(compat.start, [-102, -106, -106]);
    let hot = input.one_hot();
    assert_eq!(hot.len(), 9 * QC_SIZE.pow(3));
    let voxel = place([10, 10, 10]) * 9;
    assert_eq!(hot[voxel..voxel + 9], [0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0]);
    assert!(qc_input(&channels, [1, 1, 1], structures, false).is_err());
    assert!(qc_input(&[33], [1, 1, 1], structures, false).is_err());
    assert_eq!(qc_input(&[0], [1, 1, 1], structures, false).unwrap().start, [-112; 3]);
}

#[test]
fn scores_are_clipped_and_have_four_decimals() {
    let scores = qc_scores(&[0.3, -0.1, 1.2, 0.123_456, 0.5, 0.0, 1.0, 0.999_96, 0.2]);
    assert_eq!(qc_row("s", &scores), "s,0.0000,1.0000,0.1235,0.5000,0.0000,1.0000,1.0000,0.2000\r\n");
    assert!(qc_header("subject").starts_with("subject,general white matter,"));
    assert_eq!(qc_header("").matches(',').count(), 8);
}

#[test]
fn labels_go_to_the_nearest_voxel_of_the_input() {
    let labels = Volume::new([4, 1, 1], vec![2i32, 3, 41, 42], Affine::IDENTITY).unwrap();
    let grid = Grid::new([4, 1, 1], Affine::from_scale([2.0, 1.0, 1.0]));
    let coarse = labels_on_grid(&labels, &grid).unwrap();
    assert_eq!(coarse.as_slice::<i32>().unwrap(), [2, 41, 0, 0]);
    assert_eq!(labels_on_grid(&labels, &Grid::of(&labels)).unwrap(), labels);
}
