//! Which scans there are and what their outputs are called.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail, ensure};

use crate::args::Args;
use crate::run::report_file;

/// Suffixes of images, the longest first.
pub(crate) const IMAGE_SUFFIXES: [&str; 4] = [".nii.gz", ".nii", ".mgz", ".npz"];
/// Suffixes that no folder is meant to have: an output named so is a mistake and not a folder to make.
const OTHER_FILES: [&str; 13] =
    [".csv", ".gz", ".h5", ".hdr", ".htm", ".html", ".img", ".jpg", ".json", ".mgh", ".nrrd", ".png", ".safetensors"];
/// Longest end of a name behind a dot that looks like the suffix of a file.
const LONGEST_SUFFIX: usize = 5;
/// Page that lists the others of a folder.
const INDEX_NAME: &str = "index.html";

/// One scan and where its outputs go.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ScanJob {
    pub(crate) input: PathBuf,
    pub(crate) labels: PathBuf,
    pub(crate) posteriors: Option<PathBuf>,
    pub(crate) resampled: Option<PathBuf>,
    pub(crate) mask: Option<PathBuf>,
    pub(crate) picture: Option<PathBuf>,
    pub(crate) report: Option<PathBuf>,
    pub(crate) volumes: Option<TableTarget>,
    pub(crate) scores: Option<TableTarget>,
}

/// Where a row about a scan goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TableTarget {
    pub(crate) path: PathBuf,
    /// Whether other scans share the table; then its first column is called `subject`.
    pub(crate) shared: bool,
}

/// Every scan of a run.
#[derive(Clone, Debug, Default)]
pub(crate) struct Plan {
    pub(crate) jobs: Vec<ScanJob>,
    /// Page that lists those of the scans.
    pub(crate) index: Option<PathBuf>,
    /// What looks like a mistake, but need not be one.
    pub(crate) warnings: Vec<String>,
}

impl ScanJob {
    /// Files that the scan makes for itself, tables left out, each with what it is.
    pub(crate) fn named_files(&self) -> impl Iterator<Item = (&'static str, &Path)> {
        let files = [
            ("labels", Some(&self.labels)),
            ("posteriors", self.posteriors.as_ref()),
            ("resampled", self.resampled.as_ref()),
            ("mask", self.mask.as_ref()),
            ("picture", self.picture.as_ref()),
            ("report", self.report.as_ref()),
        ];
        files.into_iter().filter_map(|(name, path)| Some((name, path?.as_path())))
    }

    fn files(&self) -> impl Iterator<Item = &Path> {
        self.named_files().map(|(_, path)| path)
    }

    /// Tables that get a row about the scan.
    pub(crate) fn tables(&self) -> impl Iterator<Item = &TableTarget> {
        [&self.volumes, &self.scores].into_iter().flatten()
    }

    /// Every file that the scan makes or adds to.
    pub(crate) fn outputs(&self) -> impl Iterator<Item = &Path> {
        self.files().chain(self.tables().map(|table| table.path.as_path()))
    }
}

/// Lists the scans of a command line with their outputs.
pub(crate) fn plan(args: &Args) -> Result<Plan> {
    let base = base_name(&args.input);
    let mut plan = if base.ends_with(".txt") {
        from_list(args)?
    } else if IMAGE_SUFFIXES.iter().any(|suffix| base.contains(suffix)) {
        from_image(args)?
    } else {
        from_folder(args)?
    };
    check_distinct(&plan.jobs)?;
    check_report(args, &plan)?;
    let is_single = !base.ends_with(".txt");
    let outputs = &args.outputs;
    let named = [Some(&args.output), outputs.posteriors.as_ref(), outputs.resampled.as_ref(), outputs.mask.as_ref()];
    if is_single {
        plan.warnings.extend(named.into_iter().flatten().filter_map(|path| odd_folder(path)));
    }
    Ok(plan)
}

/// Outputs that are named like the labels: where they go, their flag, and what is put into their names in a folder.
fn image_outputs(args: &Args) -> [(Option<&PathBuf>, &'static str, &'static str); 4] {
    let outputs = &args.outputs;
    [
        (Some(&args.output), "--o", "_synthseg"),
        (outputs.posteriors.as_ref(), "--post", "_posteriors"),
        (outputs.resampled.as_ref(), "--resample", "_resampled"),
        (outputs.mask.as_ref(), "--mask", "_mask"),
    ]
}

/// Outputs that are named otherwise: where they go, their flag, their suffix.
fn page_outputs(args: &Args) -> [(Option<&PathBuf>, &'static str, &'static str); 2] {
    [(args.outputs.picture.as_ref(), "--picture", ".png"), (args.outputs.report.as_ref(), "--report", ".html")]
}

fn job_of(images: [Option<PathBuf>; 4], pages: [Option<PathBuf>; 2], tables: [Option<TableTarget>; 2]) -> ScanJob {
    let ([labels, posteriors, resampled, mask], [picture, report], [volumes, scores]) = (images, pages, tables);
    let labels = labels.unwrap_or_default();
    ScanJob { input: PathBuf::new(), labels, posteriors, resampled, mask, picture, report, volumes, scores }
}

fn from_image(args: &Args) -> Result<Plan> {
    let input = &args.input;
    ensure!(input.exists(), "{}: no such file", input.display());
    ensure!(input.is_file(), "{}: is a folder, its name is that of an image", input.display());
    let (stem, suffix) = split_image(input)?;
    let image = |(path, flag, middle): (Option<&PathBuf>, &str, &str)| -> Result<Option<PathBuf>> {
        let Some(path) = path else { return Ok(None) };
        if names_image(path)? {
            return Ok(Some(path.clone()));
        }
        let expected = IMAGE_SUFFIXES.join(" ");
        Ok(Some(folder_output(path, flag, &expected)?.join(format!("{stem}{middle}{suffix}"))))
    };
    let page = |(path, flag, end): (Option<&PathBuf>, &str, &str)| -> Result<Option<PathBuf>> {
        match path {
            Some(path) if base_name(path).to_lowercase().ends_with(end) => Ok(Some(path.clone())),
            Some(path) => Ok(Some(folder_output(path, flag, end)?.join(format!("{stem}_synthseg{end}")))),
            None => Ok(None),
        }
    };
    let ([a, b, c, d], [e, f]) = (image_outputs(args), page_outputs(args));
    let job = job_of([image(a)?, image(b)?, image(c)?, image(d)?], [page(e)?, page(f)?], shared_tables(args)?);
    Ok(Plan { jobs: vec![ScanJob { input: input.clone(), ..job }], ..Plan::default() })
}

fn from_folder(args: &Args) -> Result<Plan> {
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
    let inputs = scans_of(folder)?;
    let images = image_outputs(args);
    for (path, flag, _) in images {
        if let Some(path) = path {
            ensure!(!names_image(path)?, "{}: {flag} must be a folder, as --i is", path.display());
            folder_output(path, flag, &IMAGE_SUFFIXES.join(" "))?;
        }
    }
    let pages = page_outputs(args);
    for (path, flag, end) in pages {
        path.map(|path| folder_output(path, flag, end)).transpose()?;
    }
    let tables = shared_tables(args)?;
    let job = |input: PathBuf| {
        let (stem, suffix) = split_image(&input)?;
        let image = |(folder, _, middle): (Option<&PathBuf>, &str, &str)| {
            folder.map(|folder| folder.join(format!("{stem}{middle}{suffix}")))
        };
        let page = |(folder, _, end): (Option<&PathBuf>, &str, &str)| {
            folder.map(|folder| folder.join(format!("{stem}_synthseg{end}")))
        };
        Ok(ScanJob { input, ..job_of(images.map(image), pages.map(page), tables.clone()) })
    };
    let jobs = inputs.into_iter().map(job).collect::<Result<_>>()?;
    let index = args.outputs.report.as_ref().map(|folder| folder.join(INDEX_NAME));
    Ok(Plan { jobs, index, warnings: Vec::new() })
}

/// Scans of a folder, sorted by path.
fn scans_of(folder: &Path) -> Result<Vec<PathBuf>> {
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
    Ok(inputs)
}

fn from_list(args: &Args) -> Result<Plan> {
    let inputs = read_list(&args.input, "--i")?;
    ensure!(!inputs.is_empty(), "{}: lists no scan", args.input.display());
    let list = |path: Option<&PathBuf>, flag: &str| -> Result<Option<Vec<PathBuf>>> {
        let Some(path) = path else { return Ok(None) };
        ensure!(base_name(path).ends_with(".txt"), "{}: {flag} must be a .txt list, as --i is", path.display());
        let paths = read_list(path, flag)?;
        let (found, wanted) = (paths.len(), inputs.len());
        ensure!(found == wanted, "{}: lines = {found}: --i lists {wanted} scans", path.display());
        Ok(Some(paths))
    };
    let images = |(path, flag, _): (Option<&PathBuf>, &str, &str)| -> Result<Option<Vec<PathBuf>>> {
        let paths = list(path, flag)?;
        for path in paths.iter().flatten() {
            ensure!(names_image(path)?, "{}: must end in one of {}", path.display(), IMAGE_SUFFIXES.join(" "));
        }
        Ok(paths)
    };
    let ([a, b, c, d], pages) = (image_outputs(args), page_outputs(args));
    let images = [images(a)?, images(b)?, images(c)?, images(d)?];
    let pages = [list(pages[0].0, pages[0].1)?, list(pages[1].0, pages[1].1)?];
    let tables = [list(args.outputs.volumes.as_ref(), "--vol")?, list(args.outputs.scores.as_ref(), "--qc")?];
    let job = |(index, input): (usize, &PathBuf)| {
        let at = |paths: &Option<Vec<PathBuf>>| paths.as_ref().map(|paths| paths[index].clone());
        let table =
            |paths: &Option<Vec<PathBuf>>| at(paths).map(|path| TableTarget { path: with_csv(&path), shared: false });
        let job = job_of(images.each_ref().map(at), pages.each_ref().map(at), tables.each_ref().map(table));
        ScanJob { input: input.clone(), ..job }
    };
    Ok(Plan { jobs: inputs.iter().enumerate().map(job).collect(), ..Plan::default() })
}

/// One path a line; blank lines are skipped, only the line end is stripped.
fn read_list(path: &Path, flag: &str) -> Result<Vec<PathBuf>> {
    let text =
        fs::read_to_string(path).with_context(|| format!("{}: can not read the list of {flag}", path.display()))?;
    Ok(text.lines().filter(|line| !line.trim().is_empty()).map(PathBuf::from).collect())
}

fn shared_tables(args: &Args) -> Result<[Option<TableTarget>; 2]> {
    let table = |path: &Option<PathBuf>, flag: &str| -> Result<Option<TableTarget>> {
        let Some(path) = path else { return Ok(None) };
        ensure!(!base_name(path).ends_with(".txt"), "{}: {flag} is a list, but --i is none", path.display());
        Ok(Some(TableTarget { path: with_csv(path), shared: true }))
    };
    Ok([table(&args.outputs.volumes, "--vol")?, table(&args.outputs.scores, "--qc")?])
}

fn with_csv(path: &Path) -> PathBuf {
    if base_name(path).ends_with(".csv") {
        return path.to_owned();
    }
    let mut name = path.as_os_str().to_owned();
    name.push(".csv");
    PathBuf::from(name)
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

fn folder_output(path: &Path, flag: &str, expected: &str) -> Result<PathBuf> {
    let base = base_name(path);
    ensure!(!base.ends_with(".txt"), "{}: {flag} is a list, but --i is none", path.display());
    let lower = base.to_lowercase();
    if let Some(suffix) = OTHER_FILES.iter().find(|&&suffix| lower.ends_with(suffix)).filter(|_| !path.is_dir()) {
        bail!("{}: {flag} suffix = '{suffix}': expected {expected} or a folder", path.display());
    }
    Ok(path.to_owned())
}

/// Tells of a folder to be made whose name looks like that of a file.
fn odd_folder(path: &Path) -> Option<String> {
    let suffix = path.extension()?.to_str()?;
    let is_suffix = suffix.len() <= LONGEST_SUFFIX && suffix.starts_with(|c: char| c.is_ascii_alphabetic());
    let is_image = IMAGE_SUFFIXES.iter().any(|image| base_name(path).ends_with(image));
    let is_odd = is_suffix && !is_image && !path.exists();
    is_odd
        .then(|| format!("{}: '.{suffix}' is none of {}; taken for a folder", path.display(), IMAGE_SUFFIXES.join(" ")))
}

/// No file may be written twice or over a scan.
fn check_distinct(jobs: &[ScanJob]) -> Result<()> {
    let mut makers: BTreeMap<&Path, &Path> = BTreeMap::new();
    for job in jobs {
        let own_tables = job.tables().filter(|table| !table.shared).map(|table| table.path.as_path());
        for path in job.files().chain(own_tables) {
            if let Some(other) = makers.insert(path, &job.input) {
                let (a, b) = (other.display(), job.input.display());
                if other == job.input {
                    bail!("{}: would be two outputs of {a}", path.display());
                }
                bail!("{}: would be the output of {a} and of {b}", path.display());
            }
        }
    }
    for job in jobs {
        if let Some(maker) = makers.get(job.input.as_path()) {
            bail!("{}: is a scan and would be the output of {}", job.input.display(), maker.display());
        }
        if let [Some(volumes), Some(scores)] = [&job.volumes, &job.scores] {
            ensure!(volumes.path != scores.path, "{}: would be the table of --vol and of --qc", volumes.path.display());
        }
    }
    Ok(())
}

/// The report of a run may not take the place of a file that is read or of another output.
fn check_report(args: &Args, plan: &Plan) -> Result<()> {
    let Some(report) = report_file(args) else { return Ok(()) };
    let read = args.models.model.iter().chain(&args.outputs.labels).chain([&args.input]).map(PathBuf::as_path);
    let scans = plan.jobs.iter().flat_map(|job| job.outputs().chain([job.input.as_path()]));
    let mut others = read.chain(scans).chain(plan.index.as_deref());
    ensure!(!others.any(|path| path == report), "{}: --json is also an input or an output", report.display());
    Ok(())
}

pub(crate) fn base_name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}
