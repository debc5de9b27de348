//! Other people and other processes at the same silences, journals that cannot be written, edits that are refused.

use crate::child::{Deed, Order};
use crate::desk::{Desk, SOON, assert_none, assert_one, held, make, post, quiet_fleet};
use crate::support::{await_until, run};
use iaasmon::demo::{Cluster, Demo, Server};
use iaasmon::fleet::silence::{self, Limits};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::ops::ControlFlow;

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
    for args in [&["resume", &op, "--yes"][..], &["undo", &op, "--yes"]] {
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
    assert!(outcome.stderr.contains("failed"), "{}", outcome.stderr);
    let still = assert_one(demo.clusters(), "INC-1");
    assert!(still.iter().zip(&ids).all(|(s, id)| s["id"] == id.as_str()), "{still:#?}");

    // Somebody changes it between our plan and our request.
    let ids = make(&demo, "INC-2");
    let cut = Order { kill_at: Some(0), ..order(&desk, Deed::Extend, "INC-2") };
    assert!(!cut.start().wait().unwrap().success());
    a_colleague_extends(&demo, "INC-2", &ids);
    let outcome = desk.silence(&["resume", &desk.newest().0, "--yes"]);
    assert_eq!(outcome.code, Some(3), "{}{}", outcome.stdout, outcome.stderr);
    assert!(outcome.stderr.contains("changed meanwhile by colleague"), "{}", outcome.stderr);
    assert!(colleagues_stands(&demo, "INC-2"));
    assert_one(demo.clusters(), "INC-2");

    // Somebody changes the old one when the new one is there already: a fork. Neither is ended behind their back.
    let ids = make(&demo, "INC-3");
    let cut = Order { kill_on: Some("Written".into()), ..order(&desk, Deed::Edit, "INC-3") };
    assert!(!cut.start().wait().unwrap().success());
    assert!(cut.steps().last().is_some_and(|step| step.contains("Written")), "{:?}", cut.steps());
    a_colleague_extends(&demo, "INC-3", &ids);
    let outcome = desk.silence(&["resume", &desk.newest().0, "--yes"]);
    assert_eq!(outcome.code, Some(3), "{}{}", outcome.stdout, outcome.stderr);
    assert!(
        outcome.stderr.contains("colleague changed the old one meanwhile: look at both"),
        "{}",
        outcome.stderr
    );
    assert!(colleagues_stands(&demo, "INC-3"));
}

#[test]
fn live_an_operation_need_not_be_named_where_one_alone_is_unfinished() {
    let demo = quiet_fleet();
    let desk = Desk::on(&demo);
    let refused = |args: &[&str], words: &[&str]| {
        let outcome = desk.silence(args);
        assert_eq!((outcome.code, &*outcome.stdout), (Some(2), ""), "{args:?}: {}", outcome.stderr);
        for word in words {
            assert!(outcome.stderr.contains(word), "{args:?}: `{word}` in {}", outcome.stderr);
        }
    };
    refused(&["resume", "--yes"], &["no operation is unfinished"]);
    refused(&["undo", "--yes"], &["no operation is unfinished"]);

    let cut = |comment| {
        let cut = Order { kill_at: Some(0), ..order(&desk, Deed::Add, comment) };
        assert!(!cut.start().wait().unwrap().success());
        desk.newest().0
    };
    let first = cut("INC-1");
    let ended = desk.silence(&["add", "x=y", "--all-clusters", "--comment", "INC-0", "--yes"]);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert_eq!(
        desk.json(&["status", "--limit", "1"])[0]["op"],
        first.as_str(),
        "what is unfinished comes first"
    );
    let second = cut("INC-2");
    for verb in ["resume", "undo"] {
        let words =
            ["2 operations are unfinished", &first, &second, "add, begun ", "on prod-east, prod-west"];
        refused(&[verb, "--yes"], &words);
    }
    let undone = desk.silence(&["undo", &second, "--yes"]);
    assert_eq!(undone.code, Some(0), "{}{}", undone.stdout, undone.stderr);

    let dry = desk.silence(&["resume", "--dry-run"]);
    assert_eq!((dry.code, dry.stdout.matches("POST ").count()), (Some(0), 2), "{}{}", dry.stdout, dry.stderr);
    refused(&["resume"], &[&first, "nothing is done; still to make it", "nobody is there to be asked"]);
    refused(&["resume", &first, "--yes", "--cluster", "prod-east"], &["is for prod-west too"]);
    refused(&["resume", &first, "--yes", "--no-journal"], &["unexpected argument"]);
    assert_none(demo.clusters(), "INC-1");
    assert_eq!(desk.newest(), (first.clone(), "unfinished".to_owned()), "nothing was written down either");

    let resumed = desk.silence(&["resume", "--yes"]);
    assert_eq!(resumed.code, Some(0), "{}{}", resumed.stdout, resumed.stderr);
    assert!(resumed.stderr.contains(&first), "{}", resumed.stderr);
    let made = assert_one(demo.clusters(), "INC-1");
    let id = made.iter().map(|s| s["id"].as_str().unwrap()).min().unwrap();
    assert_eq!(resumed.stdout, format!("{id}\n"));
    let again = desk.silence(&["resume", &first]);
    assert_eq!((again.code, &again.stdout), (Some(0), &resumed.stdout), "{}", again.stderr);
    assert!(again.stderr.contains("nothing is left to be sent"), "{}", again.stderr);
    assert_eq!(assert_one(demo.clusters(), "INC-1"), made);
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
    let outcome = desk.silence(&["resume", "--yes"]);
    assert_eq!(outcome.code, Some(2), "{}{}", outcome.stdout, outcome.stderr);
    for words in ["no operation is unfinished", "2 journal(s) cannot be read"] {
        assert!(outcome.stderr.contains(words), "{}", outcome.stderr);
    }
    for (row, (op, _, why)) in list.as_array().unwrap().iter().rev().zip(journals) {
        assert_eq!((&row["op"], &row["state"]), (&op.into(), &"unreadable".into()), "{row}");
        assert!(row["why"].as_str().unwrap().contains(why) && row["kind"].is_null(), "{row}");
        for args in [&["resume", op, "--yes"][..], &["undo", op, "--yes"], &["status", op]] {
            let outcome = desk.silence(args);
            assert_eq!(outcome.code, Some(2), "{}{}", outcome.stdout, outcome.stderr);
            assert!(outcome.stderr.contains(why), "{args:?}: {}", outcome.stderr);
        }
    }
}

#[test]
fn live_nothing_is_sent_where_nobody_agreed_to_it() {
    let demo = quiet_fleet();
    let desk = Desk::on(&demo);
    let cut = Order { kill_at: Some(0), ..order(&desk, Deed::Add, "INC-1") };
    assert!(!cut.start().wait().unwrap().success());
    let (op, _) = desk.newest();
    let config = iaasmon::config::load(Some(&desk.config), &iaasmon::config::Env::of_process()).unwrap();
    let fleet = iaasmon::fleet::Fleet::new(&config);
    let opened = silence::open(&desk.journals(), op.parse().unwrap()).unwrap().unwrap();
    let opened = opened.only_on(["prod-east".into()]);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let go_on = |_: &silence::Step| ControlFlow::Continue(());
    let standing = runtime.block_on(silence::run(&fleet, opened, Limits::default(), &go_on)).unwrap();
    assert!(standing.tasks.values().all(|progress| progress.sent.is_empty()), "{standing:#?}");
    assert_one(&demo.clusters()[..1], "INC-1");
    assert_none(&demo.clusters()[1..], "INC-1");
    drop(standing);
    assert_eq!(desk.newest(), (op.clone(), "unfinished".to_owned()));
    let resumed = desk.silence(&["resume", &op, "--yes"]);
    assert_eq!(resumed.code, Some(0), "{}{}", resumed.stdout, resumed.stderr);
    assert_one(demo.clusters(), "INC-1");
}

#[test]
fn live_a_twin_beside_an_obstacle_is_named_and_ended() {
    let demo = quiet_fleet();
    let desk = Desk::on(&demo);
    let ids = make(&demo, "INC-1");
    // Sent and not known to be answered: whatever looks like it may be a twin.
    let cut = Order { kill_on: Some("Answered".into()), ..order(&desk, Deed::Edit, "INC-1") };
    assert!(!cut.start().wait().unwrap().success());
    let edited = |member: &Server| {
        let of_two = |s: &serde_json::Value| s["matchers"].as_array().unwrap().len() == 2;
        held(member, "INC-1").into_iter().filter(of_two).collect::<Vec<_>>()
    };
    let members = || demo.clusters().iter().map(|cluster| &cluster.alertmanager[0]);
    // Whichever member was told, the other hears of it by gossip.
    let told = |cluster: &Cluster| cluster.alertmanager.each_ref().map(|member| edited(member).len());
    let settled = || {
        let told: Vec<_> = demo.clusters().iter().map(told).collect();
        told.iter().all(|[one, other]| one == other) && told.iter().any(|[one, _]| *one > 0)
    };
    assert!(await_until(SOON, settled), "{:?}", cut.steps());
    let mut twins = 0;
    for member in members() {
        for mut twin in edited(member) {
            twin.as_object_mut().unwrap().remove("id");
            post(member, &twin);
            twins += 1;
        }
    }
    a_colleague_extends(&demo, "INC-1", &ids);
    let (op, _) = desk.newest();
    let dry = desk.silence(&["resume", &op, "--dry-run"]);
    assert_eq!(dry.code, Some(3), "what is stuck is not done: {}{}", dry.stdout, dry.stderr);
    assert_eq!(dry.stdout.matches("DELETE ").count(), twins, "{}{}", dry.stdout, dry.stderr);
    let outcome = desk.silence(&["resume", &op, "--yes"]);
    assert_eq!(outcome.code, Some(3), "{}{}", outcome.stdout, outcome.stderr);
    assert!(members().all(|member| edited(member).len() <= 1), "{}", outcome.stderr);
    assert!(colleagues_stands(&demo, "INC-1"));
    let again = desk.silence(&["resume", &op, "--dry-run"]);
    assert_eq!((again.code, &*again.stdout), (Some(3), ""), "{}", again.stderr);
    // Hints lead back to the same journals.
    let hint = format!("`iaasmon --config {} silence resume {op}`", desk.config.display());
    assert!(outcome.stderr.contains(&hint), "{}", outcome.stderr);
}

#[test]
fn live_a_dry_run_of_resume_says_who_cannot_be_read() {
    let demo = quiet_fleet();
    let desk = Desk::on(&demo);
    let cut = Order { kill_at: Some(0), ..order(&desk, Deed::Add, "INC-1") };
    assert!(!cut.start().wait().unwrap().success());
    let (op, _) = desk.newest();
    let text = std::fs::read_to_string(&desk.config).unwrap();
    let west = demo.clusters()[1].alertmanager.each_ref().map(iaasmon::demo::Server::url);
    let nobody = west.iter().fold(text, |text, url| text.replace(url.as_str(), "http://127.0.0.1:1"));
    let nobody =
        nobody.replace("[\"http://127.0.0.1:1\", \"http://127.0.0.1:1\"]", "[\"http://127.0.0.1:1\"]");
    std::fs::write(&desk.config, nobody).unwrap();
    let dry = desk.silence(&["resume", &op, "--dry-run", "-o", "json"]);
    assert_eq!(dry.code, Some(3), "{}{}", dry.stdout, dry.stderr);
    let document: serde_json::Value = serde_json::from_str(&dry.stdout).unwrap();
    let missing = |row: &&serde_json::Value| row["state"] == "missing" && row["cluster"] == "prod-west";
    assert_eq!(document["coverage"].as_array().unwrap().iter().filter(missing).count(), 1, "{document:#}");
}

#[test]
fn live_what_has_ended_is_ended_by_no_operation() {
    let demo = quiet_fleet();
    let desk = Desk::on(&demo);
    let ids = make(&demo, "INC-1");
    assert_eq!(desk.silence(&["expire", &ids[0], "--yes"]).code, Some(0));
    assert_none(demo.clusters(), "INC-1");
    let again = desk.silence(&["expire", &ids[0], "--yes", "-o", "json"]);
    let document: serde_json::Value = serde_json::from_str(&again.stdout).unwrap();
    assert_eq!((again.code, &document["data"]["op"]), (Some(0), &serde_json::Value::Null), "{document:#}");
    assert!(again.stderr.contains("nothing to end"), "{}", again.stderr);
    assert_eq!(desk.json(&["expire", &ids[0], "--dry-run"]), serde_json::json!([]));
    assert_eq!(desk.json(&["status"]).as_array().unwrap().len(), 1);
}
