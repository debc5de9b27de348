//! What a real Prometheus makes of a node, and promtool of its page.

use super::support::service::{Place, Running};
use super::support::{SOON, ask, await_until, run, servers};
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::Command;

const STATUS: &str = "iaasmon_check_status";

/// A node with a check that is well, one that warns, one about another host, and one with labels.
fn node(place: &Place) -> Running {
    std::fs::create_dir(place.path("conf.d")).expect("created");
    place.write(
        "conf.d/all.json",
        r#"{"client": {"name": "n1", "address": "127.0.0.1", "subscriptions": [], "socket": {"enabled": false}},
            "checks": {
              "well": {"command": "echo well", "interval": 1, "standalone": true},
              "warns": {"command": "echo careful; exit 1", "interval": 1, "standalone": true, "prometheus_labels": {"team": "a \"b\" \\ c"}},
              "about": {"command": "echo far; exit 2", "interval": 1, "standalone": true, "source": "switch-1"}}}"#,
    );
    let (definitions, log, state) = (place.arg("conf.d"), place.arg("log"), place.arg("state"));
    place.serve(&[
        "node",
        "-d",
        &definitions,
        "-l",
        &log,
        "--state-dir",
        &state,
        "--extra-series",
        "executed,duration",
    ])
}

/// Scrapes a node with a Prometheus: straight, or so that the node sees it ask for text alone.
fn scrape(text_alone: bool) {
    let (place, prometheus) = (Place::new(), Place::new());
    let mut node = node(&place);
    place.await_metric("iaasmon_checks{state=\"crit\"}", 1.0);
    let target = if text_alone { ask_for_text(place.address.clone()) } else { place.address.clone() };
    prometheus.write(
        "prometheus.yml",
        format!(
            "global: {{scrape_interval: 1s}}\nscrape_configs:\n- job_name: node\n  static_configs: [{{targets: ['{target}']}}]\n"
        ),
    );
    let mut command = Command::new(servers().prometheus);
    let flag = |name: &str, value: &str| format!("--{name}={value}");
    command.arg(flag("config.file", &prometheus.arg("prometheus.yml")));
    command.arg(flag("storage.tsdb.path", &prometheus.arg("data")));
    command.arg(flag("web.listen-address", &prometheus.address));
    let _running = prometheus.spawn(&mut command);
    let url = format!("http://{}", prometheus.address);
    for (query, value) in [
        ("count(iaasmon_check_status)", 3.0),
        ("iaasmon_check_status{check=\"well\"}", 0.0),
        ("iaasmon_check_status{check=\"warns\",team=~\"a .b. .+ c\"}", 1.0),
        ("iaasmon_check_status{check=\"about\",source=\"switch-1\"}", 2.0),
        ("iaasmon_runner_stale", 0.0),
        ("count(iaasmon_check_executed_timestamp_seconds)", 3.0),
        ("count(iaasmon_log_lines_total{result=\"result\"} > 0)", 1.0),
        ("count(iaasmon_build_info)", 1.0),
        ("up", 1.0),
    ] {
        assert!(
            await_until(SOON, || ask(&url, query) == Some(value)),
            "{query} is {:?}: {}",
            ask(&url, query),
            prometheus.said()
        );
    }
    let said = prometheus.said();
    let bad: Vec<&str> = said
        .lines()
        .filter(|line| ["level=warn", "level=error", "WARN", "ERROR"].iter().any(|word| line.contains(word)))
        .collect();
    assert!(bad.is_empty(), "{bad:#?}");
    assert!(node.end(nix::sys::signal::Signal::SIGTERM).success(), "{}", place.said());
}

/// Passes each request on to `node` as one for the text format: before 2.49 a Prometheus cannot be told to.
fn ask_for_text(node: String) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("bound").to_string();
    std::thread::spawn(move || {
        for mut asking in listener.incoming().flatten() {
            let mut head = Vec::new();
            let mut byte = [0; 1];
            while !head.ends_with(b"\r\n\r\n") && asking.read(&mut byte).is_ok_and(|read| read == 1) {
                head.extend(byte);
            }
            let Ok(mut asked) = TcpStream::connect(&node) else { continue };
            let request = b"GET /metrics HTTP/1.0\r\nAccept: text/plain;version=0.0.4\r\n\r\n";
            // Where either hangs up, the scrape fails, and with it the test.
            let _ = asked.write_all(request).and_then(|()| std::io::copy(&mut asked, &mut asking));
        }
    });
    address
}

#[test]
fn a_real_prometheus_scrapes_a_node_in_open_metrics() {
    scrape(false);
}

#[test]
fn a_real_prometheus_scrapes_a_node_in_text() {
    scrape(true);
}

#[test]
fn promtool_has_nothing_to_say_about_the_page() {
    let place = Place::new();
    let _node = node(&place);
    place.await_metric("iaasmon_checks{state=\"crit\"}", 1.0);
    let page = place.get("/metrics").expect("answered");
    assert!(page.head.contains("text/plain; version=0.0.4"), "{}", page.head);
    assert!(page.text().contains(STATUS), "{}", page.text());
    let promtool = servers().prometheus.with_file_name("promtool");
    let checked = run(Command::new(promtool).args(["check", "metrics"]), &page.body);
    assert_eq!((checked.code, checked.stderr.as_str()), (Some(0), ""), "{}", page.text());
}

#[test]
fn the_page_comes_in_the_format_and_the_packing_that_was_asked_for() {
    let place = Place::new();
    place.write("log", super::log::result("a", 0, "fine"));
    let log = place.arg("log");
    let _exporter = place.serve(&["exporter", "--follow", &log]);
    let ask = |headers: &str| {
        place.send(format!("GET /metrics HTTP/1.0\r\n{headers}\r\n").as_bytes()).expect("answered")
    };
    let open = ask("Accept: application/openmetrics-text;version=1.0.0,text/plain;q=0.5\r\n");
    assert!(open.head.contains("application/openmetrics-text; version=1.0.0"), "{}", open.head);
    assert!(open.text().ends_with("# EOF\n"), "{}", open.text());
    let packed = ask("Accept-Encoding: gzip\r\n");
    assert!(packed.head.contains("content-encoding: gzip"), "{}", packed.head);
    let mut unpack = flate2::write::GzDecoder::new(Vec::new());
    unpack.write_all(&packed.body).expect("gzip");
    let page = String::from_utf8(unpack.finish().expect("gzip")).expect("text");
    assert!(page.contains("iaasmon_check_status{check=\"a\"} 0\n"), "{page}");
    assert!(!ask("Accept-Encoding: gzip;q=0\r\n").head.contains("gzip"));
}
