//! A pushgateway that is killed while many push, again and again with the same file; and one that holds a great deal.

use crate::gate_kills::Victim;
use crate::gate_world::{Gate, bulk_fill, peak_mib};
use crate::run;
use crate::support::soak::report;
use iaasmon::sys::clock;
use nix::sys::signal::Signal;

/// Runs what leaves nothing to chance, and reports: more rounds of it take minutes each and say nothing new.
fn once(what: &str, profile: impl FnOnce() -> usize) {
    let began = clock::instant();
    let looked_at = profile();
    report(what, 1, looked_at, began.elapsed());
}

#[test]
fn soak_live_a_pushgateway_is_killed_under_load() {
    let mut victim = Victim::start(12, &[]);
    run("a pushgateway killed while twelve push", 4, |random| victim.round(random));
}

#[test]
fn soak_live_a_hundred_thousand_groups_are_held_scraped_and_read_again() {
    once("a pushgateway with a hundred thousand groups", || {
        let groups = if std::env::var_os("IAASMON_SOAK_ROUNDS").is_some() { 100_000 } else { 5_000 };
        let gate = Gate::kept(&[]);
        bulk_fill(&gate, groups);
        let count = |gate: &Gate| gate.page().matches("\nnumber{").count();
        assert_eq!(count(&gate), groups);
        gate.push("/metrics/job/many/n/0", "# TYPE number gauge\nnumber 7\n");
        let gate = gate.again(Signal::SIGKILL, &[]);
        assert_eq!(count(&gate), groups);
        assert!(gate.page().contains("number{instance=\"\",job=\"many\",n=\"0\"} 7\n"));
        // A group is about a KiB with all that finds it; pages and the file's cache come on top.
        assert!(peak_mib(&gate) < 300 + groups as u64 / 150, "{} MiB", peak_mib(&gate));
        groups
    });
}

#[test]
fn soak_live_a_group_holds_no_more_than_can_be_written_anew() {
    once("a group of a pushgateway that grows push by push", || {
        // Where nothing is optimised, so much takes minutes.
        let is_long = std::env::var_os("IAASMON_SOAK_ROUNDS").is_some();
        let lines = if is_long { 50 } else { 1 };
        let gate = Gate::kept(&[]);
        let line = |family: usize, at: usize| format!("f{family}{{l=\"{at}{}\"}} 1\n", "x".repeat(1 << 20));
        let push = |family: usize| {
            let body: String = (0..lines).map(|at| line(family, at)).collect();
            gate.ask("POST", "/metrics/job/grows", body)
        };
        assert!((0..5).all(|family| push(family).code == 200));
        if is_long {
            let refused = push(5);
            assert_eq!((refused.code, refused.text().as_str()), (507, "a group holds at most 256 MiB\n"));
        }
        // It is read again, however large it has grown, and what is in it can be replaced.
        let gate = gate.again(Signal::SIGKILL, &[]);
        assert_eq!(gate.page().matches("\nf").count(), 5 * lines);
        gate.push("/metrics/job/grows", "f0 1\n");
        5 * lines
    });
}
