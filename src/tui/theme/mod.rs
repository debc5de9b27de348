//! Themes: what each role looks like in the colours that the terminal has.

mod colour;
mod file;
mod role;
mod sample;
#[cfg(test)]
mod tests;
mod tier;

pub use role::Role;
pub use sample::sample;
pub use tier::{Appearance, Tier};

pub use file::Fault;

use file::{BUILT_IN, Reader};
use ratatui::style::Style;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Where a theme comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// The program brings it along.
    BuiltIn,
    /// A file of the user's.
    File(PathBuf),
}

/// Returns the names of all themes, in order, with where each comes from: a file wins over a built-in one.
pub fn list(folder: Option<&Path>) -> BTreeMap<String, Origin> {
    let mut list: BTreeMap<String, Origin> =
        BUILT_IN.iter().map(|(name, _)| ((*name).to_owned(), Origin::BuiltIn)).collect();
    let files = folder.and_then(|folder| std::fs::read_dir(folder).ok()).into_iter().flatten().flatten();
    for path in files.map(|entry| entry.path()).filter(|path| path.extension().is_some_and(|e| e == "toml")) {
        if let Some(name) = path.file_stem().and_then(|name| name.to_str()).filter(|name| is_name(name)) {
            list.insert(name.to_owned(), Origin::File(path.clone()));
        }
    }
    list
}

/// Returns everything that is wrong with the text of a theme file.
pub fn check(text: &str, folder: Option<&Path>) -> Vec<Fault> {
    file::check(text, &|name| text_of(name, folder))
}

/// A theme's name is not a path: it comes from a file that somebody may have been given.
fn is_name(name: &str) -> bool {
    name.chars().all(|c| c.is_alphanumeric() || "-_".contains(c))
}

/// Returns the text of the theme called `name`: `NAME.toml` in `folder`, else one that the program brings along.
fn text_of(name: &str, folder: Option<&Path>) -> Option<String> {
    let own = folder.filter(|_| is_name(name)).map(|folder| folder.join(format!("{name}.toml")));
    own.and_then(|path| std::fs::read_to_string(path).ok()).or_else(|| {
        BUILT_IN.iter().find(|(built_in, _)| *built_in == name).map(|(_, text)| (*text).to_owned())
    })
}

/// Which theme on which terminal.
#[derive(Debug, Clone)]
pub struct Choice {
    /// Its name.
    pub name: String,
    /// Where the user's own are.
    pub folder: Option<PathBuf>,
    /// What the terminal has.
    pub tier: Tier,
    /// What its ground is like, where that is known.
    pub appearance: Option<Appearance>,
}

impl Choice {
    /// Loads it; what is wrong with it is told beside it.
    pub fn load(&self) -> (Theme, Vec<String>) {
        Theme::load(&self.name, self.folder.as_deref(), self.tier, self.appearance)
    }

    /// Goes on to the next in order of name, after the last to the first.
    pub fn next(&mut self) {
        let list = list(self.folder.as_deref());
        let after = list.keys().find(|name| **name > self.name).or_else(|| list.keys().next());
        if let Some(name) = after {
            self.name = name.clone();
        }
    }
}

/// The looks of every role, reduced to what the terminal can show.
#[derive(Debug, Clone)]
pub struct Theme {
    styles: [Style; Role::ALL.len()],
}

impl Theme {
    /// Reads the theme called `name`: `NAME.toml` in `folder`, else one that the program brings along.
    /// What is wrong with it is told beside it, and what it does not say looks as in `default`.
    pub fn load(
        name: &str,
        folder: Option<&Path>,
        tier: Tier,
        appearance: Option<Appearance>,
    ) -> (Self, Vec<String>) {
        let find = |name: &str| text_of(name, folder);
        let mut reader = Reader { tier, appearance, find: &find, warnings: Vec::new() };
        let mut styles = [Style::new(); Role::ALL.len()];
        let base = if tier == Tier::Mono { "mono" } else { "default" };
        reader.apply(base, &mut styles);
        if name != base && tier > Tier::Mono {
            reader.apply(name, &mut styles);
        }
        (Self { styles }, reader.warnings)
    }

    /// Returns the theme without colours: bold, dim, underline and reverse only.
    pub fn mono() -> Self {
        Self::load("mono", None, Tier::Mono, None).0
    }

    /// Returns the look of `role`.
    pub fn style(&self, role: Role) -> Style {
        self.styles[role as usize]
    }
}
