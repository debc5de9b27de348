//! Every screen at three sizes, and the lists in every state. After a change that is meant, renew with
//! `INSTA_UPDATE=always cargo test --lib tui::tests::screens` and read the difference.

use super::world::{Case, World, now};
use super::{draw, page, press, rows};
use crate::fleet::Coverage;
use crate::model::cluster::{Replica, ReplicaKind};
use crate::tui::msg::Msg;
use crate::tui::state::{Screen, State};
use crate::tui::theme::{Role, Theme};
use crate::tui::update::update;
use ratatui::style::Modifier;
use std::time::Duration;

const SIZES: [(u16, u16); 3] = [(80, 24), (120, 40), (200, 60)];

fn world(case: Case) -> World {
    World { case, odd: String::new() }
}

/// Draws what `keys` lead to at every size.
fn at_every_size(title: &str, keys: &[&str]) -> String {
    let world = world(Case::Fresh);
    let pages = SIZES.map(|size| {
        let mut state = world.state(size);
        for keys in keys {
            press(&mut state, keys);
            world.serve(&mut state);
        }
        page(title, &state)
    });
    pages.join("\n")
}

macro_rules! screens {
    ($($name:ident: $title:literal $keys:expr;)*) => {$(
        #[test]
        fn $name() {
            insta::assert_snapshot!(stringify!($name), at_every_size($title, $keys));
        }
    )*};
}

screens! {
    overview: "overview" &["1"];
    alerts: "alerts, the first group open, two of it marked" &["2\nj  "];
    alert: "an alert with the output of its check" &["2jj\nj\n"];
    alert_earlier: "an alert with an earlier output of its check" &["2jj\nj\n", "["];
    alert_diff: "an alert with what differs from the last ok output" &["2jj\nj\n", "d"];
    nodes: "nodes" &["3j"];
    node: "a node" &["3\n", "j"];
    check: "a check" &["3\n", "\n"];
    silences: "silences" &["4"];
    silence: "a silence" &["4\n"];
    clusters: "clusters" &["5"];
    help: "the keys of the alerts" &["2?jj"];
    palette: "the palette, with a node's name" &[":hv-0451"];
}

#[test]
fn where_all_is_well_no_cell_is_painted_as_an_error() {
    let mut state = world(Case::Fresh).state((80, 24));
    press(&mut state, "1");
    let error = Theme::mono().style(Role::Error);
    let buffer = draw(&state);
    let painted =
        |y: u16| (0..buffer.area.width).any(|x| buffer[(x, y)].style().add_modifier == error.add_modifier);
    let wrong: Vec<String> = (0..)
        .zip(rows(&buffer))
        .filter(|(y, row)| row.contains("2/2") && painted(*y))
        .map(|(_, row)| row)
        .collect();
    assert!(error.add_modifier.contains(Modifier::REVERSED) && wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn small() {
    let world = world(Case::Stale);
    let pages = [(60, 14), (60, 19), (99, 35), (59, 40), (40, 10), (20, 4)].map(|size| {
        let mut state = world.state(size);
        press(&mut state, "2");
        page("alerts, a cluster is stale", &state)
    });
    insta::assert_snapshot!("small", pages.join("\n"));
}

/// Draws every list at 80x24 and the first and last rows at the other sizes.
fn in_case(case: Case) -> String {
    let world = world(case);
    let mut text = String::new();
    for (keys, title) in
        [("1", "overview"), ("2", "alerts"), ("3", "nodes"), ("4", "silences"), ("5j", "clusters")]
    {
        let mut state = world.state((80, 24));
        press(&mut state, keys);
        text.push_str(&page(&format!("{case:?}: {title}"), &state));
        text.push('\n');
    }
    let mut state = world.state((160, 24));
    press(&mut state, "2");
    if let Some(found) = state.alerts.groups.iter().position(|group| group.on == [1]) {
        press(&mut state, &"j".repeat(found));
        press(&mut state, "\n");
        press(&mut state, "j");
    }
    text.push_str(&page(&format!("{case:?}: alerts with preview"), &state));
    text
}

macro_rules! cases {
    ($($name:ident: $case:ident;)*) => {$(
        #[test]
        fn $name() {
            insta::assert_snapshot!(stringify!($name), in_case(Case::$case));
        }
    )*};
}

cases! {
    state_loading: Loading;
    state_slow: Slow;
    state_stale: Stale;
    state_one_down: OneDown;
    state_no_alertmanager: NoAlertmanager;
    state_blind: Blind;
    state_empty: Empty;
    state_unclear: Unclear;
    state_refused: Refused;
    state_read_only: ReadOnly;
}

#[test]
fn a_filter_that_hides_everything_says_so() {
    let mut state = world(Case::Fresh).state((80, 24));
    press(&mut state, "2/nosuchthing\n");
    let text = page("", &state);
    assert!(
        text.contains("No alert fits. 10 hidden by the filter (/ to edit, Backspace to drop it)"),
        "{text}"
    );
}

#[test]
fn the_row_under_the_cursor_stays_through_every_size() {
    let mut state = world(Case::Fresh).state((200, 60));
    press(&mut state, "2\njj");
    let before = state.current();
    for (columns, rows) in [(80, 24), (59, 10), (120, 40), (60, 14), (200, 60)] {
        update(&mut state, Msg::Resize(columns, rows));
        assert_eq!(state.current(), before, "{columns}x{rows}");
    }
    assert!(before.is_some());
}

#[test]
fn a_part_of_an_answer_changes_nothing_once_there_is_a_list() {
    use crate::tui::msg::{Effect, Payload};
    let mut state = world(Case::Fresh).state((80, 24));
    let lists = |state: &State| (state.alerts.groups.as_ptr(), state.silences.rows.as_ptr());
    let before = lists(&state);
    for payload in [
        Payload::Alerts(crate::fleet::Answer::concat([])),
        Payload::Nodes(crate::fleet::Answer::concat([])),
        Payload::Silences(crate::fleet::Answer::concat([])),
    ] {
        update(&mut state, Msg::Data { cluster: 0, at: now(), last: false, payload });
    }
    assert_eq!(lists(&state), before, "nothing is built anew");
    let wanted = |state: &mut State| -> Vec<bool> {
        let effects = update(state, Msg::Resumed);
        let parts = effects.iter().filter_map(|effect| match effect {
            Effect::Fetch { parts, kind: crate::tui::msg::Kind::Alerts, .. } => Some(*parts),
            _ => None,
        });
        parts.collect()
    };
    assert!(!wanted(&mut state).contains(&true));
    let mut state = world(Case::Loading).state((80, 24));
    state.clusters.iter_mut().for_each(|cluster| cluster.alerts.asked = None);
    assert_eq!(wanted(&mut state), [false, true, true]);
}

#[test]
fn an_alert_that_is_gone_is_called_resolved_only_where_everybody_answers() {
    for (case, resolved) in [(Case::Fresh, true), (Case::NoAlertmanager, false)] {
        let mut state = world(case).state((120, 40));
        let mut key = state.clusters[1].alerts.value.as_ref().expect("alerts")[0].key();
        key.fingerprint = crate::model::labels::Labels::default().fingerprint();
        state.stack.push(crate::tui::state::Page::new(Screen::Alert(key)));
        let text = page("", &state);
        assert_eq!(text.contains("it has been resolved"), resolved, "{text}");
        assert_eq!(text.contains("it may still fire"), !resolved, "{text}");
    }
}

#[test]
fn a_silence_is_read_to_the_end_whatever_its_length() {
    let word = |i: usize| format!("word{i}");
    let long: String = (0..60).map(|i| word(i) + " ").collect();
    let mut state = World { case: Case::Fresh, odd: long }.state((80, 60));
    press(&mut state, "4\n");
    let text = page("", &state);
    assert!((0..60).all(|i| text.matches(&word(i)).count() >= 2), "matchers and comment: {text}");
}

#[test]
fn a_node_whose_silences_are_not_known_has_no_whole_looking_number_of_them() {
    let world = world(Case::Fresh);
    let mut state = world.state((80, 24));
    press(&mut state, "3\n");
    world.serve(&mut state);
    let silences =
        |state: &State| page("", state).lines().find(|l| l.starts_with(" silences")).map(str::to_owned);
    assert!(!silences(&state).expect("a line").contains('?'));
    let Some(answer) = &mut state.page_mut().node else { panic!("no node") };
    let (cluster, kind) = (answer.value.cluster.clone(), ReplicaKind::Alertmanager);
    let hangs = Coverage::waiting(&Replica { cluster, kind, name: "am-1".into() });
    answer.coverage = answer.coverage.clone().join(hangs);
    assert!(silences(&state).expect("a line").contains("+?"), "{:?}", silences(&state));
}

#[test]
fn an_open_node_is_asked_again_as_often_as_the_lists_are() {
    use crate::tui::msg::Effect;
    let world = world(Case::Fresh);
    let mut state = world.state((80, 24));
    press(&mut state, "3\n");
    let asked = |state: &mut State, after: u64| {
        let effects = update(state, Msg::Tick(now() + Duration::from_secs(after)));
        effects.iter().filter(|effect| matches!(effect, Effect::FetchNode(_))).count()
    };
    assert_eq!(asked(&mut state, 1), 0, "an answer is out");
    world.serve(&mut state);
    let pace = state.refresh.as_secs();
    let counts = [pace - 1, pace, pace + 1].map(|after| asked(&mut state, after));
    assert_eq!(counts, [0, 1, 0], "once, when it is time");
    press(&mut state, "j");
    let (Screen::Node(key), before) = (state.screen().clone(), state.current()) else { panic!("a node") };
    let mut answer = state.page().node.clone().expect("served");
    answer.value.checks.rotate_right(2);
    update(&mut state, Msg::Node(key, now(), answer));
    assert_eq!((state.current(), state.page().list.at), (before, 3), "the cursor stays on its check");
}

/// Opens a check whose output has come.
fn on_a_check(world: &World) -> State {
    let mut state = world.state((120, 40));
    for keys in ["3\n", "\n"] {
        press(&mut state, keys);
        world.serve(&mut state);
    }
    assert!(state.page().output.here);
    state
}

#[test]
fn earlier_runs_are_asked_for_once_and_stepped_through_to_both_ends() {
    use crate::tui::msg::Effect;
    use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
    let world = world(Case::Fresh);
    let mut state = on_a_check(&world);
    let key = |state: &mut State, key| {
        update(state, Msg::Key(KeyEvent::new(KeyCode::Char(key), KeyModifiers::NONE)))
    };
    let said = |state: &State| state.message.as_ref().map(|(_, text)| text.clone());
    key(&mut state, ']');
    assert_eq!(said(&state).as_deref(), Some("this is the newest run; r asks for a newer one"));
    let effects = key(&mut state, '[');
    assert!(matches!(effects[..], [Effect::FetchHistory(_)]), "{effects:?}");
    assert!(page("", &state).contains("asking for earlier runs"));
    assert!(key(&mut state, '[').is_empty(), "asked once");
    world.serve(&mut state);
    let text = page("", &state);
    assert!(text.contains("UNKN, run 2 of 3 before the newest"), "{text}");
    assert!(text.contains("(no output kept for this run: "), "{text}");
    key(&mut state, 'd');
    assert_eq!(said(&state).as_deref(), Some("no output kept for this run"));
    key(&mut state, '[');
    let text = page("", &state);
    assert!(text.contains("ok, run 3 of 3 before the newest") && text.contains("PASSED"), "{text}");
    assert!(state.command().ends_with(" --history"), "{}", state.command());
    key(&mut state, '[');
    assert_eq!(said(&state).as_deref(), Some("no older run is kept"));
    key(&mut state, 'd');
    assert_eq!(said(&state).as_deref(), Some("no earlier run was well and has its output kept"));
    for _ in 0..3 {
        key(&mut state, ']');
    }
    assert!(page("", &state).contains("output from the node"), "back at the newest");
    key(&mut state, 'd');
    let text = page("", &state);
    assert!(text.contains("-SMART overall-health self-assessment test result: PASSED"), "{text}");
    assert!(text.contains("+SMART overall-health self-assessment test result: FAILED!"), "{text}");
    assert!(state.command().ends_with(" --diff"), "{}", state.command());
    key(&mut state, 'd');
    assert!(page("", &state).contains("output from the node"));
}

#[test]
fn a_node_without_a_history_says_why_and_the_newest_output_stays() {
    use crate::tui::msg::OutputOf;
    let world = world(Case::Fresh);
    let mut state = on_a_check(&world);
    press(&mut state, "[");
    let Screen::Check(key) = state.screen().clone() else { panic!("a check") };
    update(&mut state, Msg::History(OutputOf::Check(key), Err("404\u{1b}[31m: no such page".into())));
    let text = page("", &state);
    assert!(text.contains("no earlier runs: 404: no such page"), "{text}");
    assert!(text.contains("output from the node"), "{text}");
}
