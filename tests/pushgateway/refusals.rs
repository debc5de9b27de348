//! What is told of a push that is refused: to whoever pushes, and to whoever keeps the gateway.

use super::gate_world::Gate;
use serde_json::json;

#[test]
fn who_is_refused_learns_which_group_is_in_the_way() {
    let gate = Gate::start(&[]);
    gate.push("/metrics/job/t1/zone/a", "some_metric 1\n# TYPE v2 summary\nv2_sum 1\nv2_count 1\n");
    gate.push("/metrics/job/t2", "n{zone=\"a\"} 1\n");
    for (path, body, words) in [
        (
            "/metrics/job/u",
            "# TYPE some_metric counter\nsome_metric 1\n",
            "\"some_metric\" is not a UNTYPED but a COUNTER; the other one is of group job=\"t1\",zone=\"a\"\n",
        ),
        ("/metrics/job/u", "v2_count 1\n", "named \"v2\"; the other one is of group job=\"t1\",zone=\"a\"\n"),
        ("/metrics/job/t2/zone/a", "n 1\n", "label values; the other one is of group job=\"t2\"\n"),
        // The gateway's own families, and those of the push itself, are no group's.
        ("/metrics/job/u", "process_open_fds 1\n", "has type UNTYPED but should have GAUGE\n"),
        ("/metrics/job/u", "a 1\na 2\n", "with the same name and label values\n"),
    ] {
        let answer = gate.ask("POST", path, body);
        assert!(answer.code == 400 && answer.text().ends_with(words), "{words}: {}", answer.text());
    }
    // Where the one that is known has gone, no wrong one is named.
    gate.push("/metrics/job/t3", "some_metric 1\n");
    assert_eq!(gate.ask("DELETE", "/metrics/job/t3", "").code, 202);
    let answer = gate.ask("POST", "/metrics/job/u", "# TYPE some_metric counter\nsome_metric 1\n");
    assert!(answer.text().ends_with("is not a UNTYPED but a COUNTER\n"), "{}", answer.text());
}

#[test]
fn whoever_keeps_the_gateway_learns_why_pushes_are_refused() {
    let gate = Gate::start(&[]);
    let page = || gate.ask("GET", "/", "").text();
    gate.push("/metrics/job/good", "m 1\n");
    // By a stamp, and without one; the second of a group within a minute is told on the page alone.
    for (path, body) in [
        ("/metrics/job/j/x/%1b", "# TYPE m counter\nm 1\n"),
        ("/metrics/job/j/x/%1b", "m <b>\u{1b}\n"),
        ("/metrics/job/good", "<i\n"),
        ("/api/v1/groups/job/c/checks/c", "{}"),
    ] {
        assert_eq!(gate.ask("PUT", path, body).code, 400, "{path} {body}");
    }
    let line = json!({"job": "bulk", "metrics": "m 1"}).to_string();
    assert_eq!(gate.ask("POST", "/api/v1/push", line).code, 400);
    let told = page();
    for reason in ["got &quot;&lt;b&gt;", "invalid metric name"] {
        assert!(told.contains("last push failed") && told.contains(reason), "{reason}: {told}");
    }
    assert!(!told.contains("<b>") && !told.contains("<i") && !told.contains('\u{1b}'), "{told}");
    let said = gate.place.said();
    let warned: Vec<&str> = said.lines().filter(|line| line.contains("a push was refused")).collect();
    for (line, part) in warned.iter().zip(["/job/j/x@base64/Gw", "/job/good", "/job/c", "/job/bulk"]) {
        assert!(
            line.contains(part) && line.contains(" WARN ") && line.contains("client=\"127."),
            "{part}: {line}"
        );
    }
    assert!(warned.len() == 4 && warned[0].contains("is not a UNTYPED"), "{said}");
    // The next push of the group ends it.
    gate.push("/metrics/job/good", "m 1\n");
    assert!(!page().contains("invalid metric name"), "{}", page());
    // Where who pushes is not told, this is where it is.
    let gate = Gate::start(&["--push.disable-consistency-check"]);
    assert_eq!(gate.ask("PUT", "/metrics/job/j", "m 1\nm 2\n").code, 202);
    assert!(gate.place.said().contains("was collected before"), "{}", gate.place.said());
}
