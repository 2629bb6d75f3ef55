//! Pieces of HTML: text that is escaped, links, pictures, numbers.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::{Picture, SegError};

/// The style sheet of every page.
const STYLE: &str = include_str!("style.css");
/// What stands where there is no number.
pub(super) const NONE: &str = "\u{2013}";

/// Text as HTML, also inside quoted attributes; control characters become U+FFFD.
pub(super) fn escaped(text: &str) -> String {
    let mut html = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => html.push_str("&amp;"),
            '<' => html.push_str("&lt;"),
            '>' => html.push_str("&gt;"),
            '"' => html.push_str("&quot;"),
            '\'' => html.push_str("&#39;"),
            '\t' | '\n' => html.push(c),
            c if c.is_control() => html.push('\u{fffd}'),
            c => html.push(c),
        }
    }
    html
}

/// A relative path as the target of a link: what is special in an address is percent-encoded, `/` stays.
pub(super) fn link(path: &str) -> String {
    let mut address = String::with_capacity(path.len());
    // A colon in the first part would be read as a scheme.
    if path.split('/').next().is_some_and(|first| first.contains(':')) {
        address.push_str("./");
    }
    for byte in path.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~/:".contains(&byte) {
            address.push(char::from(byte));
        } else {
            address.push_str(&format!("%{byte:02X}"));
        }
    }
    address
}

/// A picture as the source of an image.
pub(super) fn data_uri(picture: &Picture) -> Result<String, SegError> {
    Ok(format!("data:image/png;base64,{}", STANDARD.encode(picture.to_png()?)))
}

/// A whole page around its body.
pub(super) fn document(title: &str, head: &str, body: &str) -> String {
    let title = escaped(title);
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n\
         <link rel=\"icon\" href=\"data:,\">\n{head}<title>{title}</title>\n<style>\n{STYLE}</style>\n</head>\n\
         <body>\n<main>\n{body}</main>\n</body>\n</html>\n"
    )
}

/// A number with a true minus sign.
pub(super) fn number(value: f64, decimals: usize) -> String {
    if !value.is_finite() {
        return NONE.to_owned();
    }
    let text = format!("{:.*}", decimals, value.abs());
    let is_zero = text.chars().all(|c| c == '0' || c == '.');
    if value < 0.0 && !is_zero { format!("\u{2212}{text}") } else { text }
}

/// The same with its sign, and none for zero.
pub(super) fn signed(value: f64, decimals: usize) -> String {
    let text = number(value, decimals);
    let is_positive = value > 0.0 && value.is_finite() && text.contains(|c: char| ('1'..='9').contains(&c));
    if is_positive { format!("+{text}") } else { text }
}

/// A volume in mL, with the mm3 shown when the pointer rests on it.
pub(super) fn volume_cell(mm3: Option<f64>) -> String {
    match mm3 {
        Some(mm3) => {
            format!("<td class=\"n\" title=\"{} mm\u{b3}\">{}</td>", number(mm3, 3), number(mm3 / 1000.0, 2))
        }
        None => format!("<td class=\"n\">{NONE}</td>"),
    }
}

/// Bytes as MB or GB (powers of ten).
pub(super) fn bytes(bytes: u64) -> String {
    let bytes = bytes as f64;
    if bytes >= 1e9 { format!("{:.2} GB", bytes / 1e9) } else { format!("{:.0} MB", bytes / 1e6) }
}

#[cfg(test)]
mod tests {
    use super::{NONE, bytes, data_uri, escaped, link, number, signed, volume_cell};
    use crate::Picture;

    #[test]
    fn text_can_not_become_markup() {
        assert_eq!(
            escaped("<script>alert(\"a\" & 'b')</script>"),
            "&lt;script&gt;alert(&quot;a&quot; &amp; &#39;b&#39;)&lt;/script&gt;"
        );
        assert_eq!(escaped("K\u{f6}ln\u{0}\u{1b}\n"), "K\u{f6}ln\u{fffd}\u{fffd}\n");
    }

    #[test]
    fn links_are_relative_addresses() {
        assert_eq!(link("my scans/a#1?.html"), "my%20scans/a%231%3F.html");
        assert_eq!(link("c:x/50%.html"), "./c:x/50%25.html");
        assert_eq!(link("\u{e4}\".html"), "%C3%A4%22.html");
        assert_eq!(link("javascript:alert(1)"), "./javascript:alert%281%29");
    }

    #[test]
    fn numbers_as_they_are_printed() {
        assert_eq!(number(-1.254, 2), "\u{2212}1.25");
        assert_eq!(number(-0.001, 2), "0.00");
        assert_eq!(
            (signed(0.04, 1), signed(0.06, 1), signed(-3.0, 1)),
            ("0.0".into(), "+0.1".into(), "\u{2212}3.0".into())
        );
        assert_eq!((number(f64::NAN, 1), signed(f64::INFINITY, 1)), (NONE.to_owned(), NONE.to_owned()));
        assert_eq!(volume_cell(Some(1234.5678)), "<td class=\"n\" title=\"1234.568 mm\u{b3}\">1.23</td>");
        assert_eq!(volume_cell(None), "<td class=\"n\">\u{2013}</td>");
        assert_eq!([bytes(0), bytes(612_400_000), bytes(1_230_000_000)], ["0 MB", "612 MB", "1.23 GB"]);
    }

    #[test]
    fn pictures_are_png_data() {
        let uri = data_uri(&Picture::filled(3, 2, [1, 2, 3])).unwrap();
        assert!(uri.starts_with("data:image/png;base64,iVBORw0KGgo"), "{uri}");
        assert!(data_uri(&Picture::filled(0, 2, [0; 3])).is_err());
    }
}
