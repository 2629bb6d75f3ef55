//! The in-memory implementations pass the conformance checks of their traits.

use std::sync::Mutex;

use volkit_core::conformance::{check_progress, check_sink, check_source, check_store};
use volkit_core::{
    Affine, Array, ArrayStore as _, BoxError, DType, MemorySink, MemoryStore, Progress, Region, SilentProgress,
    Stopped, Volume, VolumeMeta, VolumeSource, VoxelsMut,
};

fn volume(shape: &[usize]) -> Volume {
    let n = shape.iter().product::<usize>() as i32;
    Volume::new(shape, (0..n).map(|v| v * v - 7).collect::<Vec<i32>>(), Affine::IDENTITY).unwrap()
}

#[test]
fn volumes_are_sources() {
    for shape in [&[1][..], &[5], &[4, 3], &[5, 4, 3], &[2, 3, 4, 5], &[1, 1, 1, 2, 2, 1, 3]] {
        let volume = volume(shape);
        check_source(&volume, &volume).unwrap();
    }
}

/// Ignores where a region begins.
struct Careless(Volume);

impl VolumeSource for Careless {
    fn meta(&self) -> &VolumeMeta {
        self.0.meta()
    }

    fn read_region(&self, region: &Region, out: VoxelsMut<'_>) -> Result<(), BoxError> {
        region.check_inside(self.0.shape())?;
        self.0.read_region(&Region::new(vec![0; region.n_axes()], region.size())?, out)
    }
}

#[test]
fn the_checks_find_a_careless_source() {
    let volume = volume(&[4, 3, 2]);
    assert!(check_source(&Careless(volume.clone()), &volume).is_err());
}

#[test]
fn sinks_gather_what_is_written() {
    let volume = volume(&[3, 4, 5]);
    let (sink, slot) = MemorySink::new(volume.meta().clone()).unwrap();
    check_sink(Box::new(sink), &volume).unwrap();
    assert_eq!(slot.lock().unwrap().as_ref(), Some(&volume));
}

#[test]
fn sinks_convert_to_their_own_type() {
    let meta = VolumeMeta::new([2], DType::U8, Affine::IDENTITY).unwrap();
    let (sink, slot) = MemorySink::new(meta).unwrap();
    check_sink(Box::new(sink), &Volume::new([2], vec![2.5f32, 900.0], Affine::IDENTITY).unwrap()).unwrap();
    let got = slot.lock().unwrap().take().unwrap();
    assert_eq!(got.as_slice::<u8>(), Some(&[2, 255][..]));
}

#[test]
fn stores_give_what_they_list() {
    let mut store = MemoryStore::new();
    store.insert("b/kernel", Array::new([2, 2], vec![1.0f32, 2.0, 3.0, 4.0]).unwrap());
    store.insert("a", Array::new([], vec![7i64]).unwrap());
    store.set_metadata("config", "{}");
    check_store(&store).unwrap();
    assert_eq!(store.names(), ["a", "b/kernel"]);
    assert_eq!(store.metadata("config").as_deref(), Some("{}"));
    assert_eq!(store.metadata("none"), None);
    assert_eq!(store.get("c").unwrap_err().to_string(), "no array named 'c'");
    assert!(Array::new([2, 2], vec![1u8]).is_err());
}

/// Counts, and stops at a limit.
struct Counting(Mutex<u64>);

impl Progress for Counting {
    fn begin(&self, _stage: &str, _total: u64) {}

    fn advance(&self, steps: u64) {
        *self.0.lock().unwrap() += steps;
    }

    fn check(&self) -> Result<(), Stopped> {
        if *self.0.lock().unwrap() < 5 { Ok(()) } else { Err(Stopped) }
    }
}

#[test]
fn progress_comes_from_many_threads() {
    check_progress(&SilentProgress).unwrap();
    let counting = Counting(Mutex::new(0));
    check_progress(&counting).unwrap();
    assert_eq!(*counting.0.lock().unwrap(), 4);
    assert!(check_progress(&counting).is_err());
}
