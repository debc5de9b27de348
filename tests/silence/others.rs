//! Other people and other processes at the same silences, journals that cannot be written, edits that are refused.

use crate::child::{Deed, Order};
use crate::desk::{Desk, SOON, assert_none, assert_one, held, make, post, quiet_fleet};
use crate::support::{await_until, run};
use iaasmon::demo::Demo;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

fn order(desk: &Desk, deed: Deed, comment: &str) -> Order {
    let (config, journals) = (desk.config.clone(), desk.journals());
    Order { config, journals, deed, comment: comment.into(), kill_at: None, kill_on: None, stop_at: None }
}

/// Somebody else makes the silence end later, on every cluster, past our program.
fn a_colleague_extends(demo: &Demo, comment: &str, ids: &[String]) {
    for (cluster, id) in demo.clusters().iter().zip(ids) {
        let member = &cluster.alertmanager[0];
        let mut silence = held(member, comment).into_iter().find(|s| s["id"] == id.as_str()).unwrap();
        let later = iaasmon::sys::clock::now() + chrono::TimeDelta::hours(20);
        silence["endsAt"] = iaasmon::model::time::rfc3339(later).into();
        silence["createdBy"] = "colleague".into();
        assert_eq!(&post(member, &silence), id, "changed in place");
    }
}

/// Returns whether the colleague's silence is in force on both members of every cluster, soon.
fn colleagues_stands(demo: &Demo, comment: &str) -> bool {
    let mut members = demo.clusters().iter().flat_map(|c| &c.alertmanager);
    members.all(|m| await_until(SOON, || held(m, comment).iter().any(|s| s["createdBy"] == "colleague")))
}

#[test]
fn live_processes_side_by_side_do_not_disturb_each_other() {
    let demo = quiet_fleet();
    let desk = Desk::on(&demo);
    let comments = ["INC-1", "INC-2", "INC-3", "INC-4"];
    std::thread::scope(|scope| {
        for comment in comments {
            scope.spawn(|| {
                let args = ["add", "x=y", "--all-clusters", "--comment", comment, "--yes"];
                let outcome = desk.silence(&args);
                assert_eq!(outcome.code, Some(0), "{}{}", outcome.stdout, outcome.stderr);
            });
        }
    });
    for comment in comments {
        assert_one(demo.clusters(), comment);
    }

    let order = Order { stop_at: Some(3), ..order(&desk, Deed::Add, "INC-5") };
    let mut child = order.start();
    assert!(await_until(SOON, || order.steps().len() == 4), "{:?}", order.steps());
    let (op, state) = desk.newest();
    assert_eq!(state, "running");
    for args in [&["resume", &op][..], &["undo", &op, "--yes"]] {
        let outcome = desk.silence(args);
        assert_eq!(outcome.code, Some(2), "{}{}", outcome.stdout, outcome.stderr);
        assert!(outcome.stderr.contains("is running in another process"), "{}", outcome.stderr);
    }
    kill(Pid::from_raw(i32::try_from(child.id()).unwrap()), Signal::SIGCONT).unwrap();
    assert!(child.wait().unwrap().success());
    assert_eq!(desk.newest(), (op, "ended".to_owned()));
    assert_one(demo.clusters(), "INC-5");
}

#[test]
fn live_without_a_journal_nothing_is_sent_unless_that_is_wanted() {
    let demo = quiet_fleet();
    let desk = Desk::on(&demo);
    let state = desk.folder.path().join("state");
    std::fs::create_dir(&state).unwrap();
    std::fs::write(state.join("iaasmon"), "a file where a folder should be").unwrap();
    let add = |more: &[&str]| {
        let args = ["silence", "add", "x=y", "--all-clusters", "--comment", "INC-1", "--yes"];
        run(desk.command(&state).args(args).args(more), b"")
    };
    let outcome = add(&[]);
    assert_eq!(outcome.code, Some(2), "{}{}", outcome.stdout, outcome.stderr);
    for words in [state.join("iaasmon/operations").to_str().unwrap(), "nothing was sent", "--no-journal"] {
        assert!(outcome.stderr.contains(words), "`{words}` in {}", outcome.stderr);
    }
    assert_none(demo.clusters(), "INC-1");
    let outcome = add(&["--no-journal"]);
    assert_eq!(outcome.code, Some(0), "{}{}", outcome.stdout, outcome.stderr);
    assert_one(demo.clusters(), "INC-1");
}

#[test]
fn live_an_edit_loses_no_silence_whoever_else_edits() {
    let demo = quiet_fleet();
    let desk = Desk::on(&demo);
    // Alertmanager before 0.28 ends the old silence before it refuses the new one.
    let ids = make(&demo, "INC-1");
    let outcome = desk.silence(&["edit", &ids[0], "alertname=INC-1", "instance=~(?<!x)y", "--yes"]);
    assert_eq!(outcome.code, Some(3), "{}{}", outcome.stdout, outcome.stderr);
    assert!(outcome.stdout.contains("failed"), "{}", outcome.stdout);
    let still = assert_one(demo.clusters(), "INC-1");
    assert!(still.iter().zip(&ids).all(|(s, id)| s["id"] == id.as_str()), "{still:#?}");

    // Somebody changes it between our plan and our request.
    let ids = make(&demo, "INC-2");
    let cut = Order { kill_at: Some(0), ..order(&desk, Deed::Extend, "INC-2") };
    assert!(!cut.start().wait().unwrap().success());
    a_colleague_extends(&demo, "INC-2", &ids);
    let outcome = desk.silence(&["resume", &desk.newest().0]);
    assert_eq!(outcome.code, Some(3), "{}{}", outcome.stdout, outcome.stderr);
    assert!(outcome.stdout.contains("changed meanwhile by colleague"), "{}", outcome.stdout);
    assert!(colleagues_stands(&demo, "INC-2"));
    assert_one(demo.clusters(), "INC-2");

    // Somebody changes the old one when the new one is there already: a fork. Neither is ended behind their back.
    let ids = make(&demo, "INC-3");
    let cut = Order { kill_on: Some("Written".into()), ..order(&desk, Deed::Edit, "INC-3") };
    assert!(!cut.start().wait().unwrap().success());
    assert!(cut.steps().last().is_some_and(|step| step.contains("Written")), "{:?}", cut.steps());
    a_colleague_extends(&demo, "INC-3", &ids);
    let outcome = desk.silence(&["resume", &desk.newest().0]);
    assert_eq!(outcome.code, Some(3), "{}{}", outcome.stdout, outcome.stderr);
    assert!(
        outcome.stdout.contains("colleague changed the old one meanwhile: look at both"),
        "{}",
        outcome.stdout
    );
    assert!(colleagues_stands(&demo, "INC-3"));
}

#[test]
fn a_journal_that_cannot_be_read_is_listed_and_nothing_is_done_on_its_word() {
    let desk = Desk::new("[[cluster]]\nname = \"east\"\nalertmanager = [\"http://127.0.0.1:1\"]\n");
    std::fs::create_dir_all(desk.journals()).unwrap();
    let journals = [
        ("01KAVX3V9W8T5D8N1Q6Z2R4B7C", "not a journal\n", "it is damaged"),
        ("01KAVX3V9W8T5D8N1Q6Z2R4B7D", "{\"event\":\"begin\",\"v\":2}\n", "written by another version"),
    ];
    for (op, text, _) in journals {
        std::fs::write(desk.journals().join(format!("{op}.jsonl")), text).unwrap();
    }
    // Cut off: nothing was sent, so there is nothing to list.
    std::fs::write(desk.journals().join("01KAVX3V9W8T5D8N1Q6Z2R4B7E.jsonl"), "{\"event\":\"beg").unwrap();
    let list = desk.json(&["status"]);
    assert_eq!(list.as_array().unwrap().len(), 2, "{list:#}");
    for (row, (op, _, why)) in list.as_array().unwrap().iter().rev().zip(journals) {
        assert_eq!((&row["op"], &row["state"]), (&op.into(), &"unreadable".into()), "{row}");
        assert!(row["why"].as_str().unwrap().contains(why) && row["kind"].is_null(), "{row}");
        for args in [&["resume", op][..], &["undo", op, "--yes"], &["status", op]] {
            let outcome = desk.silence(args);
            assert_eq!(outcome.code, Some(2), "{}{}", outcome.stdout, outcome.stderr);
            assert!(outcome.stderr.contains(why), "{args:?}: {}", outcome.stderr);
        }
    }
}
