use super::*;
use crate::fleet::silence::fixtures::now;
use crate::fleet::silence::operation::{Content, Kind};
use crate::fleet::silence::record::Replication;

fn operation(op: OpId, began: Timestamp) -> Operation {
    let task =
        Task { cluster: "east".into(), write: None, onto: None, expire: Vec::new(), before: Vec::new() };
    Operation { op, kind: Kind::Expire, began, tasks: vec![task], skipped: Vec::new() }
}

/// Writes the journal of an operation that began so many days ago, with these lines after its plan.
fn journal(folder: &Path, days: i64, records: &[Record]) -> OpId {
    let began = now() - TimeDelta::days(days);
    let op = OpId::new(began);
    let mut journal = Journal::create(folder, &op.to_string()).expect("created");
    let begin = Record::Begin { v: VERSION, operation: operation(op, began) };
    for record in [&begin].into_iter().chain(records) {
        journal.append(&line(record)).expect("written");
    }
    op
}

fn done(outcome: Outcome) -> Record {
    Record::Done { cluster: "east".into(), outcome }
}

#[test]
fn old_journals_go_unless_somebody_may_need_them() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    let failed = || done(Outcome::Failed { why: "refused".into(), silent: false });
    let unknown = || done(Outcome::Unknown { why: "no answer".into() });
    let by = OpId::new(now());
    let ended = journal(folder, 100, &[failed()]);
    let partly = journal(folder, 101, &[unknown(), Record::Undone { by }]);
    let unfinished = journal(folder, 102, &[unknown()]);
    let never_begun = journal(folder, 103, &[]);
    let young = journal(folder, 89, &[failed()]);
    let busy = journal(folder, 104, &[failed()]);
    let (held, _) = Journal::open(folder, &busy.to_string()).expect("opened");
    let damaged = OpId::new(now() - TimeDelta::days(105));
    std::fs::write(Journal::path_of(folder, &damaged.to_string()), "not a journal\n").expect("written");
    let before = operations(folder).expect("listed");
    assert_eq!(before.len(), 7);
    assert!(before.contains(&partly), "{partly}");

    let new = OpId::new(now());
    begin(folder, operation(new, now())).expect("begun");
    let after = operations(folder).expect("listed");
    assert_eq!(after, [damaged, busy, never_begun, unfinished, partly, young, new], "{ended} is gone");
    drop(held);
}

#[test]
fn a_folder_that_cannot_be_cleared_up_hinders_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let old = OpId::new(now() - TimeDelta::days(200));
    std::fs::create_dir(Journal::path_of(folder.path(), &old.to_string())).expect("made");
    let new = OpId::new(now());
    begin(folder.path(), operation(new, now())).expect("begun");
    assert_eq!(operations(folder.path()).expect("listed"), [old, new]);
}

#[test]
fn an_old_operation_is_needed_as_long_as_its_silence_lasts_or_its_undo_is_not_done_everywhere() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    let applied = || done(Outcome::Applied { id: None, replication: Replication::Done, notes: Vec::new() });
    let failed = || done(Outcome::Failed { why: "refused".into(), silent: false });
    let needs_nobody = |op| needs_nobody(&load(folder, op).expect("read").expect("a plan").0, folder, now());

    let (back, half) = (journal(folder, 10, &[applied()]), journal(folder, 11, &[failed()]));
    assert!(needs_nobody(journal(folder, 101, &[applied(), Record::Undone { by: back }])));
    assert!(!needs_nobody(journal(folder, 102, &[applied(), Record::Undone { by: half }])));
    // The undo was for another cluster; this one was in doubt.
    let unknown = done(Outcome::Unknown { why: "no answer".into() });
    let elsewhere = OpId::new(now());
    assert!(!needs_nobody(journal(folder, 103, &[unknown, Record::Undone { by: elsewhere }])));

    let mut standing = load(folder, back).expect("read").expect("a plan").0;
    let content = |days| Content {
        matchers: Vec::new(),
        starts_at: now(),
        ends_at: now() + TimeDelta::days(days),
        created_by: "kim".into(),
        comment: "INC-1".into(),
    };
    for (days, over) in [(-1, true), (1, false)] {
        standing.operation.tasks[0].write = Some(content(days));
        assert_eq!(super::needs_nobody(&standing, folder, now()), over, "{days}");
    }
}
