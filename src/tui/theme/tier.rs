//! How many colours a terminal has, and which.

use crate::config::{Color, Env};

/// What a terminal can show, the least first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Tier {
    /// No colours; bold, dim, underline and reverse only.
    Mono,
    /// The 16 colours of the terminal's own palette.
    Ansi16,
    /// The palette of 256.
    Ansi256,
    /// 24 bit.
    Truecolor,
}

/// Whether the terminal's background is dark or light.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Appearance {
    /// Light text on a dark ground.
    Dark,
    /// Dark text on a light ground.
    Light,
}

impl Tier {
    /// Finds the tier: what was asked for, then `NO_COLOR`, then what `COLORTERM` and `TERM` promise.
    ///
    /// The terminal itself is never asked: over SSH the answer comes late and is read as key presses.
    pub fn detect(asked: Color, env: &Env) -> Self {
        match asked {
            Color::Never => Self::Mono,
            Color::Ansi16 => Self::Ansi16,
            Color::Ansi256 => Self::Ansi256,
            Color::Truecolor => Self::Truecolor,
            Color::Auto if env.get("NO_COLOR").is_some() => Self::Mono,
            Color::Auto => Self::promised(env),
            Color::Always => Self::promised(env).max(Self::Ansi16),
        }
    }

    fn promised(env: &Env) -> Self {
        let text = |name| env.get(name).map(|v| v.to_string_lossy().to_ascii_lowercase()).unwrap_or_default();
        let (term, colorterm) = (text("TERM"), text("COLORTERM"));
        if term.is_empty() || term == "dumb" || term.starts_with("vt") {
            Self::Mono
        } else if colorterm == "truecolor" || colorterm == "24bit" || term.ends_with("-direct") {
            Self::Truecolor
        } else if term.contains("256color") {
            Self::Ansi256
        } else {
            Self::Ansi16
        }
    }
}

impl Appearance {
    /// Reads `COLORFGBG` (`15;0`, `0;default;15`), which rxvt, Konsole and others set.
    pub fn detect(env: &Env) -> Option<Self> {
        let value = env.get("COLORFGBG")?.to_str()?;
        match value.rsplit(';').next()?.parse::<u8>().ok()? {
            7 | 15 => Some(Self::Light),
            0..=6 | 8 => Some(Self::Dark),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn env(pairs: &[(&str, &str)]) -> Env {
        pairs.iter().copied().collect()
    }

    #[test]
    fn what_was_asked_for_wins_then_no_color_then_the_terminals_promise() {
        for (asked, pairs, tier) in [
            (Color::Auto, &[("TERM", "xterm-256color"), ("COLORTERM", "truecolor")][..], Tier::Truecolor),
            (Color::Auto, &[("TERM", "screen-256color")], Tier::Ansi256),
            (Color::Auto, &[("TERM", "linux")], Tier::Ansi16),
            (Color::Auto, &[("TERM", "vt220")], Tier::Mono),
            (Color::Auto, &[], Tier::Mono),
            (Color::Auto, &[("TERM", "xterm-256color"), ("NO_COLOR", "1")], Tier::Mono),
            (Color::Auto, &[("TERM", "xterm-256color"), ("NO_COLOR", "")], Tier::Ansi256),
            (Color::Always, &[("TERM", "vt220"), ("NO_COLOR", "1")], Tier::Ansi16),
            (Color::Never, &[("COLORTERM", "truecolor"), ("TERM", "xterm")], Tier::Mono),
            (Color::Ansi16, &[("COLORTERM", "truecolor"), ("TERM", "xterm")], Tier::Ansi16),
        ] {
            assert_eq!(Tier::detect(asked, &env(pairs)), tier, "{asked:?} {pairs:?}");
        }
    }

    #[test]
    fn the_background_is_read_where_the_terminal_says_it() {
        let of = |value: &str| Appearance::detect(&env(&[("COLORFGBG", value)]));
        assert_eq!(of("0;15"), Some(Appearance::Light));
        assert_eq!(of("15;default;0"), Some(Appearance::Dark));
        assert_eq!(of("default;default"), None);
        assert_eq!(Appearance::detect(&env(&[])), None);
    }
}
