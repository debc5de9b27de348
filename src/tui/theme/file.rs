//! Theme files: what they say of each role. What is wrong in one is a warning with its line; the rest holds.

use super::colour::Paint;
use super::{Appearance, Role, Tier};
use ratatui::style::{Modifier, Style};
use toml::{Table, Value};

/// The themes that the program brings along.
pub const BUILT_IN: [(&str, &str); 5] = [
    ("default", include_str!("../../../themes/default.toml")),
    ("dark", include_str!("../../../themes/dark.toml")),
    ("light", include_str!("../../../themes/light.toml")),
    ("mono", include_str!("../../../themes/mono.toml")),
    ("high-contrast", include_str!("../../../themes/high-contrast.toml")),
];

/// A theme may inherit from one that inherits, so deep and no deeper: a circle ends here.
const DEPTH: usize = 5;

/// A theme file being turned into styles.
pub struct Reader<'a> {
    /// What the terminal has.
    pub tier: Tier,
    /// What its ground is like, where that is known.
    pub appearance: Option<Appearance>,
    /// Finds another theme's text by its name.
    pub find: &'a dyn Fn(&str) -> Option<String>,
    /// What was wrong.
    pub warnings: Vec<String>,
}

impl Reader<'_> {
    /// Reads the theme called `name` over `styles`.
    pub fn apply(&mut self, name: &str, styles: &mut [Style; Role::ALL.len()]) {
        self.inherit(name, styles, DEPTH);
    }

    fn inherit(&mut self, name: &str, styles: &mut [Style; Role::ALL.len()], depth: usize) {
        let Some(text) = (self.find)(name).filter(|_| depth > 0) else {
            let known = BUILT_IN.map(|(name, _)| name).join(", ");
            self.warnings
                .push(format!("theme `{name}` is not there or inherits from itself (there are: {known})"));
            return;
        };
        let table: Table = match text.parse() {
            Ok(table) => table,
            Err(error) => {
                let first = error.to_string();
                self.warnings.push(format!("theme `{name}`: {}", first.lines().next().unwrap_or_default()));
                return;
            }
        };
        if let Some(parent) = table.get("inherits").and_then(Value::as_str).filter(|p| !p.is_empty()) {
            self.inherit(parent, styles, depth - 1);
        }
        let none = Table::new();
        let section = |key: &str| table.get(key).and_then(Value::as_table).unwrap_or(&none);
        let palette = section("palette");
        for (key, value) in section("role") {
            let Some(role) = Role::ALL.iter().find(|role| role.word() == key) else {
                self.warn(name, &text, key, &format!("there is no role `{key}`"));
                continue;
            };
            match self.style(value, palette) {
                Ok(style) => styles[*role as usize] = style,
                Err(why) => self.warn(name, &text, key, &why),
            }
        }
    }

    fn warn(&mut self, theme: &str, text: &str, key: &str, why: &str) {
        let line = text.lines().position(|line| line.trim_start().starts_with(key)).map_or(1, |i| i + 1);
        self.warnings.push(format!("theme `{theme}`: line {line}: {why}"));
    }

    /// Reads `"red"` or `{ fg, bg, mod, ansi, light = {...}, dark = {...} }`.
    fn style(&self, value: &Value, palette: &Table) -> Result<Style, String> {
        let Some(table) = value.as_table() else {
            let text = value.as_str().ok_or("a role is a colour or a table")?;
            return Ok(Style::new().fg(self.paint(text, palette)?));
        };
        let mut style = self.plain(table, palette)?;
        let own = match self.appearance {
            Some(Appearance::Light) => table.get("light"),
            Some(Appearance::Dark) => table.get("dark"),
            None => None,
        };
        if let Some(own) = own.and_then(Value::as_table) {
            style = style.patch(self.plain(own, palette)?);
        }
        Ok(style)
    }

    fn plain(&self, table: &Table, palette: &Table) -> Result<Style, String> {
        let mut style = Style::new();
        // A theme may name the one of the 16 that it means, where the nearest would be another.
        let fg = table.get("ansi").filter(|_| self.tier == Tier::Ansi16).or(table.get("fg"));
        if let Some(fg) = fg {
            style = style.fg(self.paint(fg.as_str().ok_or("fg is a text")?, palette)?);
        }
        if let Some(bg) = table.get("bg") {
            style = style.bg(self.paint(bg.as_str().ok_or("bg is a text")?, palette)?);
        }
        for word in table.get("mod").and_then(Value::as_array).into_iter().flatten() {
            style = style.add_modifier(match word.as_str().unwrap_or_default() {
                "bold" => Modifier::BOLD,
                "dim" => Modifier::DIM,
                "italic" => Modifier::ITALIC,
                "underline" => Modifier::UNDERLINED,
                "reverse" => Modifier::REVERSED,
                other => return Err(format!("`{other}` is none of bold, dim, italic, underline, reverse")),
            });
        }
        Ok(style)
    }

    fn paint(&self, text: &str, palette: &Table) -> Result<ratatui::style::Color, String> {
        let named =
            text.strip_prefix('$').map(|name| palette.get(name).and_then(Value::as_str).unwrap_or_default());
        let paint = Paint::parse(named.unwrap_or(text));
        paint
            .map(|paint| paint.on(self.tier))
            .ok_or_else(|| format!("`{text}` is no colour (default, a name, 0..255, #rrggbb)"))
    }
}
