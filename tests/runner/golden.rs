//! Our runner on the golden definitions, beside the log of the real sensu-client that ran the same ones.

use super::compare::{Group, Groups, groups};
use super::support::{SOON, await_until, soak};
use super::world::World;
use iaasmon::sys::clock;
use nix::sys::signal::Signal;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// For how long the original ran.
const SPAN: Duration = Duration::from_secs(201);

/// A group of lines in which we differ on purpose (DESIGN 5.5), and why.
struct Difference {
    message: &'static str,
    check: &'static str,
    why: &'static str,
}

const fn differs(message: &'static str, check: &'static str, why: &'static str) -> Difference {
    Difference { message, check, why }
}

const RESULT: &str = "publishing check result";
const EVERY: &str = "*";

/// Everything in which the two logs may differ; an entry that is no difference any more fails the test.
const DIFFERENCES: &[Difference] = &[
    differs("loading config file", "", "files load in sorted order, the original goes by the directory's"),
    differs(
        "config file applied changes",
        "",
        "files load in sorted order, the original goes by the directory's",
    ),
    differs("loading config files from directory", "", "the folder is another one"),
    differs("scheduled checks", "", "ours alone: a reader learns which checks are gone"),
    differs(RESULT, "utf8_jp", "text outside ASCII in definitions is kept"),
    differs(RESULT, "utf8_cmd", "text outside ASCII in definitions is kept"),
    differs(RESULT, "all_attrs", "text outside ASCII in definitions is kept"),
    differs(RESULT, "hooks", "a missing token in a hook is missing in every run, not only in the first"),
    differs(RESULT, "hooks_clean", "results of earlier hooks do not stay in later results"),
    differs(
        RESULT,
        "token_missing_nested_attr",
        "a missing token is missing in every run, not only in the first",
    ),
    differs(RESULT, "utf8_20k", "taken out of the golden log for its size"),
    differs("received signal", "", "the golden client was stopped otherwise"),
    differs("stopping", "", "the golden client was stopped otherwise"),
    differs("completing checks in progress", "", "the golden client was stopped otherwise"),
    differs("closing client sockets", "", "the golden client was stopped otherwise"),
    differs("stopping reactor", "", "the golden client was stopped otherwise"),
    differs(RESULT, "env", "the environment is another one"),
    differs(RESULT, "huge_1mb", "taken out of the golden log for its size"),
    differs(RESULT, "sock_big", "taken out of the golden log for its size"),
    differs(RESULT, "subscription_check", "there is no server that would request it: it is scheduled here"),
    differs("discarding data buffer for sender and closing connection", "", "the words of another parser"),
    differs("failed to process check result from socket", "", "the words of another parser"),
    differs("http socket error while processing request", "", "there is no backtrace of Ruby"),
];

/// What is compared only where both have it: the golden log was at level debug for twelve seconds, in which not every check ran.
/// Their definitions are what the original had written into them by then: `debug` lines of checks with hooks and tokens differ.
const SOMETIMES: &[&str] =
    &["processing check", "attempting to execute check command", "attempting to execute check hook"];

fn reason(message: &str, check: &str) -> Option<&'static str> {
    // A line of level debug holds the same definition as the check's results.
    let message = if SOMETIMES.contains(&message) { RESULT } else { message };
    let same = |difference: &&Difference| {
        difference.message == message && (difference.check == EVERY || difference.check == check)
    };
    DIFFERENCES.iter().find(same).map(|difference| difference.why)
}

/// The names of all checks that have a result.
fn results(log: &[u8]) -> BTreeSet<String> {
    groups(log).into_keys().filter(|(_, message, _)| message == RESULT).map(|(_, _, check)| check).collect()
}

#[test]
fn the_log_is_the_originals_but_for_what_is_listed() {
    let golden = std::fs::read("fixtures/golden/sensu-client.log").expect("the golden log");
    let world = World::golden();
    let started = clock::instant();
    let mut runner = world.start(&[]);
    world.await_log("scheduled checks");
    super::sockets::submit_everything(&world);
    runner.signal(Signal::SIGTRAP);
    // Every check runs at least once within the longest interval, 60 seconds, and the slowest takes seven.
    let all = results(&golden);
    let missing = || -> Vec<String> {
        let ran = results(&world.log());
        all.iter().filter(|name| !ran.contains(*name) && reason(RESULT, name).is_none()).cloned().collect()
    };
    assert!(await_until(Duration::from_secs(100), || missing().is_empty()), "never ran: {:?}", missing());
    // Those whose status changes from run to run, four of them at five seconds each.
    let flips = |log: &[u8]| {
        groups(log).iter().filter(|((_, _, check), _)| check == "flip").map(|(_, lines)| lines.len()).max()
    };
    assert!(await_until(SOON, || flips(&world.log()) >= flips(&golden)));
    runner.signal(Signal::SIGTRAP);
    if soak::factor() > 1 {
        assert!(await_until(SPAN, || started.elapsed() >= SPAN));
        let checks = runs(&world.log()).len();
        soak::report("checks of the golden run beside the real sensu-client", 1, checks, started.elapsed());
    }
    let (span, theirs, ours) = (started.elapsed(), runs(&golden), runs(&world.log()));
    runner.end();
    compare(&groups(&golden), &groups(&world.log()));
    same_pace(&theirs, &ours, span);
}

/// Fails where a check ran more or less often than the original had it run in the same time.
fn same_pace(theirs: &BTreeMap<String, Vec<i64>>, ours: &BTreeMap<String, Vec<i64>>, span: Duration) {
    let first = theirs.values().flatten().min().expect("runs");
    let end = first + i64::try_from(span.as_secs()).expect("minutes");
    for (name, ran) in theirs.iter().filter(|(name, _)| reason(RESULT, name).is_none()) {
        let expected = ran.iter().filter(|executed| **executed <= end).count();
        let got = ours.get(name).map_or(0, Vec::len);
        // Its place in the interval goes by the wall clock, so that either end may hold one more; what goes on while it
        // is due leaves out one, or two.
        assert!(
            got.abs_diff(expected) <= 2,
            "{name} ran {got} times in {span:?}, the original {expected} times"
        );
    }
}

/// When each check ran, in seconds; what came by a socket is left out, for it says any time.
fn runs(log: &[u8]) -> BTreeMap<String, Vec<i64>> {
    let mut runs = BTreeMap::<String, Vec<i64>>::new();
    for line in log.split(|byte| *byte == b'\n') {
        let Ok(line) = serde_json::from_str::<serde_json::Value>(&String::from_utf8_lossy(line)) else {
            continue;
        };
        let check = &line["payload"]["check"];
        let (Some(name), Some(executed)) = (check["name"].as_str(), check["executed"].as_i64()) else {
            continue;
        };
        if line["message"] == RESULT && check["interval"].is_u64() && check["issued"].is_i64() {
            runs.entry(name.to_owned()).or_default().push(executed);
        }
    }
    runs
}

/// Fails with every line that one side alone has, unless it is listed.
fn compare(golden: &Groups, ours: &Groups) {
    let (mut unexpected, mut unused) = (String::new(), used_up());
    let all: BTreeSet<&Group> = golden.keys().chain(ours.keys()).collect();
    for group in all {
        let (level, message, check) = group;
        let none = BTreeSet::new();
        let (theirs, mine) = (golden.get(group).unwrap_or(&none), ours.get(group).unwrap_or(&none));
        let sometimes = SOMETIMES.contains(&message.as_str()) || level == "debug";
        let written_into = ["hook_timeout", "token_in_attr"].contains(&check.as_str());
        if theirs == mine || sometimes && (theirs.is_empty() || mine.is_empty() || written_into) {
            continue;
        }
        unused.remove(&(message.as_str(), check.as_str()));
        if reason(message, check).is_some() {
            continue;
        }
        unexpected.push_str(&format!("## {level} {message} {check}\n"));
        for (side, lines) in [("- theirs", theirs - mine), ("+ ours  ", mine - theirs)] {
            for line in lines.iter().take(2) {
                let line: String = String::from_utf8_lossy(line).chars().take(700).collect();
                unexpected.push_str(&format!("  {side} {line}\n"));
            }
        }
    }
    assert!(unexpected.is_empty(), "{unexpected}");
    // Whether these ran by the end is a matter of their splay.
    unused.retain(|(_, check)| !["huge_1mb", "utf8_20k"].contains(check));
    assert!(unused.is_empty(), "listed as differences and are none: {unused:?}");
}

/// The listed differences, to be struck off.
fn used_up() -> BTreeSet<(&'static str, &'static str)> {
    DIFFERENCES.iter().filter(|one| one.check != EVERY).map(|one| (one.message, one.check)).collect()
}
