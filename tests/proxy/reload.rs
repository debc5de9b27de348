//! What a proxy takes from its configuration while it runs.

use super::support::service::Place;
use super::support::{SOON, await_until};
use super::world::{Am, Node, Proxy, Says, firing};
use nix::sys::signal::Signal;
use serde_json::json;

const GOOD: &str = "iaasmon_reloads_total{outcome=\"good\"}";
const REFUSED: &str = "iaasmon_reloads_total{outcome=\"refused\"}";

fn configuration(am: &Am, more: &str) -> String {
    let url = am.url();
    format!(
        "[[cluster]]\nname = \"east\"\nalertmanager = [\"{url}\"]\ndetail_url = \"http://{{instance}}/api/v1/checks/{{check}}\"\n{more}"
    )
}

/// A proxy that is told everything by a configuration.
fn start(place: Place) -> Proxy {
    let config = place.arg("config.toml");
    let running = place.serve(&["proxy", "--config", &config, "--allow", "127.0.0.0/8"]);
    Proxy { place, running }
}

#[test]
fn a_reload_takes_rules_and_members_and_keeps_the_old_ones_where_the_new_are_wrong() {
    let ams = [Am::start(), Am::start()];
    let node = Node::start(Says::Output("CRIT\n"));
    let place = Place::new();
    place.write("config.toml", configuration(&ams[0], ""));
    let proxy = start(place);
    assert_eq!(proxy.post(&json!([firing("One", &node)])).code, 200);
    ams[0].await_annotation("One", "check_status", "2");
    assert!(ams[0].alert("One").unwrap().get("playbook").is_none());

    let rule = "[[enrich]]\nannotations = [\"check_output\"]\ncopy = [\"playbook\"]\n";
    proxy.place.write("config.toml", configuration(&ams[1], rule));
    proxy.running.signal(Signal::SIGHUP);
    proxy.place.await_metric(GOOD, 1.0);
    assert!(await_until(SOON, || proxy.place.said().contains("is no member any more")));
    assert_eq!(proxy.post(&json!([firing("Two", &node)])).code, 200);
    ams[1].await_annotation("Two", "playbook", "https://wiki/disk");
    let two = ams[1].alert("Two").unwrap();
    assert_eq!(two["check_output"], "CRIT\n", "{two}");
    assert!(two.get("check_status").is_none(), "{two}");
    assert!(ams[0].alert("Two").is_none());

    // What is wrong changes nothing, not even the part of it that is right.
    let nowhere = "[[cluster]]\nname = \"east\"\nprometheus = [\"http://127.0.0.1:9\"]\ndetail_url = \"http://{instance}/{check}\"\n";
    let wrong = configuration(&ams[0], "[[enrich]]\nannotations = [\"summary\"]\n");
    for (number, (text, why)) in
        [(wrong.as_str(), "`summary`"), (nowhere, "no Alertmanager")].into_iter().enumerate()
    {
        proxy.place.write("config.toml", text);
        proxy.running.signal(Signal::SIGHUP);
        proxy.place.await_metric(REFUSED, (number + 1) as f64);
        let said = proxy.place.said();
        assert!(said.contains("the old configuration stays") && said.contains(why), "{said}");
    }
    assert_eq!(proxy.post(&json!([firing("Three", &node)])).code, 200);
    ams[1].await_annotation("Three", "playbook", "https://wiki/disk");
    assert!(ams[0].alert("Three").is_none());
    assert_eq!(proxy.place.metric(GOOD), Some(1.0));
}
