//! What reaches the members, whatever becomes of them.

use super::support::{SOON, await_until, get_json, iaasmon};
use super::world::{Am, Node, Proxy, Says, firing, resolved};
use iaasmon::sys::clock;
use nix::sys::signal::Signal;
use serde_json::{Value, json};
use std::time::Duration;

#[test]
fn a_member_that_was_away_gets_the_newest_of_what_it_missed() {
    let mut ams = [Am::start(), Am::start()];
    let node = Node::start(Says::Output("CRIT\n"));
    let proxy = Proxy::start(&[&ams[0], &ams[1]], &[]);
    ams[1].end();
    let begun = clock::instant();
    for alert in [firing("Stays", &node), firing("Ends", &node), resolved("Ends", &node)] {
        assert_eq!(proxy.post(&json!([alert])).code, 200);
    }
    assert!(begun.elapsed() < Duration::from_secs(5), "one member is enough");
    ams[0].await_annotation("Stays", "check_output", "CRIT");
    ams[0].await_gone("Ends");
    ams[1].run();
    ams[1].await_annotation("Stays", "check_output", "CRIT");
    assert!(await_until(SOON, || proxy.ledger("queue_length", &ams[1]) == 0.0));
    assert!(ams[1].alert("Ends").is_none());
    ams.iter().for_each(|am| proxy.assert_balance(am));
}

#[test]
fn a_sender_is_told_when_nobody_takes_its_alerts() {
    let mut ams = [Am::start(), Am::start()];
    let node = Node::start(Says::Output("CRIT\n"));
    let proxy = Proxy::start(&[&ams[0], &ams[1]], &[]);
    ams.iter_mut().for_each(Am::end);
    let begun = clock::instant();
    let answer = proxy.post(&json!([firing("Nobody", &node)]));
    assert_eq!(answer.code, 503, "{}", answer.text());
    assert!(answer.text().contains("connection refused"), "{}", answer.text());
    assert!(begun.elapsed() < Duration::from_secs(5));
    proxy.place.await_ready(503, "none takes alerts");
    ams.iter_mut().for_each(Am::run);
    // It was not promised, and it is tried nevertheless.
    ams.iter().for_each(|am| am.await_annotation("Nobody", "check_output", "CRIT"));
    proxy.place.await_ready(200, "");

    ams.iter().for_each(|am| am.signal(Signal::SIGSTOP));
    let begun = clock::instant();
    let answer = proxy.post(&json!([firing("Asleep", &node)]));
    let took = begun.elapsed();
    assert!(matches!(answer.code, 503 | 504), "{}", answer.code);
    assert!(took < Duration::from_millis(5_900), "{took:?}");
    // What is resolved meanwhile stays so when they wake and find the old request in their sockets.
    let answer = proxy.post(&json!([resolved("Asleep", &node)]));
    assert!(matches!(answer.code, 503 | 504), "{}", answer.code);
    ams.iter().for_each(|am| am.signal(Signal::SIGCONT));
    for am in &ams {
        assert!(await_until(SOON, || proxy.ledger("queue_length", am) == 0.0));
        proxy.assert_balance(am);
    }
    // Told once more two seconds later, whatever the order was.
    let told = || ams.iter().all(|am| proxy.ledger("copies_offered_total", am) >= 4.0);
    assert!(await_until(SOON, told));
    ams.iter().for_each(|am| am.await_gone("Asleep"));
}

#[test]
fn one_bad_alert_is_refused_and_its_batch_goes_on() {
    let am = Am::start();
    let node = Node::start(Says::Output("CRIT\n"));
    let proxy = Proxy::start(&[&am], &[]);
    let mut alerts: Vec<Value> = (0..9).map(|number| firing(&format!("Good{number}"), &node)).collect();
    alerts.insert(4, json!({"labels": {"alertname": "Bad", "not-a-name": "x"}, "annotations": {}}));
    alerts.push(json!({"labels": {"alertname": 7}}));
    assert_eq!(proxy.post(&Value::Array(alerts)).code, 200);
    (0..9).for_each(|number| am.await_annotation(&format!("Good{number}"), "check_output", "CRIT"));
    assert!(am.alert("Bad").is_none());
    assert_eq!(proxy.ledger("copies_refused_total", &am), 1.0);
    assert_eq!(proxy.place.metric("iaasmon_proxy_alerts_misshapen_total"), Some(1.0));
    proxy.assert_balance(&am);
    let said = proxy.place.said();
    assert!(said.contains("refuses an alert") && said.contains("not-a-name"), "{said}");
    // Alone it is told to its sender, in the Alertmanager's words.
    let answer = proxy.post(&json!([{"labels": {"not-a-name": "x"}, "annotations": {}}]));
    assert_eq!(answer.code, 400);
    assert!(answer.text().contains("invalid label"), "{}", answer.text());
    for body in ["", "{}", "[", "[1]"] {
        assert_eq!(proxy.send("POST", "/api/v2/alerts", body).code, 400, "{body}");
    }
    assert_eq!(proxy.post(&json!([])).code, 200);
}

#[test]
fn who_reads_reads_an_alertmanager_and_who_writes_is_not_lent_the_proxys_hand() {
    let mut ams = [Am::start(), Am::start()];
    let node = Node::start(Says::Output("CRIT\n"));
    let proxy = Proxy::start(&[&ams[0], &ams[1]], &[]);
    assert_eq!(proxy.post(&json!([firing("Read", &node)])).code, 200);
    ams.iter().for_each(|am| am.await_annotation("Read", "check_output", "CRIT"));
    let through =
        get_json(&format!("http://{}/api/v2/alerts?filter=alertname%3D%22Read%22", proxy.place.address));
    assert_eq!(through.unwrap()[0]["labels"]["alertname"], "Read");
    // Our own command line reads through it; so it does with one member gone.
    proxy.place.write(
        "config.toml",
        format!("[[cluster]]\nname = \"east\"\nalertmanager = [\"http://{}\"]\n", proxy.place.address),
    );
    ams[0].end();
    assert_eq!(proxy.post(&json!([firing("Read", &node)])).code, 200);
    let listed = iaasmon(&["--config", &proxy.place.arg("config.toml"), "alerts", "-o", "name"]);
    assert_eq!(listed.code, Some(0), "{}", listed.stderr);
    assert_eq!(listed.stdout.lines().count(), 1, "{}", listed.stdout);
    let silence = r#"{"matchers":[{"name":"a","value":"b","isRegex":false}],"startsAt":"2030-01-01T00:00:00Z","endsAt":"2030-01-01T01:00:00Z","createdBy":"x","comment":"x"}"#;
    assert_eq!(proxy.send("POST", "/api/v2/silences", silence).code, 403);
    assert_eq!(proxy.send("DELETE", "/api/v2/silence/x", "").code, 403);
    assert_eq!(proxy.send("POST", "/api/v1/alerts", "[]").code, 410);
    assert_eq!(proxy.send("GET", "/api/v2/../../-/reload", "").code, 502);
    assert_eq!(proxy.send("GET", "/api/v2/%2e%2e/%2e%2e/metrics", "").code, 502);
    for hidden in ["..%2f..%2F-/reload", "..%5c..%5C-/reload", "a%2Fb", "status%2e"] {
        let answer = proxy.send("GET", &format!("/api/v2/{hidden}"), "");
        assert_eq!(answer.code, 502, "{hidden}");
        assert!(answer.text().contains("is not below"), "{hidden}: {}", answer.text());
    }
}

#[test]
fn members_come_and_go_with_the_file_that_names_them() {
    let ams = [Am::start(), Am::start()];
    let node = Node::start(Says::Output("CRIT\n"));
    let place = super::support::service::Place::new();
    let named = |ams: &[&Am]| {
        let targets: Vec<&str> = ams.iter().map(|am| am.place.address.as_str()).collect();
        json!([{"targets": targets}]).to_string()
    };
    place.write("members.json", named(&[&ams[0]]));
    let file = place.arg("members.json");
    let proxy = Proxy::start_at(place, &[], &["--alertmanager-file", &file]);
    assert_eq!(proxy.post(&json!([firing("One", &node)])).code, 200);
    ams[0].await_annotation("One", "check_output", "CRIT");
    assert!(ams[1].alert("One").is_none());
    // A file that is being written takes nobody away, nor does one that names nobody at all.
    for (text, why) in [("[{", "line 1"), ("", "it is empty"), ("[]", "no Alertmanager is named any more")] {
        proxy.place.write("members.json", text);
        let is_said = || {
            let said = proxy.place.said();
            said.lines().any(|line| line.contains("the members stay as they were") && line.contains(why))
        };
        assert!(await_until(SOON, is_said), "{text:?}: {}", proxy.place.said());
        assert_eq!(proxy.post(&json!([firing("One", &node)])).code, 200);
    }
    proxy.place.write("members.json", named(&[&ams[1]]));
    assert!(await_until(SOON, || proxy.place.said().contains("is no member any more")));
    assert_eq!(proxy.post(&json!([firing("Two", &node)])).code, 200);
    ams[1].await_annotation("Two", "check_output", "CRIT");
    assert!(ams[0].alert("Two").is_none());
    // It may have been away: it has what still fires.
    ams[1].await_annotation("One", "check_output", "CRIT");
}
