//! Operations whose process is killed at every single step.

use crate::child::{Deed, Order};
use crate::desk::{Desk, make, quiet_fleet};
use crate::law::assert_law;
use iaasmon::demo::Demo;
use std::collections::BTreeSet;
use std::os::unix::process::ExitStatusExt as _;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// So many rounds at a time; each waits for processes most of its life.
const THREADS: usize = 4;

/// Kills `deed` at its first, second, ... step until one run is over before its turn comes, once to be resumed and
/// once to be taken back at once. Returns the kinds of steps that were cut.
fn kill_at_every_step(demo: &Demo, deed: Deed) -> BTreeSet<String> {
    let (next, last) = (AtomicUsize::new(0), AtomicUsize::new(usize::MAX));
    let cut = Mutex::new(BTreeSet::new());
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                loop {
                    let round = next.fetch_add(1, Ordering::SeqCst);
                    if round / 2 >= last.load(Ordering::SeqCst) {
                        break;
                    }
                    match one_round(demo, deed, round / 2, round % 2 == 1) {
                        Some(step) => drop(cut.lock().unwrap().insert(step)),
                        None => drop(last.fetch_min(round / 2, Ordering::SeqCst)),
                    }
                }
            });
        }
    });
    cut.into_inner().unwrap()
}

/// Kills one operation at one step; `None` if it ended before. Returns the name of the step.
fn one_round(demo: &Demo, deed: Deed, step: usize, take_back: bool) -> Option<String> {
    let comment = format!("INC-{deed:?}-{step}-{take_back}");
    if deed != Deed::Add {
        make(demo, &comment);
    }
    let desk = Desk::on(demo);
    let order = Order {
        config: desk.config.clone(),
        journals: desk.journals(),
        deed,
        comment: comment.clone(),
        kill_at: Some(step),
        kill_on: None,
        stop_at: None,
    };
    let output = order.start().wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let steps = order.steps();
    if output.status.success() {
        assert!(steps.len() <= step, "{said}");
        return None;
    }
    assert_eq!(output.status.signal(), Some(9), "{said}");
    let done = steps.iter().filter(|step| step.contains("what: Done")).count();
    let (op, state) = desk.newest();
    assert_eq!(state == "unfinished", done < 2, "{state} after {steps:#?}");

    let did = if take_back { ["undo", &op, "--yes"] } else { ["resume", &op, "--yes"] };
    if !take_back {
        assert_asked(&desk, &op);
    }
    let outcome = desk.silence(&did);
    assert_eq!(
        outcome.code,
        Some(0),
        "{comment}: {did:?} after {steps:#?}\n{}{}",
        outcome.stdout,
        outcome.stderr
    );
    assert_law(demo, deed, &comment, take_back);
    if !take_back {
        let dry = desk.silence(&["resume", &op, "--dry-run"]);
        assert_eq!((dry.code, &*dry.stdout), (Some(0), ""), "{comment}: {}", dry.stderr);
        let again = desk.silence(&["resume", &op]);
        assert_eq!(again.code, Some(0), "{comment}: {}{}", again.stdout, again.stderr);
        assert_law(demo, deed, &comment, false);
        let undone = desk.silence(&["undo", &op, "--yes"]);
        assert_eq!(undone.code, Some(0), "{comment}: {}{}", undone.stdout, undone.stderr);
        assert_law(demo, deed, &comment, true);
    }
    let refused = desk.silence(&["resume", &op, "--yes"]);
    assert_eq!(refused.code, Some(2), "{comment}: {}", refused.stdout);
    assert!(refused.stderr.contains("was taken back"), "{}", refused.stderr);
    assert_law(demo, deed, &comment, true);
    let name = steps.last()?.split("what: ").nth(1)?;
    Some(name.split(['(', ' ']).next()?.to_owned())
}

/// Asserts that a script is not obeyed without a word where anything is left to be sent, and that this was shown.
fn assert_asked(desk: &Desk, op: &str) {
    let dry = desk.silence(&["resume", op, "--dry-run"]);
    assert_eq!(dry.code, Some(0), "{}", dry.stderr);
    let plain = desk.silence(&["resume", op]);
    match plain.code {
        Some(2) => {
            assert!(plain.stderr.contains("nobody is there to be asked"), "{}", plain.stderr);
            assert!(dry.stdout.contains("POST") || dry.stdout.contains("DELETE"), "{dry:?} {plain:?}");
        }
        // What is under way to the other member may have come meanwhile, so that less is left than was.
        code => {
            assert_eq!(code, Some(0), "{}{}", plain.stdout, plain.stderr);
            assert!(plain.stderr.contains("nothing is left to be sent"), "{}", plain.stderr);
        }
    }
}

fn names(steps: &[&str]) -> BTreeSet<String> {
    steps.iter().map(|&step| step.to_owned()).collect()
}

#[test]
fn live_an_addition_killed_at_any_step_is_finished_or_taken_back() {
    let cut = kill_at_every_step(&quiet_fleet(), Deed::Add);
    assert_eq!(cut, names(&["Journalled", "Sending", "Answered", "Written", "Verifying", "Done", "Ended"]));
}

#[test]
fn live_an_edit_killed_at_any_step_is_finished_or_taken_back() {
    let demo = quiet_fleet();
    let cut = kill_at_every_step(&demo, Deed::Edit);
    let all =
        ["Journalled", "Sending", "Answered", "Written", "Expiring", "Expired", "Verifying", "Done", "Ended"];
    assert_eq!(cut, names(&all));
    let cut = kill_at_every_step(&demo, Deed::Extend);
    assert_eq!(cut, names(&["Journalled", "Sending", "Answered", "Written", "Verifying", "Done", "Ended"]));
}

#[test]
fn live_an_expiry_killed_at_any_step_is_finished_or_taken_back() {
    let cut = kill_at_every_step(&quiet_fleet(), Deed::Expire);
    assert_eq!(cut, names(&["Journalled", "Expiring", "Expired", "Verifying", "Done", "Ended"]));
}
