//! The tile loops against a loop over pixels in `f64`, and every instruction set against the others.

use super::{Frame, ImageGradient, ImageMut, Raster, RasterOptions, Splat, SplatGradient};
use crate::{Isa, KernelError, Threads};

/// Uniform numbers in 0..1.
struct Noise(u64);

impl Noise {
    fn next(&mut self) -> f32 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 40) as f32 / (1 << 24) as f32
    }

    fn many(&mut self, n: usize) -> Vec<f32> {
        (0..n).map(|_| self.next() - 0.5).collect()
    }
}

/// A splat with standard deviations `s` turned by `angle`.
fn splat(mean: [f32; 2], s: [f32; 2], angle: f32, opacity: f32, features: [f32; 4]) -> Splat {
    let (sin, cos) = angle.sin_cos();
    let (u, v) = (s[0].powi(-2), s[1].powi(-2));
    let conic = [cos * cos * u + sin * sin * v, sin * cos * (u - v), sin * sin * u + cos * cos * v];
    let k = (2.0 * (opacity * 255.0).max(1.0).ln()).sqrt();
    let (u, v) = (s[0] * s[0], s[1] * s[1]);
    let extent = [(cos * cos * u + sin * sin * v).sqrt() * k, (sin * sin * u + cos * cos * v).sqrt() * k];
    Splat { mean, conic, opacity, features, extent }
}

fn scene(n: usize, size: [usize; 2], seed: u64) -> Vec<Splat> {
    let mut r = Noise(seed);
    let span = size.map(|n| n as f32);
    (0..n)
        .map(|_| {
            let mean = [(1.4 * r.next() - 0.2) * span[1], (1.4 * r.next() - 0.2) * span[0]];
            let s = [0.6 + 6.0 * r.next() * r.next(), 0.6 + 3.0 * r.next()];
            let opacity = if r.next() < 0.1 { 0.999 } else { r.next() };
            splat(mean, s, 7.0 * r.next(), opacity, [r.next(), r.next(), r.next(), 1.0 + 4.0 * r.next()])
        })
        .collect()
}

struct Image {
    colour: Vec<f32>,
    alpha: Vec<f32>,
    depth: Vec<f32>,
}

impl Image {
    fn new(n_pixels: usize) -> Self {
        Self { colour: vec![7.0; 3 * n_pixels], alpha: vec![7.0; n_pixels], depth: vec![7.0; n_pixels] }
    }

    fn as_mut(&mut self) -> ImageMut<'_> {
        ImageMut { colour: &mut self.colour, alpha: &mut self.alpha, depth: &mut self.depth }
    }
}

fn frame(size: [usize; 2]) -> Frame {
    let options = RasterOptions { absolute_means: true, ..RasterOptions::default() };
    Frame { size, background: [0.3, 0.6, 0.1], options }
}

/// Image, gradients and background gradient.
fn run(isa: Isa, threads: &Threads, splats: &[Splat], frame: &Frame) -> (Image, Vec<SplatGradient>, [f32; 3]) {
    let n = frame.size[0] * frame.size[1];
    let mut raster = Raster::new(isa).unwrap();
    let mut image = Image::new(n);
    raster.forward(splats, frame, image.as_mut(), threads).unwrap();
    let mut r = Noise(99);
    let (colour, alpha, depth) = (r.many(3 * n), r.many(n), r.many(n));
    let mut gradients = vec![SplatGradient::default(); splats.len()];
    let upstream = ImageGradient { colour: &colour, alpha: &alpha, depth: &depth };
    let background = raster.backward(&upstream, &mut gradients, threads).unwrap();
    (image, gradients, background)
}

/// Blends one pixel in `f64`: colour with background, alpha, depth; and the indices and alphas of what was blended.
fn pixel(splats: &[Splat], frame: &Frame, x: f64, y: f64) -> ([f64; 5], Vec<(usize, f64)>) {
    let mut order: Vec<usize> = (0..splats.len()).collect();
    order.sort_by(|&i, &j| splats[i].features[3].total_cmp(&splats[j].features[3]));
    let o = &frame.options;
    let (mut t, mut out, mut blended) = (1.0, [0.0; 5], Vec::new());
    for i in order {
        let s = &splats[i];
        let (dx, dy) = (f64::from(s.mean[0]) - x, f64::from(s.mean[1]) - y);
        let [a, b, c] = s.conic.map(f64::from);
        let sigma = 0.5 * (a * dx * dx + c * dy * dy) + b * dx * dy;
        let alpha = f64::from(o.alpha_max).min(f64::from(s.opacity) * (-sigma).exp());
        if sigma < 0.0 || alpha < f64::from(o.alpha_min) {
            continue;
        }
        let next = t * (1.0 - alpha);
        if next <= f64::from(o.transmittance_min) {
            break;
        }
        for (sum, f) in out.iter_mut().zip(s.features) {
            *sum += alpha * t * f64::from(f);
        }
        blended.push((i, alpha));
        t = next;
    }
    let depth = out[3];
    for (sum, background) in out.iter_mut().zip(frame.background) {
        *sum += t * f64::from(background);
    }
    ([out[0], out[1], out[2], 1.0 - t, depth], blended)
}

#[test]
fn every_pixel_equals_the_plain_loop() {
    for (size, n) in [([37, 50], 120), ([16, 16], 1), ([1, 1], 3), ([40, 17], 300)] {
        let splats = scene(n, size, n as u64);
        let frame = frame(size);
        let (image, ..) = run(Isa::detect(), &Threads::single(), &splats, &frame);
        let mut n_off = 0;
        for at in 0..size[0] * size[1] {
            let (x, y) = ((at % size[1]) as f64 + 0.5, (at / size[1]) as f64 + 0.5);
            let (wanted, _) = pixel(&splats, &frame, x, y);
            let got = [
                image.colour[3 * at],
                image.colour[3 * at + 1],
                image.colour[3 * at + 2],
                image.alpha[at],
                image.depth[at],
            ];
            // A gate decided by rounding moves a pixel by up to alpha_min; there may be few of these.
            let off = got.iter().zip(wanted).fold(0.0, |most: f64, (g, w)| most.max((f64::from(*g) - w).abs()));
            assert!(off < 2e-2, "pixel {at}: {got:?} {wanted:?}");
            n_off += usize::from(off > 2e-5);
        }
        assert!(n_off * 200 <= size[0] * size[1], "{n_off} pixels of {size:?} differ");
    }
}

#[test]
fn every_isa_and_any_number_of_threads_gives_the_same_bits() {
    let size = [75, 90];
    let splats = scene(700, size, 5);
    for options in [
        RasterOptions { absolute_means: true, ..RasterOptions::default() },
        RasterOptions { depth: false, alpha_max: 0.999, ..RasterOptions::default() },
    ] {
        let frame = Frame { options, ..frame(size) };
        let (image, gradients, background) = run(Isa::Scalar, &Threads::single(), &splats, &frame);
        assert!(gradients.iter().any(|g| g.opacity != 0.0) && background[0] != 0.0);
        for isa in Isa::ALL.into_iter().filter(|isa| isa.is_available()) {
            for threads in [Threads::single(), Threads::new(3)] {
                let other = run(isa, &threads, &splats, &frame);
                assert_eq!(other.0.colour, image.colour, "{isa:?}");
                assert_eq!((&other.0.alpha, &other.0.depth), (&image.alpha, &image.depth), "{isa:?}");
                assert_eq!(other.1, gradients, "{isa:?}");
                assert_eq!(other.2, background, "{isa:?}");
            }
        }
    }
}

#[test]
fn gradients_are_central_differences() {
    let size = [14, 21];
    let n = size[0] * size[1];
    let splats = scene(12, size, 3);
    let frame = frame(size);
    let (_, gradients, background) = run(Isa::detect(), &Threads::single(), &splats, &frame);
    let mut r = Noise(99);
    let (colour, alpha, depth) = (r.many(3 * n), r.many(n), r.many(n));
    // The list of blended splats may change with a step, which makes a jump: those pixels are left out on both sides.
    let loss = |splats: &[Splat], frame: &Frame, reference: &[Vec<usize>]| {
        let mut sum = 0.0;
        let mut same = true;
        for at in 0..n {
            let (out, blended) = pixel(splats, frame, (at % size[1]) as f64 + 0.5, (at / size[1]) as f64 + 0.5);
            same &= blended.iter().map(|b| b.0).eq(reference[at].iter().copied());
            sum += (0..3).map(|c| out[c] * f64::from(colour[3 * at + c])).sum::<f64>();
            sum += out[3] * f64::from(alpha[at]) + out[4] * f64::from(depth[at]);
        }
        same.then_some(sum)
    };
    let reference: Vec<Vec<usize>> = (0..n)
        .map(|at| pixel(&splats, &frame, (at % size[1]) as f64 + 0.5, (at / size[1]) as f64 + 0.5).1)
        .map(|blended| blended.into_iter().map(|b| b.0).collect())
        .collect();
    let mut compared = 0;
    let mut compare = |what: String, got: f32, change: &dyn Fn(&mut Vec<Splat>, &mut Frame, f32)| {
        let step = 2e-4f32;
        let side = |h: f32| {
            let (mut s, mut f) = (splats.clone(), frame);
            change(&mut s, &mut f, h);
            loss(&s, &f, &reference)
        };
        let (Some(high), Some(low)) = (side(step), side(-step)) else { return };
        let wanted = (high - low) / f64::from(2.0 * step);
        // f32 inputs: a step is exact to 1e-3 of itself.
        let tolerance = 3e-3 * wanted.abs() + 3e-3;
        assert!((f64::from(got) - wanted).abs() < tolerance, "{what}: {got} against {wanted}");
        compared += 1;
    };
    for (i, g) in gradients.iter().enumerate() {
        compare(format!("opacity {i}"), g.opacity, &|s, _, h| s[i].opacity += h);
        for k in 0..3 {
            compare(format!("conic {i} {k}"), g.conic[k], &|s, _, h| s[i].conic[k] += h);
        }
        for k in 0..2 {
            compare(format!("mean {i} {k}"), g.mean[k], &|s, _, h| s[i].mean[k] += h);
        }
        for k in 0..4 {
            compare(format!("feature {i} {k}"), g.features[k], &|s, _, h| s[i].features[k] += h);
        }
    }
    for (k, g) in background.into_iter().enumerate() {
        compare(format!("background {k}"), g, &|_, f, h| f.background[k] += h);
    }
    assert!(compared > 60, "{compared} derivatives compared");
}

#[test]
fn one_splat_by_hand() {
    // Centred on the pixel, opacity above alpha_max: alpha is cut to 0.99 and nothing moves geometry.
    let s = splat([0.5, 0.5], [1.0, 1.0], 0.0, 0.995, [0.2, 0.4, 0.6, 3.0]);
    let frame = Frame { background: [1.0, 0.0, 0.0], ..frame([1, 1]) };
    let (image, gradients, _) = run(Isa::detect(), &Threads::single(), &[s], &frame);
    let close = |a: f32, b: f32| assert!((a - b).abs() < 1e-6, "{a} {b}");
    for (got, wanted) in image.colour.iter().zip([0.99 * 0.2 + 0.01, 0.99 * 0.4, 0.99 * 0.6]) {
        close(*got, wanted);
    }
    close(image.alpha[0], 0.99);
    close(image.depth[0], 2.97);
    assert_eq!((gradients[0].opacity, gradients[0].mean, gradients[0].conic), (0.0, [0.0; 2], [0.0; 3]));
    // A second one behind would leave 1e-4: it is not blended.
    let behind = Splat { features: [1.0, 1.0, 1.0, 4.0], ..s };
    let (two, gradients, _) = run(Isa::detect(), &Threads::single(), &[behind, s], &frame);
    assert_eq!((two.colour, two.depth), (image.colour, image.depth));
    assert_eq!(gradients[0], SplatGradient::default());
}

#[test]
fn what_can_not_be_drawn_is_left_out() {
    let good = splat([8.0, 8.0], [2.0, 2.0], 0.0, 0.5, [1.0, 1.0, 1.0, 1.0]);
    let bad = [
        Splat { mean: [f32::NAN, 1.0], ..good },
        Splat { mean: [f32::INFINITY, 1.0], ..good },
        Splat { mean: [3e38, -3e38], ..good },
        Splat { conic: [f32::INFINITY, 0.0, 1.0], ..good },
        Splat { extent: [0.0, 1.0], ..good },
        Splat { extent: [f32::INFINITY; 2], ..good },
        Splat { opacity: 1e-3, ..good },
        Splat { opacity: f32::NAN, ..good },
        Splat { features: [1.0, 1.0, 1.0, 0.0], ..good },
        Splat { features: [f32::NAN, 1.0, 1.0, 1.0], ..good },
    ];
    let (empty, ..) = run(Isa::detect(), &Threads::single(), &[], &frame([20, 20]));
    let (image, gradients, _) = run(Isa::detect(), &Threads::single(), &bad, &frame([20, 20]));
    assert_eq!(image.colour, empty.colour);
    assert!(empty.colour.chunks(3).all(|c| c == [0.3, 0.6, 0.1]) && empty.alpha.iter().all(|a| *a == 0.0));
    assert!(gradients.iter().all(|g| *g == SplatGradient::default()));
    // Without pixels there is nothing to do, and nothing to refuse.
    for size in [[0, 0], [0, 5], [5, 0]] {
        let (image, gradients, background) = run(Isa::detect(), &Threads::single(), &[good], &frame(size));
        assert!(image.colour.is_empty() && gradients[0] == SplatGradient::default() && background == [0.0; 3]);
    }
}

#[test]
fn wrong_lengths_and_options_are_refused() {
    let threads = Threads::single();
    let mut raster = Raster::new(Isa::Scalar).unwrap();
    let upstream = ImageGradient { colour: &[0.0; 12], alpha: &[], depth: &[] };
    assert!(matches!(raster.backward(&upstream, &mut [], &threads), Err(KernelError::Shape { .. })));
    let mut image = Image::new(4);
    let size = [2, 3];
    assert!(matches!(raster.forward(&[], &frame(size), image.as_mut(), &threads), Err(KernelError::Shape { .. })));
    let base = frame([2, 2]);
    let wrong = [
        RasterOptions { alpha_min: 0.0, ..base.options },
        RasterOptions { alpha_max: 1.5, ..base.options },
        RasterOptions { alpha_max: f32::NAN, ..base.options },
        RasterOptions { transmittance_min: 1.0, ..base.options },
    ];
    for options in wrong {
        let frame = Frame { options, ..base };
        let result = raster.forward(&[], &frame, image.as_mut(), &threads);
        assert!(matches!(result, Err(KernelError::Parameter { .. })), "{options:?}");
    }
    raster.forward(&[], &base, image.as_mut(), &threads).unwrap();
    let short = ImageGradient { colour: &[0.0; 12], alpha: &[0.0; 3], depth: &[] };
    assert!(raster.backward(&short, &mut [], &threads).is_err());
    assert!(raster.backward(&upstream, &mut [SplatGradient::default()], &threads).is_err());
    assert_eq!(raster.backward(&upstream, &mut [], &threads).unwrap(), [0.0; 3]);
    assert!(raster.scratch_bytes() > 0 && raster.n_intersections() == 0 && raster.n_visible() == 0);
}
