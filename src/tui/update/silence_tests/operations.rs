//! What became of operations, and what can be done about them.

use super::*;
use crate::fleet::silence::Left;
use crate::tui::msg::Remains;
use crate::tui::state::confirm::Agreed;

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

/// A silence on what is selected, confirmed a moment ago.
fn sent() -> State {
    let mut state = state();
    keys(&mut state, "2  s");
    answer_facts(&mut state);
    keys(&mut state, "INC-5");
    control(&mut state, 'x');
    confirm(&mut state);
    state
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
    let [Effect::FindRemains { ops, token }] = &keys(&mut state, "r")[..] else { panic!("nobody looks") };
    assert_eq!(ops[..], [op]);
    let mut found = remains([nothing(), still()]);
    found.standing.operation.op = op;
    update(&mut state, Msg::Remains { token: *token, found: Ok(vec![found]) });
    for words in [
        &format!("iaasmon silence resume {op}"),
        "east: made; nothing is left",
        "west: nothing is done; still to make it",
    ] {
        assert!(lines(&state).contains(words), "{words}: {}", lines(&state));
    }
    let Deed::Resume(agreed) = confirm(&mut state) else { panic!("not a resumption") };
    assert_eq!(agreed, [Agreed { op, on: vec!["west".into()] }], "nothing is sent where nothing was shown");
}

/// What is left on a cluster where it is done.
fn nothing() -> Left {
    let task = standing(Progress::default()).operation.tasks.remove(0);
    Left { part: Task { write: None, ..task }, stuck: None }
}

/// What is left on a cluster where it is not.
fn still() -> Left {
    Left { part: standing(Progress::default()).operation.tasks.remove(1), stuck: None }
}

fn remains(parts: [Left; 2]) -> Remains {
    Remains { standing: standing(Progress::default()), parts: parts.into() }
}

/// Shows the operation of the journal whose part on west has failed.
fn showing_failed() -> State {
    let mut state = state();
    let failed = Outcome::Failed { why: "403".into(), silent: false };
    let standing = standing(Progress { outcome: Some(failed), ..Progress::default() });
    update(&mut state, Msg::Operations(Ok(journalled(standing))));
    keys(&mut state, "O\n");
    state
}

#[test]
fn what_is_left_is_read_before_the_question_and_that_can_be_called_off() {
    let mut state = showing_failed();
    let [Effect::FindRemains { token, .. }] = keys(&mut state, "r")[..] else { panic!("nobody looks") };
    assert!(sight(&state).contains("reading what stands on every cluster"), "{}", sight(&state));
    assert!(keys(&mut state, "yy\n").is_empty(), "what is typed ahead answers nothing");
    press(&mut state, KeyCode::Esc);
    assert!(message(&state).contains("nothing was written"), "{}", message(&state));
    let late = Msg::Remains { token, found: Ok(vec![remains([nothing(), still()])]) };
    assert!(update(&mut state, late.clone()).is_empty());
    assert!(matches!(state.popup, Popup::None), "nobody waits for it");
    keys(&mut state, "r");
    update(&mut state, late);
    assert!(matches!(state.popup, Popup::Remains(_)), "that was for the question before");
    let failed = Msg::Remains { token: state.token, found: Err("it was taken back".into()) };
    update(&mut state, failed);
    assert!(matches!(state.popup, Popup::None));
    assert!(message(&state).contains("nothing was sent: it was taken back"), "{}", message(&state));
}

#[test]
fn where_nothing_is_left_to_be_sent_this_is_said_and_nothing_is() {
    let why = Outcome::Failed { why: "it is read only".into(), silent: false };
    let stuck = || Left { stuck: Some(why.clone()), ..nothing() };
    for (west, words) in [
        (nothing(), "nothing is left to be sent: what stands is noted"),
        (stuck(), "! west: failed (it is read only); nothing is sent\ndoes      nothing can be sent"),
    ] {
        let mut state = showing_failed();
        keys(&mut state, "r");
        let found = Ok(vec![remains([nothing(), west])]);
        let token = state.token;
        update(&mut state, Msg::Remains { token, found });
        assert!(lines(&state).contains(words), "{words}: {}", lines(&state));
        assert!(sight(&state).contains("y note it") && !sight(&state).contains("send "), "{}", sight(&state));
        let Deed::Resume(agreed) = confirm(&mut state) else { panic!("not a resumption") };
        assert!(agreed.iter().all(|agreed| agreed.on.is_empty()), "{agreed:?}");
    }
}

#[test]
fn what_can_be_done_is_said_also_where_the_journal_does_not_list_the_operation() {
    let failed = || Progress {
        outcome: Some(Outcome::Failed { why: "403".into(), silent: false }),
        ..Progress::default()
    };
    let applied = || standing(Progress::default()).tasks[&"east".into()].clone();
    let untouched = || {
        let mut standing = standing(failed());
        standing.tasks.insert("east".into(), failed());
        standing
    };
    for (standing, finish, undo) in
        [(standing(failed()), true, true), (standing(applied()), false, true), (untouched(), true, false)]
    {
        for listed in [true, false] {
            let mut state = sent();
            let op = standing.operation.op;
            update(&mut state, Msg::Began(op));
            update(&mut state, Msg::Carried(Box::new(standing.clone())));
            update(&mut state, Msg::Ended(Ok(())));
            let found = if listed { Ok(journalled(standing.clone())) } else { Err("no such file".into()) };
            update(&mut state, Msg::Operations(found));
            let seen = sight(&state);
            assert_eq!(seen.contains("r finishes it"), finish, "{seen}");
            assert_eq!(seen.contains("u takes it back"), undo, "{seen}");
            let offered = |label: &str| state.keys(true).iter().any(|(_, offer)| *offer == label);
            assert_eq!((offered("finish (resume)"), offered("undo")), (finish, undo), "{seen}");
            let looks =
                matches!(&keys(&mut state, "r")[..], [Effect::FindRemains { ops, .. }] if *ops == [op]);
            assert_eq!(looks, finish, "{}", message(&state));
            state.popup = Popup::None;
            keys(&mut state, "u");
            assert_eq!(matches!(state.popup, Popup::Confirm(_)), undo, "{}", message(&state));
            if undo {
                let Deed::Undo(ops) = confirm(&mut state) else { panic!("not an undo") };
                assert_eq!(ops, [op]);
            }
        }
    }
}

#[test]
fn what_could_be_taken_back_only_in_part_can_be_taken_back_again() {
    let applied = standing(Progress::default()).tasks[&"east".into()].clone();
    let mut done = standing(applied.clone());
    let mut back = standing(applied);
    back.operation.op = OpId::new(now());
    back.operation.kind = Kind::Undo;
    back.tasks.remove(&"west".into());
    done.undone = Some(back.operation.op);
    let offered = |done: &Standing, back: &Standing| {
        let mut state = state();
        let operations = vec![(done.clone(), false), (back.clone(), false)];
        update(&mut state, Msg::Operations(Ok(Journalled { operations, unreadable: Vec::new() })));
        keys(&mut state, "Ou");
        (matches!(state.popup, Popup::Confirm(_)), message(&state).to_owned())
    };
    // West did not answer when it was taken back.
    assert_eq!(offered(&done, &back), (true, String::new()));
    back.tasks.insert("west".into(), back.tasks[&"east".into()].clone());
    let (again, says) = offered(&done, &back);
    assert!(!again && says.contains("it was taken back already"), "{says}");
    // What took it back failed on west.
    back.tasks.insert("west".into(), Progress::default());
    assert!(offered(&done, &back).0);
}

#[test]
fn a_partial_operation_says_what_still_pages_and_can_be_taken_back() {
    let mut state = sent();
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
fn finishing_and_taking_back_are_offered_where_there_is_something_to_do() {
    let applied = |id: &str| Progress {
        written: Some(id.into()),
        outcome: Some(Outcome::Applied {
            id: Some(id.into()),
            replication: crate::fleet::silence::Replication::Done,
            notes: Vec::new(),
        }),
        ..Progress::default()
    };
    let untouched = |cluster: &str| {
        let mut standing = standing(Progress::default());
        standing.tasks = [(cluster.into(), Progress::default())].into();
        standing
    };
    let done = standing(applied("5-west"));
    let gone = Standing { undone: Some(done.operation.op), ..done };
    let cases = [
        (standing(applied("5-west")), false, true),
        (standing(Progress { sent: ["am-1".into()].into(), ..Progress::default() }), true, true),
        (untouched("west"), true, false),
        (gone, false, false),
    ];
    for (standing, finish, undo) in cases {
        let mut state = state();
        update(&mut state, Msg::Operations(Ok(journalled(standing))));
        press(&mut state, KeyCode::Char('O'));
        for all in [false, true] {
            let offered = |label: &str| state.keys(all).iter().any(|(_, offer)| *offer == label);
            assert_eq!((offered("finish (resume)"), offered("undo")), (finish, undo), "{}", sight(&state));
        }
        if !undo {
            keys(&mut state, "u");
            assert!(message(&state).contains("nothing to take back"), "{}", message(&state));
        }
    }
}

#[test]
fn an_acknowledged_alert_says_so() {
    let mut state = state();
    let held = |a| Alert { state: AlertState::Silenced, silenced_by: vec!["1-east".into()], ..a };
    let rows = alerts("east").into_iter().map(|a| AlertRow::new(0, held(a), "instance")).collect();
    let whole = |payload| Msg::Data { cluster: 0, at: now(), last: true, payload };
    update(&mut state, whole(Payload::Alerts(answer(rows))));
    for (comment, word) in [("INC-1", "silenced"), ("ACK! r.ahn is working on it", "acked")] {
        let mut copy = copy("east", "1-east", TimeDelta::hours(1));
        copy.silence.comment = comment.into();
        update(&mut state, whole(Payload::Silences(answer(vec![copy]))));
        keys(&mut state, "2");
        let seen = sight(&state);
        assert!(seen.contains(&format!(" {word} ")), "{word}: {seen}");
        assert_eq!(seen.contains("acked"), word == "acked", "{seen}");
    }
}

#[test]
fn alerts_are_grouped_by_what_they_have() {
    let mut state = state();
    keys(&mut state, "2");
    let mut by = Vec::new();
    while by.last() != Some(&"alertname,cluster") {
        keys(&mut state, "b");
        by.push(state.alerts.by.word());
    }
    // No alert has a check, a team or a role.
    assert_eq!(by, ["alertname", "cluster", "node", "rack", "nothing", "alertname,cluster"]);
    keys(&mut state, "bbbb");
    let groups: Vec<_> = state.alerts.groups.iter().map(|g| (&*g.key.title, g.members.len())).collect();
    assert_eq!(groups, [("r1", 2), ("r1", 2)], "two clusters may have a rack of the same name");
    keys(&mut state, "l");
    assert!(sight(&state).contains("DiskFull"), "{}", sight(&state));
}
