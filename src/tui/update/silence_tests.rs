//! Key scripts of everything that writes: what is typed, and what would be written.

mod editor;
mod existing;
mod operations;

use crate::config::{self, Access, Config};
use crate::fleet::silence::{
    Change, ConfirmLevel, Content, Draft, Facts, Kind, OpId, Operation, Outcome, Progress, Standing, Targets,
    Task,
};
use crate::fleet::silences::SilenceCopy;
use crate::fleet::{Answer, Coverage};
use crate::model::alert::{Alert, AlertState};
use crate::model::labels::Labels;
use crate::model::matcher::{MatchOp, Matcher};
use crate::model::node::{Node, NodeUp, StatusCounts};
use crate::model::silence::{Silence, SilenceState};
use crate::model::time::{Timestamp, from_epoch};
use crate::tui::msg::{Effect, Journalled, Msg, Payload};
use crate::tui::state::confirm::Deed;
use crate::tui::state::rows::{AlertRow, NodeRow};
use crate::tui::state::{Popup, Screen, State};
use chrono::TimeDelta;
use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use std::collections::BTreeMap;

fn now() -> Timestamp {
    from_epoch(1_795_000_000.0).expect("a time")
}

const CLUSTERS: [&str; 3] = ["east", "west", "lab"];

/// Three clusters, of which `lab` is read only; `east` and `west` have alerts.
fn state() -> State {
    let mut config = Config::default();
    for name in CLUSTERS {
        let mut cluster = config::Cluster::new(name, &config.defaults);
        cluster.alertmanager = vec!["http://127.0.0.1:9093".parse().expect("a URL")];
        if name == "lab" {
            cluster.access = Access::Ro;
        }
        config.clusters.push(cluster);
    }
    let mut state = State::new(now(), (80, 24), &config);
    state.author = "r.ahn".into();
    for (place, name) in (0..2).zip(CLUSTERS) {
        let rows = alerts(name).into_iter().map(|a| AlertRow::new(place, a, "instance")).collect();
        data(&mut state, place, Payload::Alerts(answer(rows)));
    }
    state
}

/// Tells the state, and finds out at once what the editor wants to know.
fn update(state: &mut State, msg: Msg) -> Vec<Effect> {
    let effects = super::update(state, msg);
    let found = effects.into_iter().flat_map(|effect| match effect {
        Effect::Preview { search, .. } => {
            let preview = Box::new(search.preview());
            let (token, round) = (search.token, search.round);
            update(state, Msg::Previewed { token, round, preview })
        }
        other => vec![other],
    });
    found.collect()
}

fn answer<T>(value: T) -> Answer<T> {
    Answer { value, coverage: Coverage::default(), notes: Vec::new() }
}

fn data(state: &mut State, cluster: u16, payload: Payload) {
    update(state, Msg::Data { cluster, at: now(), last: false, payload });
}

fn alert(cluster: &str, node: &str) -> Alert {
    let labels: Labels =
        [("alertname", "DiskFull"), ("instance", node), ("severity", "warning"), ("rack", "r1")]
            .into_iter()
            .collect();
    Alert::firing(cluster, labels, now() - TimeDelta::hours(1))
}

fn alerts(cluster: &str) -> Vec<Alert> {
    vec![alert(cluster, &format!("{cluster}-1:9100")), alert(cluster, &format!("{cluster}-2:9100"))]
}

fn facts(cluster: &str) -> Facts {
    Facts {
        cluster: cluster.into(),
        access: if cluster == "lab" { Access::Ro } else { Access::Rw },
        has_alertmanager: true,
        reachable: true,
        node_label: "instance".into(),
        check_label: "check".into(),
        labels: BTreeMap::new(),
        alerts: if cluster == "lab" { Vec::new() } else { alerts(cluster) },
        nodes: Vec::new(),
        silences: Vec::new(),
        version: Some((0, 25)),
        coverage: Coverage::default(),
        notes: Vec::new(),
    }
}

/// Answers what the editor has asked every cluster.
fn answer_facts(state: &mut State) -> Vec<Effect> {
    let token = state.editor.as_ref().expect("an editor").token;
    let told = (0..).zip(CLUSTERS).map(|(cluster, name)| Msg::Facts {
        cluster,
        token,
        facts: Box::new(facts(name)),
    });
    told.flat_map(|msg| update(state, msg)).collect()
}

fn copy(cluster: &str, id: &str, ends: TimeDelta) -> SilenceCopy {
    let ends_at = now() + ends;
    SilenceCopy {
        cluster: cluster.into(),
        silence: Silence {
            id: id.into(),
            matchers: vec![Matcher::new("alertname", MatchOp::Equal, "DiskFull")],
            starts_at: now() - TimeDelta::hours(2),
            ends_at,
            updated_at: now() - TimeDelta::hours(2),
            created_by: "m.li".into(),
            comment: format!("INC-{}", &id[..1]),
            state: if ends_at > now() { SilenceState::Active } else { SilenceState::Expired },
            annotations: BTreeMap::new(),
        },
        seen_by: vec!["am-1".into()],
    }
}

/// Puts the silence `1` on east and west and the silence `2` on east into the list, and shows it.
fn with_silences(state: &mut State) {
    let hour = TimeDelta::hours(1);
    let east = vec![copy("east", "1-east", hour), copy("east", "2-east", hour * 2)];
    data(state, 0, Payload::Silences(answer(east)));
    data(state, 1, Payload::Silences(answer(vec![copy("west", "1-west", hour)])));
    keys(state, "4");
}

fn press(state: &mut State, code: KeyCode) -> Vec<Effect> {
    update(state, Msg::Key(KeyEvent::new(code, KeyModifiers::NONE)))
}

fn control(state: &mut State, c: char) -> Vec<Effect> {
    update(state, Msg::Key(KeyEvent::new(KeyCode::Char(c), KeyModifiers::CONTROL)))
}

fn keys(state: &mut State, typed: &str) -> Vec<Effect> {
    let code = |c| match c {
        '\n' => KeyCode::Enter,
        '\t' => KeyCode::Tab,
        c => KeyCode::Char(c),
    };
    typed.chars().flat_map(|c| press(state, code(c))).collect()
}

/// Waits for the guard and confirms; returns what is written.
fn confirm(state: &mut State) -> Deed {
    let token = state.token;
    assert!(matches!(state.popup, Popup::Confirm(_)), "{:?}", state.message);
    update(state, Msg::Armed(token));
    let effects = keys(state, "y");
    assert_eq!(state.screen(), &Screen::Operation(None));
    let [Effect::Write(deed)] = &effects[..] else { panic!("{effects:?}") };
    (**deed).clone()
}

fn lines(state: &State) -> String {
    let Popup::Confirm(confirm) = &state.popup else { panic!("{:?}", state.message) };
    format!("{}\n{}\n{}", confirm.title, confirm.lines.join("\n"), confirm.command)
}

fn message(state: &State) -> &str {
    state.message.as_ref().map_or("", |(_, text)| text)
}

/// Draws the screen as its reader sees it, without styles.
fn sight(state: &State) -> String {
    let theme = crate::tui::theme::Theme::mono();
    let backend = ratatui::backend::TestBackend::new(state.size.0, state.size.1);
    let mut terminal = ratatui::Terminal::new(backend).expect("a backend in memory");
    terminal.draw(|frame| crate::tui::view::draw(state, &theme, frame)).expect("drawn");
    terminal.backend().to_string()
}
