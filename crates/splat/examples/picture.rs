//! Renders a ring of Gaussians and writes it as `ring.ppm`, which any viewer of pictures opens.

use std::error::Error;
use std::io::Write as _;
use std::sync::Arc;

use volkit_splat::{
    Camera, Colours, CpuRasterizer, Gaussians, Intrinsics, Rasterizer as _, RenderConfig, Rendering, Threads,
};

fn main() -> Result<(), Box<dyn Error>> {
    let n = 60;
    let angles = (0..n).map(|i| i as f32 / n as f32 * std::f32::consts::TAU);
    let scene = Gaussians {
        means: angles.clone().map(|a| [a.cos(), a.sin(), 0.2 * (3.0 * a).sin()]).collect(),
        // Turned about z, so that the long axis lies along the ring.
        quats: angles.clone().map(|a| [(0.5 * a).cos(), 0.0, 0.0, (0.5 * a).sin()]).collect(),
        log_scales: vec![[-3.5, -2.3, -3.0]; n],
        logit_opacities: vec![2.0; n],
        colours: Colours::Rgb(angles.map(|a| [0, 1, 2].map(|c| 0.5 + 0.5 * (a + 2.1 * c as f32).cos())).collect()),
    };
    let intrinsics = Intrinsics::from_field_of_view(0.9, 640, 480);
    let camera = Camera::look_at([0.0, -2.6, 1.4], [0.0; 3], [0.0, 0.0, 1.0], intrinsics)?;
    let config = RenderConfig::new().with_background([1.0; 3]).with_depth(false);

    let mut picture = Rendering::default();
    CpuRasterizer::new(Arc::new(Threads::new(0)))?.forward(&scene.as_slices(), &camera, &config, &mut picture)?;
    let mut file = std::fs::File::create("ring.ppm")?;
    writeln!(file, "P6 {} {} 255", picture.width, picture.height)?;
    let bytes: Vec<u8> = picture.colour.iter().map(|c| (255.0 * c.clamp(0.0, 1.0) + 0.5) as u8).collect();
    file.write_all(&bytes)?;
    println!("ring.ppm: {} x {} pixels, {n} Gaussians", picture.width, picture.height);
    Ok(())
}
