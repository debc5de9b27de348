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

#[test]
fn every_file_in_the_folder_of_themes_is_built_in_and_without_fault() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("themes");
    let mut files = 0;
    for entry in std::fs::read_dir(folder).expect("the folder of themes") {
        let path = entry.expect("readable").path();
        let text = std::fs::read_to_string(&path).expect("a theme");
        assert_eq!(check(&text, None), [], "{}", path.display());
        assert!(BUILT_IN.iter().any(|(_, built_in)| *built_in == text), "{} is not built in", path.display());
        files += 1;
    }
    assert_eq!(files, BUILT_IN.len());
}

#[test]
fn the_next_theme_comes_round_to_the_first() {
    let mut choice = Choice { name: "dark".to_owned(), folder: None, tier: Tier::Ansi16, appearance: None };
    let mut seen = Vec::new();
    for _ in 0..=BUILT_IN.len() {
        seen.push(choice.name.clone());
        assert_eq!(choice.load().1, Vec::<String>::new());
        choice.next();
    }
    assert_eq!(seen, ["dark", "default", "high-contrast", "light", "mono", "dark"]);
}

#[test]
fn what_a_check_finds_has_its_place() {
    let text = "schema = 2\nground = \"#101010\"\ncolour = 1\n\n[palette]\naccent = \"#202020\"\n\n[role]\n\
        key = \"$accent\"\nborder = \"#606060\"\nwarnin = \"red\"\ninfo = { fg = \"blu\", bold = true }\n\
        ok = { fg = \"#ffffff\", light = { fg = \"#ffffff\" } }\nnotice = 7\n";
    let faults: Vec<String> =
        check(text, None).iter().map(|f| format!("{}:{}: {}", f.line, f.column, f.message)).collect();
    let expected = [
        "1:10: the schema that is known here is 1",
        "3:1: there is no key `colour`",
        "9:7: `key` has a contrast of 1.2:1 with its ground, needs 4.5:1",
        "11:1: there is no role `warnin`, did you mean `warning`?",
        "12:15: `blu` is no colour (default, a name, 0..255, #rrggbb)",
        "12:22: there is no key of a role `bold`",
        "13:39: `ok` has a contrast of 1.0:1 with its ground, needs 4.5:1",
        "14:10: a colour is a text: default, a name, 0..255, #rrggbb",
    ];
    assert_eq!(faults, expected);
}

#[test]
fn a_file_that_is_no_toml_is_told_with_its_line_and_looks_as_the_default() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("mine.toml"), "schema = 1\n[role\nok = ").expect("written");
    let (theme, warnings) = Theme::load("mine", Some(folder.path()), Tier::Ansi16, None);
    assert!(warnings.iter().any(|w| w.starts_with("theme `mine`: line 2: ")), "{warnings:?}");
    assert_eq!(theme.style(Role::Good).fg, Some(Color::Green), "as in default");
    assert_eq!(list(Some(folder.path())).get("mine"), Some(&Origin::File(folder.path().join("mine.toml"))));
}
