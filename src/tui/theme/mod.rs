//! Themes: what each role looks like in the colours that the terminal has.

mod colour;
mod file;
mod role;
#[cfg(test)]
mod tests;
mod tier;

pub use role::Role;
pub use tier::{Appearance, Tier};

use file::{BUILT_IN, Reader};
use ratatui::style::Style;
use std::path::Path;

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
        let find = |name: &str| {
            // A theme's name is not a path: it comes from a file that somebody may have been given.
            let own = folder.filter(|_| name.chars().all(|c| c.is_alphanumeric() || "-_".contains(c)));
            let own =
                own.and_then(|folder| std::fs::read_to_string(folder.join(format!("{name}.toml"))).ok());
            own.or_else(|| {
                BUILT_IN.iter().find(|(built_in, _)| *built_in == name).map(|(_, text)| (*text).to_owned())
            })
        };
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
