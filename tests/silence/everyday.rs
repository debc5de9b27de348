//! The commands as an operator and a script use them, on a fleet with alerts.

use crate::desk::{Desk, assert_none, assert_one, held};
use crate::support::{Outcome, SOON, await_until, settled_fleet};
use iaasmon::demo::Demo;
use serde_json::{Value, json};

/// Works on all servers of `demo`; the journals are the desk's own, as on a real fleet.
fn desk(demo: &Demo) -> Desk {
    let text = std::fs::read_to_string(demo.config()).unwrap();
    let journals = "[policy.silence]\njournals = \"operations\"\n";
    assert!(text.contains(journals), "{text}");
    Desk::new(&text.replace(journals, ""))
}

/// Returns what a command lists.
fn rows(desk: &Desk, args: &[&str]) -> Vec<Value> {
    let outcome = desk.run(&[args, &["-o", "json"]].concat());
    let value: Value = serde_json::from_str(&outcome.stdout).unwrap_or_else(|e| panic!("{e}: {outcome:?}"));
    value["data"].as_array().unwrap().clone()
}

fn assert_code(outcome: &Outcome, code: i32) {
    assert_eq!(outcome.code, Some(code), "{}{}", outcome.stdout, outcome.stderr);
}

/// Asserts that a command is refused, in these words, and that no member has anything of the comment.
fn assert_refused(demo: &Demo, desk: &Desk, args: &[&str], words: &[&str]) {
    let outcome = desk.silence(&[args, &["--comment", "INC-0 refused"]].concat());
    assert_code(&outcome, 2);
    for word in words {
        assert!(outcome.stderr.contains(word), "{args:?}: `{word}` in {}", outcome.stderr);
    }
    assert_none(demo.clusters(), "INC-0 refused");
}

fn minutes_left(silence: &Value) -> i64 {
    let end = chrono::DateTime::parse_from_rfc3339(silence["endsAt"].as_str().unwrap()).unwrap();
    (end.to_utc() - iaasmon::sys::clock::now()).num_minutes()
}

/// Returns the silences in the everyday list that have this comment.
fn listed(desk: &Desk, comment: &str, expired: bool) -> Vec<Value> {
    let args: &[&str] = if expired { &["silence", "list", "--expired"] } else { &["silence", "list"] };
    rows(desk, args).into_iter().filter(|row| row["comment"] == comment).collect()
}

#[test]
fn live_a_silence_over_two_clusters_is_one_from_its_making_to_its_end() {
    let (demo, comment) = (settled_fleet(), "INC-1 disks");
    let (desk, clusters) = (desk(&demo), demo.clusters());
    let all =
        ["add", "alertname=~Check.*|Node.*", "--all-clusters", "--duration", "2h", "--comment", comment];
    let add = |more: &[&str]| desk.silence(&[&all, more].concat());

    assert_code(&add(&[]), 2);
    let dry = add(&["--dry-run"]);
    assert_code(&dry, 0);
    assert_eq!(dry.stdout.matches("POST").count(), 2, "{}", dry.stdout);
    assert_none(clusters, comment);
    let journals = std::fs::read_dir(desk.journals()).map_or(0, Iterator::count);
    assert_eq!(journals, 0, "what was not done is in no journal");

    let added = add(&["--yes", "--allow-broad"]);
    assert_code(&added, 0);
    let made = assert_one(clusters, comment);
    let ids: Vec<&str> = made.iter().map(|s| s["id"].as_str().unwrap()).collect();
    let list = listed(&desk, comment, false);
    assert_eq!(list.len(), 1, "{list:#?}");
    let id = list[0]["id"].as_str().unwrap();
    assert_eq!(added.stdout, format!("{id}\n"), "the id listed is all that a script gets");
    assert!(added.stderr.contains("applied") && added.stderr.contains(ids[1]), "{}", added.stderr);
    assert!(list[0]["firing"].as_u64().unwrap() > 0, "{list:#?}");
    let copies = list[0]["copies"].as_array().unwrap();
    assert_eq!((copies.len(), copies[0]["members"].as_array().unwrap().len()), (2, 2), "{list:#?}");
    for id in ids.iter().map(|id| id.to_owned()).chain([&id[..8]]) {
        assert!(desk.silence(&["show", id]).stdout.contains(ids[0]), "{id}");
    }

    // Any member's id acts on the whole.
    assert_code(&desk.silence(&["edit", ids[1], "--duration", "30m", "--yes"]), 0);
    let shorter = assert_one(clusters, comment);
    assert!(
        shorter.iter().zip(&made).all(|(s, m)| s["id"] == m["id"] && minutes_left(s) < 31),
        "{shorter:#?}"
    );
    let extended = desk.silence(&["extend", ids[0], "1h", "--yes"]);
    assert_code(&extended, 0);
    assert_eq!(extended.stdout, added.stdout);
    assert!(!extended.stderr.contains("similar"), "it is not like itself: {}", extended.stderr);
    assert!(assert_one(clusters, comment).iter().all(|s| (85..=90).contains(&minutes_left(s))));
    let edited = desk.silence(&["edit", ids[1], "alertname=~Check.*", "rack=~.+", "--yes", "--allow-broad"]);
    assert_code(&edited, 0);
    let after = assert_one(clusters, comment);
    assert!(after.iter().zip(&made).all(|(s, m)| s["id"] != m["id"]), "new matchers, new ids");
    let new = after.iter().map(|s| s["id"].as_str().unwrap()).min().unwrap();
    assert_eq!(edited.stdout, format!("{new}\n"));
    assert_eq!(listed(&desk, comment, false).len(), 1);

    let (op, state) = desk.newest();
    assert_eq!(state, "ended");
    assert_code(&desk.silence(&["status", &op]), 0);
    let dry = desk.silence(&["undo", &op, "--dry-run"]);
    assert_code(&dry, 0);
    assert_eq!((dry.stdout.matches("POST").count(), dry.stdout.matches("DELETE").count()), (2, 2), "{dry:?}");
    assert_eq!(assert_one(clusters, comment), after, "a dry run changes nothing");
    assert_code(&desk.silence(&["undo", &op, "--yes"]), 0);
    let back = assert_one(clusters, comment);
    assert!(back.iter().all(|s| s["matchers"].as_array().unwrap().len() == 1), "{back:#?}");
    assert_code(&desk.silence(&["undo", &op, "--yes"]), 0);
    assert_eq!(assert_one(clusters, comment), back, "taking back twice makes nothing twice");

    // Both ids of the same silence: it ends once.
    let ids: Vec<&str> = back.iter().map(|s| s["id"].as_str().unwrap()).collect();
    assert_code(&desk.silence(&["expire", ids[0]]), 2);
    let ended = desk.silence(&["expire", ids[0], ids[1], "--yes"]);
    assert_code(&ended, 0);
    assert!(ended.stderr.contains("will page again"), "{}", ended.stderr);
    assert_eq!(ended.stdout, format!("{}\n", ids.iter().min().unwrap()));
    assert_none(clusters, comment);
    assert!(listed(&desk, comment, false).is_empty());
    assert!(!listed(&desk, comment, true).is_empty());
    let over = desk.json(&["expire", ids[0], "--yes"]);
    assert_eq!(
        (&over["kind"], over["clusters"].as_array().map(Vec::len)),
        (&json!("expire"), Some(0)),
        "{over}"
    );

    let again = desk.silence(&["edit", ids[0], "--duration", "1h", "--yes", "--allow-broad"]);
    assert_code(&again, 0);
    assert!(again.stderr.contains("it is made again with a new id"), "{}", again.stderr);
    let anew = assert_one(clusters, comment);
    assert!(anew.iter().zip(&back).all(|(s, b)| s["id"] != b["id"]));
    for deed in [&["show"][..], &["expire", "--yes"], &["edit", "--duration", "1h", "--yes"]] {
        let outcome = desk.silence(&[deed, &["6ba7b810-9dad-11d1-80b4-00c04fd430c8"]].concat());
        assert_code(&outcome, 2);
        assert!(outcome.stderr.contains("no silence has the id"), "{}", outcome.stderr);
    }
}

#[test]
fn live_a_silence_goes_where_it_matches_and_as_far_as_policy_allows() {
    let demo = settled_fleet();
    let desk = desk(&demo);
    let [east, west] = demo.clusters() else { panic!("two clusters") };
    let (nodes, firing) = (rows(&desk, &["nodes"]), rows(&desk, &["alerts"]));
    // What has just recovered still fires for a moment.
    let is_told_of = |node: &Value| firing.iter().any(|alert| alert["labels"]["instance"] == node["name"]);
    let node = |cluster: &str, fails: bool| {
        let fits = |n: &&Value| {
            let is_failing = !n["failing"].as_array().unwrap().is_empty();
            n["cluster"] == cluster && n["up"] == "up" && is_failing == fails && (fails || !is_told_of(n))
        };
        nodes.iter().find(fits).unwrap()["name"].as_str().unwrap()
    };
    let only = |comment: &str, on: &iaasmon::demo::Cluster, not: &iaasmon::demo::Cluster| {
        assert_eq!(held(&on.alertmanager[0], comment).len(), 1, "{comment}");
        assert!(held(&not.alertmanager[0], comment).is_empty(), "{comment}");
    };
    let add = |comment: &str, args: &[&str]| {
        let outcome = desk.silence(&[&["add", "--comment", comment, "--yes"], args].concat());
        assert_code(&outcome, 0);
        outcome
    };

    // Without the port it is the same node.
    let name = node("prod-east", true);
    add("INC-1 fires", &["--node", name.split(':').next().unwrap()]);
    only("INC-1 fires", east, west);
    let matchers = &held(&east.alertmanager[0], "INC-1 fires")[0]["matchers"];
    assert_eq!(matchers[0]["value"], name, "{matchers}");
    // Maintenance comes before anything fires.
    let said = add("INC-2 maintenance", &["--node", node("prod-west", false)]).stderr;
    only("INC-2 maintenance", west, east);
    assert!(said.contains("hits 0 firing alert(s) on 1 node(s)"), "{said}");
    add("INC-3 glob", &["Nothing", "--cluster", "prod-w*"]);
    only("INC-3 glob", west, east);
    let alerts = rows(&desk, &["alerts"]);
    let alert = alerts.iter().find(|a| a["cluster"] == "prod-east" && a["state"] == "active").unwrap();
    let acked = add("INC-4 mine", &["--from-alert", alert["fingerprint"].as_str().unwrap(), "--ack"]);
    only("ACK! INC-4 mine", east, west);
    assert!(minutes_left(&held(&east.alertmanager[1], "ACK! INC-4 mine")[0]) <= 30, "{}", acked.stderr);
    // A reader sees who is looked after; for a program it is as silenced as any other.
    let is_acked = || {
        let table = desk.run(&["alerts", "-o", "wide"]).stdout;
        let mut rows = table.lines();
        rows.any(|row| row.contains(alert["fingerprint"].as_str().unwrap()) && row.contains(" acked "))
    };
    assert!(await_until(SOON, is_acked), "{}", desk.run(&["alerts", "-o", "wide"]).stdout);
    assert!(desk.run(&["alerts"]).stdout.contains(" acked "));
    let same = |a: &&Value| a["fingerprint"] == alert["fingerprint"];
    assert_eq!(rows(&desk, &["alerts"]).iter().find(same).unwrap()["state"], "silenced");

    let refused = |args: &[&str], words: &[&str]| assert_refused(&demo, &desk, args, words);
    let slip = format!("x{}", node("prod-east", true));
    refused(&["add", "--node", &slip, "--yes"], &["there is no node", "did you mean", "--all-clusters"]);
    let said = add("INC-6 to come", &["--node", &slip, "--cluster", "prod-west"]).stderr;
    assert!(said.contains("no node") && said.contains("is known"), "{said}");
    only("INC-6 to come", west, east);
    refused(&["add", "Nothing", "--yes"], &["matches no firing alert", "--cluster", "--all-clusters"]);
    refused(
        &["add", "alertname!=x", "--all-clusters", "--yes"],
        &["only negative matchers", "--allow-broad"],
    );
    refused(&["add", "severity=critical", "--all-clusters", "--yes"], &["broad", "--allow-broad"]);
    refused(&["add", "alertname=~.*", "--all-clusters", "--yes", "--allow-broad"], &["refused"]);
    refused(&["add", "x=y", "--all-clusters"], &["--yes"]);
    add("INC-5 all but x", &["alertname!=x", "--all-clusters", "--allow-broad"]);
    assert_one(demo.clusters(), "INC-5 all but x");

    let text = std::fs::read_to_string(&desk.config).unwrap();
    let west_is = "name = \"prod-west\"\n";
    let strict = Desk::new(&format!(
        "{}[policy.silence]\ncomment_pattern = \"CHG-[0-9]+\"\nmax_duration = \"4h\"\n",
        text.replace(west_is, &format!("{west_is}access = \"ro\"\n"))
    ));
    let refused = |args: &[&str], words: &[&str]| assert_refused(&demo, &strict, args, words);
    refused(&["add", "x=y", "--all-clusters", "--yes"], &["refused", "CHG-[0-9]+"]);
    refused(&["preview", "x=y", "--all-clusters"], &["refused: the policy", "CHG-[0-9]+"]);
    refused(&["add", "x=y", "--cluster", "prod-west", "--yes"], &["prod-west read-only"]);
    // Whoever only looks need not say why; all else is as for an addition.
    let looked = strict.silence(&["preview", "x=y", "--all-clusters"]);
    assert_code(&looked, 0);
    let wish = "hint: the policy wants a comment that contains `CHG-[0-9]+`";
    assert!(looked.stderr.contains(wish) && !looked.stdout.contains("refused"), "{looked:?}");
    let looked = strict.silence(&["preview", "x=y", "--all-clusters", "-d", "5h"]);
    assert_code(&looked, 2);
    assert!(looked.stderr.contains("refused: it would last 5h, the policy allows 4h"), "{}", looked.stderr);
    let outcome = strict.silence(&["add", "x=y", "--all-clusters", "-c", "CHG-1", "-d", "5h", "--yes"]);
    assert_code(&outcome, 2);
    assert!(outcome.stderr.contains("it would last 5h, the policy allows 4h"), "{}", outcome.stderr);
    let outcome = strict.silence(&["add", "x=y", "--all-clusters", "-c", "CHG-1", "--yes"]);
    assert_code(&outcome, 0);
    assert!(outcome.stderr.contains("skipped (read-only)"), "{}", outcome.stderr);
    only("CHG-1", east, west);
    let foreign = held(&west.alertmanager[0], "INC-3 glob")[0]["id"].as_str().unwrap().to_owned();
    let outcome = strict.silence(&["expire", &foreign, "--yes"]);
    assert_code(&outcome, 2);
    assert!(outcome.stderr.contains("nothing can be written: prod-west read-only"), "{}", outcome.stderr);
    assert_eq!(held(&west.alertmanager[0], "INC-3 glob").len(), 1);

    // Who was asked before anything was written is said with the result, and with a dry run.
    let args = ["add", "x=y", "--all-clusters", "-c", "INC-7", "-o", "json"];
    for how in ["--dry-run", "--yes"] {
        let outcome = desk.silence(&[&args, &[how][..]].concat());
        assert_code(&outcome, 0);
        let document: Value = serde_json::from_str(&outcome.stdout).unwrap();
        let members = document["coverage"].as_array().unwrap();
        let alertmanagers = members.iter().filter(|m| m["kind"] == "alertmanager" && m["error"].is_null());
        assert_eq!(alertmanagers.count(), 4, "{document:#}");
    }

    // What may not be written to keeps nothing else alive, wherever it stands in the list, and the exit code says it.
    let own = held(&east.alertmanager[0], "CHG-1")[0]["id"].as_str().unwrap().to_owned();
    let maintenance = held(&west.alertmanager[0], "INC-2 maintenance")[0]["id"].as_str().unwrap().to_owned();
    let outcome = strict.silence(&["expire", &foreign, &maintenance, "--yes"]);
    assert_code(&outcome, 2);
    assert_eq!(outcome.stderr.matches("prod-west read-only").count(), 2, "{}", outcome.stderr);
    let outcome = strict.silence(&["expire", &foreign, &own, &maintenance, "--yes"]);
    assert_code(&outcome, 3);
    assert_eq!(outcome.stderr.matches("prod-west read-only").count(), 2, "{}", outcome.stderr);
    assert!(held(&east.alertmanager[0], "CHG-1").is_empty());
    assert_eq!(held(&west.alertmanager[0], "INC-3 glob").len(), 1);
}
