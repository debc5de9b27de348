use super::*;
use ratatui::style::{Color, Modifier};

#[test]
fn every_theme_is_read_without_a_warning_in_every_tier() {
    for (name, text) in BUILT_IN {
        assert!(text.contains(&format!("name = \"{name}\"")), "{name} says its own name");
        for tier in [Tier::Mono, Tier::Ansi16, Tier::Ansi256, Tier::Truecolor] {
            for appearance in [None, Some(Appearance::Dark), Some(Appearance::Light)] {
                assert_eq!(
                    Theme::load(name, None, tier, appearance).1,
                    Vec::<String>::new(),
                    "{name} {tier:?}"
                );
            }
        }
    }
}

#[test]
fn without_colours_nothing_but_attributes_is_left() {
    let (theme, _) = Theme::load("dark", None, Tier::Mono, None);
    for role in Role::ALL {
        let style = theme.style(*role);
        assert!(
            style.fg.is_none_or(|c| c == Color::Reset) && style.bg.is_none_or(|c| c == Color::Reset),
            "{role:?}"
        );
    }
    assert!(theme.style(Role::Selection).add_modifier.contains(Modifier::REVERSED));
}

#[test]
fn a_theme_inherits_overrides_and_follows_the_ground() {
    let (dark, _) = Theme::load("dark", None, Tier::Truecolor, None);
    assert_eq!(dark.style(Role::Critical).fg, Some(Color::Rgb(255, 107, 107)));
    assert_eq!(dark.style(Role::DiffAdd).fg, Some(Color::Green), "inherited");
    let (light, _) = Theme::load("default", None, Tier::Ansi16, Some(Appearance::Light));
    assert_eq!(light.style(Role::Warning).fg, Some(Color::Magenta), "the one of the 16 that is meant");
}

#[test]
fn what_is_wrong_is_said_with_its_line_and_the_rest_holds() {
    let folder = tempfile::tempdir().expect("a folder");
    let text = "inherits = \"mine\"\n[role]\nok = \"grean\"\ncritcal = \"red\"\ninfo = \"blue\"\nnew = { mod = [\"blink\"] }\n";
    std::fs::write(folder.path().join("mine.toml"), text).expect("written");
    let (theme, warnings) = Theme::load("mine", Some(folder.path()), Tier::Ansi16, None);
    for expected in [
        "line 3: `grean` is no colour",
        "line 4: there is no role `critcal`",
        "line 6: `blink` is none of",
        "inherits from itself",
    ] {
        assert!(warnings.iter().any(|w| w.contains(expected)), "{expected}: {warnings:?}");
    }
    assert_eq!(theme.style(Role::Info).fg, Some(Color::Blue));
    assert_eq!(theme.style(Role::Good).fg, Some(Color::Green), "as in default");
    assert_eq!(Theme::load("../../etc/passwd", Some(folder.path()), Tier::Ansi16, None).1.len(), 1);
}
