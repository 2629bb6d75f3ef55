//! Training on label maps, in little.

use std::path::Path;
use std::process::{Command, Output};

use volkit_core::{Affine, ArrayStore, Volume};
use volkit_io::{Image, KerasStore, SafetensorsStore, WriteOptions};

/// Two maps of 40^3 voxels: nested boxes of white matter, cortex and scalp.
fn maps(folder: &Path) {
    std::fs::create_dir(folder).unwrap();
    for (name, inner) in [("map_1", 7), ("map_2", 9)] {
        let label = |at: usize| -> i16 {
            let far = [at % 40, at / 40 % 40, at / 1600].map(|i| i.abs_diff(20)).into_iter().max().unwrap();
            match far {
                _ if far < inner => 2,
                _ if far < inner + 5 => 42,
                _ if far < 17 => 530,
                _ => 0,
            }
        };
        let labels: Vec<i16> = (0..64_000).map(label).collect();
        let volume = Volume::new([40; 3], labels, Affine::IDENTITY).unwrap();
        let path = folder.join(format!("{name}.nii.gz"));
        volkit_io::write(path, &Image::from(volume), &WriteOptions::new()).unwrap();
    }
}

fn settings(steps: u64) -> String {
    format!(
        "[data]\nmaps = 'maps'\nheld_out = ['map_2']\n[network]\nfeatures = 2\nlevels = 2\n\
         [generator]\nsize = 16\nspacing_mm = 2.0\n[loss]\ncross_entropy = 1.0\nabsent_labels = false\n\
         [training]\nfolder = 'out'\nsteps = {steps}\nlearning_rate = 0.01\ncheckpoint_steps = 2\n\
         renorm_start = 1\n[evaluation]\nsize = 40\nslices_mm = [1.0]\n"
    )
}

struct Bench(tempfile::TempDir);

impl Bench {
    fn new(steps: u64) -> Self {
        let bench = Self(tempfile::tempdir().unwrap());
        maps(&bench.0.path().join("maps"));
        bench.set(&settings(steps));
        bench
    }

    fn set(&self, text: &str) {
        std::fs::write(self.0.path().join("net.toml"), text).unwrap();
    }

    fn run(&self, line: &str) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_unet-train"));
        command.arg("synthseg").args(line.split_whitespace()).args(["--threads", "2"]);
        command.current_dir(self.0.path()).output().unwrap()
    }

    fn done(&self, line: &str) -> String {
        let output = self.run(line);
        assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    fn refused(&self, line: &str) -> String {
        let output = self.run(line);
        assert_eq!(output.status.code(), Some(1), "{line}");
        String::from_utf8(output.stderr).unwrap()
    }

    fn losses(&self) -> Vec<f64> {
        let log = std::fs::read_to_string(self.0.path().join("out/log.jsonl")).unwrap();
        let loss = |line: &str| serde_json::from_str::<serde_json::Value>(line).unwrap()["loss"].as_f64().unwrap();
        log.lines().map(loss).collect()
    }
}

#[test]
fn training_goes_on_where_it_stopped() {
    let (whole, parts) = (Bench::new(5), Bench::new(3));
    whole.done("net.toml");
    parts.done("net.toml");
    assert_eq!(parts.losses().len(), 3);
    parts.set(&settings(5));
    assert!(parts.refused("net.toml").contains("--resume"));
    parts.done("net.toml --resume --quiet");
    assert_eq!(whole.losses(), parts.losses());
    assert!(whole.losses().iter().all(|loss| loss.is_finite()));
    // The same again, compared by the program.
    std::fs::copy(whole.0.path().join("out/log.jsonl"), whole.0.path().join("log.jsonl")).unwrap();
    let said = whole.done("check net.toml log.jsonl again --steps 4");
    assert!(said.contains("4 losses as in the log: 4 to the bit"), "{said}");
}

#[test]
fn what_was_learnt_is_exported_and_evaluated() {
    let bench = Bench::new(2);
    assert!(bench.refused("export net.toml net.safetensors").contains("last.safetensors"));
    bench.done("net.toml");
    let said = bench.done("export net.toml net.safetensors");
    assert!(said.contains("2 steps") && said.contains("f16"), "{said}");
    let store = SafetensorsStore::open(bench.0.path().join("net.safetensors")).unwrap();
    assert_eq!(store.metadata("spacing_mm").as_deref(), Some("2"));
    assert_eq!(volkit_seg::ModelKind::recognise(&store).unwrap(), volkit_seg::ModelKind::Compact);
    let dtype = |name: &str| store.get(name).unwrap().values().dtype();
    assert_eq!(dtype("unet_conv_downarm_0_0/kernel:0"), volkit_core::DType::F16);
    assert_eq!(dtype("unet_bn_down_0/moving_variance:0"), volkit_core::DType::F32);
    // As a Keras file it is the same network.
    bench.done("export net.toml net.h5");
    let keras = KerasStore::open(bench.0.path().join("net.h5")).unwrap();
    assert_eq!((keras.names(), keras.metadata("spacing_mm")), (store.names(), store.metadata("spacing_mm")));
    for name in store.names() {
        let [a, b] = [&keras as &dyn ArrayStore, &store].map(|store| store.get(&name).unwrap());
        assert_eq!((a.shape(), a.to_real::<f32>().unwrap()), (b.shape(), b.to_real::<f32>().unwrap()), "{name}");
    }
    assert_eq!(
        bench.done("evaluate net.toml --weights net.h5"),
        bench.done("evaluate net.toml --weights net.safetensors")
    );
    let table = bench.done("evaluate net.toml --weights net.safetensors");
    assert!(table.contains("| structure | T1-like, 1 mm | T2-like, 1 mm |"), "{table}");
    assert!(table.contains("| left cerebral white matter | 0.") && table.contains("| **mean** |"), "{table}");
    bench.done("samples net.toml pictures --count 2");
    assert!(bench.0.path().join("pictures/sample_01.png").metadata().unwrap().len() > 1000);
}

#[test]
fn mistakes_are_told() {
    let bench = Bench::new(2);
    bench.set(&settings(2).replace("map_2", "map_9"));
    assert!(bench.refused("evaluate net.toml").contains("last.safetensors"));
    bench.set(&settings(2).replace("'maps'", "'nowhere'"));
    assert!(bench.refused("net.toml").contains("nowhere"));
    bench.set(&settings(2).replace("levels = 2", "levels = 9"));
    assert!(bench.refused("net.toml").contains("net.toml"));
    assert!(bench.refused("missing.toml").contains("missing.toml"));
    assert_eq!(bench.run("").status.code(), Some(2));
}
