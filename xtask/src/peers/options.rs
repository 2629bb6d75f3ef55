//! The command line of `cargo xtask peers`.

use std::path::PathBuf;

use crate::failure::{Failure, Outcome};

/// Every engine that is compared unless others are named.
const ENGINES: &str = "torch,tensorflow,onnxruntime,openvino,openvino-bf16";

/// What was asked for; empty where it was not.
#[derive(Debug)]
pub(super) struct Options {
    pub(super) model: String,
    pub(super) image: String,
    pub(super) size: String,
    runs: Option<String>,
    pub(super) threads: String,
    pub(super) modes: String,
    pub(super) engines: String,
    folder: Option<PathBuf>,
}

impl Options {
    pub(super) fn parse(args: &[String]) -> Outcome<Self> {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let mut options = Self {
            model: String::new(),
            image: String::new(),
            size: String::new(),
            runs: None,
            threads: cores.to_string(),
            modes: "fast-math,strict,exact".into(),
            engines: ENGINES.into(),
            folder: None,
        };
        for pair in args.chunks(2) {
            let [flag, value] = pair else {
                return Err(Failure::Usage(format!("peers: `{}` needs a value", pair[0])));
            };
            match flag.as_str() {
                "--model" => options.model.clone_from(value),
                "--image" => options.image.clone_from(value),
                "--size" => options.size.clone_from(value),
                "--runs" => options.runs = Some(positive(flag, value)?),
                "--threads" => options.threads = positive(flag, value)?,
                "--modes" => options.modes.clone_from(value),
                "--engines" => options.engines.clone_from(value),
                "--dir" => options.folder = Some(PathBuf::from(value)),
                _ => return Err(Failure::Usage(format!("peers: unknown option `{flag}`"))),
            }
        }
        Ok(options)
    }

    /// Refuses a line that lacks what a comparison needs.
    pub(super) fn check_for(&self, comparison: &str) -> Outcome {
        if matches!(comparison, "tiling" | "io" | "zarr" | "splat" | "nn3d" | "train") {
            return Ok(());
        }
        let second = if comparison == "meshnet" { ("--image", &self.image) } else { ("--size", &self.size) };
        for (flag, value) in [("--model", &self.model), second] {
            if value.is_empty() {
                return Err(Failure::Usage(format!("peers {comparison}: {flag} is missing")));
            }
        }
        Ok(())
    }

    /// Runs asked for, or the comparison's own number.
    pub(super) fn runs_or<'a>(&'a self, default: &'a str) -> &'a str {
        self.runs.as_deref().unwrap_or(default)
    }

    /// Where Python's packages are kept.
    pub(super) fn folder(&self) -> Outcome<PathBuf> {
        if let Some(folder) = &self.folder {
            return Ok(folder.clone());
        }
        default_folder("peers")
    }
}

/// Where Python's packages for a task are kept unless another folder is named.
pub(crate) fn default_folder(task: &str) -> Outcome<PathBuf> {
    let cache = std::env::var_os("XDG_CACHE_HOME").filter(|v| !v.is_empty()).map(PathBuf::from);
    let home = || std::env::var_os("HOME").map(|h| PathBuf::from(h).join(".cache"));
    let cache =
        cache.or_else(home).ok_or_else(|| Failure::failed("neither XDG_CACHE_HOME nor HOME is set: give --dir"))?;
    Ok(cache.join("volkit").join(task))
}

fn positive(flag: &str, value: &str) -> Outcome<String> {
    let is_positive = value.parse::<u32>().is_ok_and(|n| n > 0);
    if is_positive {
        Ok(value.into())
    } else {
        Err(Failure::Usage(format!("peers: {flag} {value}: a positive number is needed")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(comparison: &str, line: &str) -> Outcome<Options> {
        let options = Options::parse(&line.split_whitespace().map(str::to_owned).collect::<Vec<_>>())?;
        options.check_for(comparison).map(|()| options)
    }

    #[test]
    fn options_are_read_and_checked() {
        let options = checked("meshnet", "--model m --image i --runs 3 --dir d").unwrap();
        assert_eq!((options.model.as_str(), options.runs_or("2")), ("m", "3"));
        assert_eq!(options.folder().unwrap(), PathBuf::from("d"));
        assert_eq!(checked("unet", "--model m --size 8,8,8").unwrap().runs_or("5"), "5");
        assert!(checked("io", "--runs 2").is_ok());
        for bad in ["--image i --dir d", "--model m --dir d", "--model m --image i --runs 0", "--model", "--x 1"] {
            assert!(matches!(checked("meshnet", bad), Err(Failure::Usage(_))), "{bad}");
        }
        assert_eq!(checked("zarr", "--runs 4").unwrap().runs_or("5"), "4");
        assert!(checked("nn3d", "--runs 1 --threads 1").is_ok() && checked("train", "--runs 1").is_ok());
        assert_eq!(checked("splat", "--threads 2").unwrap().threads, "2");
        assert!(matches!(checked("unet", "--model m --image i"), Err(Failure::Usage(_))));
        assert_eq!(checked("tiling", "--size 512").unwrap().size, "512");
    }
}
