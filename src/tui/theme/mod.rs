//! Themes: what each role looks like in the colours that the terminal has.

mod role;
mod tier;

pub use role::Role;
pub use tier::{Appearance, Tier};

use ratatui::style::Style;

/// The looks of every role, reduced to what the terminal can show.
#[derive(Debug, Clone)]
pub struct Theme {
    styles: [Style; Role::ALL.len()],
}

impl Theme {
    /// Returns the theme without colours: bold, dim, underline and reverse only.
    pub fn mono() -> Self {
        let mut styles = [Style::new(); Role::ALL.len()];
        styles[Role::Selection as usize] = Style::new().reversed();
        styles[Role::Title as usize] = Style::new().bold();
        Self { styles }
    }

    /// Returns the look of `role`.
    pub fn style(&self, role: Role) -> Style {
        self.styles[role as usize]
    }
}
