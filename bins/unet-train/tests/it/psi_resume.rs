//! A training that is killed and goes on is the one that was not.

use std::time::{Duration, Instant};

use crate::Folder;

const SETTINGS: &str = "\
output_dir = \"out\"\n\
[scenes]\nimage_size = 32\nnum_train_samples = 4\nnum_test_samples = 1\n\
[network]\nhidden = [8, 8]\n\
[training]\nepochs = 12\nbatch_size = 2\npatch_size = 16\npatches_per_epoch = 10\nprecision = \"f32\"\ncheckpoint_steps = 1\n\
grad_accum_steps = 2\n";

#[test]
fn killed_and_resumed_is_uninterrupted_to_the_bit() {
    let (whole, cut) = (Folder::new(SETTINGS), Folder::new(SETTINGS));
    for folder in [&whole, &cut] {
        folder.done("psi generate psi.toml --quiet");
    }
    whole.done("psi pretrain psi.toml --quiet");
    let mut child = cut.0.command("psi pretrain psi.toml --quiet").spawn().unwrap();
    let log = cut.0.path("out/pretrain/log.jsonl");
    let steps = || std::fs::read_to_string(&log).map_or(0, |text| text.matches("\"step\":").count());
    let began = Instant::now();
    while steps() < 7 && began.elapsed() < Duration::from_secs(120) {
        std::thread::sleep(Duration::from_millis(1));
    }
    // SIGKILL: nothing is written after it.
    child.kill().unwrap();
    let status = child.wait().unwrap();
    assert!(steps() >= 7, "{} steps in {:?}", steps(), began.elapsed());
    assert!(cut.0.path("out/pretrain/last.safetensors").exists());
    println!("killed after {} steps, {status}", steps());
    cut.done("psi pretrain psi.toml --quiet --resume");
    for name in ["network.safetensors", "last.safetensors", "best.safetensors"] {
        let read = |folder: &Folder| std::fs::read(folder.0.path(&format!("out/pretrain/{name}"))).unwrap();
        assert!(read(&whole) == read(&cut), "{name} differs");
    }
}
