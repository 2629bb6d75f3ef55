//! The volumes table.

use volkit_core::{Affine, SilentProgress};
use volkit_seg::{Label, LabelTable, MeshNet, SegmentOptions, Segmenter as _, VolumesCsv};

use crate::nets::{ball, threshold_store};

#[test]
fn rows_follow_the_header() {
    // 64 x 64 x 64 voxels of 3 mm hold a ball whose voxels count 27 mm3 each.
    let affine = Affine::from_scale([3.0; 3]).with_translation([-96.0; 3]);
    let scan = ball([64; 3], affine, [0.0; 3], 55.0);
    let net = MeshNet::from_store(&threshold_store(2)).unwrap();
    let segmentation = net.segment(&scan, &SegmentOptions::new(), &SilentProgress).unwrap();
    let bright = scan.as_slice::<u8>().unwrap().iter().filter(|&&v| v > 0).count() as u64;
    let [background, inside] = [&segmentation.volumes[0], &segmentation.volumes[1]];
    assert_eq!((background.id, inside.id), (0, 1));
    assert_eq!(background.voxels + inside.voxels, 64 * 64 * 64);
    assert!(inside.voxels.abs_diff(bright) * 50 < bright, "{} {bright}", inside.voxels);
    assert_eq!(inside.mm3, inside.voxels as f64 * 27.0);

    let table = LabelTable::new([
        Label::new(0, "Unknown", [0; 3]),
        Label::new(1, "Ball, bright", [1; 3]),
        Label::new(5, "Nothing", [2; 3]),
    ]);
    let csv = VolumesCsv::new(&table);
    assert_eq!(csv.header("subject"), "subject,\"Ball, bright\",Nothing\r\n");
    assert_eq!(csv.header(""), ",\"Ball, bright\",Nothing\r\n");
    assert_eq!(csv.row("sub-01", &segmentation), format!("sub-01,{:?},0.0\r\n", inside.mm3));
}
