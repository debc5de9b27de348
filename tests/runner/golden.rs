//! Our runner on the golden definitions, beside the log of the real sensu-client that ran the same ones.

use super::compare::{Group, Groups, groups};
use super::support::{SOON, await_until, soak};
use super::world::World;
use iaasmon::sys::clock;
use nix::sys::signal::Signal;
use regex::bytes::Regex;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// For how long the original ran.
const SPAN: Duration = Duration::from_secs(201);

/// A group of lines in which we differ on purpose (DESIGN 5.5), how, and why.
struct Difference {
    message: &'static str,
    check: &'static str,
    excuse: Excuse,
    why: &'static str,
}

/// How far two groups of lines may differ.
enum Excuse {
    /// The golden log has no such lines.
    OursAlone,
    /// Every line of ours is one of theirs.
    Fewer,
    /// They are the same once these patterns are replaced on both sides; a line of which nothing is left is none.
    But(&'static [(&'static str, &'static str)]),
}

use Excuse::{But, Fewer, OursAlone};

impl Excuse {
    fn covers(&self, theirs: &BTreeSet<Vec<u8>>, mine: &BTreeSet<Vec<u8>>) -> bool {
        match self {
            OursAlone => theirs.is_empty(),
            Fewer => !mine.is_empty() && mine.is_subset(theirs),
            But(patterns) => replaced(theirs, patterns) == replaced(mine, patterns),
        }
    }
}

fn replaced(lines: &BTreeSet<Vec<u8>>, patterns: &[(&str, &str)]) -> BTreeSet<Vec<u8>> {
    let replace = |line: Vec<u8>, (pattern, mask): &(&str, &str)| {
        Regex::new(pattern).expect("a pattern").replace_all(&line, mask.as_bytes()).into_owned()
    };
    let lines = lines.iter().map(|line| patterns.iter().fold(line.clone(), replace));
    lines.filter(|line| !line.is_empty()).collect()
}

const fn differs(
    message: &'static str,
    check: &'static str,
    excuse: Excuse,
    why: &'static str,
) -> Difference {
    Difference { message, check, excuse, why }
}

const RESULT: &str = "publishing check result";
const ORDER: &str = "files load in sorted order, the original goes by the directory's";
const ASCII: &str = "text outside ASCII in definitions is kept";
const TOKEN: &str = "a missing token is missing in every run, not only in the first";
const SIZE: &str = "taken out of the golden log for its size";
const STOPPED: &str = "the golden client was stopped otherwise";
const PARSER: &str = "the words of another parser";

/// What a hook came to stays in the original's later results: it is taken out where the status chose another one.
const LEFT_OVER: &[(&str, &str)] = &[
    (
        r#"("1":\{"command":"[^"]*"),"executed":N,"duration":D,"output":"(?:[^"\\]|\\.)*","status":\d(\}.*"status":[^1]\}\}\}$)"#,
        "$1$2",
    ),
    (
        r#"("critical":\{"command":"[^"]*"),"executed":N,"duration":D,"output":"(?:[^"\\]|\\.)*","status":\d(\}.*"status":[^2]\}\}\}$)"#,
        "$1$2",
    ),
    (
        r#"("non-zero":\{"command":"[^"]*"),"executed":N,"duration":D,"output":"(?:[^"\\]|\\.)*","status":\d(\}.*"status":[^3]\}\}\}$)"#,
        "$1$2",
    ),
];

/// Everything in which the two logs may differ; an entry that is no difference any more fails the test.
const DIFFERENCES: &[Difference] = &[
    differs(
        "loading config file",
        "",
        But(&[(r#""file":"[^"]*/conf\.d/"#, "F/")]),
        "the folder is another one",
    ),
    differs("config file applied changes", "", But(&[(r#""file":.*"#, "CHANGES")]), ORDER),
    differs(
        "loading config files from directory",
        "",
        But(&[(r#""directory":"[^"]*/conf\.d""#, "D")]),
        "the folder is another one",
    ),
    differs("scheduled checks", "", OursAlone, "a reader learns which checks are gone"),
    differs(RESULT, "utf8_jp", But(&[(r#""(説明|notification)":"[^"]*""#, "$1")]), ASCII),
    differs(RESULT, "utf8_cmd", But(&[(r#""output":"[^"]* 日本"#, "OUTPUT")]), ASCII),
    differs(RESULT, "all_attrs", But(&[(r#""playbook":"[^"]*""#, "PLAYBOOK")]), ASCII),
    differs(RESULT, "hooks", Fewer, TOKEN),
    differs(RESULT, "hooks_clean", But(LEFT_OVER), "results of earlier hooks do not stay in later results"),
    differs(RESULT, "token_missing_nested_attr", Fewer, TOKEN),
    differs(
        RESULT,
        "env",
        But(&[(r#""output":"(?:[^"\\]|\\.)*""#, "OUTPUT")]),
        "the environment is another one",
    ),
    differs(RESULT, "utf8_20k", OursAlone, SIZE),
    differs(RESULT, "huge_1mb", OursAlone, SIZE),
    differs(RESULT, "sock_big", OursAlone, SIZE),
    differs(RESULT, "subscription_check", OursAlone, "no server would request it: it is scheduled here"),
    differs("received signal", "", OursAlone, STOPPED),
    differs("stopping", "", OursAlone, STOPPED),
    differs("completing checks in progress", "", OursAlone, STOPPED),
    differs("closing client sockets", "", OursAlone, STOPPED),
    differs("stopping reactor", "", OursAlone, STOPPED),
    differs(
        "discarding data buffer for sender and closing connection",
        "",
        // The original says it of a connection that was answered with "pong", too.
        But(&[
            (r#"^.*"data":"","parse_error":null\}$"#, ""),
            (r#""parse_error":"(?:[^"\\]|\\.)*""#, "WORDS"),
        ]),
        PARSER,
    ),
    differs(
        "failed to process check result from socket",
        "",
        But(&[(r#"("data":"junk","error":)"[^"]*""#, "${1}WORDS")]),
        PARSER,
    ),
    differs(
        "http socket error while processing request",
        "",
        But(&[(r#""backtrace":\[.*\]"#, "BACKTRACE")]),
        "there is no backtrace of Ruby",
    ),
];

/// What is compared only where both have it: the golden log was at level debug for twelve seconds, in which not every check ran.
const SOMETIMES: &[&str] =
    &["processing check", "attempting to execute check command", "attempting to execute check hook"];

/// Into the definitions of these the original had written hooks and substituted tokens by then: their lines of level debug differ.
const WRITTEN_INTO: &[&str] =
    &["hook_timeout", "hooks", "hooks_clean", "token_in_attr", "token_missing_nested_attr"];

fn difference(message: &str, check: &str) -> Option<&'static Difference> {
    DIFFERENCES.iter().find(|difference| difference.message == message && difference.check == check)
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
        all.difference(&ran).cloned().collect()
    };
    assert!(await_until(Duration::from_secs(100), || missing().is_empty()), "never ran: {:?}", missing());
    // Those whose status changes from run to run: four of them at five seconds each.
    let flipped = |name: &str| {
        let log = groups(&world.log());
        let results = log.iter().filter(|((_, message, check), _)| message == RESULT && check == name);
        results.map(|(_, lines)| lines.len()).sum::<usize>() >= 4
    };
    assert!(await_until(SOON, || flipped("flip") && flipped("hooks_clean")));
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
    for (name, ran) in theirs.iter().filter(|(name, _)| difference(RESULT, name).is_none()) {
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
        let written_into = WRITTEN_INTO.contains(&check.as_str());
        if theirs == mine || sometimes && (theirs.is_empty() || mine.is_empty() || written_into) {
            continue;
        }
        unused.remove(&(message.as_str(), check.as_str()));
        let difference = difference(message, check);
        if difference.is_some_and(|difference| difference.excuse.covers(theirs, mine)) {
            continue;
        }
        let but = difference.map(|difference| format!(" (more than: {})", difference.why));
        unexpected.push_str(&format!("## {level} {message} {check}{}\n", but.unwrap_or_default()));
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
    DIFFERENCES.iter().map(|one| (one.message, one.check)).collect()
}
