//! Videos as the library reads them: folders of pictures, Y4M files, and anything else through `ffmpeg`.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};

use volkit_core::{BoxError, natural_order};
use volkit_pose::{FrameSource, PictureSequence, PixmapStream, Y4mStream};

/// Opens a video.
pub(crate) fn open(path: &Path) -> Result<Box<dyn FrameSource>, BoxError> {
    let what = path.display().to_string();
    if path.is_dir() {
        let pictures = pictures(path)?;
        let n = pictures.len();
        return Ok(Box::new(PictureSequence::new(
            n,
            Box::new(move |i| {
                let path = &pictures[i];
                let file = File::open(path).map_err(|error| format!("{}: {error}", path.display()))?;
                Ok((path.display().to_string(), Box::new(file)))
            }),
        )));
    }
    if is_y4m(path) {
        let file = File::open(path).map_err(|error| format!("{what}: {error}"))?;
        return Ok(Box::new(Y4mStream::new(Box::new(file), what)?));
    }
    Ok(Box::new(PixmapStream::new(Box::new(Decoder::start(path)?), what)))
}

fn is_y4m(path: &Path) -> bool {
    path.extension().is_some_and(|suffix| suffix.eq_ignore_ascii_case("y4m"))
}

/// The PNG pictures of a folder, in the order of the numbers in their names.
fn pictures(folder: &Path) -> Result<Vec<PathBuf>, BoxError> {
    let failed = |error: io::Error| format!("{}: {error}", folder.display());
    let mut names = Vec::new();
    for entry in fs::read_dir(folder).map_err(failed)? {
        let name = entry.map_err(failed)?.file_name().to_string_lossy().into_owned();
        if name.to_lowercase().ends_with(".png") {
            names.push(name);
        }
    }
    if names.is_empty() {
        return Err(format!("{}: no .png pictures", folder.display()).into());
    }
    names.sort_by(|a, b| natural_order(a, b));
    Ok(names.into_iter().map(|name| folder.join(name)).collect())
}

/// How many frames a video has.
pub(crate) fn count(path: &Path) -> Result<usize, BoxError> {
    if path.is_dir() || is_y4m(path) {
        let mut source = open(path)?;
        if let Some(n) = source.n_frames() {
            return Ok(n);
        }
        let mut n = 0;
        while source.skip()? {
            n += 1;
        }
        return Ok(n);
    }
    let arguments = "-v error -select_streams v:0 -count_packets -show_entries stream=nb_read_packets -of csv=p=0";
    let output = Command::new("ffprobe").args(arguments.split(' ')).arg(path).output();
    let output = output.map_err(|error| missing("ffprobe", path, &error))?;
    let text = String::from_utf8_lossy(&output.stdout);
    let n = text.trim().trim_end_matches(',').parse();
    n.map_err(|_| format!("{}: ffprobe: {}", path.display(), String::from_utf8_lossy(&output.stderr).trim()).into())
}

fn missing(program: &str, path: &Path, error: &io::Error) -> String {
    let why = "it decodes videos that are neither folders of PNG pictures nor .y4m; install ffmpeg (Debian: apt install ffmpeg)";
    format!("{}: {program} can not be started ({error}): {why}", path.display())
}

/// What an `ffmpeg` process writes; ended when dropped.
struct Decoder {
    child: Child,
    output: ChildStdout,
}

impl Decoder {
    fn start(path: &Path) -> Result<Self, BoxError> {
        fs::metadata(path).map_err(|error| format!("{}: {error}", path.display()))?;
        let mut command = Command::new("ffmpeg");
        command.args(["-v", "error", "-nostdin", "-i"]).arg(path);
        command.args(["-map", "0:v:0", "-fps_mode", "passthrough", "-f", "image2pipe", "-vcodec", "ppm", "-"]);
        let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn();
        let mut child = child.map_err(|error| missing("ffmpeg", path, &error))?;
        let output = child.stdout.take().ok_or("ffmpeg has no output")?;
        Ok(Self { child, output })
    }
}

impl Read for Decoder {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.output.read(buffer)
    }
}

impl Drop for Decoder {
    fn drop(&mut self) {
        // The process may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
