use super::{Entry, FEW_WORDS, Key, Latest, MOST_CHECKS, MOST_WORDS, Run, Took};
use crate::model::time::Timestamp;
use crate::sys::clock::{self, Moment};
use proptest::prelude::*;
use std::sync::Arc;
use std::time::Duration;

fn at(seconds: i64) -> Timestamp {
    chrono::DateTime::from_timestamp(seconds, 0).expect("a time")
}

fn line(check: &str, executed: i64, status: i64, output: &str) -> String {
    format!(
        r#"{{"timestamp":"2026-11-23T06:40:25.675998+0000","level":"info","message":"publishing check result","payload":{{"client":"n1","check":{{"command":"x","interval":10,"name":"{check}","issued":{executed},"executed":{executed},"duration":0.5,"output":"{output}","status":{status}}}}}}}"#
    )
}

fn key(check: &str) -> Key {
    Key { source: None, check: check.into() }
}

fn take(latest: &mut Latest, log: u16, line: &str, now: i64) -> (Took, Option<Run>) {
    let mut told = None;
    let took = latest.take(log, line.as_bytes(), at(now), &mut |_, _, run, _| told = Some(run));
    (took, told)
}

#[test]
fn the_newest_result_is_kept_with_what_it_follows_from() {
    let mut latest = Latest::new(1, 5);
    for (executed, status) in [(100, 0), (110, 2), (120, 2)] {
        let (took, _) = take(&mut latest, 0, &line("disk", executed, status, "a\\nlong output"), 200);
        assert_eq!(took, Took::Result);
    }
    let entry = latest.get(&key("disk")).expect("known");
    assert_eq!((entry.status, entry.executed, entry.occurrences, entry.runs), (2, at(120), 2, 3));
    assert_eq!((entry.status_since, entry.last_ok), (at(110), Some(at(100))));
    assert_eq!(entry.history.as_bytes(), [0, 2, 2]);
    assert_eq!((&*entry.output, entry.output_bytes), (&b"a\n"[..], 13));
    assert!(String::from_utf8_lossy(&entry.fields).contains(r#""output":"","status":2}"#));
}

#[test]
fn the_last_run_with_a_status_is_told_again_with_its_output() {
    let mut latest = Latest::new(1, 100);
    let mut told = Vec::new();
    for (executed, status, output) in [(100, 0, "a"), (110, 0, "b"), (120, 2, "b"), (130, 0, "c")] {
        latest.take(
            0,
            line("disk", executed, status, output).as_bytes(),
            at(200),
            &mut |_, _, run, ended| {
                told.push((run.number, run.changed));
                told.extend(ended.map(|(run, output)| {
                    assert_eq!(&*output, b"b");
                    (run.number, run.changed)
                }));
            },
        );
    }
    assert_eq!(told, [(1, true), (2, false), (3, true), (2, false), (4, true), (3, true)]);
}

#[test]
fn in_one_log_the_order_is_the_truth_and_between_logs_the_time() {
    let mut latest = Latest::new(2, 100);
    take(&mut latest, 0, &line("a", 1000, 0, "x"), 1000);
    // The clock went back.
    assert_eq!(take(&mut latest, 0, &line("a", 500, 1, "y"), 500).0, Took::Result);
    assert_eq!(latest.get(&key("a")).expect("known").status, 1);
    assert_eq!(take(&mut latest, 1, &line("a", 400, 2, "z"), 500).0, Took::Older);
    assert_eq!(take(&mut latest, 1, &line("a", 510, 2, "z"), 520).0, Took::Result);
    assert_eq!(latest.get(&key("a")).expect("known").log, 1);
}

#[test]
fn a_result_from_the_future_counts_as_arriving_now() {
    let mut latest = Latest::new(1, 100);
    take(&mut latest, 0, &line("a", 99_999_999_999, 0, "x"), 1000);
    take(&mut latest, 0, &line("b", 1060, 0, "x"), 1000);
    assert_eq!(latest.get(&key("a")).expect("known").executed, at(1000));
    assert_eq!(latest.get(&key("b")).expect("known").executed, at(1060));
}

#[test]
fn checks_that_are_no_longer_scheduled_are_gone_and_others_stay() {
    let mut latest = Latest::new(2, 100);
    let scheduled = |names: &str| format!(r#"{{"message":"scheduled checks","checks":[{names}]}}"#);
    take(&mut latest, 0, &scheduled(r#""a","b""#), 0);
    for (log, check) in [(0, "a"), (0, "b"), (1, "of-another-log")] {
        take(&mut latest, log, &line(check, 10, 0, "x"), 10);
    }
    take(&mut latest, 0, &line("by-socket", 10, 0, "x").replace(r#""command":"x","#, ""), 10);
    take(&mut latest, 0, &scheduled(r#""b""#), 20);
    let mut left: Vec<&str> = latest.iter().map(|(key, _)| &*key.check).collect();
    left.sort_unstable();
    assert_eq!(left, ["b", "by-socket", "of-another-log"]);
    assert_eq!(take(&mut latest, 0, &line("a", 21, 0, "x"), 21).0, Took::Other, "it was still running");
    let sent = line("a", 22, 0, "x").replace(r#""interval":10,"#, "");
    assert_eq!(take(&mut latest, 0, &sent, 22).0, Took::Result, "somebody else tells it");
    take(&mut latest, 0, &scheduled(r#""a","b""#), 30);
    assert_eq!(take(&mut latest, 0, &line("a", 31, 0, "x"), 31).0, Took::Result, "it is back");
}

#[test]
fn names_that_somebody_makes_up_leave_room_for_what_is_scheduled() {
    let mut latest = Latest::new(1, 100);
    let took = |latest: &mut Latest, check: &str| take(latest, 0, &line(check, 0, 0, "x"), 0).0;
    take(&mut latest, 0, r#"{"message":"scheduled checks","checks":["mine"]}"#, 0);
    for number in 0..MOST_CHECKS / 2 {
        assert_eq!(took(&mut latest, &format!("made-up-{number}")), Took::Result);
    }
    assert_eq!(took(&mut latest, "one-more"), Took::Refused);
    assert_eq!(took(&mut latest, "mine"), Took::Result);
}

#[test]
fn a_dead_runner_is_one_fact_though_a_slow_check_still_holds() {
    let every = |check: &str, interval: i64, executed: i64| {
        line(check, executed, 0, "x").replace(r#""interval":10"#, &format!(r#""interval":{interval}"#))
    };
    let stale = |lines: &[String], now: i64| {
        let mut latest = Latest::new(1, 100);
        for line in lines {
            take(&mut latest, 0, line, 0);
        }
        let steady = clock::instant() + Duration::from_secs(now.unsigned_abs());
        latest.is_runner_stale(Moment { wall: at(now), steady })
    };
    let fast: Vec<String> = (0..4).map(|n| every(&format!("fast{n}"), 10, 0)).collect();
    let daily = [fast.clone(), vec![every("daily", 86_400, 0)]].concat();
    assert!(!stale(&daily, 59) && stale(&daily, 65), "most ran every 10 s, and nothing ran");
    let half = [fast.clone(), (0..4).map(|n| every(&format!("slow{n}"), 300, 0)).collect()].concat();
    assert!(!stale(&half, 100), "the slow ones are not due yet");
    assert!(stale(&half, 340), "they should have run");
}

#[test]
fn a_log_that_says_nothing_of_its_schedule_loses_what_fell_silent_while_it_went_on() {
    let mut latest = Latest::new(1, 100);
    for check in ["old", "other", "new"] {
        take(&mut latest, 0, &line(check, 0, 2, "x"), 0);
    }
    latest.retire(Duration::from_secs(60));
    assert_eq!(latest.len(), 3, "what a dead client said last is not forgotten");
    let mut latest = Latest::new(1, 100);
    for check in ["old", "other", "new"] {
        take(&mut latest, 0, &line(check, 0, 2, "x"), 0);
    }
    // A clock that jumps by a month forgets nothing.
    take(&mut latest, 0, &line("new", 2_600_000, 0, "x"), 2_600_000);
    latest.retire(Duration::from_secs(60));
    assert_eq!(latest.len(), 3);
    Arc::make_mut(latest.entries.get_mut(&key("new")).expect("known")).heard += Duration::from_secs(3600);
    latest.retire(Duration::from_secs(7200));
    assert_eq!(latest.len(), 3);
    latest.retire(Duration::from_secs(60));
    let mut gone = latest.take_gone();
    gone.sort_unstable();
    assert_eq!(gone, [key("old"), key("other")]);
    assert!(latest.get(&key("new")).is_some());
}

#[test]
fn what_was_removed_before_the_log_begins_is_gone_with_its_first_word_of_a_schedule() {
    let mut latest = Latest::new(1, 100);
    take(&mut latest, 0, &line("kept", 0, 0, "x"), 0);
    take(&mut latest, 0, &line("removed", 0, 0, "x"), 0);
    take(&mut latest, 0, &line("sent", 0, 0, "x").replace(r#""command":"x","#, ""), 0);
    take(&mut latest, 0, r#"{"message":"scheduled checks","checks":["kept"]}"#, 0);
    let mut left: Vec<&str> = latest.iter().map(|(key, _)| &*key.check).collect();
    left.sort_unstable();
    assert_eq!(left, ["kept", "sent"]);
}

#[test]
fn the_words_of_all_checks_are_bounded() {
    let mut latest = Latest::new(1, 1 << 20);
    let long = "word ".repeat(200_000);
    let count = |latest: &Latest| latest.iter().map(|(_, entry)| entry.words()).sum::<usize>();
    for number in 0..100 {
        take(&mut latest, 0, &line(&format!("a{number}"), 0, 0, &long), 0);
    }
    assert!(count(&latest) <= MOST_WORDS + (1 << 20) + 100 * 2 * FEW_WORDS, "{}", count(&latest));
    assert_eq!(latest.words, count(&latest));
    // The same checks with less to say make room again.
    for number in 0..100 {
        take(&mut latest, 0, &line(&format!("a{number}"), 10, 0, "short"), 10);
    }
    assert_eq!(latest.words, count(&latest));
    take(&mut latest, 0, &line("a0", 20, 0, &long), 20);
    assert_eq!(latest.get(&key("a0")).expect("known").output.len(), long.len());
}

#[test]
fn the_same_line_twice_is_one_result_and_an_empty_output_replaces_a_restored_one() {
    let mut latest = Latest::new(1, 100);
    take(&mut latest, 0, &line("a", 10, 2, "CRITICAL"), 10);
    assert_eq!(take(&mut latest, 0, &line("a", 10, 2, "CRITICAL"), 10).0, Took::Older);
    let entry = latest.get(&key("a")).expect("known");
    assert_eq!((entry.runs, entry.occurrences), (1, 1));
    let (name, restored) = Entry::unpack(&entry.pack(&key("a"), usize::MAX)).expect("our own");
    let mut latest = Latest::new(1, 100);
    latest.restore(name, restored, at(10));
    take(&mut latest, 0, &line("a", 20, 0, ""), 20);
    let entry = latest.get(&key("a")).expect("known");
    assert_eq!((&*entry.output, entry.output_bytes, entry.status), (&b""[..], 0, 0));
}

#[test]
fn a_long_output_is_cut_between_words() {
    let mut latest = Latest::new(1, 20);
    take(&mut latest, 0, &line("a", 10, 0, "see http://u:secret@host"), 10);
    assert_eq!(&*latest.get(&key("a")).expect("known").output, b"see ");
}

#[test]
fn the_runner_is_stale_when_nothing_holds() {
    let mut latest = Latest::new(1, 100);
    let begun = clock::instant();
    let after = |seconds: u64| Moment { wall: at(1000), steady: begun }.after(Duration::from_secs(seconds));
    assert!(latest.is_runner_stale(after(0)));
    take(&mut latest, 0, &line("a", 1000, 0, "x"), 1000);
    assert!(!latest.is_runner_stale(after(60)));
    assert!(latest.is_runner_stale(after(62)));
    // What came by a socket has no bound and says nothing of the runner.
    let unbounded = line("b", 1061, 0, "x").replace(r#""interval":10,"#, "");
    take(&mut latest, 0, &unbounded, 1061);
    assert!(latest.is_runner_stale(after(62)));
}

#[test]
fn a_jump_of_the_wall_clock_makes_no_result_older_or_younger() {
    let begun = clock::instant();
    for jump in [-30 * 86_400, -7200, 7200, 30 * 86_400] {
        let mut latest = Latest::new(1, 100);
        // The second is by cron, each minute.
        take(&mut latest, 0, &line("a", 100_000_000, 0, "x"), 100_000_000);
        let cron = line("b", 100_000_000, 0, "x").replace(r#""interval":10"#, r#""cron":"* * * * *""#);
        take(&mut latest, 0, &cron, 100_000_000);
        let now = |passed: u64| Moment {
            wall: at(100_000_000 + jump + passed.cast_signed()),
            steady: begun + Duration::from_secs(passed),
        };
        for check in ["a", "b"] {
            let judged = |passed| latest.get(&key(check)).expect("known").judge(false, now(passed));
            assert!(!judged(29).stale, "{check} {jump}");
            assert!(judged(100).stale, "{check} {jump}");
        }
        let age = latest.newest(now(29)).expect("known").num_seconds();
        assert!((28..=29).contains(&age), "{age} {jump}");
    }
}

#[test]
fn a_result_that_is_read_late_is_as_old_as_it_is() {
    let mut latest = Latest::new(1, 100);
    // The exporter was away for an hour; an entry of the store is no younger.
    take(&mut latest, 0, &line("a", 1000, 0, "x"), 4600);
    let now = Moment { wall: at(4600), steady: clock::instant() };
    let entry = latest.get(&key("a")).expect("known");
    assert!(entry.judge(false, now).stale);
    let (name, restored) = Entry::unpack(&entry.pack(&key("a"), usize::MAX)).expect("our own");
    let mut latest = Latest::new(1, 100);
    latest.restore(name, restored, at(4600));
    assert!(latest.get(&key("a")).expect("known").judge(false, now).stale);
}

#[test]
fn what_was_known_before_is_taken_over_where_it_is_newer() {
    let [mut anew, mut before] = [Latest::new(1, 100), Latest::new(1, 100)];
    for (check, kept, known) in [("newer-there", 20, 30), ("newer-here", 30, 20)] {
        take(&mut anew, 0, &line(check, kept, 0, "kept"), kept);
        take(&mut anew, 0, &line(check, kept + 1, 0, "kept"), kept);
        take(&mut before, 0, &line(check, known, 2, "known"), known);
    }
    take(&mut before, 0, &line("missing", 10, 1, "known"), 10);
    let mut taken = anew.take_over(&before);
    taken.sort_unstable();
    assert_eq!(taken, [key("missing"), key("newer-there")]);
    let of = |check| anew.get(&key(check)).map(|entry| (entry.status, entry.runs)).expect("known");
    assert_eq!([of("newer-there"), of("newer-here"), of("missing")], [(2, 3), (0, 2), (1, 1)]);
}

/// Every check of the golden log, with the status and the beginning of the output of its last result.
#[test]
fn the_golden_log_is_served_rightly() {
    let log = std::fs::read("fixtures/golden/sensu-client.log").expect("the fixture");
    let mut latest = Latest::new(1, 64 * 1024);
    let now = at(1_795_416_250);
    for line in log.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
        latest.take(0, line, now, &mut |_, _, _, _| {});
    }
    let mut table: Vec<String> = latest
        .iter()
        .map(|(key, entry)| {
            let output: String = String::from_utf8_lossy(&entry.output).chars().take(40).collect();
            let source = key.source.as_deref().map(|source| format!(" of {source}")).unwrap_or_default();
            format!("{}{source} {} {:?}", key.check, entry.own_status().word(), volatile(&output))
        })
        .collect();
    table.sort_unstable();
    insta::assert_snapshot!(table.join("\n"));
}

/// Masks what differs from run to run.
fn volatile(output: &str) -> String {
    let digits = regex::Regex::new(r"\d{9,}|run \d+").expect("a pattern");
    digits.replace_all(output, "N").into_owned()
}

proptest! {
    #[test]
    fn an_entry_survives_the_store(
        check in "[a-z]{1,8}", status in any::<i64>(), executed in 0_i64..4_000_000_000, output in "[a-z\\\\n ]{0,40}",
    ) {
        let output = output.replace('\\', "");
        let mut latest = Latest::new(1, 64);
        take(&mut latest, 0, &line(&check, executed, status, &output), executed);
        let entry = latest.get(&key(&check)).expect("known");
        let packed = entry.pack(&key(&check), usize::MAX);
        let (read_key, read) = Entry::unpack(&packed).expect("our own");
        prop_assert_eq!(read_key, key(&check));
        prop_assert_eq!(&read.history, &entry.history);
        // A store from before there was a history: its length and one status.
        let (_, old) = Entry::unpack(&packed[..packed.len() - 5]).expect("our own");
        prop_assert!(old.history.as_bytes().is_empty() && old.runs == entry.runs);
        prop_assert_eq!(format!("{:?}", (read.status, read.executed, &read.output, read.sha256, read.bound.interval())),
            format!("{:?}", (entry.status, entry.executed, &entry.output, entry.sha256, entry.bound.interval())));
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = Entry::unpack(&bytes);
        Latest::new(1, 10).take(0, &bytes, at(0), &mut |_, _, _, _| {});
    }
}
