//! Theme files: what they say of each role. What is wrong in one is told with its place; the rest holds.

use super::colour::{Paint, contrast};
use super::{Appearance, Role, Tier};
use crate::model::nearest::nearest;
use ratatui::style::{Color, Modifier, Style};
use std::fmt;
use std::ops::Range;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

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
/// Keys of a theme file.
const KEYS: [&str; 8] = ["schema", "name", "inherits", "appearance", "ground", "symbols", "palette", "role"];
/// Keys of a role.
const ROLE_KEYS: [&str; 6] = ["fg", "bg", "mod", "ansi", "light", "dark"];
/// Least contrast of a text with its ground, and of lines (WCAG 2.2, 1.4.3 and 1.4.11).
const TEXT_CONTRAST: f64 = 4.5;
const LINE_CONTRAST: f64 = 3.0;

/// One thing that is wrong with a theme file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// What.
    pub message: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.message)
    }
}

/// The entries of a table of a theme file.
type Entries<'t> = DeTable<'t>;

/// A theme file being turned into styles.
pub struct Reader<'a> {
    /// What the terminal has.
    pub tier: Tier,
    /// What its ground is like, where that is known.
    pub appearance: Option<Appearance>,
    /// Finds another theme's text by its name.
    pub find: &'a dyn Fn(&str) -> Option<String>,
    /// What was wrong, with the name of the theme.
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
        let (table, errors) = DeTable::parse_recoverable(&text);
        let mut sheet =
            Sheet { text: &text, tier: self.tier, appearance: self.appearance, faults: Vec::new() };
        for error in errors {
            sheet.fault(error.span().unwrap_or_default(), error.message().to_owned());
        }
        let table = table.get_ref();
        if let Some(parent) =
            table.get("inherits").and_then(|v| v.get_ref().as_str()).filter(|p| !p.is_empty())
        {
            self.inherit(parent, styles, depth - 1);
        }
        sheet.roles(table, |role, style| styles[role as usize] = style);
        self.warnings.extend(sheet.faults.iter().map(|fault| format!("theme `{name}`: {fault}")));
    }
}

/// Returns everything that is wrong with a theme file, in order of place: what would be a warning at the start, keys
/// that mean nothing, and colours that cannot be read on the ground that the theme states.
pub fn check(text: &str, find: &dyn Fn(&str) -> Option<String>) -> Vec<Fault> {
    let (table, errors) = DeTable::parse_recoverable(text);
    let mut sheet = Sheet { text, tier: Tier::Truecolor, appearance: None, faults: Vec::new() };
    for error in errors {
        sheet.fault(error.span().unwrap_or_default(), error.message().to_owned());
    }
    let table = table.get_ref();
    sheet.heads(table, find);
    sheet.roles(table, |_, _| {});
    sheet.contrasts(table);
    sheet.faults.sort_by_key(|fault| (fault.line, fault.column));
    sheet.faults.dedup();
    sheet.faults
}

/// One file, and what is wrong with it.
struct Sheet<'t> {
    text: &'t str,
    tier: Tier,
    appearance: Option<Appearance>,
    faults: Vec<Fault>,
}

/// Why a value is no colour or look, and which value.
type Wrong = (Range<usize>, String);

impl Sheet<'_> {
    fn fault(&mut self, span: Range<usize>, message: String) {
        let before = &self.text[..self.text.floor_char_boundary(span.start.min(self.text.len()))];
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        self.faults.push(Fault { line, column, message });
    }

    /// Checks what stands beside the roles.
    fn heads(&mut self, table: &Entries<'_>, find: &dyn Fn(&str) -> Option<String>) {
        for (key, value) in table {
            let name: &str = key.get_ref();
            let text = value.get_ref().as_str();
            let wrong = match name {
                "schema" => (value.get_ref().as_integer().map(|i| i.as_str()) != Some("1"))
                    .then(|| "the schema that is known here is 1".to_owned()),
                "appearance" => (!matches!(text, Some("any" | "dark" | "light")))
                    .then(|| "appearance is any, dark or light".to_owned()),
                "ground" => (!matches!(text.and_then(Paint::parse), Some(Paint::Rgb(_))))
                    .then(|| "ground is a colour as #rrggbb".to_owned()),
                "inherits" => text
                    .filter(|parent| !parent.is_empty() && find(parent).is_none())
                    .map(|parent| format!("there is no theme `{parent}` to inherit from")),
                _ if KEYS.contains(&name) => None,
                _ => {
                    self.fault(key.span(), unknown("key", name, &KEYS));
                    None
                }
            };
            if let Some(wrong) = wrong {
                self.fault(value.span(), wrong);
            }
        }
    }

    /// Reads every role and hands it on.
    fn roles(&mut self, table: &Entries<'_>, mut take: impl FnMut(Role, Style)) {
        let words: Vec<&str> = Role::ALL.iter().map(|role| role.word()).collect();
        let palette = section(table, "palette");
        for (key, value) in section(table, "role").into_iter().flatten() {
            let Some(role) = Role::ALL.iter().find(|role| role.word() == key.get_ref()) else {
                self.fault(key.span(), unknown("role", key.get_ref(), &words));
                continue;
            };
            match self.style(value, palette) {
                Ok(style) => take(*role, style),
                Err((span, why)) => self.fault(span, why),
            }
        }
    }

    /// Compares each exact colour with the ground that it will stand on.
    fn contrasts(&mut self, table: &Entries<'_>) {
        let stated = table.get("ground").and_then(|v| v.get_ref().as_str()).and_then(Paint::parse);
        let palette = section(table, "palette");
        for (key, value) in section(table, "role").into_iter().flatten() {
            let Some(role) = Role::ALL.iter().find(|role| role.word() == key.get_ref()) else { continue };
            let entries = value.get_ref().as_table();
            self.contrast(*role, value, stated, palette);
            // A colour of its own for light or dark grounds stands on white or black at the worst.
            for (name, ground) in [("light", [255; 3]), ("dark", [0; 3])] {
                if let Some(own) = entries.and_then(|table| table.get(name)) {
                    self.contrast(*role, own, Some(Paint::Rgb(ground)), palette);
                }
            }
        }
    }

    fn contrast(
        &mut self,
        role: Role,
        value: &Spanned<DeValue<'_>>,
        ground: Option<Paint>,
        palette: Option<&Entries<'_>>,
    ) {
        let table = value.get_ref().as_table();
        let colour = |key: &str| table.and_then(|table| table.get(key));
        let Some(fg) = (if table.is_some() { colour("fg") } else { Some(value) }) else { return };
        let paint = |value: &Spanned<DeValue<'_>>| paint(value, palette).ok().and_then(Paint::exact);
        let ground = colour("bg").map_or_else(|| ground.and_then(Paint::exact), paint);
        let (Some(text), Some(ground)) = (paint(fg), ground) else { return };
        let is_line = matches!(role, Role::Border | Role::GraphGrid | Role::Graph1 | Role::Graph2);
        let least = if is_line { LINE_CONTRAST } else { TEXT_CONTRAST };
        let has = contrast(text, ground);
        if has < least {
            self.fault(
                fg.span(),
                format!("`{}` has a contrast of {has:.1}:1 with its ground, needs {least}:1", role.word()),
            );
        }
    }

    /// Reads `"red"` or `{ fg, bg, mod, ansi, light = {...}, dark = {...} }`.
    fn style(&mut self, value: &Spanned<DeValue<'_>>, palette: Option<&Entries<'_>>) -> Result<Style, Wrong> {
        let Some(table) = value.get_ref().as_table() else {
            return Ok(Style::new().fg(paint(value, palette)?.on(self.tier)));
        };
        let mut style = self.plain(table, palette)?;
        for (name, appearance) in [("light", Appearance::Light), ("dark", Appearance::Dark)] {
            let Some(own) = table.get(name) else { continue };
            let entries =
                own.get_ref().as_table().ok_or_else(|| (own.span(), format!("{name} is a table")))?;
            // Read also where it does not count now, so that what is wrong with it is told on every terminal.
            let own = self.plain(entries, palette)?;
            if self.appearance == Some(appearance) {
                style = style.patch(own);
            }
        }
        Ok(style)
    }

    fn plain(&mut self, table: &Entries<'_>, palette: Option<&Entries<'_>>) -> Result<Style, Wrong> {
        for (key, _) in table {
            if !ROLE_KEYS.contains(&&**key.get_ref()) {
                self.fault(key.span(), unknown("key of a role", key.get_ref(), &ROLE_KEYS));
            }
        }
        let mut style = Style::new();
        let mut colours: [Option<Color>; 3] = [None; 3];
        for (colour, key) in colours.iter_mut().zip(["fg", "ansi", "bg"]) {
            *colour = table
                .get(key)
                .map(|value| paint(value, palette))
                .transpose()?
                .map(|paint| paint.on(self.tier));
        }
        let [fg, ansi, bg] = colours;
        // A theme may name the one of the 16 that it means, where the nearest would be another.
        if let Some(fg) = ansi.filter(|_| self.tier == Tier::Ansi16).or(fg) {
            style = style.fg(fg);
        }
        if let Some(bg) = bg {
            style = style.bg(bg);
        }
        if let Some(mods) = table.get("mod") {
            let list = mods.get_ref().as_array().ok_or_else(|| (mods.span(), "mod is a list".to_owned()))?;
            for word in list.iter() {
                style = style.add_modifier(modifier(word)?);
            }
        }
        Ok(style)
    }
}

fn section<'t, 'd>(table: &'t Entries<'d>, key: &str) -> Option<&'t Entries<'d>> {
    table.get(key).and_then(|value| value.get_ref().as_table())
}

fn unknown(what: &str, name: &str, known: &[&str]) -> String {
    let hint = nearest(name, known).map_or_else(String::new, |meant| format!(", did you mean `{meant}`?"));
    format!("there is no {what} `{name}`{hint}")
}

fn modifier(word: &Spanned<DeValue<'_>>) -> Result<Modifier, Wrong> {
    Ok(match word.get_ref().as_str().unwrap_or_default() {
        "bold" => Modifier::BOLD,
        "dim" => Modifier::DIM,
        "italic" => Modifier::ITALIC,
        "underline" => Modifier::UNDERLINED,
        "reverse" => Modifier::REVERSED,
        other => {
            return Err((word.span(), format!("`{other}` is none of bold, dim, italic, underline, reverse")));
        }
    })
}

/// Reads a colour, or the palette's of that name (`$accent`).
fn paint(value: &Spanned<DeValue<'_>>, palette: Option<&Entries<'_>>) -> Result<Paint, Wrong> {
    let text = value.get_ref().as_str();
    let wrong =
        |text: &str| (value.span(), format!("`{text}` is no colour (default, a name, 0..255, #rrggbb)"));
    let Some(text) = text else {
        return Err((value.span(), "a colour is a text: default, a name, 0..255, #rrggbb".to_owned()));
    };
    let named = text.strip_prefix('$').map(|name| {
        palette
            .and_then(|palette| palette.get(name))
            .and_then(|value| value.get_ref().as_str())
            .unwrap_or_default()
    });
    Paint::parse(named.unwrap_or(text)).ok_or_else(|| wrong(text))
}
