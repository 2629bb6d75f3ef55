//! The scenes of a folder, by their numbers.

use std::path::PathBuf;

use anyhow::{Context as _, Result, ensure};
use volkit_core::VolumeSource;
use volkit_psi::{PsiScene, Split};

use super::config::{PsiConfig, SceneKind};
use super::files;

/// A generated scene: its files.
#[derive(Clone, Debug)]
pub(crate) struct SceneFiles {
    /// Number in its split.
    pub(crate) index: usize,
    /// Greys `[C, H, W]`.
    pub(crate) images: PathBuf,
    /// Heights `[H, W]` in um.
    pub(crate) height: PathBuf,
}

impl PsiConfig {
    /// The surface of a scene.
    pub(crate) fn scene(&self, split: Split, index: usize) -> Result<PsiScene> {
        let seed = split.scene_seed(self.seed, index as u64);
        Ok(match self.scenes.kind {
            SceneKind::Random => PsiScene::random(seed, &self.scene_options())?,
            SceneKind::Reference => PsiScene::reference(),
            SceneKind::ConeBumps => PsiScene::cone_bumps(self.scenes.image_size, seed)?,
        })
    }

    /// How many scenes a split has.
    pub(crate) fn n_scenes(&self, split: Split) -> usize {
        match split {
            Split::Train => self.scenes.num_train_samples,
            Split::Test => self.scenes.num_test_samples,
        }
    }

    /// The files of the scenes of a split.
    pub(crate) fn files(&self, split: Split) -> Vec<SceneFiles> {
        let folder = self.output_dir.join(split_name(split));
        let files = |index: usize| SceneFiles {
            index,
            images: folder.join(format!("scene-{index:04}.npy")),
            height: folder.join(format!("scene-{index:04}.height.npy")),
        };
        (0..self.n_scenes(split)).map(files).collect()
    }
}

impl SceneFiles {
    /// The images `[W, H, C]`, checked against the interferometer.
    pub(crate) fn open(&self, channels: usize) -> Result<Box<dyn VolumeSource>> {
        let name = self.images.display();
        let source = files::open_stack(&self.images).with_context(|| format!("{name}: run `generate` first"))?;
        let shape = source.meta().shape();
        ensure!(shape.len() == 3 && shape[2] == channels, "{name}: axes {shape:?}, expected [W, H, {channels}]");
        Ok(source)
    }
}

/// Name of a split's folder.
pub(crate) fn split_name(split: Split) -> &'static str {
    match split {
        Split::Train => "train",
        Split::Test => "test",
    }
}
