use super::*;
use crate::fleet::silence::fixtures::*;
use crate::fleet::silence::{group, preview};

fn op() -> OpId {
    OpId::new(now())
}

fn one(copies: Vec<SilenceCopy>) -> LogicalSilence {
    let mut all = group(copies);
    assert_eq!(all.len(), 1);
    all.remove(0)
}

fn edited(silence: &LogicalSilence, change: &Change) -> Operation {
    edit(silence, change, Kind::Edit, op(), now())
}

fn two_clusters() -> LogicalSilence {
    one(vec![
        silence("east", "aaaaaaaa", vec![equal("rack", "r1"), equal("alertname", "NodeDown")]),
        silence("west", "bbbbbbbb", vec![equal("alertname", "NodeDown"), equal("rack", "r1")]),
    ])
}

#[test]
fn added_silences_carry_the_operation_and_know_what_was_there() {
    let mut all = [facts("east", vec![alert("east", "NodeDown", "n1", "critical")], vec![])];
    let draft = draft(vec![equal("alertname", "NodeDown")]);
    all[0].silences = vec![silence("east", "aaaaaaaa", draft.matchers.clone())];
    all[0].silences[0].silence.created_by = "me".into();
    all[0].silences[0].silence.comment = "INC-1".into();
    let op = op();
    let planned = add(&draft, &preview(&draft, &all), &all, op, now());
    assert_eq!(planned.tasks.len(), 1);
    let write = planned.tasks[0].write.as_ref().expect("something is written");
    assert_eq!((write.starts_at, write.ends_at), (now(), op.stamp(draft.ends_at)));
    assert_eq!(planned.tasks[0].before, ["aaaaaaaa".into()]);
}

#[test]
fn a_new_end_is_written_in_place_with_each_copys_own_start_and_order() {
    let silence = two_clusters();
    let planned = edited(&silence, &Change { ends_at: Some(now() + hours(3)), ..Change::default() });
    assert_eq!(planned.tasks.len(), 2);
    for (task, copy) in planned.tasks.iter().zip(&silence.copies) {
        let write = task.write.as_ref().expect("written");
        assert_eq!(task.onto.as_ref().expect("in place").id, copy.silence.id);
        assert_eq!((&write.matchers, write.starts_at), (&copy.silence.matchers, copy.silence.starts_at));
        assert!(task.expire.is_empty());
    }
}

#[test]
fn new_matchers_make_a_new_silence_before_the_old_one_expires() {
    // Also where only their order changes: Alertmanager compares in order.
    let change = Change {
        matchers: Some(vec![equal("alertname", "NodeDown"), equal("rack", "r1")]),
        ..Change::default()
    };
    let planned = edited(&two_clusters(), &change);
    assert_eq!(planned.tasks[0].onto, None);
    assert_eq!(planned.tasks[0].expire[0].id, "aaaaaaaa".into());
    assert_eq!(planned.tasks[0].write.as_ref().expect("written").starts_at, now(), "no gap and no past");
    assert!(planned.tasks[1].onto.is_some(), "west has this order already");
}

#[test]
fn an_expired_silence_is_made_anew_and_an_expired_copy_alone_stays_so() {
    let mut copies = two_clusters().copies;
    let later = Change { ends_at: Some(now() + hours(3)), ..Change::default() };
    copies[1].silence.state = SilenceState::Expired;
    copies[1].silence.ends_at = now() - hours(1);
    let planned = edited(&one(copies.clone()), &later);
    assert_eq!(planned.tasks.iter().map(|t| t.cluster.as_str()).collect::<Vec<_>>(), ["east"]);
    copies[0].silence.state = SilenceState::Expired;
    copies[0].silence.ends_at = now() - hours(1);
    let planned = edited(&one(copies), &later);
    assert_eq!(planned.tasks.len(), 2);
    assert!(planned.tasks.iter().all(|t| t.onto.is_none() && t.expire.is_empty() && t.write.is_some()));
}

#[test]
fn a_pending_silence_about_to_start_is_not_changed_in_place() {
    let mut copies = two_clusters().copies;
    for (copy, seconds) in copies.iter_mut().zip([5, 600]) {
        copy.silence.state = SilenceState::Pending;
        copy.silence.starts_at = now() + chrono::TimeDelta::seconds(seconds);
    }
    let silence = LogicalSilence { copies, ..two_clusters() };
    let planned = edited(&silence, &Change { comment: Some("INC-2".into()), ..Change::default() });
    assert_eq!(planned.tasks.iter().map(|t| t.onto.is_some()).collect::<Vec<_>>(), [false, true]);
}

#[test]
fn expiring_ends_every_copy_in_force_twins_too() {
    let mut copies = two_clusters().copies;
    copies.push(silence("west", "cccccccc", vec![equal("rack", "r1"), equal("alertname", "NodeDown")]));
    let planned = expire(&one(copies), op(), now());
    let ids: Vec<Vec<&str>> =
        planned.tasks.iter().map(|t| t.expire.iter().map(|seen| &*seen.id).collect()).collect();
    assert_eq!(ids, [vec!["aaaaaaaa"], vec!["bbbbbbbb", "cccccccc"]]);
}

#[test]
fn undoing_an_end_makes_it_again_and_undoing_a_change_restores_it() {
    let silence = two_clusters();
    let ended = expire(&silence, op(), now());
    let applied = [("east".into(), None), ("west".into(), None)];
    let back = undo(&ended, &applied, &[], op(), now());
    assert_eq!(back.tasks.len(), 2);
    let write = back.tasks[0].write.as_ref().expect("made again");
    assert_eq!((write.matchers.len(), write.ends_at.timestamp()), (2, (now() + hours(1)).timestamp()));

    let changed = edited(&silence, &Change { ends_at: Some(now() + hours(9)), ..Change::default() });
    let applied = [("east".into(), Some("aaaaaaaa".into()))];
    let mut copies = silence.copies.clone();
    copies[0].silence.ends_at = now() + hours(9);
    let back = undo(&changed, &applied, &copies, op(), now());
    assert_eq!(back.tasks.len(), 1);
    assert_eq!(back.tasks[0].write.as_ref().expect("restored").ends_at, now() + hours(1));
    assert_eq!(back.tasks[0].onto.as_ref().expect("in place").id, "aaaaaaaa".into());
}

#[test]
fn undoing_an_addition_expires_it_unless_that_happened() {
    let all = [facts("east", vec![alert("east", "NodeDown", "n1", "critical")], vec![])];
    let draft = draft(vec![equal("alertname", "NodeDown")]);
    let added = add(&draft, &preview(&draft, &all), &all, op(), now());
    let applied = [("east".into(), Some("aaaaaaaa".into()))];
    let mut there = vec![silence("east", "aaaaaaaa", draft.matchers)];
    let back = undo(&added, &applied, &there, op(), now());
    assert_eq!(back.tasks[0].expire[0].id, "aaaaaaaa".into());
    there[0].silence.state = SilenceState::Expired;
    assert!(undo(&added, &applied, &there, op(), now()).tasks.is_empty());
}

#[test]
fn an_operation_survives_its_journal() {
    let silence = two_clusters();
    let mut planned = edited(&silence, &Change { ends_at: Some(now() + hours(3)), ..Change::default() });
    planned.skipped.push(("north".into(), "read-only".into()));
    planned.tasks[0].write.as_mut().expect("written").matchers.push(Matcher::new(
        "q",
        MatchOp::NotRegex,
        "a\"\n(",
    ));
    let line = serde_json::to_string(&planned).expect("JSON");
    assert!(!line.contains('\n'));
    assert_eq!(serde_json::from_str::<Operation>(&line).expect("read"), planned);
}
