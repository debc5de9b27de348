//! Silence operations whose process is killed while a server dies, sleeps or starts again: afterwards every cluster has
//! one silence or none, as if nothing had happened.

use crate::child::{Deed, Order};
use crate::desk::{Desk, SOON, make, quiet_fleet};
use crate::law::assert_law;
use crate::support::{await_until, peers};
use crate::{below, run};
use iaasmon::demo::{Demo, Server};
use proptest::test_runner::TestRng;

/// More steps than any operation has: some are over before they are killed.
const STEPS: usize = 18;

/// What happens to a member, and when it is over.
#[derive(Debug, Clone, Copy)]
enum Fault {
    Nothing,
    /// It sleeps until after the first try to resume.
    Stopped,
    /// It sleeps until the process is dead.
    Dozed,
    /// It is killed, and starts again after the first try to resume.
    Killed,
    /// It is killed and started again at once.
    Restarted,
}

const FAULTS: [Fault; 5] = [Fault::Nothing, Fault::Stopped, Fault::Dozed, Fault::Killed, Fault::Restarted];

#[test]
fn soak_live_silence_operations_are_killed_while_a_server_fails() {
    let demo = quiet_fleet();
    let mut number = 0;
    run("silence operations killed at a random step while a member fails", 2, |random| {
        number += 1;
        one_round(&demo, random, number);
        1
    });
}

fn one_round(demo: &Demo, random: &mut TestRng, number: usize) {
    let deed = [Deed::Add, Deed::Edit, Deed::Extend, Deed::Expire][below(random, 4)];
    let (fault, kill_at) = (FAULTS[below(random, FAULTS.len())], below(random, STEPS));
    let (begins_at, comment) = (below(random, kill_at + 1), format!("INC-{number} {deed:?} {fault:?}"));
    let member = &demo.clusters()[below(random, 2)].alertmanager[below(random, 2)];
    if deed != Deed::Add {
        make(demo, &comment);
    }
    let desk = Desk::on(demo);
    let (config, journals) = (desk.config.clone(), desk.journals());
    let order = Order {
        config,
        journals,
        deed,
        comment: comment.clone(),
        kill_at: Some(kill_at),
        kill_on: None,
        stop_at: None,
    };
    let mut child = order.start();
    let over = await_until(SOON, || order.steps().len() > begins_at || child.try_wait().unwrap().is_some());
    assert!(over, "{comment}: neither step {begins_at} nor an end");
    begin(member, fault);
    assert!(await_until(SOON, || child.try_wait().unwrap().is_some()), "{comment}: no end");
    if matches!(fault, Fault::Dozed) {
        member.cont().unwrap();
    }
    let (op, _) = desk.newest();
    if below(random, 2) == 0 {
        // With a member away it may stay in doubt; it must not make things worse.
        let outcome = desk.silence(&["resume", &op, "--yes"]);
        assert!(matches!(outcome.code, Some(0 | 3)), "{comment}: {}{}", outcome.stdout, outcome.stderr);
    }
    end(demo, member, fault);
    let resumed = desk.silence(&["resume", &op, "--yes"]);
    let said = format!("{comment}, killed at {kill_at}: {}{}", resumed.stdout, resumed.stderr);
    assert_eq!(resumed.code, Some(0), "{said}\n{:#?}", order.steps());
    assert_law(demo, deed, &comment, false);
    let undone = desk.silence(&["undo", &op, "--yes"]);
    assert_eq!(undone.code, Some(0), "{said}\n{}{}", undone.stdout, undone.stderr);
    assert_law(demo, deed, &comment, true);
}

fn begin(member: &Server, fault: Fault) {
    match fault {
        Fault::Nothing => {}
        Fault::Stopped | Fault::Dozed => member.stop().unwrap(),
        Fault::Killed => member.kill().unwrap(),
        Fault::Restarted => {
            member.kill().unwrap();
            member.restart().unwrap();
        }
    }
}

/// Makes the member well again, and waits until all know each other.
fn end(demo: &Demo, member: &Server, fault: Fault) {
    match fault {
        Fault::Stopped => member.cont().unwrap(),
        Fault::Killed => member.restart().unwrap(),
        Fault::Nothing | Fault::Dozed | Fault::Restarted => {}
    }
    for member in demo.clusters().iter().flat_map(|c| &c.alertmanager) {
        assert!(await_until(SOON, || peers(&member.url()) == 2), "{} is alone", member.name());
    }
}
