//! Colours of a theme file, and what is left of them on a terminal with fewer.

use super::Tier;
use ratatui::style::Color;

/// The 16 names, in the order of the terminal's palette.
const NAMES: [&str; 16] = [
    "black",
    "red",
    "green",
    "yellow",
    "blue",
    "magenta",
    "cyan",
    "white",
    "bright-black",
    "bright-red",
    "bright-green",
    "bright-yellow",
    "bright-blue",
    "bright-magenta",
    "bright-cyan",
    "bright-white",
];

const ANSI: [Color; 16] = [
    Color::Black,
    Color::Red,
    Color::Green,
    Color::Yellow,
    Color::Blue,
    Color::Magenta,
    Color::Cyan,
    Color::Gray,
    Color::DarkGray,
    Color::LightRed,
    Color::LightGreen,
    Color::LightYellow,
    Color::LightBlue,
    Color::LightMagenta,
    Color::LightCyan,
    Color::White,
];

/// xterm's defaults of the 16 colours; a terminal may show others, so they only serve to find the nearest.
const ANSI_RGB: [[u8; 3]; 16] = [
    [0, 0, 0],
    [205, 0, 0],
    [0, 205, 0],
    [205, 205, 0],
    [0, 0, 238],
    [205, 0, 205],
    [0, 205, 205],
    [229, 229, 229],
    [127, 127, 127],
    [255, 0, 0],
    [0, 255, 0],
    [255, 255, 0],
    [92, 92, 255],
    [255, 0, 255],
    [0, 255, 255],
    [255, 255, 255],
];

/// The steps of the palette's colour cube.
const STEPS: [u8; 6] = [0, 95, 135, 175, 215, 255];

/// A colour as a theme names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Paint {
    /// The terminal's own.
    Default,
    /// One of the palette: 0 to 15 are the terminal's 16.
    Indexed(u8),
    /// An exact one.
    Rgb([u8; 3]),
}

impl Paint {
    /// Reads `default`, a name, `0` to `255`, or `#rrggbb`.
    pub fn parse(text: &str) -> Option<Self> {
        if text == "default" {
            return Some(Self::Default);
        }
        if let Some(i) = NAMES.iter().position(|name| *name == text) {
            return Some(Self::Indexed(i as u8));
        }
        if let Some(hex) = text.strip_prefix('#').filter(|hex| hex.len() == 6) {
            let [_, r, g, b] = u32::from_str_radix(hex, 16).ok()?.to_be_bytes();
            return Some(Self::Rgb([r, g, b]));
        }
        text.parse().ok().map(Self::Indexed)
    }

    /// Returns what it looks like on every terminal; the 16 are what each terminal makes of them.
    pub fn exact(self) -> Option<[u8; 3]> {
        match self {
            Self::Default | Self::Indexed(0..=15) => None,
            Self::Indexed(i) => Some(indexed_rgb(i)),
            Self::Rgb(rgb) => Some(rgb),
        }
    }

    /// Returns the nearest that the tier has.
    pub fn on(self, tier: Tier) -> Color {
        match (self, tier) {
            (Self::Default, _) | (_, Tier::Mono) => Color::Reset,
            (Self::Indexed(i @ 0..=15), _) => ANSI[usize::from(i)],
            (Self::Indexed(i), Tier::Ansi256 | Tier::Truecolor) => Color::Indexed(i),
            (Self::Rgb([r, g, b]), Tier::Truecolor) => Color::Rgb(r, g, b),
            (Self::Rgb(rgb), Tier::Ansi256) => Color::Indexed(nearest_indexed(rgb)),
            (Self::Indexed(i), Tier::Ansi16) => ANSI[nearest(&ANSI_RGB, indexed_rgb(i))],
            (Self::Rgb(rgb), Tier::Ansi16) => ANSI[nearest(&ANSI_RGB, rgb)],
        }
    }
}

/// Returns the RGB of palette entry 16 and above: the cube, then 24 greys.
fn indexed_rgb(i: u8) -> [u8; 3] {
    match i.checked_sub(16) {
        None => ANSI_RGB[usize::from(i)],
        Some(c @ 0..=215) => [c / 36, c / 6 % 6, c % 6].map(|step| STEPS[usize::from(step)]),
        Some(grey) => [8 + 10 * (grey - 216); 3],
    }
}

/// Returns the contrast of two colours, from 1 to 21, as WCAG 2 defines it.
pub fn contrast(a: [u8; 3], b: [u8; 3]) -> f64 {
    let channel = |c: u8| {
        let c = f64::from(c) / 255.0;
        if c <= 0.040_45 { c / 12.92 } else { ((c + 0.055) / 1.055).powf(2.4) }
    };
    let luminance = |[r, g, b]: [u8; 3]| 0.2126 * channel(r) + 0.7152 * channel(g) + 0.0722 * channel(b);
    let (a, b) = (luminance(a), luminance(b));
    (a.max(b) + 0.05) / (a.min(b) + 0.05)
}

fn nearest_indexed(rgb: [u8; 3]) -> u8 {
    let all: Vec<[u8; 3]> = (16..=255).map(indexed_rgb).collect();
    16 + nearest(&all, rgb) as u8
}

/// Finds the nearest by "redmean", which follows the eye well enough and needs no colour space.
fn nearest(palette: &[[u8; 3]], rgb: [u8; 3]) -> usize {
    let distance = |other: &[u8; 3]| {
        let [r, g, b] = [0, 1, 2].map(|i| i32::from(rgb[i]) - i32::from(other[i]));
        let mean = (i32::from(rgb[0]) + i32::from(other[0])) / 2;
        (512 + mean) * r * r + 1024 * g * g + (767 - mean) * b * b
    };
    (0..palette.len()).min_by_key(|i| distance(&palette[*i])).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contrast_is_what_wcag_says() {
        assert!((contrast([0; 3], [255; 3]) - 21.0).abs() < 1e-9);
        assert!(
            (contrast([255; 3], [0x76; 3]) - 4.54).abs() < 0.01,
            "the lightest grey that passes on white"
        );
        assert!((contrast([12, 34, 56], [12, 34, 56]) - 1.0).abs() < 1e-9);
    }

    #[test]
    fn colours_are_read_and_reduced() {
        assert_eq!(Paint::parse("#ff0000").map(|p| p.on(Tier::Truecolor)), Some(Color::Rgb(255, 0, 0)));
        assert_eq!(Paint::parse("#ff0000").map(|p| p.on(Tier::Ansi256)), Some(Color::Indexed(196)));
        assert_eq!(Paint::parse("#ff0000").map(|p| p.on(Tier::Ansi16)), Some(Color::LightRed));
        assert_eq!(Paint::parse("208").map(|p| p.on(Tier::Ansi256)), Some(Color::Indexed(208)));
        assert_eq!(Paint::parse("yellow").map(|p| p.on(Tier::Ansi16)), Some(Color::Yellow));
        assert_eq!(Paint::parse("yellow").map(|p| p.on(Tier::Mono)), Some(Color::Reset));
        for wrong in ["", "rot", "#ff", "#gggggg", "256", "-1"] {
            assert_eq!(Paint::parse(wrong), None, "{wrong}");
        }
    }
}
