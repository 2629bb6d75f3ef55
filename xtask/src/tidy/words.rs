//! Words that must not appear: unfinished work, paths of one machine, hosts of registries.

use super::{Finding, RustFile};

// Written in two halves, so that this file does not break its own rule.
const UNFINISHED: &[&str] = &[concat!("TO", "DO"), concat!("XX", "X:"), concat!("HA", "CK:")];
const UNFINISHED_MACROS: &[&str] = &[concat!("to", "do!"), concat!("unimple", "mented!"), concat!("db", "g!")];
const MACHINE_PATHS: &[&str] = &[
    concat!("/wo", "rk/"),
    concat!("/ho", "me/"),
    concat!("/t", "mp/"),
    concat!("/ro", "ot/"),
    concat!("/Us", "ers/"),
];
const HOSTS: &[&str] = &[
    concat!("crates", ".io"),
    concat!("pypi", ".org"),
    concat!("pythonhosted", ".org"),
    concat!("deb.debian", ".org"),
    concat!("npmjs", ".org"),
];

/// Whether the rules for text apply: sources, scripts and pages; `Cargo.lock` names its registry by design.
pub(super) fn is_text(path: &str) -> bool {
    let extension = path.rsplit_once('.').map_or("", |(_, e)| e);
    path != "Cargo.lock"
        && (matches!(extension, "rs" | "md" | "toml" | "py" | "sh" | "json" | "txt") || path.starts_with(".ci/"))
}

/// Macros of unfinished work, in code only.
pub(super) fn check_rust(file: &RustFile, findings: &mut Vec<Finding>) {
    for (index, line) in file.source.code.iter().enumerate() {
        if let Some(word) = UNFINISHED_MACROS.iter().find(|w| standing(line, w).is_some()) {
            findings.push(Finding::new(
                &file.path,
                index + 1,
                "unfinished",
                format!("`{word}` may not stay: finish it or return an error"),
            ));
        }
    }
}

/// Words in any text file.
pub(super) fn check_text(path: &str, text: &str, findings: &mut Vec<Finding>) {
    let is_page = path.ends_with(".md");
    for (index, line) in text.lines().enumerate() {
        let mut add = |rule, advice: String| findings.push(Finding::new(path, index + 1, rule, advice));
        if let Some(word) = UNFINISHED.iter().find(|w| !is_page && standing(line, w).is_some()) {
            add("unfinished", format!("`{word}` may not stay: finish it, or open an issue and write `FIXME(#number)`"));
        }
        if let Some(at) = line.find("FIXME")
            && !is_page
            && !line[at..].starts_with("FIXME(#")
            && path != "xtask/src/tidy/words.rs"
        {
            add("unfinished", "write `FIXME(#number)` with the number of an issue".into());
        }
        if let Some(word) = MACHINE_PATHS.iter().find(|w| standing(line, w).is_some()) {
            add("local-path", format!("`{word}` exists on one machine: use a path relative to the repository"));
        }
        if let Some(word) = HOSTS.iter().find(|w| line.contains(**w)) {
            add("registry-host", format!("`{word}`: name the package, not the host it comes from"));
        }
    }
}

/// Where `word` stands by itself: not as the end of a longer name or path.
fn standing(line: &str, word: &str) -> Option<usize> {
    line.match_indices(word).map(|(at, _)| at).find(|&at| {
        let before = line[..at].chars().next_back();
        !before.is_some_and(|c| c.is_alphanumeric() || matches!(c, '_' | '.' | '~' | '-' | '}' | ')' | '*' | '>'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(path: &str, text: &str) -> Vec<&'static str> {
        let mut findings = Vec::new();
        check_text(path, text, &mut findings);
        check_rust(&RustFile::new(path, text), &mut findings);
        findings.iter().map(|f| f.rule).collect()
    }

    #[test]
    fn unfinished_work_is_found() {
        assert_eq!(rules("a.rs", &format!("// {} later", UNFINISHED[0])), ["unfinished"]);
        assert_eq!(rules("a.rs", "// FIXME soon"), ["unfinished"]);
        assert_eq!(rules("a.rs", "// FIXME(#12): rounding"), Vec::<&str>::new());
        for word in UNFINISHED_MACROS {
            assert_eq!(rules("a.rs", &format!("fn f() {{ {word}() }}")), ["unfinished"], "{word}");
            assert_eq!(rules("a.rs", &format!("// {word}")), Vec::<&str>::new(), "{word}");
        }
        assert_eq!(rules("a.rs", "fn f() { my_dbg!() }"), Vec::<&str>::new());
    }

    #[test]
    fn paths_of_one_machine_are_found() {
        for path in MACHINE_PATHS {
            assert_eq!(rules("a.md", &format!("see `{path}x`")), ["local-path"]);
        }
        assert_eq!(rules("a.md", &format!("target{}x, ~{}x", MACHINE_PATHS[2], MACHINE_PATHS[0])), Vec::<&str>::new());
    }

    #[test]
    fn hosts_of_registries_are_found() {
        for host in HOSTS {
            assert_eq!(rules("a.md", &format!("https://{host}/x")), ["registry-host"]);
        }
    }

    #[test]
    fn which_files_are_text() {
        assert!(is_text("a/b.rs") && is_text(".ci/run") && is_text("README.md"));
        assert!(!is_text("Cargo.lock") && !is_text("docs/images/demo.png"));
    }
}
