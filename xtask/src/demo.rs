//! `cargo xtask demo`: the main job on a made-up head, for a machine with nothing but Rust and a C compiler.

use std::path::Path;
use std::process::Command;
use std::time::Instant;

use crate::failure::{Failure, Outcome};
use crate::process;
use crate::repo::Repo;

pub(crate) const HELP: &str = "\
cargo xtask demo [--update-picture]

Builds synthseg and lets it segment a head made by formula (208^3 voxels of 1 mm) with the network that it carries: read,
resample, normalise, network, labels back on the scan's grid, volumes, picture, report. Everything is written to out/demo/.

  --update-picture   also copy the picture to docs/images/demo.png";

const FOLDER: &str = "out/demo";

const RESULTS: &[(&str, &str)] = &[
    ("scan.nii.gz", "the phantom: a head made by formula, with shading and noise"),
    ("labels.nii.gz", "its labels, on the grid of the phantom"),
    ("volumes.csv", "the volume of each structure, in mm^3"),
    ("picture.png", "the labels over the phantom"),
    ("report.html", "all of it on a page"),
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
    process::run(&mut repo.cargo(&["build", "--release", "-p", "synthseg"]))?;
    println!("built in {:.0} s", begun.elapsed().as_secs_f64());
    println!("\n$ synthseg --demo {FOLDER}");
    let begun = Instant::now();
    let program = repo.target_dir()?.join("release/synthseg");
    process::run(Command::new(program).args(["--demo", FOLDER]).current_dir(&repo.root))?;
    println!("({:.1} s)\n", begun.elapsed().as_secs_f64());
    for (name, what) in RESULTS {
        require(&folder.join(name))?;
        println!("{:<28} {what}", format!("{FOLDER}/{name}"));
    }
    if update_picture {
        copy_picture(repo, &folder.join("picture.png"))?;
    }
    println!("\nWith a scan of yours: synthseg --i scan.nii.gz --o labels.nii.gz --report report.html");
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
