//! How good the model is on the last third of the recording.

use std::fs;

use volkit_bench::Display;
use volkit_core::{BoxError, Progress as _};
use volkit_io::write_atomically;
use volkit_pose::{MetricsTable, Split, evaluate_frame};

use crate::picture::Sheet;
use crate::project::Project;
use crate::{page, train};

/// Frames of the page.
const SHOWN: usize = 4;

/// Renders all test frames from all cameras, measures, and writes table and page.
pub(crate) fn evaluate(project: &Project, display: &Display) -> Result<String, BoxError> {
    let (recording, model) = (project.recording()?, train::load(project)?);
    let test = Split::of(recording.store.n_frames()).test;
    let folder = project.renders();
    fs::create_dir_all(&folder)?;
    display.begin("evaluate", test.len() as u64);
    let step = test.len().div_ceil(SHOWN).max(1);
    let (mut all, mut pictures) = (Vec::new(), Vec::new());
    for frame in test.clone() {
        display.check()?;
        let (metrics, renderings) = evaluate_frame(model.as_ref(), &recording, frame)?;
        all.push(metrics);
        if (frame - test.start).is_multiple_of(step) {
            let views = recording.store.read(frame)?;
            let mut sheet = Sheet::new(views.size);
            sheet.push((0..views.n_views).map(|view| views.colours(view)).collect());
            sheet.push(renderings.into_iter().map(|rendering| rendering.colour).collect());
            let name = format!("test{frame:05}.png");
            sheet.write(&folder.join(&name))?;
            pictures.push((frame, format!("{}/{name}", project.config.render_directory)));
        }
        display.advance(1);
    }
    let table = MetricsTable::new(&all, &recording.held_out);
    write_atomically(project.file("metrics_test.csv"), |out| out.write_all(table.to_csv().as_bytes()))?;
    project.write_json("metrics_test.json", &table)?;
    let text = page::html(project, &table, &pictures);
    write_atomically(project.file("index.html"), |out| out.write_all(text.as_bytes()))?;
    let line = |held_out: bool| {
        let m = table.mean(held_out)?;
        let name = if held_out { "held out" } else { "observed" };
        Some(format!("{name}: PSNR {:.2} dB, IoU {:.4}, SSIM {:.4}, L1 {:.4}", m.psnr, m.iou, m.ssim, m.l1))
    };
    let lines: Vec<String> = [line(false), line(true)].into_iter().flatten().collect();
    Ok(lines.join("; "))
}
