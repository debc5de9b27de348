//! Key scripts of everything that writes: what is typed, and what would be written.

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

#[test]
fn what_is_confirmed_is_what_was_shown_whatever_comes_in_meanwhile() {
    let mut state = state();
    keys(&mut state, "2  s");
    assert!(sight(&state).contains("0/3 answered"));
    answer_facts(&mut state);
    control(&mut state, 'x');
    assert_eq!(message(&state), "the policy requires a comment");
    keys(&mut state, "INC-5");
    control(&mut state, 'x');
    let said = lines(&state);
    for words in
        ["east (2 alerts), west (2 alerts)", "UTC = ", "r.ahn", "INC-5", "4 firing alerts on 4 nodes"]
    {
        assert!(said.contains(words), "{words}: {said}");
    }
    let mut more = alerts("east");
    more.push(alert("east", "east-3:9100"));
    let rows = more.into_iter().map(|a| AlertRow::new(0, a, "instance")).collect();
    data(&mut state, 0, Payload::Alerts(answer(rows)));
    assert_eq!(lines(&state), said);
    let Deed::Add { draft, preview, .. } = confirm(&mut state) else { panic!("not a new silence") };
    assert_eq!(draft.targets, Targets::Named(vec!["east".into(), "west".into()]));
    assert_eq!(preview.hits().count(), 4);
    assert_eq!(draft.ends_at, now() + TimeDelta::hours(2));
    assert!(state.editor.is_none());
}

#[test]
fn an_acknowledgement_needs_one_key_and_one_look() {
    let mut state = state();
    keys(&mut state, "2");
    keys(&mut state, "a");
    assert!(matches!(state.popup, Popup::Prompt));
    assert!(sight(&state).contains("asking every cluster: 0/3"));
    answer_facts(&mut state);
    assert!(lines(&state).contains("--ack"));
    let Deed::Add { draft, .. } = confirm(&mut state) else { panic!("not a new silence") };
    assert_eq!(draft.comment, "ACK! r.ahn is working on it");
    assert_eq!(draft.ends_at, now() + TimeDelta::minutes(30));
}

#[test]
fn an_acknowledgement_against_the_policy_is_shown_to_be_mended() {
    let mut state = state();
    state.policy.comment_pattern = Some(regex::Regex::new("INC-[0-9]+").expect("a pattern"));
    keys(&mut state, "2a");
    answer_facts(&mut state);
    assert_eq!(state.screen(), &Screen::Editor);
    assert!(message(&state).contains("INC-[0-9]+"), "{}", message(&state));
}

#[test]
fn a_held_enter_never_extends() {
    let mut state = state();
    with_silences(&mut state);
    keys(&mut state, "+");
    answer_facts(&mut state);
    for _ in 0..50 {
        let effects = press(&mut state, KeyCode::Enter);
        assert!(!effects.iter().any(|effect| matches!(effect, Effect::Write(_))));
        let token = state.token;
        if matches!(state.popup, Popup::Confirm(_)) {
            update(&mut state, Msg::Armed(token));
        }
    }
    assert!(state.run.is_none());
}

#[test]
fn an_extension_adds_to_the_end() {
    let mut state = state();
    with_silences(&mut state);
    keys(&mut state, "+");
    // Enter before the answers: it goes on by itself.
    keys(&mut state, "\n");
    assert!(matches!(state.popup, Popup::Prompt));
    answer_facts(&mut state);
    assert!(lines(&state).contains("iaasmon silence extend 1-east 1h"), "{}", lines(&state));
    let Deed::Change { change, kind, silence } = confirm(&mut state) else { panic!("not a change") };
    assert_eq!((kind, silence.copies.len()), (Kind::Extend, 2));
    assert_eq!(change, Change { ends_at: Some(now() + TimeDelta::hours(2)), ..Change::default() });
}

#[test]
fn an_edit_changes_what_was_typed_and_nothing_else() {
    let mut state = state();
    with_silences(&mut state);
    keys(&mut state, "e");
    answer_facts(&mut state);
    control(&mut state, 'x');
    assert_eq!(message(&state), "nothing is changed");
    keys(&mut state, "\t b");
    control(&mut state, 'x');
    let Deed::Change { change, kind, .. } = confirm(&mut state) else { panic!("not a change") };
    assert_eq!(kind, Kind::Edit);
    assert_eq!(change, Change { comment: Some("INC-1 b".into()), ..Change::default() });
}

#[test]
fn changed_matchers_are_told_to_replace() {
    let mut state = state();
    with_silences(&mut state);
    keys(&mut state, "e");
    answer_facts(&mut state);
    press(&mut state, KeyCode::BackTab);
    press(&mut state, KeyCode::BackTab);
    keys(&mut state, ",rack=\"r1\"");
    control(&mut state, 'x');
    assert!(lines(&state).contains("instead   alertname=\"DiskFull\""), "{}", lines(&state));
    let Deed::Change { change, .. } = confirm(&mut state) else { panic!("not a change") };
    assert_eq!(change.matchers.map(|m| m.len()), Some(2));
}

#[test]
fn an_expired_silence_is_made_anew() {
    let mut state = state();
    data(&mut state, 1, Payload::Silences(answer(vec![copy("west", "3-west", -TimeDelta::hours(1))])));
    keys(&mut state, "4z");
    for key in ["d", "e"] {
        keys(&mut state, key);
        answer_facts(&mut state);
        control(&mut state, 'x');
        let said = lines(&state);
        assert!(said.contains("INC-3") && said.contains("iaasmon silence add"), "{said}");
        press(&mut state, KeyCode::Esc);
        press(&mut state, KeyCode::Esc);
        assert_eq!(state.screen(), &Screen::Silences);
        state.left = None;
    }
    keys(&mut state, "+\n");
    answer_facts(&mut state);
    assert!(lines(&state).contains("it has ended: it is made anew"), "{}", lines(&state));
    let Deed::Change { change, .. } = confirm(&mut state) else { panic!("not a change") };
    assert_eq!(change.ends_at, Some(now() + TimeDelta::hours(1)));
}

#[test]
fn marked_silences_end_together_and_each_by_an_operation_of_its_own() {
    let mut state = state();
    with_silences(&mut state);
    keys(&mut state, "  x");
    assert!(lines(&state).contains("iaasmon silence expire 1-east 2-east"), "{}", lines(&state));
    let Deed::Expire(silences) = confirm(&mut state) else { panic!("not an expiry") };
    assert_eq!(silences.len(), 2);
    assert_eq!(state.run.as_ref().map(|run| run.rows.len()), Some(3));
}

#[test]
fn an_end_that_pages_more_than_the_policy_likes_asks_for_a_second_look() {
    for (most, level) in [(2, ConfirmLevel::Small), (1, ConfirmLevel::Medium)] {
        let mut state = state();
        state.policy.confirm_above.alerts = most;
        let held = |a| Alert { state: AlertState::Silenced, silenced_by: vec!["1-east".into()], ..a };
        let rows = alerts("east").into_iter().map(|a| AlertRow::new(0, held(a), "instance")).collect();
        let payload = Payload::Alerts(answer(rows));
        update(&mut state, Msg::Data { cluster: 0, at: now(), last: true, payload });
        with_silences(&mut state);
        keys(&mut state, "x");
        let Popup::Confirm(confirm) = &state.popup else { panic!("nothing is asked") };
        assert_eq!(confirm.level, level, "{}", lines(&state));
        assert!(lines(&state).contains("2 alerts again at once"), "{}", lines(&state));
        assert_eq!(lines(&state).contains("! medium: 2 alerts page again"), most == 1, "{}", lines(&state));
    }
}

#[test]
fn clusters_are_chosen_one_by_one_and_those_that_are_not_written_to_are_named() {
    let mut state = state();
    keys(&mut state, "2  s");
    answer_facts(&mut state);
    keys(&mut state, "INC-5");
    press(&mut state, KeyCode::Up);
    press(&mut state, KeyCode::Up);
    press(&mut state, KeyCode::Left);
    assert!(sight(&state).contains("(x) 2 chosen (Enter)"), "{}", sight(&state));
    keys(&mut state, "\n");
    let seen = sight(&state);
    assert!(seen.contains("[x] east") && seen.contains("[ ] lab") && seen.contains("read only"), "{seen}");
    keys(&mut state, " \n");
    control(&mut state, 'x');
    let Deed::Add { draft, .. } = confirm(&mut state) else { panic!("not a new silence") };
    assert_eq!(draft.targets, Targets::Named(vec!["west".into()]));
}

#[test]
fn a_silent_cluster_is_left_out_and_named() {
    let mut state = state();
    keys(&mut state, "4n");
    keys(&mut state, "alertname=\"DiskFull\"\t\t\tINC-5");
    let token = state.token;
    answer_facts(&mut state);
    let silent = Facts { reachable: false, alerts: Vec::new(), ..facts("west") };
    update(&mut state, Msg::Facts { cluster: 1, token, facts: Box::new(silent) });
    assert!(sight(&state).contains("NO ANSWER, impact unknown"), "{}", sight(&state));
    control(&mut state, 'x');
    assert!(lines(&state).contains("! west does not answer: nothing is written there"), "{}", lines(&state));
    let Deed::Add { preview, .. } = confirm(&mut state) else { panic!("not a new silence") };
    assert_eq!(preview.written().count(), 1);
}

#[test]
fn what_two_grammars_read_differently_is_told() {
    let mut state = state();
    keys(&mut state, "4n");
    keys(&mut state, "a=\"\\t\"");
    let reading = state.editor.as_ref().and_then(|e| e.other_reading.clone()).expect("another reading");
    assert!(reading.contains("Alertmanager's UTF-8 grammar would read"), "{reading}");
    assert!(sight(&state).contains("UTF-8 grammar would read"), "{}", sight(&state));
    control(&mut state, 'u');
    keys(&mut state, "\"b c\"=x\t\t\tINC-1");
    answer_facts(&mut state);
    assert!(sight(&state).contains("no UTF-8 names"), "{}", sight(&state));
}

#[test]
fn the_filter_goes_over_and_what_cannot_is_listed() {
    let mut state = state();
    keys(&mut state, "2/alertname=DiskFull @age>1m east\nS");
    let editor = state.editor.as_ref().expect("an editor");
    assert_eq!(editor.texts.matchers.value(), "alertname=\"DiskFull\"");
    let notes = editor.notes.join(" ");
    assert!(notes.contains("@age>1m") && notes.contains("east"), "{notes}");
    answer_facts(&mut state);
    assert!(sight(&state).contains("cannot go into a silence"), "{}", sight(&state));
}

#[test]
fn many_nodes_become_the_labels_that_they_share() {
    let mut state = state();
    let node = |i: usize| Node {
        cluster: "east".into(),
        name: format!("hv-{i}").into(),
        up: NodeUp::Up,
        labels: [("instance", format!("hv-{i}").as_str()), ("rack", "r1")].into_iter().collect(),
        counts: StatusCounts::default(),
        failing: Vec::new(),
        seen_by: Vec::new(),
        stale: false,
    };
    let rows = (0..30).map(|i| NodeRow::new(0, node(i))).collect();
    data(&mut state, 0, Payload::Nodes(answer(rows)));
    keys(&mut state, "3");
    keys(&mut state, &" ".repeat(20));
    keys(&mut state, "s");
    let editor = state.editor.as_ref().expect("an editor");
    assert!(
        editor.texts.matchers.value().starts_with("instance=~\"hv-"),
        "{}",
        editor.texts.matchers.value()
    );
    press(&mut state, KeyCode::Esc);
    keys(&mut state, "  s");
    let editor = state.editor.as_ref().expect("an editor");
    assert_eq!(editor.texts.matchers.value(), "rack=\"r1\"");
    assert!(editor.notes[0].starts_with("22 nodes"), "{:?}", editor.notes);
}

#[test]
fn a_draft_that_was_left_is_taken_up_again() {
    let mut state = state();
    keys(&mut state, "2s");
    keys(&mut state, "INC-5");
    press(&mut state, KeyCode::Esc);
    keys(&mut state, "4n");
    let editor = state.editor.as_ref().expect("an editor");
    assert_eq!(editor.texts.comment.value(), "INC-5");
    assert_eq!(editor.known(), 0, "the clusters are asked anew");
}

/// An operation on east and west: east is done, west as `progress` says.
fn standing(progress: Progress) -> Standing {
    let task = |cluster: &str| Task {
        cluster: cluster.into(),
        write: Some(Content {
            matchers: vec![Matcher::new("alertname", MatchOp::Equal, "DiskFull")],
            starts_at: now(),
            ends_at: now() + TimeDelta::hours(2),
            created_by: "r.ahn".into(),
            comment: "INC-5".into(),
        }),
        onto: None,
        expire: Vec::new(),
        before: Vec::new(),
    };
    let applied = Outcome::Applied {
        id: Some("5-east".into()),
        replication: crate::fleet::silence::Replication::Done,
        notes: Vec::new(),
    };
    let east = Progress { written: Some("5-east".into()), outcome: Some(applied), ..Progress::default() };
    Standing {
        operation: Operation {
            op: OpId::new(now()),
            kind: Kind::Add,
            began: now(),
            tasks: vec![task("east"), task("west")],
            skipped: Vec::new(),
        },
        tasks: [("east".into(), east), ("west".into(), progress)].into(),
        ended: false,
        undone: None,
    }
}

fn journalled(standing: Standing) -> Journalled {
    Journalled { operations: vec![(standing, false)], unreadable: Vec::new() }
}

#[test]
fn a_journal_that_cannot_be_read_hides_no_operation() {
    let mut state = state();
    let standing = standing(Progress { sent: ["am-1".into()].into(), ..Progress::default() });
    let unreadable = vec!["x.jsonl: it is damaged".to_owned(), "y.jsonl: it is damaged".to_owned()];
    let answer = Journalled { operations: vec![(standing, false)], unreadable };
    update(&mut state, Msg::Operations(Ok(answer)));
    assert!(sight(&state).contains("1 unfinished silence operation"), "{}", sight(&state));
    press(&mut state, KeyCode::Char('O'));
    let seen = sight(&state);
    assert!(seen.contains("cannot be read: x.jsonl: it is damaged (and 1 more)"), "{seen}");
    assert!(seen.contains("UNFINISHED"), "{seen}");
}

#[test]
fn an_interrupted_operation_is_told_of_and_finished() {
    let mut state = state();
    let doubtful = Progress { sent: ["am-1".into()].into(), ..Progress::default() };
    let standing = standing(doubtful);
    let op = standing.operation.op;
    update(&mut state, Msg::Operations(Ok(journalled(standing))));
    assert!(sight(&state).contains("1 unfinished silence operation"), "{}", sight(&state));
    assert!(sight(&state).contains("(1 of 2 applied)"), "{}", sight(&state));
    assert!(matches!(keys(&mut state, "O")[..], [Effect::LoadOperations]));
    assert!(sight(&state).contains("UNFINISHED"), "{}", sight(&state));
    keys(&mut state, "u");
    assert!(lines(&state).contains(&format!("iaasmon silence undo {op}")), "{}", lines(&state));
    let token = state.token;
    update(&mut state, Msg::Armed(token));
    keys(&mut state, "\n\n");
    assert_eq!(state.screen(), &Screen::Operation(Some(op)));
    assert!(sight(&state).contains("interrupted"), "{}", sight(&state));
    keys(&mut state, "r");
    assert!(lines(&state).contains(&format!("iaasmon silence resume {op}")), "{}", lines(&state));
    let Deed::Resume(ops) = confirm(&mut state) else { panic!("not a resumption") };
    assert_eq!(ops, [op]);
}

#[test]
fn a_partial_operation_says_what_still_pages_and_can_be_taken_back() {
    let mut state = state();
    keys(&mut state, "2  s");
    answer_facts(&mut state);
    keys(&mut state, "INC-5");
    control(&mut state, 'x');
    confirm(&mut state);
    let failed = Progress {
        outcome: Some(Outcome::Failed { why: "403 \u{1b}[31mno write role".into(), silent: false }),
        ..Progress::default()
    };
    let standing = standing(failed);
    let op = standing.operation.op;
    update(&mut state, Msg::Began(op));
    update(&mut state, Msg::Carried(Box::new(standing.clone())));
    let effects = update(&mut state, Msg::Ended(Ok(())));
    assert!(effects.iter().any(|effect| matches!(effect, Effect::LoadOperations)));
    update(&mut state, Msg::Operations(Ok(journalled(standing))));
    let seen = sight(&state);
    assert!(seen.contains("PARTIAL: 1 applied, 1 failed"), "{seen}");
    assert!(seen.contains("2 of 4 matching alerts are silenced now; 2 on west still page."), "{seen}");
    let [Effect::Copy(report)] = &keys(&mut state, "y")[..] else { panic!("no report") };
    assert!(report.contains("west: failed 403") && !report.contains('\u{1b}'), "{report}");
    keys(&mut state, "u");
    let Deed::Undo(ops) = confirm(&mut state) else { panic!("not an undo") };
    assert_eq!(ops, [op]);
}

#[test]
fn what_was_just_silenced_is_marked_until_it_is_confirmed() {
    let mut state = state();
    update(&mut state, Msg::Carried(Box::new(standing(Progress::default()))));
    keys(&mut state, "2l");
    let seen = sight(&state);
    assert!(seen.contains("silenced*"), "{seen}");
    let counts = || state.alerts.groups.iter().map(|group| (group.just_silenced, group.members.len()));
    assert_eq!(counts().collect::<Vec<_>>(), [(2, 2), (0, 2)], "{seen}");
    // West was not written to.
    assert!(
        state.clusters[1]
            .alerts
            .value
            .iter()
            .flat_map(|rows| rows.iter())
            .all(|row| { !state.is_just_silenced(row) })
    );
    state.now = now() + TimeDelta::minutes(6);
    assert!(!sight(&state).contains("silenced*"));
}

#[test]
fn nothing_is_offered_where_nothing_may_be_written() {
    let mut state = state();
    state.clusters.iter_mut().for_each(|cluster| cluster.access = Access::Ro);
    with_silences(&mut state);
    let offered: Vec<&str> = state.keys(false).into_iter().map(|(_, label)| label).collect();
    assert!(!offered.iter().any(|label| ["edit", "extend", "expire", "new"].contains(label)), "{offered:?}");
    for key in ["e", "+", "x", "d", "n"] {
        keys(&mut state, key);
        assert!(message(&state).contains("read only"), "{key}: {}", message(&state));
    }
}

#[test]
fn copies_that_came_apart_are_told_in_words_and_made_alike() {
    let mut state = state();
    let hour = TimeDelta::hours(1);
    data(&mut state, 0, Payload::Silences(answer(vec![copy("east", "1-east", hour)])));
    data(&mut state, 1, Payload::Silences(answer(vec![copy("west", "1-west", hour * 3)])));
    keys(&mut state, "4");
    assert!(sight(&state).contains("(copies differ)"), "{}", sight(&state));
    keys(&mut state, "\n");
    assert!(sight(&state).contains("on east and"), "{}", sight(&state));
    keys(&mut state, "R");
    answer_facts(&mut state);
    control(&mut state, 'x');
    let Deed::Change { change, .. } = confirm(&mut state) else { panic!("not a change") };
    assert_eq!(change, Change { ends_at: Some(now() + hour * 3), ..Change::default() });
}

#[test]
fn a_new_silence_from_nothing_is_for_where_it_matches() {
    let mut state = state();
    keys(&mut state, "4n");
    keys(&mut state, "alertname=\"DiskFull\"\t\t\tINC-5");
    answer_facts(&mut state);
    control(&mut state, 'x');
    let Deed::Add { draft, .. } = confirm(&mut state) else { panic!("not a new silence") };
    let Draft { matchers, starts_at, ends_at, created_by, comment, targets } = draft;
    assert_eq!(matchers, [Matcher::new("alertname", MatchOp::Equal, "DiskFull")]);
    assert_eq!((starts_at, ends_at), (None, now() + TimeDelta::hours(2)));
    assert_eq!((created_by.as_str(), comment.as_str()), ("r.ahn", "INC-5"));
    assert_eq!(targets, Targets::Matching);
}

/// Presses a key and returns the search that it asks for, with how long that waits.
fn search(
    state: &mut State,
    key: KeyEvent,
) -> Option<(std::time::Duration, crate::tui::state::editor::Search)> {
    super::update(state, Msg::Key(key)).into_iter().find_map(|effect| match effect {
        Effect::Preview { after, search } => Some((after, *search)),
        _ => None,
    })
}

#[test]
fn typing_looks_for_what_is_hit_only_where_that_may_change() {
    let mut state = state();
    keys(&mut state, "4n");
    keys(&mut state, "alertname=\"DiskFull\"");
    answer_facts(&mut state);
    let typed = |c| KeyEvent::new(KeyCode::Char(c), KeyModifiers::NONE);
    keys(&mut state, "\t\t\t");
    assert!(search(&mut state, typed('I')).is_none(), "a comment hits nothing");
    assert!(state.editor.as_ref().is_some_and(|e| e.judgement.is_some()), "it is judged all the same");
    keys(&mut state, "\t\t\t\t");
    press(&mut state, KeyCode::End);
    // What is not yet a matcher hits nothing; what is one is looked for once typing pauses.
    assert!(search(&mut state, typed(',')).is_none_or(|(after, _)| !after.is_zero()));
    for c in "rack=r".chars() {
        search(&mut state, typed(c));
    }
    let Some((after, late)) = search(&mut state, typed('1')) else { panic!("no search") };
    assert!(!after.is_zero());
    let (_, last) = search(&mut state, typed('2')).expect("another search");
    assert!(sight(&state).contains("being worked out"), "{}", sight(&state));
    // Asked for too early, the last look opens as soon as it is known what to say there.
    super::update(&mut state, Msg::Key(KeyEvent::new(KeyCode::Char('x'), KeyModifiers::CONTROL)));
    assert!(message(&state).contains("working out"), "{}", message(&state));
    let found = |search: &crate::tui::state::editor::Search| Msg::Previewed {
        token: search.token,
        round: search.round,
        preview: Box::new(search.preview()),
    };
    let (late, last) = (found(&late), found(&last));
    super::update(&mut state, late);
    assert!(state.editor.as_ref().is_some_and(|e| e.is_searching()), "what was asked before is not taken");
    assert!(matches!(state.popup, Popup::None));
    super::update(&mut state, last);
    assert!(message(&state).contains("matches no firing alert"), "{}", message(&state));
    press(&mut state, KeyCode::Backspace);
    control(&mut state, 'x');
    assert!(lines(&state).contains("4 firing alerts"), "{}", lines(&state));
}

#[test]
fn a_draft_that_was_left_keeps_no_answers() {
    let mut state = state();
    keys(&mut state, "4n");
    keys(&mut state, "alertname=\"DiskFull\"");
    answer_facts(&mut state);
    let effects = press(&mut state, KeyCode::Esc);
    assert!(matches!(&effects[..], [Effect::Forget(facts)] if facts.len() == CLUSTERS.len()), "{effects:?}");
    let left = state.left.as_ref().expect("the draft");
    assert!(left.facts.iter().all(Option::is_none) && left.preview.is_none());
}
