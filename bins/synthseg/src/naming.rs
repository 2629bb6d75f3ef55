//! Which scans there are and what their outputs are called.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail, ensure};

use crate::args::Args;
use crate::run::report_file;

/// Suffixes of images, the longest first.
const IMAGE_SUFFIXES: [&str; 4] = [".nii.gz", ".nii", ".mgz", ".npz"];
/// Suffixes that no folder is meant to have: an output named so is a mistake and not a folder to make.
const OTHER_FILES: [&str; 11] =
    [".csv", ".gz", ".h5", ".hdr", ".img", ".jpg", ".json", ".mgh", ".nrrd", ".png", ".safetensors"];

/// One scan and where its outputs go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ScanJob {
    pub(crate) input: PathBuf,
    pub(crate) labels: PathBuf,
    pub(crate) picture: Option<PathBuf>,
    pub(crate) table: Option<TableTarget>,
}

/// Where a scan's volumes go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TableTarget {
    pub(crate) path: PathBuf,
    /// Whether other scans share the table; then its first column is called `subject`.
    pub(crate) shared: bool,
}

impl ScanJob {
    /// Every file that the scan makes.
    pub(crate) fn outputs(&self) -> impl Iterator<Item = &Path> {
        let table = self.table.as_ref().map(|table| table.path.as_path());
        [Some(self.labels.as_path()), self.picture.as_deref(), table].into_iter().flatten()
    }
}

/// Lists the scans of a command line with their outputs.
pub(crate) fn scan_jobs(args: &Args) -> Result<Vec<ScanJob>> {
    let base = base_name(&args.input);
    let jobs = if base.ends_with(".txt") {
        from_list(args)?
    } else if IMAGE_SUFFIXES.iter().any(|suffix| base.contains(suffix)) {
        from_image(args)?
    } else {
        from_folder(args)?
    };
    check_distinct(&jobs)?;
    if let Some(report) = report_file(args) {
        check_report(report, args, &jobs)?;
    }
    Ok(jobs)
}

fn from_image(args: &Args) -> Result<Vec<ScanJob>> {
    let input = &args.input;
    ensure!(input.exists(), "{}: no such file", input.display());
    ensure!(input.is_file(), "{}: is a folder, its name is that of an image", input.display());
    let (stem, suffix) = split_image(input)?;
    let labels = if names_image(&args.output)? {
        args.output.clone()
    } else {
        folder_output(&args.output, "--o")?.join(format!("{stem}_synthseg{suffix}"))
    };
    let picture = match &args.picture {
        Some(picture) if is_png(picture) => Some(picture.clone()),
        Some(picture) => Some(folder_output(picture, "--picture")?.join(format!("{stem}_synthseg.png"))),
        None => None,
    };
    let table = shared_table(args)?;
    Ok(vec![ScanJob { input: input.clone(), labels, picture, table }])
}

fn from_folder(args: &Args) -> Result<Vec<ScanJob>> {
    let folder = &args.input;
    let base = base_name(folder);
    ensure!(folder.exists(), "{}: no such file or folder", folder.display());
    ensure!(
        folder.is_dir(),
        "{}: suffix = '{}': a scan ends in one of {}, a list in .txt",
        folder.display(),
        base.rfind('.').map_or("", |dot| &base[dot..]),
        IMAGE_SUFFIXES.join(" ")
    );
    let entries = fs::read_dir(folder).with_context(|| format!("{}: can not list", folder.display()))?;
    let mut inputs = Vec::new();
    for entry in entries {
        let path = entry.with_context(|| format!("{}: can not list", folder.display()))?.path();
        let name = base_name(&path);
        if ["nii.gz", "nii", ".mgz", ".npz"].iter().any(|end| name.ends_with(end)) && path.is_file() {
            inputs.push(path);
        }
    }
    inputs.sort();
    ensure!(!inputs.is_empty(), "{}: holds no scan ({})", folder.display(), IMAGE_SUFFIXES.join(" "));
    ensure!(!names_image(&args.output)?, "{}: --o must be a folder, as --i is", args.output.display());
    let labels = folder_output(&args.output, "--o")?;
    let pictures = args.picture.as_ref().map(|path| folder_output(path, "--picture")).transpose()?;
    let table = shared_table(args)?;
    let job = |input: PathBuf| {
        let (stem, suffix) = split_image(&input)?;
        Ok(ScanJob {
            labels: labels.join(format!("{stem}_synthseg{suffix}")),
            picture: pictures.as_ref().map(|folder| folder.join(format!("{stem}_synthseg.png"))),
            table: table.clone(),
            input,
        })
    };
    inputs.into_iter().map(job).collect()
}

fn from_list(args: &Args) -> Result<Vec<ScanJob>> {
    let inputs = read_list(&args.input, "--i")?;
    ensure!(!inputs.is_empty(), "{}: lists no scan", args.input.display());
    let list = |path: &Path, flag: &str| -> Result<Vec<PathBuf>> {
        ensure!(base_name(path).ends_with(".txt"), "{}: {flag} must be a .txt list, as --i is", path.display());
        let paths = read_list(path, flag)?;
        let (found, wanted) = (paths.len(), inputs.len());
        ensure!(found == wanted, "{}: lines = {found}: --i lists {wanted} scans", path.display());
        Ok(paths)
    };
    let labels = list(&args.output, "--o")?;
    for path in &labels {
        ensure!(names_image(path)?, "{}: must end in one of {}", path.display(), IMAGE_SUFFIXES.join(" "));
    }
    let pictures = args.picture.as_ref().map(|path| list(path, "--picture")).transpose()?;
    let tables = args.volumes.as_ref().map(|path| list(path, "--vol")).transpose()?;
    let job = |(index, input): (usize, PathBuf)| ScanJob {
        input,
        labels: labels[index].clone(),
        picture: pictures.as_ref().map(|pictures| pictures[index].clone()),
        table: tables.as_ref().map(|tables| TableTarget { path: with_csv(&tables[index]), shared: false }),
    };
    Ok(inputs.iter().cloned().enumerate().map(job).collect())
}

/// One path a line; blank lines are skipped, only the line end is stripped.
fn read_list(path: &Path, flag: &str) -> Result<Vec<PathBuf>> {
    let text =
        fs::read_to_string(path).with_context(|| format!("{}: can not read the list of {flag}", path.display()))?;
    Ok(text.lines().filter(|line| !line.trim().is_empty()).map(PathBuf::from).collect())
}

fn shared_table(args: &Args) -> Result<Option<TableTarget>> {
    let Some(path) = &args.volumes else { return Ok(None) };
    ensure!(!base_name(path).ends_with(".txt"), "{}: --vol is a list, but --i is none", path.display());
    Ok(Some(TableTarget { path: with_csv(path), shared: true }))
}

fn with_csv(path: &Path) -> PathBuf {
    if base_name(path).ends_with(".csv") {
        return path.to_owned();
    }
    let mut name = path.as_os_str().to_owned();
    name.push(".csv");
    PathBuf::from(name)
}

fn is_png(path: &Path) -> bool {
    base_name(path).to_lowercase().ends_with(".png")
}

/// Whether an output is an image by its name; a name that holds an image suffix but goes on behind it is an error.
fn names_image(path: &Path) -> Result<bool> {
    let base = base_name(path);
    if !IMAGE_SUFFIXES.iter().any(|suffix| base.contains(suffix)) {
        return Ok(false);
    }
    split_image(path).map(|_| true)
}

fn split_image(path: &Path) -> Result<(String, &'static str)> {
    let base = base_name(path);
    // `xnii` is listed by the folder rule too; it has no suffix that an output could take over.
    match IMAGE_SUFFIXES.iter().find_map(|&suffix| Some((base.strip_suffix(suffix)?, suffix))) {
        Some((stem, suffix)) => Ok((stem.to_owned(), suffix)),
        None => bail!("{}: suffix: must end in one of {}", path.display(), IMAGE_SUFFIXES.join(" ")),
    }
}

fn folder_output(path: &Path, flag: &str) -> Result<PathBuf> {
    let base = base_name(path);
    ensure!(!base.ends_with(".txt"), "{}: {flag} is a list, but --i is none", path.display());
    let lower = base.to_lowercase();
    if let Some(suffix) = OTHER_FILES.iter().find(|&&suffix| lower.ends_with(suffix)).filter(|_| !path.is_dir()) {
        let wanted = if flag == "--o" { IMAGE_SUFFIXES.join(" ") } else { ".png".to_owned() };
        bail!("{}: {flag} suffix = '{suffix}': expected {wanted} or a folder", path.display());
    }
    Ok(path.to_owned())
}

/// No file may be written twice or over a scan.
fn check_distinct(jobs: &[ScanJob]) -> Result<()> {
    let mut makers: BTreeMap<&Path, &Path> = BTreeMap::new();
    for job in jobs {
        let own = job
            .outputs()
            .filter(|path| !job.table.as_ref().is_some_and(|table| table.shared && table.path.as_path() == *path));
        for path in own {
            if let Some(other) = makers.insert(path, &job.input) {
                let (a, b) = (other.display(), job.input.display());
                bail!("{}: would be the output of {a} and of {b}", path.display());
            }
        }
    }
    for job in jobs {
        if let Some(maker) = makers.get(job.input.as_path()) {
            bail!("{}: is a scan and would be the output of {}", job.input.display(), maker.display());
        }
    }
    Ok(())
}

/// The report may not take the place of a file that is read or of another output.
fn check_report(report: &Path, args: &Args, jobs: &[ScanJob]) -> Result<()> {
    let read = [Some(args.model.as_path()), args.labels.as_deref(), Some(args.input.as_path())].into_iter().flatten();
    let scans = jobs.iter().flat_map(|job| job.outputs().chain([job.input.as_path()]));
    ensure!(
        !read.chain(scans).any(|path| path == report),
        "{}: --json is also an input or an output",
        report.display()
    );
    Ok(())
}

pub(crate) fn base_name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}
