//! What is left of the seams: a blur of radius 2 run over tiles, beside the same blur of the whole image.

use volkit_core::{
    Affine, Batch, BoxError, DType, MemorySink, OutputSpec, Predictor, PredictorSpec, Scale, SilentProgress, Volume,
    VolumeMeta, VolumeSink as _,
};
use volkit_tile::{Blend, ImportanceMap, NamedWindow, Target, TilePlan, TiledInference};

/// The mean of 5 samples, 0 beyond the border.
struct Blur(PredictorSpec);

impl Predictor for Blur {
    fn spec(&self) -> &PredictorSpec {
        &self.0
    }

    fn predict(&mut self, input: &Batch) -> Result<Vec<Batch>, BoxError> {
        let blur = |row: &[f32], x: usize| (0..5).filter_map(|k| row.get((x + k).checked_sub(2)?)).sum::<f32>() / 5.0;
        let len = input.spatial()[0];
        let blurred = input.values().chunks_exact(len).flat_map(|row| (0..len).map(move |x| blur(row, x))).collect();
        Ok(vec![Batch::new(input.shape(), blurred)?])
    }
}

fn main() -> Result<(), BoxError> {
    let outputs = vec![OutputSpec { name: "blur".to_owned(), channels: 1, scale: Scale::ONE }];
    let receptive_radius = Some(vec![2]);
    let spec = PredictorSpec { input_channels: 1, n_spatial_axes: 1, outputs, multiple_of: 1, receptive_radius };
    let mut model = Blur(spec);
    let n = 1000;
    let signal: Vec<f32> = (0..n).map(|x| (x as f32 * 0.37).sin() + (x % 17) as f32).collect();
    let direct = model.predict(&Batch::new([1, 1, n], signal.clone())?)?.remove(0).into_values();
    let image = Volume::new([n, 1], signal, Affine::IDENTITY)?;
    let plan = TilePlan::for_receptive_field(&[n], &[64], &[2], 1)?;
    println!("{} tiles of 64 with an overlap of {}", plan.n_tiles(), plan.axes()[0].overlap());
    let blends: [(&str, Blend); 4] = [
        ("overlap-discard", Blend::Crop),
        ("Hann ramp", NamedWindow::Hann.into()),
        ("plain average", NamedWindow::Constant.into()),
        ("MONAI's Gaussian", ImportanceMap::MonaiGaussian { sigma: vec![0.125] }.into()),
    ];
    for (name, blend) in blends {
        let (sink, slot) = MemorySink::new(VolumeMeta::new([n], DType::F32, Affine::IDENTITY)?)?;
        let inference = TiledInference::new(&plan).with_blend(blend);
        inference.run(&image, &mut [&mut model], vec![Target::new(&sink)], &SilentProgress)?;
        Box::new(sink).finish()?;
        let result = slot.lock().map_err(|_| "poisoned")?.take().ok_or("no result")?;
        let result = result.to_real::<f32>()?;
        let worst = result.iter().zip(&direct).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        println!("{name:17} largest difference to the whole image: {worst:.1e}");
    }
    Ok(())
}
