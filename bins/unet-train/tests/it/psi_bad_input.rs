//! What `unet-train psi` refuses, and how.

use crate::Folder;
use crate::psi::TINY;

fn refused(folder: &Folder, arguments: &str, wanted: &[&str]) {
    let run = folder.run(arguments);
    assert_eq!((run.code, run.stdout.as_str()), (Some(1), ""), "{run:?}");
    assert!(wanted.iter().all(|part| run.stderr.contains(part)), "{wanted:?}: {}", run.stderr);
    assert_eq!(run.stderr.lines().count(), 1, "{}", run.stderr);
}

#[test]
fn keys_and_types_are_named() {
    for (settings, wanted) in [
        ("[training]\nepoch = 3\n", ["psi.toml:2", "epoch = 3", "unknown field"]),
        ("[training]\nepochs = \"many\"\n", ["psi.toml:2", "epochs", "invalid type"]),
        ("[scene]\n", ["psi.toml:1", "scene", "unknown field"]),
        ("[network]\ninput = \"raw\"\n", ["psi.toml:2", "raw", "unknown variant"]),
        ("seed = \n", ["psi.toml:1", "seed =", ""]),
        ("[sensor]\nbits = 12\n", ["psi.toml", "sensor.bits = 12", "8, 16 or 32"]),
        ("[instrument]\nbuckets = 2\n", ["psi.toml", "phase_steps", "three different"]),
        ("[closed_form]\nheight_range_um = [0.0, 1000.0]\n", ["psi.toml", "height_range_um", "um apart"]),
        ("[training]\nbatch_size = 0\n", ["psi.toml", "training.batch_size = 0", ""]),
        ("[finetune]\ninterface_weight = 1.0\ninterface_overlap = 256\n", ["psi.toml", "interface_overlap = 256", ""]),
    ] {
        refused(&Folder::new(settings), "psi generate psi.toml", &wanted);
    }
    refused(&Folder::new(""), "psi generate none.toml", &["none.toml", "can not read"]);
}

#[test]
fn steps_need_what_comes_before() {
    let folder = Folder::new(TINY);
    refused(&folder, "psi closed-form psi.toml", &["scene-0000.height.npy", "run `generate` first"]);
    refused(&folder, "psi pretrain psi.toml --quiet", &["scene-0000", "run `generate` first"]);
    folder.done("psi generate psi.toml --quiet");
    refused(&folder, "psi finetune psi.toml --quiet", &["network.safetensors", "finetune begins with"]);
    refused(&folder, "psi inference psi.toml --quiet", &["run `pretrain` first"]);
    refused(&folder, "psi test psi.toml --quiet", &["run `inference` first"]);
    refused(&folder, "psi pretrain psi.toml --quiet --patch-size 25", &["patch_size = 25", "24 x 24 pixels"]);
    refused(&folder, "psi pretrain psi.toml --quiet --batch-size 7", &["7", "6"]);
}

#[test]
fn a_checkpoint_of_another_network_is_refused() {
    let folder = Folder::new(TINY);
    folder.done("psi generate psi.toml --quiet");
    folder.done("psi pretrain psi.toml --quiet --epochs 1");
    let other = TINY.replace("hidden = [4]", "hidden = [5]");
    std::fs::write(folder.0.path("psi.toml"), other).unwrap();
    refused(&folder, "psi pretrain psi.toml --quiet --resume", &["shape"]);
    std::fs::write(folder.0.path("out/pretrain/network.safetensors"), b"no network").unwrap();
    refused(&folder, "psi inference psi.toml --quiet", &["out/pretrain/network.safetensors"]);
}

#[test]
fn wrong_command_lines_are_told_apart() {
    let folder = Folder::new(TINY);
    for arguments in
        ["psi", "psi teach psi.toml", "psi generate psi.toml --bits 3", "psi generate psi.toml --output x.npy"]
    {
        assert_eq!(folder.run(arguments).code, Some(2), "{arguments}");
    }
    std::fs::write(folder.0.path("flat.npy"), b"no array").unwrap();
    refused(&folder, "psi closed-form psi.toml --input flat.npy --quiet", &["flat.npy"]);
    refused(&folder, "psi closed-form psi.toml --input 'none*.bmp' --quiet", &["none*.bmp"]);
}
