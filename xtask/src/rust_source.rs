//! Just enough of Rust's grammar to measure a source file: what is code, where functions, traits and tests begin and end.

/// A source file with its comments and the contents of its literals blanked out.
pub(crate) struct RustSource {
    /// The file as written.
    pub(crate) lines: Vec<String>,
    /// The same lines with every character of a comment or literal replaced by a space.
    pub(crate) code: Vec<String>,
    flat: Vec<char>,
    line_starts: Vec<usize>,
}

/// A named stretch of lines, counted from 1, both ends included.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Span {
    /// Name of the item.
    pub(crate) name: String,
    /// Line of its keyword.
    pub(crate) first: usize,
    /// Line of its closing brace.
    pub(crate) last: usize,
}

impl Span {
    /// Number of lines.
    pub(crate) fn len(&self) -> usize {
        self.last - self.first + 1
    }

    /// Whether the line lies inside.
    pub(crate) fn contains(&self, line: usize) -> bool {
        (self.first..=self.last).contains(&line)
    }
}

impl RustSource {
    /// Reads a file.
    pub(crate) fn new(text: &str) -> Self {
        let flat = blank_comments_and_literals(text);
        let code: Vec<String> = flat.iter().collect::<String>().split('\n').map(str::to_owned).collect();
        let mut line_starts = vec![0];
        line_starts.extend(flat.iter().enumerate().filter(|(_, c)| **c == '\n').map(|(at, _)| at + 1));
        Self { lines: text.split('\n').map(str::to_owned).collect(), code, flat, line_starts }
    }

    /// Functions with a body, nested ones too.
    pub(crate) fn functions(&self) -> Vec<Span> {
        self.items("fn")
    }

    /// Public traits with the number of methods that an implementer must write.
    pub(crate) fn public_traits(&self) -> Vec<(Span, usize)> {
        self.words("trait")
            .filter_map(|at| {
                let name = self.word_after(at + "trait".len())?;
                let before = self.code[self.line_of(at) - 1].trim_start();
                if !before.starts_with("pub ") {
                    return None;
                }
                let open = self.body_after(at)?;
                let close = self.closing(open)?;
                let span = Span { name, first: self.line_of(at), last: self.line_of(close) };
                Some((span, self.required_methods(open, close)))
            })
            .collect()
    }

    /// Modules under `#[cfg(test)]`.
    pub(crate) fn test_modules(&self) -> Vec<Span> {
        self.items("mod")
            .into_iter()
            .filter(|m| {
                let above = self.code[..m.first - 1].iter().rev();
                let attributes = above.map(|l| l.trim()).take_while(|l| l.starts_with("#["));
                attributes.into_iter().any(|l| l.starts_with("#[cfg(test)]") || l.starts_with("#[cfg(all(test"))
            })
            .collect()
    }

    /// Blocks `impl Trait for Type { .. }`.
    pub(crate) fn trait_impls(&self) -> Vec<Span> {
        self.words("impl")
            .filter_map(|at| {
                let open = self.body_after(at)?;
                let header: String = self.flat[at..open].iter().collect();
                let close = self.closing(open)?;
                header.contains(" for ").then(|| Span {
                    name: header,
                    first: self.line_of(at),
                    last: self.line_of(close),
                })
            })
            .collect()
    }

    /// Lines where the keyword `unsafe` stands, with the word or sign that follows it.
    pub(crate) fn unsafe_sites(&self) -> Vec<(usize, String)> {
        self.words("unsafe")
            .map(|at| {
                let next = self.skip_space(at + "unsafe".len());
                let sign = self.flat.get(next).copied().unwrap_or(' ');
                let word = self.word_after(next).unwrap_or_else(|| sign.to_string());
                // `unsafe fn(..)` is a type; only `unsafe fn name` declares something.
                let is_fn_type = word == "fn" && self.word_after(next + 2).is_none();
                (self.line_of(at), if is_fn_type { "type".into() } else { word })
            })
            .collect()
    }

    fn items(&self, keyword: &str) -> Vec<Span> {
        self.words(keyword)
            .filter_map(|at| {
                let name = self.word_after(at + keyword.len())?;
                let close = self.closing(self.body_after(at)?)?;
                Some(Span { name, first: self.line_of(at), last: self.line_of(close) })
            })
            .collect()
    }

    /// Methods between two braces that end in `;` instead of a body.
    fn required_methods(&self, open: usize, close: usize) -> usize {
        self.words("fn")
            .filter(|at| (open..close).contains(at) && self.depth_between(open, *at) == 1)
            .filter(|at| self.body_after(*at).is_none())
            .count()
    }

    fn depth_between(&self, open: usize, at: usize) -> i32 {
        self.flat[open..at].iter().map(|c| i32::from(*c == '{') - i32::from(*c == '}')).sum()
    }

    /// The `{` that opens the body of the item at `from`, unless a `;` ends the item first.
    fn body_after(&self, from: usize) -> Option<usize> {
        let mut depth = 0i32;
        for (at, c) in self.flat.iter().enumerate().skip(from) {
            match c {
                '(' | '[' => depth += 1,
                ')' | ']' => depth -= 1,
                '{' if depth == 0 => return Some(at),
                ';' | '}' if depth == 0 => return None,
                _ if depth < 0 => return None,
                _ => {}
            }
        }
        None
    }

    fn closing(&self, open: usize) -> Option<usize> {
        let mut depth = 0i32;
        for (at, c) in self.flat.iter().enumerate().skip(open) {
            depth += i32::from(*c == '{') - i32::from(*c == '}');
            if depth == 0 {
                return Some(at);
            }
        }
        None
    }

    fn words<'a>(&'a self, word: &'a str) -> impl Iterator<Item = usize> + 'a {
        let letters: Vec<char> = word.chars().collect();
        (0..self.flat.len()).filter(move |&at| {
            self.flat[at..].starts_with(&letters)
                && (at == 0 || !is_word(self.flat[at - 1]))
                && !self.flat.get(at + letters.len()).is_some_and(|c| is_word(*c))
        })
    }

    fn word_after(&self, from: usize) -> Option<String> {
        let start = self.skip_space(from);
        let word: String = self.flat[start..].iter().take_while(|c| is_word(**c) || **c == '$').collect();
        (!word.is_empty()).then_some(word)
    }

    fn skip_space(&self, from: usize) -> usize {
        from + self.flat[from.min(self.flat.len())..].iter().take_while(|c| c.is_whitespace()).count()
    }

    fn line_of(&self, at: usize) -> usize {
        self.line_starts.partition_point(|start| *start <= at)
    }
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

fn blank_comments_and_literals(text: &str) -> Vec<char> {
    let source: Vec<char> = text.chars().collect();
    let mut out = source.clone();
    let mut at = 0;
    while at < source.len() {
        let end = match source[at] {
            '/' if source.get(at + 1) == Some(&'/') => find(&source, at, |s| s[0] == '\n'),
            '/' if source.get(at + 1) == Some(&'*') => end_of_block_comment(&source, at),
            '"' => end_of_string(&source, at),
            'r' if raw_hashes(&source, at).is_some() => end_of_raw_string(&source, at),
            '\'' => end_of_char(&source, at),
            _ => at,
        };
        for c in &mut out[at..end] {
            if *c != '\n' {
                *c = ' ';
            }
        }
        at = end.max(at + 1);
    }
    out
}

fn find(source: &[char], from: usize, is_end: impl Fn(&[char]) -> bool) -> usize {
    (from..source.len()).find(|&at| is_end(&source[at..])).unwrap_or(source.len())
}

fn end_of_block_comment(source: &[char], from: usize) -> usize {
    let (mut depth, mut at) = (0, from);
    while at < source.len() {
        match source.get(at..at + 2) {
            Some(['/', '*']) => (depth, at) = (depth + 1, at + 2),
            Some(['*', '/']) => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            return at;
        }
    }
    source.len()
}

fn end_of_string(source: &[char], from: usize) -> usize {
    let mut at = from + 1;
    while at < source.len() && source[at] != '"' {
        at += if source[at] == '\\' { 2 } else { 1 };
    }
    (at + 1).min(source.len())
}

/// Number of `#` of a raw string that begins at `r`, or `None` when it is an ordinary name.
fn raw_hashes(source: &[char], at: usize) -> Option<usize> {
    let starts_a_word = at == 0
        || !is_word(source[at - 1])
        || (matches!(source[at - 1], 'b' | 'c') && (at < 2 || !is_word(source[at - 2])));
    let hashes = source[at + 1..].iter().take_while(|c| **c == '#').count();
    (starts_a_word && source.get(at + 1 + hashes) == Some(&'"')).then_some(hashes)
}

fn end_of_raw_string(source: &[char], from: usize) -> usize {
    let hashes = raw_hashes(source, from).unwrap_or(0);
    let body = from + 2 + hashes;
    let is_end = |s: &[char]| s[0] == '"' && s.len() > hashes && s[1..=hashes].iter().all(|c| *c == '#');
    (find(source, body, is_end) + 1 + hashes).min(source.len())
}

/// End of a character literal; a lifetime or label is left as it is.
fn end_of_char(source: &[char], from: usize) -> usize {
    match source.get(from + 1) {
        Some('\\') => (find(source, from + 3, |s| s[0] == '\'') + 1).min(source.len()),
        Some(_) if source.get(from + 2) == Some(&'\'') => from + 3,
        _ => from,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_literals_are_not_code() {
        let source =
            RustSource::new("let a = \"fn {\"; // fn {\n/* { /* { */ */ let b = '{'; let c: &'a str = r#\"}\"#;");
        assert_eq!(source.code[0].trim_end(), "let a =       ;");
        assert!(!source.code[1].contains('{') && !source.code[1].contains('}'), "{}", source.code[1]);
        assert!(source.code[1].contains("&'a str"));
    }

    #[test]
    fn escaped_characters_end_where_they_end() {
        let source = RustSource::new("let q = ['\\'', '\\\\', '\\u{7b}']; fn f() {}");
        assert_eq!(source.functions(), [Span { name: "f".into(), first: 1, last: 1 }]);
    }

    #[test]
    fn functions_reach_from_keyword_to_brace() {
        let text = "pub fn a<const N: usize>(x: [u8; { 1 }]) -> u8\nwhere\n    X: Y,\n{\n    if x { 1 } else { 2 }\n}\nfn decl();\n";
        let functions = RustSource::new(text).functions();
        assert_eq!(functions, [Span { name: "a".into(), first: 1, last: 6 }]);
        assert_eq!(functions[0].len(), 6);
    }

    #[test]
    fn required_methods_are_those_without_a_body() {
        let text = "pub trait T {\n  fn a(&self);\n  fn b(&self) -> u8 { fn inner() {} 1 }\n  fn c<F: Fn(u8)>(f: F) -> [u8; 2];\n}\ntrait Private { fn a(); }";
        let traits = RustSource::new(text).public_traits();
        assert_eq!(traits.len(), 1);
        assert_eq!((traits[0].0.name.as_str(), traits[0].1), ("T", 2));
    }

    #[test]
    fn inline_tests_are_found() {
        let text = "fn a() {}\n#[cfg(test)]\n#[allow(x)]\nmod tests {\n    fn b() {}\n}\nmod real {\n}\n";
        let tests = RustSource::new(text).test_modules();
        assert_eq!(tests, [Span { name: "tests".into(), first: 4, last: 6 }]);
        assert!(tests[0].contains(5));
    }

    #[test]
    fn unsafe_sites_tell_what_follows() {
        let text = "unsafe fn f(g: unsafe fn(u8)) {\n  unsafe { g(1) }\n}\nunsafe impl Send for X {}\n// unsafe\n";
        let sites = RustSource::new(text).unsafe_sites();
        let seen: Vec<(usize, &str)> = sites.iter().map(|(l, w)| (*l, w.as_str())).collect();
        assert_eq!(seen, [(1, "fn"), (1, "type"), (2, "{"), (4, "impl")]);
    }

    #[test]
    fn trait_impls_are_told_from_inherent_ones() {
        let impls = RustSource::new("impl X {\n}\nimpl<T> Y for Z<T> {\n fn a() {}\n}").trait_impls();
        assert_eq!(impls.iter().map(|s| (s.first, s.last)).collect::<Vec<_>>(), [(3, 5)]);
    }
}
