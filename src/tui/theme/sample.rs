//! A theme on one page: every role in every number of colours.

use super::{Appearance, Role, Theme, Tier};
use crate::model::text;
use crate::tui::screen::painted;
use std::path::Path;

const TIERS: [(Tier, &str); 4] =
    [(Tier::Truecolor, "truecolor"), (Tier::Ansi256, "256"), (Tier::Ansi16, "16"), (Tier::Mono, "mono")];
/// Columns of a role's name, and of a sample.
const NAME: usize = 20;
const SAMPLE: usize = 16;

/// Returns one line a role; `color` gives the samples their looks, without it only the words are left.
pub fn sample(
    name: &str,
    folder: Option<&Path>,
    appearance: Option<Appearance>,
    color: bool,
) -> (String, Vec<String>) {
    let themes = TIERS.map(|(tier, _)| (tier, Theme::load(name, folder, tier, appearance)));
    let mut page = text::pad("ROLE", NAME);
    for (_, word) in TIERS {
        page.push_str(&text::pad(word, SAMPLE));
    }
    for role in Role::ALL {
        page = format!("{}\n{}", page.trim_end(), text::pad(role.word(), NAME));
        for (tier, (theme, _)) in &themes {
            let words = text::truncate_end(role.doc(), SAMPLE - 1);
            let rest = " ".repeat(SAMPLE - text::width(&words));
            page.push_str(&if color {
                painted(&words, theme.style(*role), *tier)
            } else {
                words.into_owned()
            });
            page.push_str(&rest);
        }
    }
    let warnings = themes.into_iter().map(|(_, (_, warnings))| warnings).next().unwrap_or_default();
    (page.trim_end().to_owned(), warnings)
}
