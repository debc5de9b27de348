//! What became of operations, and what can be done about them.

use super::*;

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
    let undone = Standing { undone: Some(OpId::new(now())), ..standing(applied("5-west")) };
    let cases = [
        (standing(applied("5-west")), false, true),
        (standing(Progress { sent: ["am-1".into()].into(), ..Progress::default() }), true, true),
        (untouched("west"), true, false),
        (undone, false, false),
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
