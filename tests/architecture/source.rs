//! What the layout tests need to know of a Rust file: the paths it names, with their lines.
//!
//! This is a tokeniser and not a parser: comments, strings and characters are skipped, `use` groups
//! and `super::` are resolved, and nothing else is understood.

use std::fs;
use std::path::{Path, PathBuf};

/// A path that a file names, as seen from the root of the crate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named {
    pub line: usize,
    /// `["model", "labels", "Labels"]` for `crate::model::labels::Labels`; empty for the root itself.
    pub path: Vec<String>,
    /// Whether it stands in a test module.
    pub in_tests: bool,
}

/// The project's folder.
pub fn project() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every file below `dir`, sorted; nothing where `dir` does not exist.
pub fn files_below(dir: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(dir) else { return Vec::new() };
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.expect("folder is readable").path()).collect();
    paths.sort();
    paths.into_iter().flat_map(|path| if path.is_dir() { files_below(&path) } else { vec![path] }).collect()
}

/// Every Rust file below `dir`, sorted.
pub fn rust_files_below(dir: &Path) -> Vec<PathBuf> {
    files_below(dir).into_iter().filter(|path| path.extension().is_some_and(|ext| ext == "rs")).collect()
}

/// Where a file stands in the project, with `/` between its parts.
pub fn relative(path: &Path) -> String {
    path.strip_prefix(project()).unwrap_or(path).to_string_lossy().into_owned()
}

/// The module that `src/...` is: `["tui", "view"]` for `src/tui/view/mod.rs`, empty for the crate's root.
pub fn module_of(relative: &str) -> Vec<String> {
    let inner = relative.trim_start_matches("src/").trim_end_matches(".rs");
    let mut parts: Vec<String> = inner.split('/').map(str::to_owned).collect();
    if matches!(parts.last().map(String::as_str), Some("mod" | "lib" | "main")) {
        parts.pop();
    }
    parts
}

/// The paths inside our own crate that `text`, the source of `module`, names.
pub fn own_paths(text: &str, module: &[String]) -> Vec<Named> {
    let tokens = tokens(text);
    let mut found = Vec::new();
    let mut place = Place::new(module);
    let mut at = 0;
    while at < tokens.len() {
        place.step(&tokens, at);
        if !starts_own_path(&tokens, at) {
            at += 1;
            continue;
        }
        let first = found.len();
        at = read_tree(&tokens, at, place.module(), &mut found);
        found[first..].iter_mut().for_each(|named| named.in_tests = place.in_tests());
    }
    found
}

/// The places where `text` names one of `crates`, as (name, place).
pub fn foreign_crates(text: &str, module: &[String], crates: &[String]) -> Vec<(String, Named)> {
    let tokens = tokens(text);
    let mut place = Place::new(module);
    let mut found = Vec::new();
    for at in 0..tokens.len() {
        place.step(&tokens, at);
        let Some(name) = tokens[at].ident() else { continue };
        if !crates.iter().any(|krate| krate == name) || is(&tokens, at.wrapping_sub(1), Kind::PathSep) {
            continue;
        }
        let imported =
            tokens.get(at.wrapping_sub(1)).is_some_and(|t| matches!(t.ident(), Some("use" | "crate")));
        if imported || is(&tokens, at + 1, Kind::PathSep) {
            let named =
                Named { line: tokens[at].line, path: vec![name.to_owned()], in_tests: place.in_tests() };
            found.push((name.to_owned(), named));
        }
    }
    found
}

/// The lines on which `text` switches a test off.
pub fn ignored_tests(text: &str) -> Vec<usize> {
    let tokens = tokens(text);
    (2..tokens.len())
        .filter(|&at| tokens[at].ident() == Some("ignore") && is(&tokens, at - 1, Kind::Punct('[')))
        .filter(|&at| is(&tokens, at - 2, Kind::Punct('#')))
        .map(|at| tokens[at].line)
        .collect()
}

/// The module that the walk stands in: that of the file, and the inline ones opened since.
struct Place {
    file: Vec<String>,
    inline: Vec<(String, usize)>,
    depth: usize,
}

impl Place {
    fn new(module: &[String]) -> Place {
        Place { file: module.to_vec(), inline: Vec::new(), depth: 0 }
    }

    /// Takes note of braces and of `mod name {`.
    fn step(&mut self, tokens: &[Token], at: usize) {
        match tokens[at].kind {
            Kind::Punct('{') => self.depth += 1,
            Kind::Punct('}') => {
                self.depth = self.depth.saturating_sub(1);
                if self.inline.last().is_some_and(|(_, opened)| *opened == self.depth) {
                    self.inline.pop();
                }
            }
            Kind::Ident if tokens[at].text == "mod" && is(tokens, at + 2, Kind::Punct('{')) => {
                let name = tokens[at + 1].text.clone();
                self.inline.push((name, self.depth));
            }
            _ => {}
        }
    }

    fn module(&self) -> Vec<String> {
        self.file.iter().chain(self.inline.iter().map(|(name, _)| name)).cloned().collect()
    }

    fn in_tests(&self) -> bool {
        self.module().iter().any(|part| part == "tests" || part == "testing")
    }
}

/// Whether a path of our own begins at `at`: `crate::`, `self::`, `super::`, or `use crate as x`.
fn starts_own_path(tokens: &[Token], at: usize) -> bool {
    let own = matches!(tokens[at].ident(), Some("crate" | "super" | "self"));
    let inner = is(tokens, at.wrapping_sub(1), Kind::PathSep);
    let renamed = tokens.get(at + 1).is_some_and(|token| token.ident() == Some("as"));
    let used = tokens.get(at.wrapping_sub(1)).is_some_and(|token| token.ident() == Some("use"));
    own && !inner && (is(tokens, at + 1, Kind::PathSep) || (renamed && used))
}

/// Reads one path or `use` tree that begins at `at`; returns the index behind it.
fn read_tree(tokens: &[Token], mut at: usize, mut prefix: Vec<String>, found: &mut Vec<Named>) -> usize {
    let line = tokens.get(at).map_or(0, |token| token.line);
    while let Some(token) = tokens.get(at) {
        match (token.kind, token.text.as_str()) {
            (Kind::Punct('{'), _) => return read_group(tokens, at, &prefix, found),
            (Kind::Punct('*'), _) => prefix.push("*".to_owned()),
            (Kind::Ident, "self") => {}
            (Kind::Ident, "crate") => prefix.clear(),
            (Kind::Ident, "super") => drop(prefix.pop()),
            (Kind::Ident, segment) => prefix.push(segment.to_owned()),
            _ => break,
        }
        at += 1;
        if !is(tokens, at, Kind::PathSep) {
            break;
        }
        at += 1;
    }
    found.push(Named { line, path: prefix, in_tests: false });
    at
}

/// Reads `{a, b::{c, d}, self as e}`; returns the index behind the closing brace.
fn read_group(tokens: &[Token], open: usize, prefix: &[String], found: &mut Vec<Named>) -> usize {
    let mut at = open + 1;
    while at < tokens.len() && !is(tokens, at, Kind::Punct('}')) {
        let next = read_tree(tokens, at, prefix.to_vec(), found);
        at = next.max(at + 1);
        while at < tokens.len() && !is(tokens, at, Kind::Punct(',')) && !is(tokens, at, Kind::Punct('}')) {
            at += 1; // `as name`
        }
        if is(tokens, at, Kind::Punct(',')) {
            at += 1;
        }
    }
    at + 1
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Ident,
    PathSep,
    Punct(char),
}

#[derive(Debug)]
struct Token {
    kind: Kind,
    text: String,
    line: usize,
}

impl Token {
    fn ident(&self) -> Option<&str> {
        (self.kind == Kind::Ident).then_some(self.text.as_str())
    }
}

fn is(tokens: &[Token], at: usize, kind: Kind) -> bool {
    tokens.get(at).is_some_and(|token| token.kind == kind)
}

fn tokens(text: &str) -> Vec<Token> {
    let chars: Vec<char> = text.chars().collect();
    let mut out = Vec::new();
    let (mut at, mut line) = (0, 1);
    while at < chars.len() {
        let start = at;
        match chars[at] {
            '/' if chars.get(at + 1) == Some(&'/') => at = find(&chars, at, '\n'),
            '/' if chars.get(at + 1) == Some(&'*') => at = behind_block_comment(&chars, at),
            '"' => at = behind_string(&chars, at),
            '\'' => at = behind_quote(&chars, at),
            ':' if chars.get(at + 1) == Some(&':') => {
                out.push(Token { kind: Kind::PathSep, text: "::".to_owned(), line });
                at += 2;
            }
            c if c == '_' || c.is_alphabetic() => {
                at = word_end(&chars, at);
                match behind_prefixed_string(&chars, start, at) {
                    Some(end) => at = end,
                    None => {
                        out.push(Token { kind: Kind::Ident, text: chars[start..at].iter().collect(), line })
                    }
                }
            }
            c if c.is_ascii_digit() => at = word_end(&chars, at),
            c => {
                if !c.is_whitespace() {
                    out.push(Token { kind: Kind::Punct(c), text: c.to_string(), line });
                }
                at += 1;
            }
        }
        line += chars[start..at].iter().filter(|c| **c == '\n').count();
    }
    out
}

fn find(chars: &[char], from: usize, wanted: char) -> usize {
    (from..chars.len()).find(|&at| chars[at] == wanted).unwrap_or(chars.len())
}

fn word_end(chars: &[char], from: usize) -> usize {
    (from..chars.len()).find(|&at| chars[at] != '_' && !chars[at].is_alphanumeric()).unwrap_or(chars.len())
}

fn behind_block_comment(chars: &[char], from: usize) -> usize {
    let (mut at, mut depth) = (from, 0);
    while at + 1 < chars.len() {
        match (chars[at], chars[at + 1]) {
            ('/', '*') => (at, depth) = (at + 2, depth + 1),
            ('*', '/') => (at, depth) = (at + 2, depth - 1),
            _ => at += 1,
        }
        if depth == 0 {
            return at;
        }
    }
    chars.len()
}

fn behind_string(chars: &[char], open: usize) -> usize {
    let mut at = open + 1;
    while at < chars.len() {
        match chars[at] {
            '\\' => at += 2,
            '"' => return at + 1,
            _ => at += 1,
        }
    }
    chars.len()
}

/// The end of a string whose prefix (`r`, `b`, `br`, `c`, `cr`) stands in `start..end`, if it is one.
fn behind_prefixed_string(chars: &[char], start: usize, end: usize) -> Option<usize> {
    let prefix: String = chars[start..end].iter().collect();
    match (prefix.as_str(), chars.get(end)) {
        ("b" | "c", Some('"')) => Some(behind_string(chars, end)),
        ("b", Some('\'')) => Some(behind_quote(chars, end)),
        ("r" | "br" | "cr", Some('"' | '#')) => {
            let quote = (end..chars.len()).find(|&at| chars[at] != '#')?;
            if chars[quote] != '"' {
                return None; // a raw identifier
            }
            let closing: Vec<char> = std::iter::once('"').chain((end..quote).map(|_| '#')).collect();
            let body = quote + 1;
            let length = chars[body..].windows(closing.len()).position(|window| window == closing);
            Some(length.map_or(chars.len(), |length| body + length + closing.len()))
        }
        _ => None,
    }
}

/// The end of a character literal or of a lifetime.
fn behind_quote(chars: &[char], open: usize) -> usize {
    match (chars.get(open + 1), chars.get(open + 2)) {
        (Some('\\'), _) => (find(chars, open + 3, '\'') + 1).min(chars.len()),
        (Some(_), Some('\'')) => open + 3,
        _ => word_end(chars, open + 1),
    }
}

mod tests {
    use super::{foreign_crates, ignored_tests, module_of, own_paths};

    fn paths(module: &str, text: &str) -> Vec<String> {
        own_paths(text, &module_of(module))
            .iter()
            .map(|n| format!("{} {}", n.line, n.path.join("/")))
            .collect()
    }

    #[test]
    fn groups_renames_and_globs_are_opened() {
        let text = "use crate::{\n    model::{self, labels::{Labels as L, *}},\n    net as n,\n};\nuse crate as c;\n";
        let want = ["2 model", "2 model/labels/Labels", "2 model/labels/*", "3 net", "5 "];
        assert_eq!(paths("src/cli/mod.rs", text), want);
    }

    #[test]
    fn super_climbs_out_of_inline_modules_files_and_rooms() {
        let text = "use super::state;\nmod tests {\n    use super::row;\n    use super::super::super::fleet::x;\n}\nfn f() { super::super::net::go::<crate::sys::S>() }";
        let want = ["1 tui/view/state", "3 tui/view/list/row", "4 tui/fleet/x", "6 tui/net/go", "6 sys/S"];
        assert_eq!(paths("src/tui/view/list.rs", text), want);
    }

    #[test]
    fn text_is_not_code() {
        let text = "// crate::a\n/* crate::b /* crate::c */ */ const S: &str = \"crate::d \\\" crate::e\";\nconst R: &str = r#\"crate::f \" crate::g\"#; const Q: [char; 3] = ['\"', '\\'', 'x'];\nfn f<'a>(x: &'a crate::model::X) {}\npub(crate) struct Y;";
        assert_eq!(paths("src/net/http.rs", text), ["4 model/X"]);
    }

    #[test]
    fn foreign_crates_are_found_by_use_and_by_path_and_not_by_field() {
        let text = "use reqwest;\nfn f() { reqwest::get(); x.reqwest; my::reqwest::y() }\nmod tests { use reqwest::Url; }";
        let found = foreign_crates(text, &[], &["reqwest".to_owned()]);
        let seen: Vec<(usize, bool)> = found.iter().map(|(_, named)| (named.line, named.in_tests)).collect();
        assert_eq!(seen, [(1, false), (2, false), (3, true)]);
    }

    #[test]
    fn a_test_that_is_switched_off_is_found() {
        assert_eq!(ignored_tests("#[test]\n#[ignore]\nfn a() {}\n// #[ignore]\n"), [2]);
    }
}
