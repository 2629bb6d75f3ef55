//! `cargo xtask demo`: the main job on made-up data, for a machine with nothing but Rust and a C compiler.

use std::path::Path;
use std::process::Command;
use std::time::Instant;

use crate::failure::{Failure, Outcome};
use crate::process;
use crate::repo::Repo;

pub(crate) const HELP: &str = "\
cargo xtask demo [--update-picture]

Builds the release binaries, makes a phantom head (96^3 voxels of 2 mm) and a small seeded MeshNet in safetensors, and
runs the whole segmentation: read, conform, normalise, network, labels back on the scan's grid, volumes, picture.
Everything is written to out/demo/.

  --update-picture   also copy the picture to docs/images/demo.png";

const FOLDER: &str = "out/demo";

const LINES: &[&[&str]] = &[
    &["volbench", "phantom", "head", "out/demo/head.nii.gz", "--size", "96", "--spacing", "2", "--seed", "7"],
    &["volbench", "phantom", "meshnet", "out/demo/net.safetensors", "--seed", "7"],
    &[
        "synthseg",
        "--i",
        "out/demo/head.nii.gz",
        "--model",
        "out/demo/net.safetensors",
        "--o",
        "out/demo/labels.nii.gz",
        "--vol",
        "out/demo/volumes.csv",
        "--picture",
        "out/demo/demo.png",
    ],
];

const RESULTS: &[(&str, &str)] = &[
    ("head.nii.gz", "the phantom: a head made by formula, with shading and noise"),
    ("net.safetensors", "a MeshNet with random weights"),
    ("labels.nii.gz", "its labels, on the grid of the phantom"),
    ("volumes.csv", "the volume of each label, in mm^3"),
    ("demo.png", "the labels over the phantom"),
];

pub(crate) fn run(repo: &Repo, args: &[String]) -> Outcome {
    let update_picture = match args {
        [] => false,
        [flag] if flag == "--update-picture" => true,
        _ => return Err(Failure::Usage(format!("demo: unknown option `{}`", args.join(" ")))),
    };
    let folder = repo.path(FOLDER);
    std::fs::create_dir_all(&folder).map_err(|e| Failure::io(&folder, &e))?;
    let begun = Instant::now();
    process::run(&mut repo.cargo(&["build", "--release", "-p", "synthseg", "-p", "volbench"]))?;
    println!("built in {:.0} s", begun.elapsed().as_secs_f64());
    let binaries = repo.target_dir()?.join("release");
    for line in LINES {
        println!("\n$ {}", line.join(" "));
        let begun = Instant::now();
        process::run(Command::new(binaries.join(line[0])).args(&line[1..]).current_dir(&repo.root))?;
        println!("({:.1} s)", begun.elapsed().as_secs_f64());
    }
    println!();
    for (name, what) in RESULTS {
        require(&folder.join(name))?;
        println!("{:<28} {what}", format!("{FOLDER}/{name}"));
    }
    if update_picture {
        copy_picture(repo, &folder.join("demo.png"))?;
    }
    println!("\nThe network is random and the head is made by formula: these labels mean nothing.");
    println!("With a scan and a trained MeshNet the last of the commands above is the whole of the work.");
    Ok(())
}

fn require(path: &Path) -> Outcome {
    let length = std::fs::metadata(path).map_err(|e| Failure::io(path, &e))?.len();
    if length == 0 { Err(Failure::failed(format!("{}: empty", path.display()))) } else { Ok(()) }
}

fn copy_picture(repo: &Repo, picture: &Path) -> Outcome {
    let images = repo.path("docs/images");
    let copy = images.join("demo.png");
    std::fs::create_dir_all(&images).map_err(|e| Failure::io(&images, &e))?;
    std::fs::copy(picture, &copy).map_err(|e| Failure::io(&copy, &e))?;
    println!("{} copied to {}", picture.display(), copy.display());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_result_is_written_by_one_of_the_lines() {
        for (name, _) in RESULTS {
            let path = format!("{FOLDER}/{name}");
            assert!(LINES.iter().any(|line| line.contains(&path.as_str())), "{path}");
        }
    }

    #[test]
    fn a_missing_or_empty_result_is_a_failure() {
        assert!(require(Path::new("no/such/file")).is_err());
        let empty = std::env::temp_dir().join(format!("volkit-empty-{}", std::process::id()));
        std::fs::write(&empty, "").unwrap();
        assert!(require(&empty).is_err());
        std::fs::write(&empty, "x").unwrap();
        assert!(require(&empty).is_ok());
        std::fs::remove_file(&empty).unwrap();
    }
}
