//! Videos through the programs of ffmpeg: frames out of them, pictures into them.

use std::fs;
use std::io::{self, Read, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use volkit_core::BoxError;

/// Suffixes of videos that [`Encoder`] is used for.
const SUFFIXES: [&str; 6] = ["mp4", "mkv", "mov", "webm", "avi", "gif"];
/// Even sizes, which most codecs ask for.
const EVEN: &str = "pad=ceil(iw/2)*2:ceil(ih/2)*2:color=white";

/// Whether a path is that of a video to be written.
pub(crate) fn is_video(path: &Path) -> bool {
    let suffix = path.extension().map(|suffix| suffix.to_string_lossy().to_lowercase());
    suffix.is_some_and(|suffix| SUFFIXES.contains(&suffix.as_str()))
}

/// How many frames a video has.
pub(crate) fn count(path: &Path) -> Result<usize, BoxError> {
    let arguments = "-v error -select_streams v:0 -count_packets -show_entries stream=nb_read_packets -of csv=p=0";
    let output = Command::new("ffprobe").args(arguments.split(' ')).arg(path).output();
    let output = output.map_err(|error| missing("ffprobe", path, &error))?;
    let text = String::from_utf8_lossy(&output.stdout);
    let n = text.trim().trim_end_matches(',').parse();
    n.map_err(|_| format!("{}: ffprobe: {}", path.display(), String::from_utf8_lossy(&output.stderr).trim()).into())
}

fn missing(program: &str, path: &Path, error: &io::Error) -> String {
    let why = "it reads and writes videos that are neither folders of pictures nor .y4m; install ffmpeg (Debian: apt install \
               ffmpeg), or use folders";
    format!("{}: {program} can not be started ({error}): {why}", path.display())
}

/// The frames of a video as pixmaps, from an `ffmpeg` process that is ended when this is dropped.
pub(crate) struct Decoder {
    child: Child,
    output: ChildStdout,
}

impl Decoder {
    pub(crate) fn start(path: &Path) -> Result<Self, BoxError> {
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

/// A video that an `ffmpeg` process makes of pictures. It appears under its name when it is finished.
pub(crate) struct Encoder {
    path: PathBuf,
    partial: PathBuf,
    child: Child,
    /// None once all pictures are there.
    input: Option<ChildStdin>,
}

impl Encoder {
    /// A video of pictures of `width` x `height`.
    pub(crate) fn start(path: &Path, [width, height]: [usize; 2], fps: f64) -> Result<Self, BoxError> {
        let name = path.file_name().ok_or_else(|| format!("{}: no name of a file", path.display()))?;
        // The suffix tells ffmpeg the format.
        let partial = path.with_file_name(format!(".partial-{}", name.to_string_lossy()));
        let mut command = Command::new("ffmpeg");
        command.args(["-v", "error", "-y", "-f", "rawvideo", "-pix_fmt", "rgb24"]);
        command.args(["-s", &format!("{width}x{height}"), "-r", &fps.to_string(), "-i", "-", "-vf", EVEN]);
        if path.extension().is_none_or(|suffix| !suffix.eq_ignore_ascii_case("gif")) {
            command.args(["-pix_fmt", "yuv420p"]);
        }
        let child = command.arg(&partial).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn();
        let mut child = child.map_err(|error| missing("ffmpeg", path, &error))?;
        let input = child.stdin.take();
        Ok(Self { path: path.to_owned(), partial, child, input })
    }

    /// Adds a picture `[height, width, 3]`.
    pub(crate) fn push(&mut self, pixels: &[u8]) -> Result<(), BoxError> {
        let written = self.input.as_mut().map_or(Ok(()), |input| input.write_all(pixels));
        written.map_err(|error| self.complaint().unwrap_or_else(|| error.to_string()).into())
    }

    /// Ends the video.
    pub(crate) fn finish(mut self) -> Result<(), BoxError> {
        self.input = None;
        if let Some(complaint) = self.complaint() {
            return Err(complaint.into());
        }
        Ok(fs::rename(&self.partial, &self.path).map_err(|error| format!("{}: {error}", self.path.display()))?)
    }

    /// What the process says was wrong, once it has ended.
    fn complaint(&mut self) -> Option<String> {
        self.input = None;
        let mut text = String::new();
        if let Some(mut errors) = self.child.stderr.take() {
            // What can not be read can not be told.
            let _ = errors.read_to_string(&mut text);
        }
        let status = self.child.wait();
        let failed = !status.as_ref().is_ok_and(std::process::ExitStatus::success);
        failed.then(|| format!("{}: ffmpeg: {}", self.path.display(), text.trim()))
    }
}

impl Drop for Encoder {
    fn drop(&mut self) {
        // The process may have ended by itself, and its file may have its name already.
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = fs::remove_file(&self.partial);
    }
}
