//! Passwords, headers, and what changes a service.

use super::support::SOON;
use super::support::await_until;
use super::support::service::Place;
use super::{curl, exporter};
use nix::sys::signal::Signal;

#[test]
fn with_users_only_a_right_password_is_answered() {
    let place = Place::new();
    let hash = bcrypt::hash("right", 4).expect("hashed");
    place.write(
        "web.yml",
        format!(
            "basic_auth_users:\n  ann: {hash}\nhttp_server_config:\n  headers:\n    X-Frame-Options: deny\n"
        ),
    );
    let web = place.arg("web.yml");
    let _exporter = exporter(&place, &["--web.config.file", &web]);
    let url = |path: &str| format!("http://{}{path}", place.address);
    for path in ["/metrics", "/api/v1/checks", "/-/healthy", "/-/reload"] {
        assert!(curl(&[&url(path)]).stdout.ends_with("401"), "{path}");
    }
    for user in ["ann:wrong", "ann:", "bob:right", ":"] {
        assert!(curl(&["-u", user, &url("/metrics")]).stdout.ends_with("401"), "{user}");
    }
    for _ in 0..2 {
        assert!(curl(&["-u", "ann:right", &url("/api/v1/checks")]).stdout.ends_with("200"));
    }
    let head = curl(&["-i", "-u", "ann:right", &url("/-/healthy")]).stdout.to_lowercase();
    assert!(head.contains("x-frame-options: deny") && head.contains("x-request-id: "), "{head}");
    let refused = place.get("/metrics").expect("answered");
    assert!(refused.head.to_lowercase().contains("www-authenticate: basic"), "{}", refused.head);
    // A new password is in force soon, without a word to the service, and the old one no longer.
    let hash = bcrypt::hash("renewed", 4).expect("hashed");
    place.write("web.yml", format!("basic_auth_users:\n  ann: {hash}\n"));
    let renewed = || curl(&["-u", "ann:renewed", &url("/metrics")]).stdout.ends_with("200");
    assert!(await_until(SOON, renewed), "{}", place.said());
    assert!(curl(&["-u", "ann:right", &url("/metrics")]).stdout.ends_with("401"));
}

#[test]
fn a_reload_and_the_level_of_the_log_are_changed_while_it_runs() {
    let place = Place::new();
    place.write("web.yml", "");
    let web = place.arg("web.yml");
    let exporter = exporter(&place, &["--web.config.file", &web, "--log-format", "json"]);
    let url = |path: &str| format!("http://{}{path}", place.address);
    assert_eq!(curl(&["-X", "POST", &url("/-/reload")]).stdout, "reloaded\n200");
    place.await_metric("iaasmon_reloads_total{outcome=\"good\"}", 1.0);
    exporter.signal(Signal::SIGHUP);
    place.await_metric("iaasmon_reloads_total{outcome=\"good\"}", 2.0);
    place.write("web.yml", "nonsense: 1\n");
    let refused = curl(&["-X", "POST", &url("/-/reload")]).stdout;
    assert!(refused.contains("nonsense") && refused.ends_with("500"), "{refused}");
    place.await_metric("iaasmon_reloads_total{outcome=\"refused\"}", 1.0);
    place.await_ready(503, "web config: ");
    place.write("web.yml", "");
    assert!(curl(&["-X", "POST", &url("/-/reload")]).stdout.ends_with("200"));

    assert_eq!(place.get("/-/log-level").expect("answered").text(), "info\n");
    assert!(!place.said().contains("\"request\""), "{}", place.said());
    let put = |level: &str| curl(&["-X", "PUT", "-d", level, &url("/-/log-level")]).stdout;
    assert_eq!(put("debug"), "debug\n200");
    curl(&["-H", "X-Request-Id: of-the-test", &url("/-/healthy")]);
    assert!(await_until(SOON, || place.said().contains("of-the-test")), "{}", place.said());
    assert!(put("loud").ends_with("400"));
    assert_eq!(place.get("/-/log-level").expect("answered").text(), "debug\n");
    for line in place.said().lines() {
        assert!(serde_json::from_str::<serde_json::Value>(line).is_ok(), "no JSON: {line}");
    }
}
