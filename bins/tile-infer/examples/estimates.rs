//! Prints estimated beside measured memory of `tile-infer` for tiles of 256, 512 and 1024 and batches of 1 and 4:
//! `cargo build --release -p tile-infer --bins --examples`, then `target/release/examples/estimates STACK.npy [MODEL]`.
//!
//! MODEL is what `--model` takes, or `simple-unet` for the network 16-32-64-32-1 with weights from a seed (the default). The
//! image must be wider than the largest tile; results go to a temporary folder beside it.

use std::path::Path;
use std::process::Command;

use volkit_core::BoxError;
use volkit_io::write_safetensors;
use volkit_psi::SimpleUNet;

const TILES: [usize; 3] = [256, 512, 1024];
const BATCHES: [usize; 2] = [1, 4];

fn main() -> Result<(), BoxError> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (input, model) = match arguments.as_slice() {
        [input] => (input, "simple-unet"),
        [input, model] => (input, model.as_str()),
        _ => return Err("usage: estimates STACK.npy [MODEL]".into()),
    };
    let program = std::env::current_exe()?;
    let program = program.parent().and_then(Path::parent).ok_or("no folder of programs")?.join("tile-infer");
    let beside = Path::new(input).parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let folder = tempfile::tempdir_in(beside)?;
    let weights = folder.path().join("net.safetensors");
    write_safetensors(&weights, &SimpleUNet::initial_weights(&SimpleUNet::CHANNELS, 1)?)?;
    let net = weights.to_string_lossy().into_owned();
    let modes: &[&str] = if model == "simple-unet" { &["exact", "strict", "fast-math"] } else { &["exact"] };
    println!("| model | tile | batch | estimate, MB | measured, MB | estimate / measured |\n|---|---|---|---|---|---|");
    for mode in modes {
        for tile in TILES {
            for batch in BATCHES {
                let output = folder.path().join("out.npy");
                let mut command = Command::new(&program);
                command.args(["--input", input, "--model", if model == "simple-unet" { &net } else { model }]);
                command.arg("--output").arg(&output).args(["--overwrite", "--json", "--quiet", "--mode", mode]);
                command.args(["--window", "hann", "--tile-size", &tile.to_string()]);
                command.args(["--tile-overlap", &(tile / 4).to_string(), "--batch", &batch.to_string()]);
                let ran = command.output()?;
                if !ran.status.success() {
                    return Err(String::from_utf8_lossy(&ran.stderr).into_owned().into());
                }
                let report: serde_json::Value = serde_json::from_slice(&ran.stdout)?;
                let estimate = report["estimate_bytes"].as_f64().ok_or("no estimate")? / 1e6;
                let measured = report["done"]["anonymous_bytes"].as_f64().ok_or("no measure of memory")? / 1e6;
                let ratio = estimate / measured;
                println!("| {model}, {mode} | {tile} | {batch} | {estimate:.1} | {measured:.1} | {ratio:.2} |");
            }
        }
    }
    Ok(())
}
