//! Names with numbers in them.

use std::cmp::Ordering;

/// Compares names as people count: runs of digits as numbers, so that `10.weight` comes after `2.weight`.
///
/// Equal are names that differ in leading zeros alone.
#[must_use]
pub fn natural_order(a: &str, b: &str) -> Ordering {
    let (mut a, mut b) = (a, b);
    loop {
        let (number_a, rest_a) = leading_number(a);
        let (number_b, rest_b) = leading_number(b);
        let order = match (number_a, number_b) {
            (Some(x), Some(y)) => x.len().cmp(&y.len()).then_with(|| x.cmp(y)),
            _ => match (a.chars().next(), b.chars().next()) {
                (Some(x), Some(y)) => x.cmp(&y),
                (x, y) => return x.is_some().cmp(&y.is_some()),
            },
        };
        if order != Ordering::Equal {
            return order;
        }
        (a, b) = match number_a {
            Some(_) => (rest_a, rest_b),
            None => (after_first(a), after_first(b)),
        };
    }
}

/// Digits at the beginning without leading zeros, and what follows.
fn leading_number(text: &str) -> (Option<&str>, &str) {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let number = (end > 0).then(|| text[..end].trim_start_matches('0'));
    (number, &text[end..])
}

fn after_first(text: &str) -> &str {
    let mut chars = text.chars();
    chars.next();
    chars.as_str()
}

#[cfg(test)]
mod tests {
    use super::natural_order;

    #[test]
    fn numbers_compare_as_numbers() {
        let mut names = ["net.10.weight", "net.2.weight", "a.0", "net.02x", "net", "net.2.bias", "conv9", "conv10"];
        names.sort_by(|a, b| natural_order(a, b));
        assert_eq!(names, ["a.0", "conv9", "conv10", "net", "net.2.bias", "net.2.weight", "net.02x", "net.10.weight"]);
    }
}
