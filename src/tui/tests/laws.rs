//! What holds on every screen, whatever the texts, the size and the keys.

use super::world::{Case, World};
use super::{draw, page, press, rows};
use crate::tui::msg::Msg;
use crate::tui::state::State;
use crate::tui::state::alerts::AlertLine;
use crate::tui::update::update;
use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use proptest::prelude::*;

const CASES: [Case; 11] = [
    Case::Fresh,
    Case::Loading,
    Case::Slow,
    Case::Stale,
    Case::OneDown,
    Case::NoAlertmanager,
    Case::Blind,
    Case::Empty,
    Case::Unclear,
    Case::Refused,
    Case::ReadOnly,
];

/// Texts that try to leave their cell: controls, escape sequences, bidi marks, wide and joined characters.
fn odd() -> impl Strategy<Value = String> {
    let nasty = prop_oneof![
        Just("\u{1b}[2J\u{1b}]0;owned\u{7}".to_owned()),
        Just("\u{1b}]52;c;aGk=\u{1b}\\".to_owned()),
        Just("\u{9b}31m\u{90}q\u{9c}".to_owned()),
        Just("\u{202e}txet\u{2066}\u{200f}".to_owned()),
        Just("\r\n\t\u{8}\u{0}\u{7f}".to_owned()),
        Just("\u{1f468}\u{200d}\u{1f469}\u{200d}\u{1f467} 日本語".to_owned()),
        Just("e\u{301}\u{301}\u{301}\u{fe0f}".to_owned()),
        any::<String>(),
    ];
    proptest::collection::vec(nasty, 0..4).prop_map(|parts| parts.concat())
}

/// What a person may do to the program.
#[derive(Debug, Clone)]
enum Act {
    Key(KeyEvent),
    Paste(String),
    Resize(u16, u16),
    Serve,
}

fn act() -> impl Strategy<Value = Act> {
    let letters = "12345jkgGlhbwzsnxyTr?:/q hv-0a!~\"=(";
    let chars: Vec<KeyCode> = letters.chars().map(KeyCode::Char).collect();
    let others = vec![
        KeyCode::Enter,
        KeyCode::Esc,
        KeyCode::Tab,
        KeyCode::BackTab,
        KeyCode::Backspace,
        KeyCode::Delete,
        KeyCode::Up,
        KeyCode::Down,
        KeyCode::Left,
        KeyCode::PageDown,
        KeyCode::PageUp,
        KeyCode::Home,
        KeyCode::End,
    ];
    let key = |code| Act::Key(KeyEvent::new(code, KeyModifiers::NONE));
    prop_oneof![
        8 => proptest::sample::select(chars).prop_map(key),
        4 => proptest::sample::select(others).prop_map(key),
        1 => any::<char>().prop_map(move |c| key(KeyCode::Char(c))),
        1 => proptest::sample::select(vec!['x', 'e', 'u', 'l'])
            .prop_map(|c| Act::Key(KeyEvent::new(KeyCode::Char(c), KeyModifiers::CONTROL))),
        1 => odd().prop_map(Act::Paste),
        1 => (0u16..=300, 0u16..=100).prop_map(|(columns, rows)| Act::Resize(columns, rows)),
        2 => Just(Act::Serve),
    ]
}

/// Asserts that nothing on the screen is more than a character in its cell.
fn assert_harmless(state: &State) -> Result<(), TestCaseError> {
    let buffer = draw(state);
    for cell in &buffer.content {
        for c in cell.symbol().chars() {
            let moves = matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
            prop_assert!(!c.is_control() && !moves, "{:?} on {:?}", cell.symbol(), state.screen());
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn nothing_panics_and_nothing_escapes(
        case in proptest::sample::select(CASES.to_vec()),
        odd in odd(),
        size in (0u16..=300, 0u16..=100),
        acts in proptest::collection::vec(act(), 0..24),
    ) {
        let world = World { case, odd };
        let mut state = world.state(size);
        assert_harmless(&state)?;
        for act in acts {
            match act {
                Act::Key(key) => { update(&mut state, Msg::Key(key)); }
                Act::Paste(text) => { update(&mut state, Msg::Paste(text)); }
                Act::Resize(columns, rows) => { update(&mut state, Msg::Resize(columns, rows)); }
                Act::Serve => world.serve(&mut state),
            }
            assert_harmless(&state)?;
        }
    }

    #[test]
    fn without_any_style_every_row_still_says_what_it_is(
        case in proptest::sample::select(CASES.to_vec()),
        columns in 60u16..=220,
        height in 14u16..=70,
        keys in proptest::sample::select(vec!["", "\n", "\nj", "\njj ", "b\n", "bbbbj", " "]),
    ) {
        let mut state = World { case, odd: String::new() }.state((columns, height));
        press(&mut state, "2");
        press(&mut state, keys);
        let all = rows(&draw(&state));
        let first = state.title_rows() + state.head_rows();
        let list = &state.page().list;
        for (i, line) in state.alerts.lines.iter().enumerate().skip(list.top).take(state.list_rows()) {
            let row = &all[first + i - list.top];
            prop_assert_eq!(row.starts_with('>'), i == list.at, "cursor: {}", row);
            let AlertLine::Alert(_, at) = *line else {
                let AlertLine::Group(g) = *line else { continue };
                let word = state.alerts.groups[g].severity.word();
                prop_assert!(row[3..].starts_with(word), "severity: {}", row);
                continue;
            };
            let Some(alert) = state.alert(at) else { continue };
            prop_assert!(row[3..].starts_with(alert.alert.severity.word()), "severity: {}", row);
            let marked = list.marks.iter().any(|key| key.fingerprint() == Some(alert.alert.fingerprint));
            let mark = row.as_bytes()[1];
            prop_assert_eq!(mark == b'*', marked, "mark: {}", row);
            prop_assert_eq!(mark == b'~', !marked && state.is_stale(at.cluster), "stale: {}", row);
        }
    }

    #[test]
    fn no_screen_shows_a_whole_looking_number_when_a_source_is_missing(
        case in proptest::sample::select(vec![Case::Stale, Case::NoAlertmanager, Case::Blind, Case::Refused, Case::Unclear]),
        size in (60u16..=220, 14u16..=70),
        tab in 1usize..=5,
    ) {
        let mut state = World { case, odd: String::new() }.state(size);
        press(&mut state, &tab.to_string());
        let text = page("", &state);
        let scope = text.lines().nth(2).unwrap_or_default();
        prop_assert!(scope.contains("2/3 ok ! prod-west") || scope.contains("0/3 ok ! no data since"), "{}", scope);
        if tab == 1 {
            prop_assert!(text.contains("CRIT") && text.contains("+?"), "{}", text);
        }
    }
}

#[test]
fn a_node_that_is_down_and_a_server_that_is_are_marked_in_words() {
    let mut state = World { case: Case::OneDown, odd: String::new() }.state((80, 24));
    press(&mut state, "3j");
    let text = page("", &state);
    assert!(text.lines().any(|line| line.starts_with(" !") && line.contains("DOWN")), "{text}");
    press(&mut state, "5");
    let text = page("", &state);
    assert!(text.contains("2 replicas DOWN") && text.contains("prom-b.prod-east:9090"), "{text}");
}

#[test]
fn a_screen_that_is_too_small_takes_no_key_that_writes() {
    let mut state = World { case: Case::Fresh, odd: String::new() }.state((59, 40));
    press(&mut state, "2s");
    assert!(state.editor.is_none() && state.stack.is_empty());
    assert!(page("", &state).contains("needs 60x14. q quit"));
}

#[test]
fn rows_are_found_by_what_they_are() {
    for case in CASES {
        let state = World { case, odd: String::new() }.state((80, 24));
        for (cluster, data) in (0u16..).zip(&state.clusters) {
            let rows = data.alerts.value.as_deref().map_or(&[][..], Vec::as_slice);
            for row in rows {
                assert_eq!(state.alert_of(row.key()), Some(row), "{case:?}");
                assert!(state.lookup.alerts_on(cluster, &row.node).any(|other| other == row));
                for id in &row.alert.silenced_by {
                    assert!(state.lookup.silenced_by(cluster, id).any(|other| other == row));
                    assert!(
                        state.silences.find(id).is_some_and(|s| state.held_by(s).any(|other| other == row))
                    );
                }
            }
            let on: usize = rows.iter().map(|row| state.lookup.alerts_on(cluster, &row.node).count()).sum();
            let same = |a: &str| rows.iter().filter(|row| &*row.node == a).count();
            assert_eq!(on, rows.iter().map(|row| same(&row.node)).sum::<usize>());
            for row in data.nodes.value.iter().flat_map(|rows| rows.iter()) {
                assert_eq!(state.lookup.node(cluster, &row.node.name), Some(row));
            }
        }
    }
}
