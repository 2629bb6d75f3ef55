//! Pages and fixtures: links lead somewhere, checksums are those of the files.

use super::Finding;
use crate::sha256;

const FIXTURE_BYTES: usize = 200_000;

/// Links of a page to files and headings of the repository.
pub(super) fn check_links(
    path: &str,
    text: &str,
    read: &dyn Fn(&str) -> Option<String>,
    exists: &dyn Fn(&str) -> bool,
    findings: &mut Vec<Finding>,
) {
    for (line, target) in links(text) {
        if target.contains("://") || target.starts_with("mailto:") {
            continue;
        }
        let (file, anchor) = target.split_once('#').map_or((target.as_str(), None), |(f, a)| (f, Some(a)));
        let resolved = if file.is_empty() { path.to_owned() } else { resolve(path, file) };
        if !exists(&resolved) {
            findings.push(Finding::new(path, line, "link", format!("`{target}` leads to no file of the repository")));
        } else if let Some(anchor) = anchor
            && resolved.ends_with(".md")
            && !headings(&read(&resolved).unwrap_or_default()).iter().any(|h| h == anchor)
        {
            findings.push(Finding::new(path, line, "link", format!("`{resolved}` has no heading for `#{anchor}`")));
        }
    }
}

/// Targets of `[text](target)` outside code, with their lines.
fn links(text: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    let mut in_code = false;
    for (index, line) in text.lines().enumerate() {
        if line.trim_start().starts_with("```") {
            in_code = !in_code;
        }
        if in_code {
            continue;
        }
        let prose: String = line.split('`').enumerate().filter(|(i, _)| i % 2 == 0).map(|(_, part)| part).collect();
        let mut rest = prose.as_str();
        while let Some(at) = rest.find("](") {
            rest = &rest[at + 2..];
            if let Some(end) = rest.find(')') {
                found.push((index + 1, rest[..end].split(' ').next().unwrap_or_default().to_owned()));
            }
        }
    }
    found
}

fn resolve(page: &str, target: &str) -> String {
    let mut parts: Vec<&str> = page.split('/').collect();
    parts.pop();
    for part in target.split('/') {
        match part {
            "." | "" => {}
            ".." => {
                parts.pop();
            }
            name => parts.push(name),
        }
    }
    parts.join("/")
}

fn headings(text: &str) -> Vec<String> {
    let slug = |heading: &str| -> String {
        let kept = heading.trim().to_lowercase();
        kept.chars()
            .filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'))
            .map(|c| if c == ' ' { '-' } else { c })
            .collect()
    };
    text.lines().filter(|l| l.starts_with('#')).map(|l| slug(l.trim_start_matches('#'))).collect()
}

/// Every fixture is small and stands in `fixtures/README.md` with its checksum.
pub(super) fn check_fixtures(
    files: &[String],
    page: &str,
    bytes_of: &dyn Fn(&str) -> Option<Vec<u8>>,
    findings: &mut Vec<Finding>,
) {
    for path in files {
        let Some(name) = path.strip_prefix("fixtures/").filter(|n| *n != "README.md" && !n.starts_with("gen/")) else {
            continue;
        };
        let mut add = |advice: String| findings.push(Finding::new(path, 1, "fixture", advice));
        let bytes = bytes_of(path).unwrap_or_default();
        if bytes.len() > FIXTURE_BYTES {
            add(format!("{} bytes, at most {FIXTURE_BYTES}: make large inputs by code", bytes.len()));
        }
        let sum = sha256::hex(&bytes);
        match page.lines().find(|l| l.contains(&format!("`{name}`"))) {
            None => add(format!("fixtures/README.md has no row for `{name}`: origin, command, sha256 {sum}")),
            Some(row) if !row.contains(&sum) => add(format!("its sha256 is {sum}, fixtures/README.md says otherwise")),
            Some(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn link_lines(text: &str) -> Vec<usize> {
        let mut findings = Vec::new();
        let read = |f: &str| (f == "docs/b.md").then(|| "# Two words, `code`\n".to_owned());
        check_links("docs/a.md", text, &read, &|f| matches!(f, "docs/a.md" | "docs/b.md" | "README.md"), &mut findings);
        findings.iter().map(|f| f.line).collect()
    }

    #[test]
    fn links_that_lead_nowhere_are_found() {
        assert_eq!(link_lines("[x](b.md) [y](../README.md)\n[z](c.md)\n"), [2]);
        assert_eq!(link_lines("[x](https://example.org/c.md)\n`[y](c.md)`\n```\n[z](c.md)\n```\n"), []);
        assert_eq!(link_lines("![picture](images/none.png)"), [1]);
    }

    #[test]
    fn headings_that_do_not_exist_are_found() {
        assert_eq!(link_lines("[x](b.md#two-words-code)\n[y](b.md#three)\n[z](#here)\n"), [2, 3]);
    }

    #[test]
    fn fixtures_need_a_row_a_sum_and_a_size() {
        let files: Vec<String> = ["fixtures/a.bin", "fixtures/README.md", "fixtures/gen/x.py"].map(String::from).into();
        let count = |page: &str, bytes: &[u8]| {
            let mut findings = Vec::new();
            check_fixtures(&files, page, &|_| Some(bytes.to_vec()), &mut findings);
            findings.len()
        };
        let row = format!("| `a.bin` | {} |", sha256::hex(b"abc"));
        assert_eq!(count(&row, b"abc"), 0);
        assert_eq!(count(&row, b"abd"), 1);
        assert_eq!(count("", b"abc"), 1);
        assert_eq!(count(&format!("| `a.bin` | {} |", sha256::hex(&[0; 200_001])), &[0; 200_001]), 1);
    }
}
