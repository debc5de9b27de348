//! Alertmanagers that take a silence and do not say so, that sleep, die, or do not talk to each other.

use crate::child::{Deed, Order};
use crate::desk::{Desk, SOON, alertmanagers, assert_none, assert_one, end, held, make, quiet_fleet};
use crate::proxy::{Fault, Proxies};
use crate::support::{Outcome, await_until};
use iaasmon::demo::{Cluster, Demo};

fn add(desk: &Desk, comment: &str) -> Outcome {
    desk.silence(&["add", comment, "--comment", comment, "--all-clusters", "--yes"])
}

fn east(demo: &Demo) -> &[Cluster] {
    &demo.clusters()[..1]
}

#[test]
fn live_a_silence_whose_answer_is_lost_is_found_and_not_made_again() {
    let demo = quiet_fleet();
    let proxies = Proxies::before(&demo.clusters()[0]);
    let desk = Desk::new(&proxies.config());
    let lost = [
        ("INC-1 no answer", Fault::NoAnswer),
        ("INC-2 garbage", Fault::Answer("200 OK", "<html>login</html>")),
        ("INC-3 server error", Fault::Answer("500 Internal Server Error", "\"oops\"")),
        ("INC-4 gateway", Fault::Answer("504 Gateway Timeout", "")),
        ("INC-5 cut off", Fault::Answer("200 OK", "{\"silenceID\":")),
    ];
    for (comment, fault) in lost {
        proxies.plan(&[fault]);
        let outcome = add(&desk, comment);
        assert_eq!(outcome.code, Some(0), "{comment}: {}{}", outcome.stdout, outcome.stderr);
        assert_eq!(proxies.posts(), 1, "{comment}: no second POST");
        let one = assert_one(east(&demo), comment);
        assert_eq!(outcome.stdout.strip_suffix('\n'), one[0]["id"].as_str(), "{comment}: the id alone");
        let undone = desk.silence(&["undo", &desk.newest().0, "--yes"]);
        assert_eq!(undone.code, Some(0), "{comment}: {}", undone.stderr);
        assert_none(east(&demo), comment);
    }

    // A change in place is found by its content.
    add(&desk, "INC-6 extended");
    let id = assert_one(east(&demo), "INC-6 extended")[0]["id"].as_str().unwrap().to_owned();
    proxies.plan(&[Fault::NoAnswer]);
    let outcome = desk.silence(&["extend", &id, "1h", "--yes"]);
    assert_eq!((outcome.code, proxies.posts()), (Some(0), 1), "{}{}", outcome.stdout, outcome.stderr);
    assert_eq!(assert_one(east(&demo), "INC-6 extended")[0]["id"], id.as_str());

    // What a member refuses for good is not tried on the other one.
    proxies.plan(&[Fault::Refuse("403 Forbidden", "\"no write role\"")]);
    let outcome = add(&desk, "INC-7 forbidden");
    assert_eq!((outcome.code, proxies.posts()), (Some(3), 1), "{}{}", outcome.stdout, outcome.stderr);
    assert!(outcome.stderr.contains("no right to write"), "{}", outcome.stderr);
    assert_none(east(&demo), "INC-7 forbidden");
    // What passes, is.
    proxies.plan(&[Fault::Refuse("429 Too Many Requests", "")]);
    let outcome = add(&desk, "INC-8 busy");
    assert_eq!((outcome.code, proxies.posts()), (Some(0), 2), "{}{}", outcome.stdout, outcome.stderr);
    assert_one(east(&demo), "INC-8 busy");
}

#[test]
fn live_a_request_that_arrives_after_the_retry_makes_no_second_silence() {
    let demo = quiet_fleet();
    let proxies = Proxies::before(&demo.clusters()[0]);
    let desk = Desk::new(&proxies.config());
    proxies.plan(&[Fault::Late]);
    let outcome = std::thread::scope(|scope| {
        let adding = scope.spawn(|| add(&desk, "INC-1 late"));
        assert!(await_until(SOON, || proxies.posts() == 2), "sent again to the other member");
        assert!(await_until(SOON, || held(&demo.clusters()[0].alertmanager[0], "INC-1 late").len() == 1));
        proxies.deliver();
        adding.join().unwrap()
    });
    assert_eq!(outcome.code, Some(0), "{}{}", outcome.stdout, outcome.stderr);
    assert!(outcome.stderr.contains("1 late twin"), "{}", outcome.stderr);
    assert_one(east(&demo), "INC-1 late");
    assert_eq!(desk.newest().1, "ended");
}

#[test]
fn live_members_that_are_stopped_while_they_are_asked_leave_a_doubt_that_resume_settles() {
    let demo = quiet_fleet();
    let members = &demo.clusters()[0].alertmanager;
    let wake = || members.iter().try_for_each(|member| member.cont()).unwrap();
    let proxies = Proxies::before(&demo.clusters()[0]);
    let desk = Desk::new(&proxies.config());

    proxies.plan(&[Fault::Frozen]);
    let outcome = add(&desk, "INC-1 frozen");
    assert_eq!((outcome.code, proxies.posts()), (Some(3), 1), "{}{}", outcome.stdout, outcome.stderr);
    assert!(outcome.stderr.contains("may or may not be there"), "{}", outcome.stderr);
    let (op, state) = desk.newest();
    assert_eq!(state, "unfinished");
    // Nobody can tell yet, so nothing is sent again, and there is nothing to be asked.
    let resumed = desk.silence(&["resume", &op]);
    assert_eq!((resumed.code, proxies.posts()), (Some(3), 1), "{}", resumed.stderr);
    assert!(resumed.stderr.contains("nothing can be sent as long as that is so"), "{}", resumed.stderr);
    let undone = desk.silence(&["undo", &op, "--yes"]);
    assert_eq!((undone.code, proxies.posts()), (Some(3), 1), "{}", undone.stderr);
    assert!(undone.stderr.contains("cannot be read"), "{}", undone.stderr);
    wake();
    let outcome = desk.silence(&["resume", &op, "--yes"]);
    assert_eq!(outcome.code, Some(0), "{}{}", outcome.stdout, outcome.stderr);
    assert_one(east(&demo), "INC-1 frozen");

    // Both stopped: one attempt, then nothing.
    members.iter().try_for_each(|member| member.stop()).unwrap();
    proxies.plan(&[]);
    let outcome = add(&desk, "INC-2 both");
    assert_eq!((outcome.code, proxies.posts()), (Some(3), 1), "{}{}", outcome.stdout, outcome.stderr);
    let (op, _) = desk.newest();
    assert_eq!((desk.silence(&["resume", &op, "--yes"]).code, proxies.posts()), (Some(3), 1));
    wake();
    let outcome = desk.silence(&["resume", &op, "--yes"]);
    assert_eq!(outcome.code, Some(0), "{}{}", outcome.stdout, outcome.stderr);
    assert_one(east(&demo), "INC-2 both");
    assert_eq!(desk.silence(&["undo", &op, "--yes"]).code, Some(0));
    assert_none(east(&demo), "INC-2 both");
}

#[test]
fn live_what_the_other_member_lacks_is_said_until_it_has_it() {
    let demo = quiet_fleet();
    let cluster = &demo.clusters()[0];
    let [first, second] = &cluster.alertmanager;
    let desk = Desk::new(&alertmanagers(east(&demo)));

    first.kill().unwrap();
    let outcome = add(&desk, "INC-1 one down");
    assert_eq!(outcome.code, Some(0), "{}{}", outcome.stdout, outcome.stderr);
    assert!(outcome.stderr.contains("not answering"), "{}", outcome.stderr);
    assert_eq!(held(second, "INC-1 one down").len(), 1);
    first.restart().unwrap();
    let resumed = desk.silence(&["resume", &desk.newest().0, "--yes"]);
    assert_eq!(resumed.code, Some(0), "{}{}", resumed.stdout, resumed.stderr);
    assert!(!resumed.stderr.contains("not answering"), "{}", resumed.stderr);
    assert_one(east(&demo), "INC-1 one down");

    cluster.split_gossip().unwrap();
    let outcome = add(&desk, "INC-2 split");
    assert_eq!(outcome.code, Some(3), "{}{}", outcome.stdout, outcome.stderr);
    assert!(outcome.stderr.contains("not replicated to"), "{}", outcome.stderr);
    let copies = cluster.alertmanager.each_ref().map(|member| held(member, "INC-2 split").len());
    assert_eq!(copies.iter().sum::<usize>(), 1, "one POST to one member: {copies:?}");
    second.restart().unwrap();
    let resumed = desk.silence(&["resume", &desk.newest().0, "--yes"]);
    assert_eq!(resumed.code, Some(0), "{}{}", resumed.stdout, resumed.stderr);
    assert!(!resumed.stderr.contains("not replicated"), "{}", resumed.stderr);
    assert_one(east(&demo), "INC-2 split");

    // Nobody there: nothing was done, and nothing hangs in the air.
    cluster.alertmanager.iter().try_for_each(|member| member.kill()).unwrap();
    let outcome = add(&desk, "INC-3 nobody");
    assert_eq!(outcome.code, Some(4), "{}{}", outcome.stdout, outcome.stderr);
    assert_eq!(desk.newest().1, "ended");
    // The rest of the fleet gets its silence, and the exit code says that a part is missing.
    let both = Desk::on(&demo);
    let outcome = add(&both, "INC-4 half");
    assert_eq!(outcome.code, Some(3), "{}{}", outcome.stdout, outcome.stderr);
    assert!(outcome.stderr.contains("connection refused"), "{}", outcome.stderr);
    let id = assert_one(&demo.clusters()[1..], "INC-4 half")[0]["id"].as_str().unwrap().to_owned();
    let (op, _) = both.newest();
    let outcome = both.silence(&["expire", &id, "--yes"]);
    assert_eq!(outcome.code, Some(3), "a copy may be left where nobody answers: {}", outcome.stderr);
    assert!(outcome.stderr.contains("prod-east: does not answer"), "{}", outcome.stderr);
    assert_none(&demo.clusters()[1..], "INC-4 half");
    let unknown = both.silence(&["expire", "00000000-0000-0000-0000-000000000000", "--yes"]);
    assert_eq!(unknown.code, Some(3), "nobody knows whether it is there: {}", unknown.stderr);
    cluster.alertmanager.iter().try_for_each(|member| member.restart()).unwrap();
    let outcome = both.silence(&["resume", &op, "--yes"]);
    assert_eq!(outcome.code, Some(0), "{}{}", outcome.stdout, outcome.stderr);
    assert_one(east(&demo), "INC-4 half");
    assert_none(&demo.clusters()[1..], "INC-4 half");
}

#[test]
fn live_a_silence_that_its_members_lost_is_made_again_although_the_one_it_replaces_has_ended() {
    let demo = quiet_fleet();
    let members = &demo.clusters()[0].alertmanager;
    let desk = Desk::new(&alertmanagers(east(&demo)));
    let [old, ..] = &*make(&demo, "INC-1") else { panic!("one for each cluster") };
    // An Alertmanager that ends in order writes its silences to disk: this one survives a kill.
    members.iter().try_for_each(|member| member.restart()).unwrap();
    let kill_on = Some("Verifying".to_owned());
    let (config, journals, comment) = (desk.config.clone(), desk.journals(), "INC-1".to_owned());
    let order = Order { config, journals, deed: Deed::Edit, comment, kill_at: None, kill_on, stop_at: None };
    assert!(!order.start().wait().unwrap().success(), "killed after the old one has ended");
    members.iter().try_for_each(|member| member.kill()).unwrap();
    members.iter().try_for_each(|member| member.restart()).unwrap();
    // The same as if one member had known of the end and the other, which was killed, alone of the new silence.
    end(&members[0], old);

    let resumed = desk.silence(&["resume", &desk.newest().0, "--yes"]);
    assert_eq!(resumed.code, Some(0), "{}{}", resumed.stdout, resumed.stderr);
    let made = assert_one(east(&demo), "INC-1");
    assert_eq!(made[0]["matchers"].as_array().unwrap().len(), 2, "as edited: {made:?}");
}
