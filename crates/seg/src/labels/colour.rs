//! Colours that are told apart.

/// Turns of hue from one colour to the next: the golden ratio's fractional part, so that any run of colours is spread.
const GOLDEN_TURN: f64 = 0.618_033_988_749_895;

/// Colour `index` of an endless sequence in which neighbours differ clearly.
#[must_use]
pub fn distinct_colour(index: usize) -> [u8; 3] {
    let hue = (0.05 + index as f64 * GOLDEN_TURN).fract();
    // Three levels of brightness part colours whose hues come close after some turns.
    let (saturation, value) = [(0.75, 0.95), (0.55, 0.85), (0.85, 0.70)][index % 3];
    from_hsv(hue, saturation, value)
}

/// Perceived brightness of a colour (Rec. 709 weights on the coded values), 0 to 255.
#[must_use]
pub fn luminance([r, g, b]: [u8; 3]) -> f64 {
    0.2126 * f64::from(r) + 0.7152 * f64::from(g) + 0.0722 * f64::from(b)
}

/// Red, green, blue of hue (turns), saturation and value (0 to 1).
fn from_hsv(hue: f64, saturation: f64, value: f64) -> [u8; 3] {
    [5.0, 3.0, 1.0].map(|n: f64| {
        let k = (n + hue * 6.0) % 6.0;
        let level = value - value * saturation * k.min(4.0 - k).clamp(0.0, 1.0);
        (level * 255.0).round() as u8
    })
}

#[cfg(test)]
mod tests {
    use super::{distinct_colour, from_hsv, luminance};

    #[test]
    fn primary_hues() {
        assert_eq!(from_hsv(0.0, 1.0, 1.0), [255, 0, 0]);
        assert_eq!(from_hsv(1.0 / 3.0, 1.0, 1.0), [0, 255, 0]);
        assert_eq!(from_hsv(2.0 / 3.0, 1.0, 1.0), [0, 0, 255]);
        assert_eq!(from_hsv(0.3, 0.0, 1.0), [255, 255, 255]);
        assert!((luminance([255, 255, 255]) - 255.0).abs() < 1e-9);
    }

    #[test]
    fn the_first_hundred_colours_all_differ() {
        let colours: Vec<_> = (0..100).map(distinct_colour).collect();
        for (k, a) in colours.iter().enumerate() {
            for b in &colours[..k] {
                let distance: i32 = a.iter().zip(b).map(|(&a, &b)| (i32::from(a) - i32::from(b)).abs()).sum();
                assert!(distance >= 6, "{a:?} {b:?}");
            }
        }
    }
}
