//! Many checks at once keep their schedule, for as long as it is asked for.

use crate::support::soak::{factor, report};
use crate::support::{SOON, await_until};
use crate::world::World;
use iaasmon::sys::clock;
use serde_json::Value;
use std::collections::BTreeMap;
use std::time::Duration;

const CHECKS: usize = 500;
const INTERVAL: u64 = 10;

/// How often each check ran, by the log.
fn runs(world: &World) -> BTreeMap<String, usize> {
    let mut runs = BTreeMap::new();
    for line in world.log_text().lines() {
        let line: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        if let Some(name) = line["payload"]["check"]["name"].as_str() {
            *runs.entry(name.to_owned()).or_default() += 1;
        }
    }
    runs
}

#[test]
fn timing_soak_five_hundred_checks_at_ten_seconds_keep_their_schedule() {
    let intervals = 2 + factor().min(60) / 2;
    let world = World::new();
    let one = |n| format!(r#""c{n}": {{"command": "true", "interval": {INTERVAL}, "standalone": true}}"#);
    let all: Vec<String> = (0..CHECKS).map(one).collect();
    world.define("many", &format!(r#"{{"checks": {{{}}}}}"#, all.join(",")));
    let mut runner = world.start(&[]);
    world.await_log("scheduled checks");
    let begun = clock::instant();
    let span = Duration::from_secs(INTERVAL * intervals);
    assert!(await_until(span + SOON, || begun.elapsed() >= span));
    let metric = |name: &str| world.metric(name).unwrap_or_else(|| panic!("{}", world.get("/metrics")));
    let fired = metric("iaasmon_runner_runs_fired_total");
    let late = metric("iaasmon_runner_late_seconds_total") / fired;
    let worst = metric("iaasmon_runner_lag_seconds");
    let overlapped = metric("iaasmon_runner_runs_overlapped_total");
    let runs_for = usize::try_from(begun.elapsed().as_secs() / INTERVAL).expect("small");
    assert!(runner.end().success());
    // A run may be late where the machine has more to do; the next one is planned from it, so that lateness would add up.
    assert!(late < 0.25, "{late} s late each");
    assert!(worst < 3.0, "{worst} s late once");
    assert_eq!(overlapped, 0.0);
    let runs = runs(&world);
    assert_eq!(runs.len(), CHECKS);
    for (check, count) in &runs {
        // Each has its place in the interval, so that either end may hold one more.
        assert!(
            (runs_for - 1..=runs_for + 1).contains(count),
            "{check} ran {count} times in {runs_for} intervals"
        );
    }
    let ran = runs.values().sum();
    report("runs of 500 checks at 10 s on their schedule", intervals, ran, begun.elapsed());
}
