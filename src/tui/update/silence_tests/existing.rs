//! Silences that there are: extended, changed, ended.

use super::*;

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
    assert!(sight(&state).contains("differs: INC-1"), "{}", sight(&state));
    keys(&mut state, "\n");
    assert!(sight(&state).contains("on east and"), "{}", sight(&state));
    keys(&mut state, "R");
    answer_facts(&mut state);
    control(&mut state, 'x');
    let Deed::Change { change, .. } = confirm(&mut state) else { panic!("not a change") };
    assert_eq!(change, Change { ends_at: Some(now() + hour * 3), ..Change::default() });
}

/// Returns the words of the screen that stand in reverse video.
fn reversed(state: &State) -> String {
    let theme = crate::tui::theme::Theme::mono();
    let backend = ratatui::backend::TestBackend::new(state.size.0, state.size.1);
    let mut terminal = ratatui::Terminal::new(backend).expect("a backend in memory");
    terminal.draw(|frame| crate::tui::view::draw(state, &theme, frame)).expect("drawn");
    let cells = terminal.backend().buffer().content();
    let reversed = cells.iter().filter(|cell| cell.modifier.contains(ratatui::style::Modifier::REVERSED));
    reversed.map(ratatui::buffer::Cell::symbol).collect()
}

#[test]
fn what_a_prompt_proposes_is_replaced_by_typing_and_kept_by_moving() {
    for (typed, length) in [("3h", "3h"), ("\u{8}5m", "15m")] {
        let mut state = state();
        with_silences(&mut state);
        keys(&mut state, "+");
        answer_facts(&mut state);
        assert!(reversed(&state).ends_with("1h"), "{}", reversed(&state));
        for c in typed.chars() {
            match c {
                '\u{8}' => press(&mut state, KeyCode::Backspace),
                c => press(&mut state, KeyCode::Char(c)),
            };
        }
        assert!(!reversed(&state).ends_with("h"), "{typed:?}: {}", reversed(&state));
        keys(&mut state, "\n");
        assert!(lines(&state).contains(&format!("extend 1-east {length}")), "{}", lines(&state));
    }
}

#[test]
fn pasted_text_replaces_what_a_field_proposes() {
    let mut state = state();
    with_silences(&mut state);
    keys(&mut state, "e");
    update(&mut state, Msg::Paste("4h".into()));
    update(&mut state, Msg::Paste("30m".into()));
    let duration = |state: &State| state.editor.as_ref().map(|e| e.texts.duration.value().to_owned());
    assert_eq!(duration(&state).as_deref(), Some("4h30m"));
    // What was typed is not proposed any more: coming back adds to it.
    keys(&mut state, "\t");
    press(&mut state, KeyCode::BackTab);
    keys(&mut state, "5s");
    assert_eq!(duration(&state).as_deref(), Some("4h30m5s"));
}

#[test]
fn a_prompt_that_waits_says_so_and_the_wait_can_be_called_off() {
    let mut state = state();
    with_silences(&mut state);
    keys(&mut state, "+3h");
    assert!(sight(&state).contains("Enter review  Esc cancel"), "{}", sight(&state));
    keys(&mut state, "\n9");
    let seen = sight(&state);
    assert!(seen.contains("the review opens by itself (Esc calls it off)"), "{seen}");
    assert!(!seen.contains("Enter review") && seen.contains("Esc call the review off"), "{seen}");
    press(&mut state, KeyCode::Esc);
    assert!(matches!(state.popup, Popup::Prompt), "{}", message(&state));
    assert!(message(&state).contains("called off"), "{}", message(&state));
    answer_facts(&mut state);
    assert!(matches!(state.popup, Popup::Prompt), "nobody waits for it");
    keys(&mut state, "\n");
    assert!(lines(&state).contains("extend 1-east 3h"), "{}", lines(&state));

    with_silences(&mut state);
    press(&mut state, KeyCode::Esc);
    keys(&mut state, "+\n");
    press(&mut state, KeyCode::Esc);
    press(&mut state, KeyCode::Esc);
    assert!(matches!(state.popup, Popup::None) && state.editor.is_none());
    assert!(message(&state).contains("nothing was written"), "{}", message(&state));
}
