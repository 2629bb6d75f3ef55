//! Checkpoints: what comes back, what is refused, and what stays when writing fails.

use std::path::Path;

use proptest::prelude::*;
use volkit_train::{
    Adam, AdamOptions, Checkpoint, CheckpointArray, Lbfgs, LbfgsOptions, Optimizer as _, Parameter, TrainError,
};

fn sample() -> Checkpoint {
    let mut checkpoint = Checkpoint::new("net 16-32");
    checkpoint.set_field("epoch", 7);
    checkpoint.set_field("random", u64::MAX - 3);
    checkpoint.set_field("config", serde_json::json!({"lr": 0.25, "names": ["a", "b"]}));
    checkpoint.set_array("weight", CheckpointArray::F32 { shape: vec![2, 2], values: vec![0.1, -0.0, f32::NAN, 3.0] });
    checkpoint.set_array("empty", CheckpointArray::F64 { shape: vec![0, 3], values: vec![] });
    checkpoint
}

fn refused(path: &Path, bytes: &[u8]) -> String {
    std::fs::write(path, bytes).unwrap();
    Checkpoint::read(path, "net 16-32").unwrap_err().to_string()
}

#[test]
fn everything_comes_back_to_the_bit() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("last.safetensors");
    let mut checkpoint = sample();
    let mut adam = Adam::new(AdamOptions::default().with_amsgrad(true)).unwrap();
    let (mut a, mut b) = ([0.5_f32, 0.25], [1.0_f32]);
    for _ in 0..3 {
        let mut both = [
            Parameter { values: &mut a, gradient: &[0.1, -0.7] },
            Parameter { values: &mut b, gradient: &[f32::MIN_POSITIVE] },
        ];
        adam.step(&mut both).unwrap();
    }
    let mut lbfgs = Lbfgs::new(LbfgsOptions::default().with_limits(2, None)).unwrap();
    lbfgs
        .step(&mut a, &mut |p| Ok((f64::from(p[0] * p[0] + p[1].powi(4)), vec![2.0 * p[0], 4.0 * p[1].powi(3)])))
        .unwrap();
    checkpoint.set_optimizer("adam", &adam.state());
    checkpoint.set_optimizer("lbfgs", &lbfgs.state());
    checkpoint.write(&path).unwrap();
    let read = Checkpoint::read(&path, "net 16-32").unwrap();
    assert_eq!(read.field("random").unwrap().as_u64(), Some(u64::MAX - 3));
    assert_eq!(read.field("config"), checkpoint.field("config"));
    assert!(read.array_names().eq(checkpoint.array_names()));
    let Some(CheckpointArray::F32 { values, .. }) = read.array("weight") else { panic!("no weight") };
    assert!(values[1].is_sign_negative() && values[2].is_nan());
    let mut state = read.optimizer::<f32>("adam").unwrap();
    let mut original = adam.state();
    for state in [&mut state, &mut original] {
        state.arrays.sort_by(|a, b| (&a.0, a.1).cmp(&(&b.0, b.1)));
    }
    assert_eq!(state, original);
    let mut again = Lbfgs::new(LbfgsOptions::default()).unwrap();
    again.restore(read.optimizer("lbfgs").unwrap()).unwrap();
    assert_eq!(again.state(), lbfgs.state());
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn states_of_another_kind_are_refused() {
    let mut checkpoint = sample();
    assert_eq!(checkpoint.optimizer::<f32>("adam").unwrap_err().to_string(), "state 'adam': is not in the checkpoint");
    let mut adam = Adam::new(AdamOptions::default()).unwrap();
    adam.step(&mut [Parameter { values: &mut [1.0_f64], gradient: &[1.0] }]).unwrap();
    checkpoint.set_optimizer("adam", &adam.state());
    let error = checkpoint.optimizer::<f32>("adam").unwrap_err().to_string();
    assert!(error.ends_with("holds numbers of another type"), "{error}");
    let mut amsgrad = Adam::<f64>::new(AdamOptions::default().with_amsgrad(true)).unwrap();
    let error = amsgrad.restore(checkpoint.optimizer("adam").unwrap()).unwrap_err().to_string();
    assert_eq!(error, "state 'largest_second_moment.0': is missing");
}

#[test]
fn other_files_are_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("last.safetensors");
    sample().write(&path).unwrap();
    let bytes = std::fs::read(&path).unwrap();
    let error = Checkpoint::read(&path, "another").unwrap_err().to_string();
    assert!(error.ends_with("last.safetensors: a checkpoint of \"net 16-32\", expected \"another\""), "{error}");
    for cut in [0, 7, 8, 50, bytes.len() - 1] {
        assert!(refused(&path, &bytes[..cut]).contains("last.safetensors: "));
    }
    let text = String::from_utf8_lossy(&bytes).into_owned();
    assert!(text.contains("\\\"version\\\":1"), "{text}");
    let newer: Vec<u8> = {
        let at = text.find("\\\"version\\\":1").unwrap() + "\\\"version\\\":".len();
        let mut newer = bytes.clone();
        newer[at] = b'9';
        newer
    };
    assert!(refused(&path, &newer).ends_with("version = 9, expected 1"));
    let foreign = br#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}"#;
    let mut file = (foreign.len() as u64).to_le_bytes().to_vec();
    file.extend_from_slice(foreign);
    file.extend_from_slice(&[0; 4]);
    assert!(refused(&path, &file).ends_with("is no checkpoint of volkit"));
    let missing = Checkpoint::read(&folder.path().join("none"), "x").unwrap_err();
    assert!(matches!(missing, TrainError::Io { action: "read", .. }));
}

#[test]
fn the_one_before_stays_when_writing_fails() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("best");
    // A folder of that name can not be replaced by a file.
    std::fs::create_dir(&path).unwrap();
    std::fs::write(path.join("kept"), "x").unwrap();
    let error = sample().write(&path).unwrap_err();
    assert!(matches!(error, TrainError::Io { action: "write", .. }), "{error}");
    assert!(path.join("kept").exists());
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    assert!(sample().write(&folder.path().join("no/such/folder/last")).is_err());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn damage_is_an_error_or_harmless(at in 0_usize..1200, byte in any::<u8>()) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("last");
        sample().write(&path).unwrap();
        let mut bytes = std::fs::read(&path).unwrap();
        let at = at % bytes.len();
        bytes[at] = byte;
        std::fs::write(&path, &bytes).unwrap();
        // No panic; a flipped value can not be told from another value.
        let _ = Checkpoint::read(&path, "net 16-32");
    }
}
