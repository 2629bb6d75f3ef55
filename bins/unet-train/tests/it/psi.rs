//! Steps of `unet-train psi` on tiny scenes.

use serde_json::Value;
use volkit_core::{Affine, Region, VolumeMeta};
use volkit_io::{ReadOptions, WriteOptions};
use volkit_psi::{Interferometer, PsiScene, Sensor};

use crate::Folder;

/// Scenes of 24 x 24 pixels, and a network that trains in a second.
pub(crate) const TINY: &str = "\
output_dir = \"out\"\nseed = 3\nnum_visualize = 1\n\
[scenes]\nimage_size = 24\nnum_train_samples = 3\nnum_test_samples = 2\n\
[network]\nhidden = [4]\ninput = \"beats\"\n\
[training]\nepochs = 3\nbatch_size = 2\npatch_size = 8\npatches_per_epoch = 6\nlearning_rate = 1e-2\nprecision = \"f32\"\n\
curriculum = [{ factor = 2, epochs = 1 }]\n\
[finetune]\nepochs = 2\ninterface_weight = 0.1\ninterface_overlap = 3\n";

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

/// What a run reports beside its times.
fn results(folder: &Folder, arguments: &str) -> Value {
    let mut report = json(&folder.done(&format!("{arguments} --json --quiet")).stdout);
    assert!(report["wall_secs"].as_f64().is_some_and(|secs| secs > 0.0), "{report}");
    report["extra"].take()
}

#[test]
fn scenes_are_made_and_solved() {
    let folder = Folder::new(TINY);
    let made = results(&folder, "psi generate psi.toml");
    assert_eq!((made["scenes"]["train"].as_u64(), made["scenes"]["test"].as_u64()), (Some(3), Some(2)), "{made}");
    let images = volkit_io::open_array(folder.0.path("out/train/scene-0002.npy"), &ReadOptions::default()).unwrap();
    assert_eq!(images.meta().shape(), [24, 24, 16]);
    let first = std::fs::read(folder.0.path("out/test/scene-0001.npy")).unwrap();
    folder.done("psi generate psi.toml --quiet --threads 1");
    assert_eq!(std::fs::read(folder.0.path("out/test/scene-0001.npy")).unwrap(), first);
    assert_ne!(std::fs::read(folder.0.path("out/train/scene-0001.npy")).unwrap(), first);
    let solved = results(&folder, "psi closed-form psi.toml");
    let rmse = solved["closed form"]["rmse_um"]["max"].as_f64().unwrap();
    // 8 bits: 6.6e-4 um.
    assert!(rmse > 1e-4 && rmse < 1e-3, "{solved}");
    assert!(folder.0.path("out/closed-form/scene-0000.error.png").exists());
    assert!(!folder.0.path("out/closed-form/scene-0001.error.png").exists());
}

#[test]
fn everything_from_one_command() {
    let folder = Folder::new(TINY);
    let report = results(&folder, "psi all psi.toml --threads 2");
    assert_eq!((report["pretrain"]["steps"].as_u64(), report["finetune"]["steps"].as_u64()), (Some(9), Some(6)));
    let [network, closed] = ["network", "closed form"].map(|name| report[name]["rmse_um"]["mean"].as_f64().unwrap());
    // Fifteen steps teach little; the closed form needs none.
    assert!(network < 60.0 && network > closed && closed < 1e-3, "{report}");
    let test = json(&std::fs::read_to_string(folder.0.path("out/test.json")).unwrap());
    assert_eq!(test["network"], report["network"]);
    assert_eq!(test["per_scene"].as_array().unwrap().len(), 2);
    let names = folder.0.listing().unwrap();
    for wanted in [
        "out/pretrain/loss.png",
        "out/pretrain/last.safetensors",
        "out/pretrain/best.safetensors",
        "out/pretrain/network.safetensors",
        "out/pretrain/network-um.safetensors",
        "out/finetune/log.jsonl",
        "out/inference/scene-0000.height.png",
        "out/inference/scene-0000.error.png",
        "out/inference/scene-0001.npy",
    ] {
        assert!(names.iter().any(|name| name == wanted), "{wanted} is not among {names:?}");
    }
    let log = std::fs::read_to_string(folder.0.path("out/finetune/log.jsonl")).unwrap();
    assert!(log.lines().any(|line| line.contains("interface")), "{log}");
    // The same again, to the bit, on another number of threads.
    let bytes = |name: &str| std::fs::read(folder.0.path(name)).unwrap();
    let before = bytes("out/finetune/network.safetensors");
    folder.done("psi pretrain psi.toml --quiet --threads 1");
    folder.done("psi finetune psi.toml --quiet --threads 1");
    assert_eq!(bytes("out/finetune/network.safetensors"), before);
}

#[test]
fn a_measured_stack_becomes_a_height_map() {
    let folder = Folder::new("output_dir = \"out\"\n[closed_form]\nmin_modulation = 20.0\n");
    let truth = PsiScene::reference().height_um([20, 30]);
    let mut greys = Sensor::default().record(&Interferometer::default(), &truth, 0).unwrap();
    {
        // A dead corner: one grey in all images.
        let mut view = greys.view_mut();
        let bytes = view.bytes_mut();
        (0..16).for_each(|channel| bytes[channel * 600..channel * 600 + 5].fill(7));
    }
    let meta = VolumeMeta::new([30, 20, 16], greys.dtype(), Affine::IDENTITY).unwrap();
    for name in ["stack.npy", "wafer*.tif", "wafer*.bmp"] {
        let path = folder.0.path(name);
        let sink = if name.ends_with("npy") {
            volkit_io::create_array(&path, &meta, &WriteOptions::new()).unwrap()
        } else {
            let names = volkit_io::stack_names(&path, 16).unwrap();
            volkit_io::create_stack(&names, &meta, &WriteOptions::new()).unwrap()
        };
        sink.write_region(&Region::whole(meta.shape()), greys.view()).unwrap();
        sink.finish().unwrap();
        let report = results(&folder, &format!("psi closed-form psi.toml --input {name} --output height.tif"));
        assert_eq!((report["masked_pixels"].as_u64(), report["roughness"]["n_pixels"].as_u64()), (Some(5), Some(595)));
        assert!(report["roughness"]["pv_um"].as_f64().unwrap() > 5.0, "{report}");
        let height = volkit_io::open_stack(&[folder.0.path("height.tif")], &ReadOptions::default()).unwrap();
        let height: Vec<f32> = volkit_core::read_vec(height.as_ref(), &Region::whole(&[30, 20, 1])).unwrap();
        assert!(height.iter().zip(&truth).skip(5).all(|(a, b)| (f64::from(*a) - b).abs() < 5e-3), "{name}");
        assert!(folder.0.path("out/closed-form.png").exists());
    }
}

#[test]
fn flags_go_before_the_file() {
    let folder = Folder::new(TINY);
    folder.done("psi generate psi.toml --quiet --num-test-samples 1 --image-size 9 --output-dir other --seed 5");
    let images = volkit_io::open_array(folder.0.path("other/test/scene-0000.npy"), &ReadOptions::default()).unwrap();
    assert_eq!(images.meta().shape(), [9, 9, 16]);
    assert!(!folder.0.path("other/test/scene-0001.npy").exists() && !folder.0.path("out").exists());
}
