//! Where tiles begin.

use proptest::prelude::*;
use volkit_core::Scale;
use volkit_tile::{AxisPlan, AxisSpec, Layout, SmallAxis, TileError, TilePlan};

fn plan(length: usize, spec: &AxisSpec) -> AxisPlan {
    AxisPlan::new(0, length, spec).unwrap()
}

fn starts(length: usize, spec: &AxisSpec) -> Vec<isize> {
    plan(length, spec).starts().to_vec()
}

#[test]
fn layouts_by_hand() {
    let spec = AxisSpec::new(32, 8);
    assert_eq!(starts(100, &spec), [0, 24, 48, 68]);
    assert_eq!(starts(100, &spec.with_layout(Layout::Even)), [0, 23, 45, 68]);
    assert_eq!(starts(100, &spec.with_layout(Layout::Pad { offset: 0 })), [0, 24, 48, 72]);
    assert_eq!(starts(50, &AxisSpec::new(16, 4).with_layout(Layout::Pad { offset: -3 })), [-3, 9, 21, 33, 45]);
    // A tile more is never made: 512 in 512 is one, and 9344 x 7000 are 24 x 18.
    assert_eq!(starts(512, &AxisSpec::new(512, 128)), [0]);
    assert_eq!([9344, 7000].map(|length| starts(length, &AxisSpec::new(512, 128)).len()), [24, 18]);
}

#[test]
fn an_image_that_is_shorter_than_the_tile() {
    let spec = AxisSpec::new(32, 8);
    assert_eq!(starts(19, &spec), [-6]);
    assert_eq!(plan(19, &spec).covered(0), 0..19);
    assert_eq!(starts(19, &spec.with_small(SmallAxis::PadEnd)), [0]);
    let shrunk = plan(19, &spec.with_small(SmallAxis::Shrink));
    assert_eq!((shrunk.starts(), shrunk.tile()), (&[0][..], 19));
    let aligned = plan(19, &spec.with_small(SmallAxis::Shrink).with_align(8));
    assert_eq!((aligned.starts(), aligned.tile()), (&[0][..], 24));
    assert_eq!(starts(1, &spec), [-15]);
}

#[test]
fn fractions_are_truncated() {
    assert_eq!(plan(1024, &AxisSpec::fraction(512, 0.25)).overlap(), 128);
    // 10 * (1 - 0.33) = 6.7.
    assert_eq!(plan(100, &AxisSpec::fraction(10, 0.33)).overlap(), 4);
    // The step is never 0.
    assert_eq!(plan(5, &AxisSpec::fraction(3, 0.99)).n_tiles(), 3);
}

#[test]
fn cores_meet_in_the_middle_of_overlaps() {
    let plan = plan(100, &AxisSpec::new(32, 8));
    let cores: Vec<_> = (0..4).map(|i| plan.core(i)).collect();
    assert_eq!(cores, [0..28, 28..52, 52..74, 74..100]);
}

#[test]
fn tiles_are_numbered_row_major() {
    let plan = TilePlan::new(&[5, 7], &[AxisSpec::new(4, 2), AxisSpec::new(3, 1)]).unwrap();
    let origins: Vec<_> = plan.tiles().map(|tile| tile.origin).collect();
    assert_eq!(origins, [[0, 0], [0, 2], [0, 4], [1, 0], [1, 2], [1, 4]]);
    assert_eq!((plan.n_rows(), plan.tiles_per_row(), plan.tile(4).grid), (2, 3, vec![1, 1]));
    assert!((plan.overhead() - 6.0 * 12.0 / 35.0).abs() < 1e-12);
}

#[test]
fn smallest_overlap_for_a_receptive_field() {
    let plan = TilePlan::for_receptive_field(&[9344, 7000], &[512, 512], &[4, 4], 1).unwrap();
    assert_eq!((plan.axes()[0].n_tiles(), plan.axes()[1].n_tiles()), (19, 14));
    let strided = TilePlan::for_receptive_field(&[1000], &[256], &[44], 16).unwrap();
    assert!(strided.axes()[0].starts().iter().all(|start| start % 16 == 0));
    assert!(strided.axes()[0].overlap() >= 88);
    assert!(matches!(TilePlan::for_receptive_field(&[100], &[16], &[8], 1), Err(TileError::Overlap { .. })));
    assert!(matches!(TilePlan::for_receptive_field(&[100], &[16], &[1, 1], 1), Err(TileError::Rank { .. })));
}

#[test]
fn tiles_of_whole_rows() {
    let tiles = |shape: &[usize], samples| TilePlan::for_pointwise(shape, samples).unwrap().input_shape();
    assert_eq!(tiles(&[9344, 7000], 1 << 18), [37, 7000]);
    assert_eq!(tiles(&[100, 256, 256], 1 << 18), [4, 256, 256]);
    assert_eq!(tiles(&[5, 6], 1000), [5, 6]);
    assert_eq!(tiles(&[5, 1000], 10), [1, 10]);
    assert!(TilePlan::for_pointwise(&[5, 0], 10).is_err());
}

#[test]
fn other_scales_fall_on_whole_samples_or_are_refused() {
    let half = Scale { numerator: 1, denominator: 2 };
    let plan = TilePlan::new(&[64], &[AxisSpec::new(32, 16)]).unwrap();
    let scaled = plan.scaled(half).unwrap().remove(0);
    assert_eq!((scaled.length(), scaled.tile(), scaled.overlap(), scaled.starts()), (32, 16, 8, &[0isize, 8, 16][..]));
    let odd = TilePlan::new(&[100, 64], &[AxisSpec::new(32, 8), AxisSpec::new(32, 15)]).unwrap();
    let error = odd.scaled(half).unwrap_err().to_string();
    assert_eq!(
        error,
        "axis 1: start = 17 times 1/2 is not a whole number; choose tile and step as multiples of 2, for example tile 32 \
         overlap 16"
    );
    // The border of a padded image is rounded.
    let small = TilePlan::new(&[21], &[AxisSpec::new(32, 0)]).unwrap().scaled(half).unwrap().remove(0);
    assert_eq!((small.length(), small.starts()), (11, &[-2isize][..]));
}

#[test]
fn what_can_not_be_cut() {
    let error = |length, spec: AxisSpec| AxisPlan::new(2, length, &spec).unwrap_err().to_string();
    assert_eq!(error(0, AxisSpec::new(4, 0)), "axis 2: length = 0: must be at least 1");
    assert_eq!(error(4, AxisSpec::new(0, 0)), "axis 2: tile = 0: must be at least 1");
    assert!(error(4, AxisSpec::new(4, 4)).starts_with("axis 2: overlap = 4: must be at least 0 and below the tile"));
    for fraction in [-0.1, 1.0, f64::NAN] {
        assert!(error(4, AxisSpec::fraction(4, fraction)).contains("overlap = "), "{fraction}");
    }
    assert!(error(90, AxisSpec::new(32, 28).with_align(8)).contains("choose a tile of at least 40"));
    assert!(plan(90, &AxisSpec::new(40, 28).with_align(8)).n_tiles() > 1);
    assert!(matches!(TilePlan::new(&[], &[]), Err(TileError::Rank { .. })));
    assert!(matches!(TilePlan::new(&[4; 5], &[AxisSpec::new(2, 0); 5]), Err(TileError::Rank { .. })));
    let error = TilePlan::new(&[4, 4], &[AxisSpec::new(2, 0)]).unwrap_err().to_string();
    assert_eq!(error, "the list of tile sizes has 1 axes, expected 2");
}

fn layout() -> impl Strategy<Value = Layout> {
    prop_oneof![Just(Layout::End), Just(Layout::Even), (-5isize..1).prop_map(|offset| Layout::Pad { offset })]
}

proptest! {
    #[test]
    fn nothing_is_left_out(
        length in 1usize..400,
        tile in 1usize..80,
        overlap in 0.0f64..1.0,
        layout in layout(),
        align in prop_oneof![Just(1usize), 2usize..6],
    ) {
        let overlap = (tile as f64 * overlap) as usize;
        let spec = AxisSpec::new(tile, overlap).with_layout(layout).with_align(align);
        let Ok(plan) = AxisPlan::new(0, length, &spec) else {
            // Only an alignment leaves no step.
            prop_assert!(align > 1 && tile.next_multiple_of(align) - overlap < align);
            return Ok(());
        };
        let (starts, tile) = (plan.starts(), plan.tile() as isize);
        prop_assert!(starts.windows(2).all(|pair| pair[0] < pair[1]));
        prop_assert!(starts.windows(2).all(|pair| pair[0] + tile - pair[1] >= overlap as isize));
        prop_assert!(starts[0] <= 0);
        let end = starts[starts.len() - 1] + tile;
        match layout {
            Layout::Pad { offset } => prop_assert!(starts[0] == offset && end >= length as isize),
            _ => {
                prop_assert!(starts.iter().all(|start| start % align as isize == 0));
                prop_assert!(end >= length as isize && (length as isize <= tile || end - (length as isize) < align as isize));
            }
        }
        // The least number of tiles: with one less, full steps do not reach the end.
        let n = starts.len() as isize;
        let step = tile - plan.overlap() as isize;
        prop_assert!(n == 1 || starts[0] + (n - 2) * step + tile < length as isize);
        let mut next = 0;
        for i in 0..plan.n_tiles() {
            let (core, covered) = (plan.core(i), plan.covered(i));
            prop_assert_eq!(core.start, next);
            prop_assert!(covered.start <= core.start && core.end <= covered.end);
            next = core.end;
        }
        prop_assert_eq!(next, length);
    }
}
