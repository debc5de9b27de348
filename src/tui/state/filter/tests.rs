//! Filters typed on the screen: what is shown, when a complaint comes, what Tab offers.

use crate::config::{self, Config};
use crate::fleet::{Answer, Coverage};
use crate::model::alert::{Alert, AlertState};
use crate::model::labels::Labels;
use crate::model::time::{Timestamp, from_epoch};
use crate::tui::msg::{Effect, Kind, Msg, Payload};
use crate::tui::state::State;
use crate::tui::state::rows::AlertRow;
use crate::tui::theme::Theme;
use crate::tui::update::update;
use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

fn time(seconds: u32) -> Timestamp {
    from_epoch(1_795_000_000.0 + f64::from(seconds)).expect("a time")
}

fn alert(name: &str, rack: &str, state: AlertState, output: &str, since: u32) -> AlertRow {
    let pairs = [("alertname", name), ("instance", "hv-1:10105"), ("rack", rack), ("severity", "critical")];
    let labels: Labels = pairs.into_iter().collect();
    let annotations = [("check_output", output)].into_iter().collect();
    let alert = Alert { annotations, state, ..Alert::firing("east", labels, time(since)) };
    AlertRow::new(0, alert, "instance")
}

/// On the list of alerts, ungrouped: NodeDown on r113, CheckDisk on r114 twice, one of them silenced.
fn state() -> State {
    let mut config = Config::default();
    let mut east = config::Cluster::new("east", &config.defaults);
    east.alertmanager = vec!["http://127.0.0.1:9093".parse().expect("a URL")];
    east.labels.insert("env".into(), "prod".into());
    config.clusters = vec![east];
    let mut state = State::new(time(1000), (80, 24), &config);
    let rows = vec![
        alert("NodeDown", "r113", AlertState::Active, "", 900),
        alert("CheckDisk", "r114", AlertState::Active, "available Spare has fallen", 0),
        alert("CheckRaid", "r114", AlertState::Silenced, "rebuild", 0),
    ];
    let answer = Answer { value: rows, coverage: Coverage::default(), notes: Vec::new() };
    update(
        &mut state,
        Msg::Data { cluster: 0, at: time(1000), last: true, payload: Payload::Alerts(answer) },
    );
    keys(&mut state, "2bbbb");
    state
}

fn press(state: &mut State, code: KeyCode) {
    update(state, Msg::Key(KeyEvent::new(code, KeyModifiers::NONE)));
}

fn keys(state: &mut State, text: &str) {
    text.chars().for_each(|c| press(state, KeyCode::Char(c)));
}

fn shown(state: &State) -> Vec<&str> {
    state
        .alerts
        .groups
        .iter()
        .flat_map(|g| &g.members)
        .filter_map(|at| Some(&*state.alert(*at)?.name))
        .collect()
}

fn drawn(state: &State) -> Vec<String> {
    let (columns, rows) = state.size;
    let mut terminal =
        ratatui::Terminal::new(ratatui::backend::TestBackend::new(columns, rows)).expect("in memory");
    terminal.draw(|frame| crate::tui::view::draw(state, &Theme::mono(), frame)).expect("drawn");
    let text = terminal.backend().to_string();
    text.lines().map(|line| line.trim_matches('"').trim_end().to_owned()).collect()
}

#[test]
fn the_screen_filters_as_the_command_line_does() {
    for (filter, left) in [
        ("", &["NodeDown", "CheckDisk", "CheckRaid"][..]),
        ("rack=r114", &["CheckDisk", "CheckRaid"]),
        ("rack=~r11. @state=active", &["NodeDown", "CheckDisk"]),
        ("!@state=silenced rack=r114", &["CheckDisk"]),
        ("@age<5m", &["NodeDown"]),
        ("spare", &["CheckDisk"]),
        ("spare FALLEN", &[]),
        ("'Spare has'", &["CheckDisk"]),
        ("/^reb/", &["CheckRaid"]),
        ("@env=prod hv-1 raid", &["CheckRaid"]),
        ("@node=hv-1:10105 !rack=r114", &["NodeDown"]),
    ] {
        let mut state = state();
        keys(&mut state, &format!("/{filter}"));
        assert_eq!(shown(&state), left, "{filter}");
        assert!(state.filter().error.is_none(), "{filter}");
    }
}

#[test]
fn what_is_half_typed_leaves_the_last_result_and_is_named_when_typing_pauses() {
    let mut state = state();
    keys(&mut state, "/rack=r114 @sate=a");
    assert_eq!(shown(&state), ["CheckDisk", "CheckRaid"], "the last valid filter stays");
    assert!(drawn(&state)[2].starts_with("-----"), "nobody is told yet");
    update(&mut state, Msg::Tick(time(1001)));
    let lines = drawn(&state);
    assert!(lines[1].starts_with(" /rack=r114 @sate=a_"), "{}", lines[1]);
    assert_eq!(lines[2], "            ^^^^^ unknown field @sate: did you mean @state?");
    press(&mut state, KeyCode::Enter);
    assert!(state.filter().editing, "what is wrong stays open");
    press(&mut state, KeyCode::Esc);
    assert_eq!((shown(&state).len(), state.filter().text()), (3, ""));
}

#[test]
fn a_long_filter_keeps_cursor_and_caret_on_the_screen() {
    let mut state = state();
    keys(&mut state, &format!("/{} @sate=a", "x".repeat(100)));
    press(&mut state, KeyCode::Enter);
    let lines = drawn(&state);
    let caret = lines[2].find('^').expect("a caret");
    assert_eq!(&lines[1][caret..caret + 7], "@sate=a", "{lines:#?}");
    assert!(lines[2].contains("did you mean @state?"), "{}", lines[2]);
}

#[test]
fn tab_offers_names_then_values_by_frequency() {
    let mut state = state();
    keys(&mut state, "/@state=active ra");
    press(&mut state, KeyCode::Tab);
    assert_eq!(state.filter().text(), "@state=active rack", "the only one");
    keys(&mut state, "=");
    press(&mut state, KeyCode::Tab);
    assert_eq!(state.filter().text(), "@state=active rack=r11", "what both share");
    assert!(drawn(&state)[22].contains("r113 (1)  r114 (1)"), "{}", drawn(&state)[22]);
    press(&mut state, KeyCode::Tab);
    assert_eq!(state.filter().text(), "@state=active rack=r113", "of equals the first by name");
    press(&mut state, KeyCode::Tab);
    assert_eq!((state.filter().text(), &shown(&state)[..]), ("@state=active rack=r114", &["CheckDisk"][..]));
    press(&mut state, KeyCode::BackTab);
    assert_eq!(state.filter().text(), "@state=active rack=r113");

    let mut state = self::state();
    keys(&mut state, "/rack=");
    press(&mut state, KeyCode::Tab);
    press(&mut state, KeyCode::Tab);
    assert_eq!(state.filter().text(), "rack=r114", "two rows have it, one has r113");
    press(&mut state, KeyCode::Enter);
    keys(&mut state, "/@ag");
    assert_eq!(state.filter().text(), "rack=r114 @ag", "a blank parts the old from the new");
    let mut state = self::state();
    keys(&mut state, "/@en");
    press(&mut state, KeyCode::Tab);
    keys(&mut state, "=");
    press(&mut state, KeyCode::Tab);
    assert_eq!(state.filter().text(), "@env=prod");
}

#[test]
fn time_alone_moves_rows_out_of_a_filter() {
    let mut state = state();
    keys(&mut state, "/@age<5m");
    press(&mut state, KeyCode::Enter);
    assert_eq!(shown(&state), ["NodeDown"]);
    update(&mut state, Msg::Tick(time(1300)));
    assert!(shown(&state).is_empty());
}

#[test]
fn what_is_opened_from_the_overview_is_a_filter_that_a_silence_can_take() {
    let mut state = state();
    keys(&mut state, "1");
    press(&mut state, KeyCode::Enter);
    assert_eq!(state.filter().text(), "alertname=\"NodeDown\"");
    assert_eq!(shown(&state), ["NodeDown"]);
}

#[test]
fn what_is_known_beside_the_alerts_is_asked_only_for_a_filter_that_wants_it() {
    use crate::fleet::silences::SilenceCopy;
    use crate::model::silence::{Silence, SilenceState};
    let mut state = state();
    let asks =
        |effects: &[Effect]| effects.iter().any(|e| matches!(e, Effect::Fetch { kind: Kind::Flapping, .. }));
    state.clusters[0].servers.0 = 1;
    assert!(!asks(&update(&mut state, Msg::Tick(time(1001)))), "nobody wants to know");
    keys(&mut state, "/@flap");
    assert!(asks(&update(&mut state, Msg::Tick(time(1002)))));
    assert_eq!(shown(&state).len(), 3, "what is not known hides nothing");
    press(&mut state, KeyCode::Esc);

    let mut rows = vec![alert("Held", "r1", AlertState::Silenced, "", 0)];
    let mut held = Alert::clone(&rows[0].alert);
    held.silenced_by = vec!["s1".into()];
    rows = vec![AlertRow::new(0, held, "instance"), alert("Other", "r1", AlertState::Silenced, "", 0)];
    let answer = Answer { value: rows, coverage: Coverage::default(), notes: Vec::new() };
    update(
        &mut state,
        Msg::Data { cluster: 0, at: time(1003), last: true, payload: Payload::Alerts(answer) },
    );
    keys(&mut state, "/@state=acked");
    assert!(shown(&state).is_empty());
    let silence = Silence {
        id: "s1".into(),
        matchers: Vec::new(),
        starts_at: time(0),
        ends_at: time(9000),
        updated_at: time(0),
        created_by: "kim".to_owned(),
        comment: "ACK! kim".to_owned(),
        annotations: Default::default(),
        state: SilenceState::Active,
    };
    let copy = SilenceCopy { cluster: "east".into(), silence, seen_by: Vec::new() };
    let answer = Answer { value: vec![copy], coverage: Coverage::default(), notes: Vec::new() };
    update(
        &mut state,
        Msg::Data { cluster: 0, at: time(1004), last: true, payload: Payload::Silences(answer) },
    );
    assert_eq!(shown(&state), ["Held"]);
}

#[test]
fn the_cursor_comes_back_to_its_line_however_the_list_has_changed() {
    let mut state = state();
    keys(&mut state, "j");
    let line = |state: &State| state.current().and_then(|key| key.fingerprint());
    let was = line(&state);
    press(&mut state, KeyCode::Enter);
    let mut rows = vec![alert("NodeDown", "r113", AlertState::Active, "", 900)];
    rows.push(alert("NodeDown", "r999", AlertState::Active, "", 999));
    rows.push(alert("CheckDisk", "r114", AlertState::Active, "", 0));
    AlertRow::sort(&mut rows);
    let answer = Answer { value: rows, coverage: Coverage::default(), notes: Vec::new() };
    update(
        &mut state,
        Msg::Data { cluster: 0, at: time(1001), last: true, payload: Payload::Alerts(answer) },
    );
    press(&mut state, KeyCode::Esc);
    assert_eq!(line(&state), was);
    assert_eq!(state.page().list.at, 2);
}
