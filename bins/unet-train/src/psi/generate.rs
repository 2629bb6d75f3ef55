//! `generate`: scenes as files.

use anyhow::Result;
use volkit_core::Progress as _;
use volkit_psi::Split;

use super::report::Report;
use super::scenes::split_name;
use super::{Run, files};

/// Makes the scenes of both splits.
pub(crate) fn run(run: &Run<'_>, report: &mut Report) -> Result<()> {
    let config = &run.config;
    let (instrument, sensor) = (config.instrument(), config.sensor()?);
    let edge = config.scenes.image_size;
    let total = config.n_scenes(Split::Train) + config.n_scenes(Split::Test);
    run.clock.begin("generate", total as u64);
    for split in [Split::Train, Split::Test] {
        files::make_folder(&config.output_dir.join(split_name(split)))?;
        for scene in config.files(split) {
            run.clock.check()?;
            let height = config.scene(split, scene.index)?.height_um([edge, edge]);
            // The camera's faults have a sequence of their own.
            let seed = split.scene_seed(config.seed, scene.index as u64);
            let images = sensor.record(&instrument, &height, seed)?;
            files::write_array(&scene.images, &[instrument.channels(), edge, edge], &images)?;
            files::write_array(&scene.height, &[edge, edge], &height.into())?;
            run.clock.advance(1);
        }
        report.scenes.insert(split_name(split), config.n_scenes(split));
    }
    report.line(format!("{total} scenes of {edge} x {edge} pixels in {}", config.output_dir.display()));
    Ok(())
}
