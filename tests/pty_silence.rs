//! Silences from the screens on real servers: written, seen, changed, ended; and what a crash in the middle leaves.

#![allow(clippy::unwrap_used, reason = "tests: a panic is a failure")]

#[path = "pty/proxy.rs"]
mod proxy;
#[path = "pty/session.rs"]
mod session;
mod support;

use iaasmon::demo::Demo;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use proxy::Doors;
use session::{PROGRAM, Session, start_at_home};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use support::{SOON, await_until, get_json, settled_fleet};

/// The silences in force on a member, as (id, end).
fn in_force(member: &str, comment: &str) -> Vec<(String, String)> {
    let all = get_json(&format!("{member}/api/v2/silences")).expect("it answers");
    let text = |v: &serde_json::Value| v.as_str().unwrap_or_default().to_owned();
    let list = all.as_array().unwrap().iter().filter(|s| s["status"]["state"] == "active");
    let ours = list.filter(|s| text(&s["comment"]).contains(comment));
    ours.map(|s| (text(&s["id"]), text(&s["endsAt"]))).collect()
}

/// Waits until both members of the first cluster have this many silences in force, the same ones.
fn assert_in_force(demo: &Demo, comment: &str, count: usize) -> Vec<(String, String)> {
    let members = demo.clusters()[0].alertmanager.each_ref().map(|am| am.url());
    let both = || members.each_ref().map(|url| in_force(url, comment));
    let agree = || {
        let [one, two] = both();
        one.len() == count && one == two
    };
    assert!(await_until(SOON, agree), "{count} expected on both members: {:#?}", both());
    both()[0].clone()
}

fn hours_left(end: &str) -> f64 {
    let end: chrono::DateTime<chrono::Utc> = end.parse().unwrap();
    (end - iaasmon::sys::clock::now()).num_seconds() as f64 / 3600.0
}

/// Returns the name and node of an alert of the first cluster that is alone in having both.
fn an_alert(demo: &Demo) -> (String, String) {
    let cluster = &demo.clusters()[0];
    let alerts = get_json(&format!("{}/api/v2/alerts", cluster.alertmanager[0].url())).unwrap();
    let label =
        |alert: &serde_json::Value, name: &str| alert["labels"][name].as_str().unwrap_or("").to_owned();
    let alerts = alerts.as_array().unwrap();
    // On a busy machine runners are stale for a moment: such an alert may be over before it is looked for.
    let lasts = |alert: &&serde_json::Value| {
        !label(alert, "instance").is_empty() && label(alert, "alertname") != "RunnerStale"
    };
    let named = |alert: &serde_json::Value| (label(alert, "alertname"), label(alert, "instance"));
    // Two of one name on one node are a group, which is silenced in another way.
    let alone =
        |alert: &&serde_json::Value| alerts.iter().filter(|other| named(other) == named(alert)).count() == 1;
    named(alerts.iter().filter(lasts).find(alone).unwrap())
}

fn open(config: &Path, home: &Path) -> Session {
    let command = [PROGRAM.to_owned(), "--config".to_owned(), config.display().to_string()];
    start_at_home(home, &[("USER", "r.ahn"), ("TZ", "Europe/Berlin"), ("NO_COLOR", "1")], &command)
}

/// Filters the alerts down to one and waits for its row.
fn find_alert(session: &mut Session, alert: &(String, String)) {
    let host = alert.1.rsplit_once(':').map_or(alert.1.as_str(), |(host, _)| host).to_owned();
    session.send("2");
    session.wait_for_sight("alerts", |seen| seen.contains("[2Alert]") && seen.contains("CRIT"));
    session.send(&format!("/{} {host}\r", alert.0));
    let row = |line: &str| line.starts_with('>') && line.contains(&alert.0);
    session.wait_for_sight("the alert", |seen| seen.contains("row 1/") && seen.lines().any(row));
}

/// Answers the last look once it listens, and waits for the end of what was confirmed.
fn confirm(session: &mut Session) -> String {
    session.wait_for_sight("guard's end", |seen| seen.contains("CONFIRM") && seen.contains(" y: "));
    session.send("y");
    session.wait_for_sight("end", |seen| {
        seen.contains("DONE") || seen.contains("PARTIAL") || seen.contains("NOT DONE")
    })
}

/// Writes a silence of the shown alert up to the last look.
fn draft(session: &mut Session, comment: &str) {
    session.send("s");
    session.wait_for_sight("editor", |seen| seen.contains("Silences > new"));
    session.send(comment);
    session.wait_for_sight("preview", |seen| seen.contains("ready to be reviewed"));
    session.send("\x18");
    let seen = session.wait_for_sight("last look", |seen| seen.contains("CONFIRM"));
    for word in
        ["what ", "where ", "until ", "UTC = ", "local", "who  ", "why  ", "same as: iaasmon silence add"]
    {
        assert!(seen.contains(word), "{word}:\n{seen}");
    }
}

#[test]
fn live_a_silence_is_made_changed_extended_and_expired_from_the_screens() {
    let demo = settled_fleet();
    let home = tempfile::tempdir().unwrap();
    let mut session = open(demo.config(), home.path());
    let alert = an_alert(&demo);
    find_alert(&mut session, &alert);
    draft(&mut session, "INC-7 b");
    let seen = confirm(&mut session);
    assert!(seen.contains("DONE: 1 applied"), "{seen}");
    let [(_, end)] = assert_in_force(&demo, "INC-7", 1).try_into().unwrap();
    assert!((1.9..=2.0).contains(&hours_left(&end)), "{end}");
    session.send("2");
    session.wait_for_sight("the alert as silenced", |seen| seen.contains("silenced"));

    session.send("4");
    session.wait_for_sight("list", |seen| seen.contains("INC-7 b"));
    session.send("e");
    session.wait_for_sight("editor", |seen| seen.contains("Silences > edit"));
    session.send("\x153h\t c");
    session.wait_for_sight("preview", |seen| seen.contains("ready to be reviewed"));
    session.send("\x18");
    let seen = confirm(&mut session);
    assert!(seen.contains("DONE: 1 applied"), "{seen}");
    let [(_, end)] = assert_in_force(&demo, "INC-7 b c", 1).try_into().unwrap();
    assert!((2.9..=3.0).contains(&hours_left(&end)), "{end}");

    session.send("4");
    session.wait_for_sight("new comment", |seen| seen.contains("INC-7 b c"));
    session.send("+");
    session.wait_for_sight("prompt", |seen| seen.contains("EXTEND"));
    session.send("\r");
    let seen = confirm(&mut session);
    assert!(seen.contains("DONE: 1 applied"), "{seen}");
    let [(_, end)] = assert_in_force(&demo, "INC-7", 1).try_into().unwrap();
    assert!((3.9..=4.0).contains(&hours_left(&end)), "{end}");

    session.send("4");
    session.wait_for_sight("new end", |seen| seen.contains("3h5"));
    session.send("x");
    let seen = confirm(&mut session);
    assert!(seen.contains("DONE: 1 applied"), "{seen}");
    assert_in_force(&demo, "INC-7", 0);

    // Taking the expiry back makes it again, once.
    session.send("u");
    let seen = confirm(&mut session);
    assert!(seen.contains("DONE: 1 applied"), "{seen}");
    assert_in_force(&demo, "INC-7", 1);
    session.send("\x03");
    assert_eq!(session.wait_for_end().0.exit_code(), 0);
}

/// Writes the configuration of `demo` with a door before each Alertmanager of the first cluster.
fn with_doors(demo: &Demo, folder: &Path) -> (Arc<Doors>, PathBuf) {
    let doors = Arc::new(Doors::default());
    let mut text = std::fs::read_to_string(demo.config()).unwrap();
    for member in &demo.clusters()[0].alertmanager {
        let address = member.address().to_string();
        assert!(text.contains(&address));
        text = text.replace(&address, &doors.before(member.address()).to_string());
    }
    let config = folder.join("doors.toml");
    std::fs::write(&config, text).unwrap();
    (doors, config)
}

#[test]
fn live_a_write_that_was_cut_off_is_seen_at_the_next_start_and_finished_once() {
    let demo = settled_fleet();
    let alert = an_alert(&demo);
    for (signal, comment) in [(Signal::SIGKILL, "INC-8 killed"), (Signal::SIGHUP, "INC-9 hung up")] {
        let home = tempfile::tempdir().unwrap();
        let (doors, config) = with_doors(&demo, home.path());
        let mut session = open(&config, home.path());
        find_alert(&mut session, &alert);
        draft(&mut session, comment);
        session.wait_for_sight("guard's end", |seen| seen.contains("y: send"));
        doors.set_trap();
        session.send("y");
        doors.wait_until_shut();
        kill(Pid::from_raw(session.pid()), signal).unwrap();
        let (_, took) = session.wait_for_end();
        assert!(took < std::time::Duration::from_secs(7), "{signal}: {took:?}");
        doors.open();
        assert_in_force(&demo, comment, 1);

        let mut session = open(&config, home.path());
        let seen = session.wait_for_sight("reminder", |seen| seen.contains("unfinished silence operation"));
        assert!(seen.contains("(0 of 1 applied)"), "{seen}");
        session.send("O");
        session.wait_for_sight("operations", |seen| seen.contains("UNFINISHED"));
        session.send("r");
        // The first member took it, behind the door that hid its answer.
        session.wait_for_sight("what is left", |seen| {
            seen.contains("CONFIRM") && seen.contains("prod-east: made; nothing is left")
        });
        let seen = confirm(&mut session);
        assert!(seen.contains("DONE: 1 applied"), "{signal}: {seen}");
        assert_in_force(&demo, comment, 1);
        session.send("1");
        session.wait_for_sight("no reminder", |seen| {
            seen.contains("[1Over]") && !seen.contains("unfinished silence operation")
        });
        session.send("\x03");
        session.wait_for_end();
    }
}

#[test]
fn live_what_a_cluster_did_not_hear_of_is_taken_back_when_it_answers_again() {
    let demo = settled_fleet();
    let home = tempfile::tempdir().unwrap();
    let (comment, west) = ("INC-10 both", &demo.clusters()[1].alertmanager);
    let add = ["silence", "add", "x=y", "--all-clusters", "--comment", comment, "--yes"];
    let added = support::run(
        support::command().env("HOME", home.path()).arg("--config").arg(demo.config()).args(add),
        b"",
    );
    assert_eq!(added.code, Some(0), "{}", added.stderr);
    west.iter().for_each(|member| member.stop().unwrap());
    let mut session = open(demo.config(), home.path());
    session.send("O");
    session.wait_for_sight("operation", |seen| seen.contains("2 of 2"));
    session.send("u");
    let seen = confirm(&mut session);
    assert!(seen.contains("PARTIAL: not everything is taken back: prod-west"), "{seen}");
    assert_in_force(&demo, comment, 0);

    west.iter().for_each(|member| member.cont().unwrap());
    assert_eq!(in_force(&west[0].url(), comment).len(), 1);
    session.send("\x1b");
    session.wait_for_sight("operations", |seen| seen.contains("Operations of this journal"));
    session.send("Gu");
    let seen = confirm(&mut session);
    assert!(seen.contains("DONE: 1 applied"), "{seen}");
    assert!(await_until(SOON, || west.iter().all(|member| in_force(&member.url(), comment).is_empty())));
    session.send("\x1b");
    session.wait_for_sight("operations", |seen| seen.contains("Operations of this journal"));
    session.send("Gu");
    let seen = confirm(&mut session);
    assert!(seen.contains("nothing of it stands any more"), "{seen}");
    session.send("\x03");
    session.wait_for_end();
}

#[test]
fn what_is_left_of_an_operation_is_sent_only_when_somebody_says_yes() {
    let home = tempfile::tempdir().unwrap();
    let config = home.path().join("config.toml");
    // Nothing listens on port 1: every request is refused at once.
    std::fs::write(&config, "[[cluster]]\nname = \"east\"\nalertmanager = [\"http://127.0.0.1:1\"]\n")
        .unwrap();
    let silence = |args: &[&str]| {
        let mut command = support::command();
        command.env("HOME", home.path()).arg("--config").arg(&config).arg("silence").args(args);
        support::run(&mut command, b"")
    };
    let added = silence(&["add", "x=y", "--all-clusters", "--comment", "INC-1", "--yes"]);
    assert_eq!((added.code, &*added.stdout), (Some(4), ""), "{}", added.stderr);
    let op = silence(&["status", "-o", "name"]).stdout.trim().to_owned();
    for (answer, code, end) in [("n\r", 2, "nothing was done"), ("y\r", 4, "add applied on 0 of 1")] {
        let words = [PROGRAM, "--config", config.to_str().unwrap(), "silence", "resume", &op];
        let mut session = start_at_home(home.path(), &[("NO_COLOR", "1")], &words.map(str::to_owned));
        session.wait_for("what is left", |bytes| bytes.contains("east: nothing is done; still to make it"));
        session.wait_for("question", |bytes| bytes.contains("finish add on 1 cluster(s)? [y/N]"));
        session.send(answer);
        assert_eq!(session.wait_for_end().0.exit_code(), code, "{}", session.bytes());
        session.wait_for("result", |bytes| bytes.contains(end));
    }
}

#[test]
fn live_ctrl_c_at_a_prompt_ends_the_command_also_after_an_operation() {
    let demo = settled_fleet();
    let home = tempfile::tempdir().unwrap();
    let made = ["INC-1", "INC-2"].map(|comment| {
        let add = [
            "silence",
            "add",
            "x=y",
            "--cluster",
            "prod-east",
            "--all-clusters",
            "--comment",
            comment,
            "--yes",
        ];
        let added = support::iaasmon_on(&demo, &add);
        assert_eq!(added.code, Some(0), "{}", added.stderr);
        added.stdout.trim().to_owned()
    });
    let config = demo.config().display().to_string();
    let words = [PROGRAM, "--config", &config, "silence", "expire", &made[0], &made[1]];
    let mut session = start_at_home(home.path(), &[("NO_COLOR", "1")], &words.map(str::to_owned));
    session.wait_for("first question", |bytes| bytes.contains("expire on 1 cluster(s)? [y/N]"));
    session.send("y\r");
    session.wait_for("second question", |bytes| bytes.matches("expire on 1 cluster(s)? [y/N]").count() == 2);
    session.send("\x03");
    assert_ne!(session.wait_for_end().0.exit_code(), 0, "{}", session.bytes());
    session.wait_for("word", |bytes| bytes.contains("nothing was done"));
    let left =
        ["INC-1", "INC-2"].map(|comment| in_force(&demo.clusters()[0].alertmanager[0].url(), comment).len());
    assert_eq!(left.iter().sum::<usize>(), 1, "{left:?}");
}
