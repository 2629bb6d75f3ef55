//! Durations as people read them.

/// Seconds as people say them: `0.42 s`, `12.5 s`, `3 min 07 s`, `2 h 10 min`; an en dash for what is no duration.
#[must_use]
pub fn duration_text(secs: f64) -> String {
    if !secs.is_finite() || secs < 0.0 {
        "\u{2013}".to_owned()
    } else if secs < 9.995 {
        format!("{secs:.2} s")
    } else if secs < 99.95 {
        format!("{secs:.1} s")
    } else {
        let whole = secs.round() as u64;
        let (hours, minutes, seconds) = (whole / 3600, whole / 60 % 60, whole % 60);
        if hours > 0 { format!("{hours} h {minutes:02} min") } else { format!("{minutes} min {seconds:02} s") }
    }
}

#[cfg(test)]
mod tests {
    use super::duration_text;

    #[test]
    fn durations_as_they_are_printed() {
        assert_eq!(
            [0.0, 9.99, 12.34, 99.96, 187.2, 7325.0].map(duration_text),
            ["0.00 s", "9.99 s", "12.3 s", "1 min 40 s", "3 min 07 s", "2 h 02 min"]
        );
        assert_eq!([duration_text(-1.0), duration_text(f64::NAN)], ["\u{2013}", "\u{2013}"]);
    }
}
