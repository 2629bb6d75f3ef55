//! Makes a page that shows a scene in a browser, with no other file.
//!
//! `cargo run --release -p volkit-splat --features viewer --example viewer -- scene.ply page.html [BACKGROUND]`, where
//! `BACKGROUND` is a grey from 0 (black, the default) to 1. Without arguments: a ball of Gaussians, in `ball.html`.

use std::error::Error;

use volkit_splat::{Colours, Gaussians, RenderConfig, ViewerPage, read_ply};

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let (scene, title, page_path, rest) = match &args[..] {
        [] => (ball(2000), "A ball of Gaussians", "ball.html", &args[..]),
        [scene, page, rest @ ..] => (read_ply(scene)?, scene.as_str(), page.as_str(), rest),
        _ => return Err("usage: viewer [scene.ply page.html [BACKGROUND]]".into()),
    };
    let grey: f32 = rest.first().map_or(Ok(0.0), |grey| grey.parse())?;
    let render = RenderConfig::new().with_background([grey; 3]);
    let page = ViewerPage::around(&scene.as_slices()).with_title(title).with_render(render);
    let n_left_out = page.write(page_path, &scene.as_slices())?;
    println!("{page_path}: {} Gaussians, {n_left_out} left out", scene.len() - n_left_out);
    Ok(())
}

/// `n` Gaussians on a sphere, along a spiral whose turns are a golden angle apart, coloured by where they lie.
fn ball(n: usize) -> Gaussians {
    let golden = std::f32::consts::PI * (3.0 - 5.0f32.sqrt());
    let point = |i: usize| {
        let z = 1.0 - (2 * i + 1) as f32 / n as f32;
        let (sin, cos) = (golden * i as f32).sin_cos();
        let radius = (1.0 - z * z).sqrt();
        [radius * cos, radius * sin, z]
    };
    let means: Vec<[f32; 3]> = (0..n).map(point).collect();
    let colours = Colours::Rgb(means.iter().map(|mean| mean.map(|x| 0.5 + 0.5 * x)).collect());
    Gaussians {
        means,
        quats: vec![[1.0, 0.0, 0.0, 0.0]; n],
        log_scales: vec![[0.03f32.ln(); 3]; n],
        logit_opacities: vec![2.0; n],
        colours,
    }
}
