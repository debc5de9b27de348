//! What alerts get on their way.

use super::support::service::Place;
use super::support::{SOON, await_until, get_json};
use super::world::{Am, Node, Proxy, Says, firing, resolved, told};
use serde_json::{Value, json};
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
    let node = Node::start(Says::Late(Duration::from_millis(700), "CRIT: too late\n"));
    assert_eq!(proxy.post(&json!([firing("Over", &node)])).code, 200);
    assert!(await_until(SOON, || node.asked() > 0));
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
        ("Garbage", text("garbage\r\n\r\n"), "the answer is not HTTP"),
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

/// Sends an alert again until its node is asked: what was fetched a moment ago is not fetched again.
fn post_until_asked(proxy: &Proxy, node: &Node, alert: &Value) {
    let asked = node.asked();
    let is_asked = || {
        assert_eq!(proxy.post(&json!([alert])).code, 200);
        node.asked() > asked
    };
    assert!(await_until(SOON, is_asked), "the node is not asked");
}

#[test]
fn words_without_a_time_stay_when_their_node_falls_silent() {
    let am = Am::start();
    let node = Node::start(told("CRIT: timeless\n", None));
    let proxy = Proxy::start(&[&am], &[]);
    assert_eq!(proxy.post(&json!([firing("Timeless", &node)])).code, 200);
    am.await_annotation("Timeless", "check_output", "CRIT: timeless");
    node.says(Says::Nothing);
    post_until_asked(&proxy, &node, &firing("Timeless", &node));
    am.await_annotation("Timeless", "check_output_error", "timed out");
    assert_eq!(am.alert("Timeless").unwrap()["check_output"], "CRIT: timeless\n");
}

#[test]
fn words_of_an_earlier_episode_are_marked() {
    let am = Am::start();
    let node = Node::start(told("CRIT: long ago\n", Some("2025-01-01T00:00:00Z")));
    let proxy = Proxy::start(&[&am], &[]);
    assert_eq!(proxy.post(&json!([firing("Again", &node)])).code, 200);
    am.await_annotation("Again", "check_output", "CRIT: long ago");
    assert!(am.alert("Again").unwrap().get("check_output_error").is_none(), "it is what the node says now");
    node.says(Says::Nothing);
    let asked = node.asked();
    let is_asked = || {
        assert_eq!(proxy.post(&json!([resolved("Again", &node)])).code, 200);
        assert_eq!(proxy.post(&json!([firing("Again", &node)])).code, 200);
        node.asked() > asked
    };
    assert!(await_until(SOON, is_asked), "the node is not asked");
    let marked = am.alert("Again").unwrap();
    assert_eq!(marked["check_output"], "CRIT: long ago\n");
    let why = "not fetched in time, it follows; what is known is of 2025-01-01T00:00:00.000Z";
    assert_eq!(marked["check_output_error"], why);
    am.await_annotation("Again", "check_output_error", "timed out; what is known is of 2025-01-01");
    assert_eq!(am.alert("Again").unwrap()["check_output"], "CRIT: long ago\n");
}

#[test]
fn every_alert_is_counted_by_the_words_that_it_went_out_with() {
    let am = Am::start();
    let node = Node::start(Says::Output("CRIT\n"));
    let proxy = Proxy::start(&[&am], &[]);
    let count = |output: &str| {
        proxy
            .place
            .metric(&format!("iaasmon_proxy_alerts_enriched_total{{output=\"{output}\"}}"))
            .unwrap_or(-1.0)
    };
    let nobodys = json!({"labels": {"alertname": "Nobodys"}, "annotations": {}});
    for alert in [&firing("One", &node), &firing("One", &node), &resolved("One", &node), &nobodys] {
        assert_eq!(proxy.post(&json!([alert])).code, 200);
    }
    let outputs = ["fetched", "hit", "known", "none", "resolved", "unwanted"];
    assert_eq!(outputs.map(count), [1.0, 1.0, 0.0, 0.0, 1.0, 1.0]);
    node.says(Says::Bytes(b"HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n".to_vec()));
    post_until_asked(&proxy, &node, &firing("One", &node));
    let other = Node::start(Says::Nothing);
    assert_eq!(proxy.post(&json!([firing("Two", &other)])).code, 200);
    assert_eq!([count("known"), count("none")], [1.0, 1.0]);
    let received = |state: &str| {
        proxy.place.metric(&format!("iaasmon_proxy_alerts_received_total{{state=\"{state}\"}}")).unwrap()
    };
    assert_eq!(outputs.map(count).iter().sum::<f64>(), received("firing") + received("resolved"));
    assert_eq!(proxy.place.metric("iaasmon_proxy_details_fetched_total"), Some(1.0), "hits are no fetches");
}

#[test]
fn the_words_of_what_was_pushed_are_asked_of_every_pushgateway_until_one_has_them() {
    let am = Am::start();
    let unknown = Says::Bytes(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n".to_vec());
    let [first, second] = [unknown.clone(), Says::Output("CRIT: of the second\n")].map(Node::start);
    let place = Place::new();
    let config = |first: &str| {
        format!(
            "[[cluster]]\nname = \"east\"\nalertmanager = [{:?}]\npushgateway = [\"http://{first}\", \"http://{}\"]\n",
            am.url(),
            second.address
        )
    };
    place.write("config.toml", config(&first.address));
    let proxy = place.serve(&["proxy", "--config", &place.arg("config.toml"), "--cluster", "east"]);
    let pushed = |name: &str| json!([{"labels": {"alertname": name, "job": "backup", "check": name}}]);
    let post = |name: &str| {
        let body = pushed(name).to_string();
        let head = format!("Content-Type: application/json\r\nContent-Length: {}\r\n", body.len());
        let answer = place.send(format!("POST /api/v2/alerts HTTP/1.0\r\n{head}\r\n{body}").as_bytes());
        assert_eq!(answer.map(|answer| answer.code), Some(200), "{}", place.said());
    };
    post("Unknown");
    am.await_annotation("Unknown", "check_output", "CRIT: of the second");
    assert_eq!((first.asked(), second.asked()), (1, 1));
    // What the first has is not asked of the second.
    first.says(Says::Output("CRIT: of the first\n"));
    post("Both");
    am.await_annotation("Both", "check_output", "CRIT: of the first");
    assert_eq!((first.asked(), second.asked()), (2, 1));
    // One that breaks off, and one that nobody listens at, cost no words either.
    first.says(Says::Bytes(Vec::new()));
    post("Broken");
    am.await_annotation("Broken", "check_output", "CRIT: of the second");
    drop(proxy);
    place.write("config.toml", config("127.0.0.1:1"));
    let _proxy = place.serve(&["proxy", "--config", &place.arg("config.toml"), "--cluster", "east"]);
    post("Dead");
    am.await_annotation("Dead", "check_output", "CRIT: of the second");
    // Where nobody has it, who did not answer is named.
    second.says(unknown);
    post("Nowhere");
    am.await_annotation("Nowhere", "check_output_error", "127.0.0.1:1: ");
}
