//! New silences: what is typed into the editor, and what would be written.

use super::*;
use crate::tui::state::editor::{Field, Search};
use std::time::Duration;

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
fn search(state: &mut State, key: KeyEvent) -> Option<(Duration, Search)> {
    crate::tui::update::update(state, Msg::Key(key)).into_iter().find_map(|effect| match effect {
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
    crate::tui::update::update(
        &mut state,
        Msg::Key(KeyEvent::new(KeyCode::Char('x'), KeyModifiers::CONTROL)),
    );
    assert!(message(&state).contains("working out"), "{}", message(&state));
    let found = |search: &Search| Msg::Previewed {
        token: search.token,
        round: search.round,
        preview: Box::new(search.preview()),
    };
    let (late, last) = (found(&late), found(&last));
    crate::tui::update::update(&mut state, late);
    assert!(state.editor.as_ref().is_some_and(|e| e.is_searching()), "what was asked before is not taken");
    assert!(matches!(state.popup, Popup::None));
    crate::tui::update::update(&mut state, last);
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

#[test]
fn a_review_that_is_asked_for_too_early_waits_takes_no_keys_and_opens_by_itself() {
    let mut state = state();
    keys(&mut state, "2  s");
    keys(&mut state, "INC-5");
    control(&mut state, 'x');
    assert!(
        sight(&state).contains("asking the clusters ...: the review opens by itself"),
        "{}",
        sight(&state)
    );
    keys(&mut state, "y\n\t");
    update(&mut state, Msg::Paste("no".into()));
    let editor = state.editor.as_ref().expect("an editor");
    assert_eq!((editor.texts.comment.value(), editor.focus), ("INC-5", Field::Comment));
    assert!(message(&state).contains("opens by itself"), "{}", message(&state));
    answer_facts(&mut state);
    assert!(lines(&state).contains("INC-5"), "{}", lines(&state));

    press(&mut state, KeyCode::Esc);
    let token = state.editor.as_ref().expect("an editor").token;
    state.editor.as_mut().expect("an editor").facts = vec![None; CLUSTERS.len()];
    control(&mut state, 'x');
    press(&mut state, KeyCode::Esc);
    assert!(message(&state).contains("called off"), "{}", message(&state));
    assert_eq!(state.screen(), &Screen::Editor);
    keys(&mut state, " b");
    let told = (0..).zip(CLUSTERS).map(|(cluster, name)| (cluster, Box::new(facts(name))));
    for (cluster, facts) in told {
        update(&mut state, Msg::Facts { cluster, token, facts });
    }
    assert!(matches!(state.popup, Popup::None), "nobody waits for it");
    assert_eq!(state.editor.as_ref().map(|e| e.texts.comment.value()), Some("INC-5 b"));
}
