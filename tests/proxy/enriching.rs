//! What alerts get on their way.

use super::support::{SOON, await_until, get_json};
use super::world::{Am, Node, Proxy, Says, firing, resolved};
use serde_json::json;
use std::time::Duration;

#[test]
fn an_alert_reaches_every_member_with_the_words_of_its_check() {
    let ams = [Am::start(), Am::start()];
    let node = Node::start(Says::Output("CRIT: /var is full\n"));
    let proxy = Proxy::start(&[&ams[0], &ams[1]], &["--copy", "playbook"]);
    let other = json!({"labels": {"alertname": "Other"}, "annotations": {"a": "b"}});
    let answer = proxy.post(&json!([firing("Disk", &node), other]));
    assert_eq!(answer.code, 200, "{}", answer.text());
    for am in &ams {
        am.await_annotation("Disk", "check_output", "CRIT: /var is full");
        let all = am.alert("Disk").unwrap();
        let expected = [
            ("summary", "the rule's own"),
            ("check_command", "check_disk"),
            ("check_status", "2"),
            ("check_client", "n1"),
            ("check_handlers", "mail"),
            ("playbook", "https://wiki/disk"),
        ];
        for (name, text) in expected {
            assert_eq!(all[name], text, "{all}");
        }
        am.await_annotation("Other", "a", "b");
        assert_eq!(am.alert("Other").unwrap(), json!({"a": "b"}), "no check is asked about");
    }
    let whole = get_json(&format!("{}/api/v2/alerts", ams[0].url())).unwrap();
    let disk = whole.as_array().unwrap().iter().find(|one| one["labels"]["alertname"] == "Disk").unwrap();
    assert_eq!(disk["generatorURL"], "http://prometheus/graph?g0.expr=x");
    assert_eq!(disk["labels"].as_object().unwrap().len(), 3, "labels stay as they are: {disk}");

    // What is resolved keeps the words, and nobody is asked for them.
    let asked = node.asked();
    assert_eq!(proxy.post(&json!([resolved("Disk", &node)])).code, 200);
    for am in &ams {
        am.await_gone("Disk");
        proxy.assert_balance(am);
    }
    assert_eq!(node.asked(), asked);
}

#[test]
fn a_detail_that_comes_late_is_sent_after_its_alert() {
    let am = Am::start();
    let node = Node::start(Says::Late(Duration::from_millis(700), "CRIT: late\n"));
    let proxy = Proxy::start(&[&am], &[]);
    let answer = proxy.post(&json!([firing("Late", &node)]));
    assert_eq!(answer.code, 200, "{}", answer.text());
    // It is there at once, and says why it has no words yet.
    let bare = am.alert("Late").unwrap();
    assert!(bare["check_output_error"].as_str().unwrap().contains("it follows"), "{bare}");
    am.await_annotation("Late", "check_output", "CRIT: late");
    assert!(am.alert("Late").unwrap().get("check_output_error").is_none());
    proxy.place.await_metric("iaasmon_proxy_alerts_reposted_total", 1.0);

    // One that was resolved meanwhile stays so.
    node.says(Says::Late(Duration::from_millis(700), "CRIT: too late\n"));
    let asked = node.asked();
    assert_eq!(proxy.post(&json!([firing("Over", &node)])).code, 200);
    assert!(await_until(SOON, || node.asked() > asked) || am.alert("Over").is_some());
    assert_eq!(proxy.post(&json!([resolved("Over", &node)])).code, 200);
    am.await_gone("Over");
    let running = || proxy.place.metric("iaasmon_proxy_details_running");
    assert!(await_until(SOON, || running() == Some(0.0)));
    assert!(am.alert("Over").is_none(), "a late detail fired it again");
}

#[test]
fn nodes_that_misbehave_cost_an_alert_its_words_and_not_its_way() {
    let am = Am::start();
    let proxy = Proxy::start(&[&am], &[]);
    let text = |bytes: &str| Says::Bytes(bytes.as_bytes().to_vec());
    let endless = format!("HTTP/1.1 200 OK\r\n{}", "X-More: of it\r\n".repeat(100_000));
    for (name, says, why) in [
        ("Garbage", text("garbage\r\n\r\n"), "connection broke"),
        ("Empty", text("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"), "`output` is missing"),
        ("Unknown", text("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"), "not found (404)"),
        (
            "Moved",
            text("HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1/\r\nContent-Length: 0\r\n\r\n"),
            "redirects",
        ),
        ("Large", text("HTTP/1.1 200 OK\r\nContent-Length: 50000000\r\n\r\n"), "larger than"),
        ("Endless", text(&endless), "connection broke"),
        ("Silent", Says::Nothing, "it follows"),
    ] {
        let node = Node::start(says);
        let answer = proxy.post(&json!([firing(name, &node)]));
        assert_eq!(answer.code, 200, "{name}: {}", answer.text());
        am.await_annotation(name, "check_output_error", why);
        assert_eq!(am.alert(name).unwrap()["summary"], "the rule's own");
    }
    // A label is foreign input: what leads elsewhere is not asked.
    for (name, instance, why) in [
        ("Metadata", "169.254.169.254", "is not among the allowed addresses"),
        ("Port", "10.0.0.1:22", "is not among the allowed addresses"),
        ("Path", "127.0.0.1:1/x", "is not host or host:port"),
    ] {
        let alert =
            json!({"labels": {"alertname": name, "instance": instance, "check": "disk"}, "annotations": {}});
        assert_eq!(proxy.post(&json!([alert])).code, 200);
        am.await_annotation(name, "check_output_error", why);
    }
}

#[test]
fn what_is_known_is_shown_when_the_node_is_gone_even_after_a_restart() {
    let am = Am::start();
    let node = Node::start(Says::Output("CRIT: known\n"));
    let mut proxy = Proxy::start(&[&am], &["--state-dir", "state"]);
    assert_eq!(proxy.post(&json!([firing("Known", &node)])).code, 200);
    am.await_annotation("Known", "check_output", "CRIT: known");
    assert!(proxy.running.end(nix::sys::signal::Signal::SIGTERM).success(), "{}", proxy.place.said());
    node.says(Says::Bytes(b"HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n".to_vec()));
    let proxy = Proxy::start_at(proxy.place, &[&am], &["--state-dir", "state"]);
    assert_eq!(proxy.post(&json!([firing("Known", &node)])).code, 200);
    am.await_annotation("Known", "check_output_error", "status 500; what is known is of 20");
    am.await_annotation("Known", "check_output", "CRIT: known");
}
