//! Debian's Monitoring Plugins, run unchanged by their definitions: what stands in the log is what they give by hand.

use super::server::{self, Answer};
use super::support::{SOON, await_until, server_cache};
use super::world::World;
use regex::Regex;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Where Debian installs them.
const INSTALLED: &str = "/usr/lib/nagios/plugins";

/// Finds the plugins as `scripts/servers plugins` does: in `PATH`, where Debian has them, in the cache.
fn plugins() -> PathBuf {
    let cache = server_cache().map(|cache| cache.join("plugins"));
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut folders = std::env::split_paths(&path).chain([INSTALLED.into()]).chain(cache);
    folders.find(|folder| folder.join("check_load").is_file()).expect(
        "the Monitoring Plugins are missing: run `apt-get install monitoring-plugins-basic`, or `scripts/servers plugins` for a private copy without root",
    )
}

/// A plugin with its arguments, as a definition has them and as a person would type them.
struct Usage {
    name: &'static str,
    defined: String,
    typed: String,
    /// What it ends with; none where that is the machine's to say.
    status: Option<i64>,
}

fn usage(name: &'static str, defined: &str, typed: &str, status: impl Into<Option<i64>>) -> Usage {
    Usage { name, defined: defined.to_owned(), typed: typed.to_owned(), status: status.into() }
}

/// The same words in both places.
fn plain(name: &'static str, command: &str, status: impl Into<Option<i64>>) -> Usage {
    usage(name, command, command, status)
}

/// What is run; `listener` serves HTTP, and nobody listens on `closed`.
fn usages(world: &World, listener: u16, closed: u16) -> Vec<Usage> {
    let file = world.path("conf.d/client.json").display().to_string();
    let words = world.path("words").display().to_string();
    let log = |kept: &str| format!("check_log -F {words} -O {}/{kept} -q careful", world.path("").display());
    vec![
        usage(
            "load",
            "check_load -w :::load.warning::: -c :::load.critical|900,900,900:::",
            "check_load -w 800,800,800 -c 900,900,900",
            0,
        ),
        usage(
            "disk",
            "check_disk -w :::disk.warn|1%::: -c :::disk.crit|0%::: -p /",
            "check_disk -w 1% -c 0% -p /",
            0,
        ),
        plain("disk_warning", "check_disk -w 100% -c 0% -p /", 1),
        plain("disk_critical", "check_disk -w 100% -c 100% -p / -p /proc", 2),
        plain("disk_usage", "check_disk", 3),
        plain("procs", "check_procs -w 1:100000 -c 1:200000", 0),
        plain("procs_warning", "check_procs -w 0:0 --metric=PROCS", 1),
        plain("users", "check_users -w 1000 -c 2000", 0),
        plain("swap", "check_swap -w 10% -c 5%", None),
        usage(
            "tcp",
            &format!("check_tcp -H :::address::: -p {listener} -w 20 -c 25"),
            &format!("check_tcp -H 127.0.0.1 -p {listener} -w 20 -c 25"),
            0,
        ),
        plain("tcp_refused", &format!("check_tcp -H 127.0.0.1 -p {closed}"), 2),
        usage(
            "http",
            &format!("check_http -I :::address::: -p {listener} -u /page -s ':::site.words:::'"),
            &format!("check_http -I 127.0.0.1 -p {listener} -u /page -s 'it works'"),
            0,
        ),
        plain("http_missing", &format!("check_http -I 127.0.0.1 -p {listener} -u /nothing"), 1),
        plain("http_other_words", &format!("check_http -I 127.0.0.1 -p {listener} -u /page -s nonsense"), 2),
        plain("ntp", "check_ntp_time -H 127.0.0.1 -w 0.5 -c 1 -t 2", None),
        // One is Perl, one is a shell script: both look for their libraries beside themselves.
        plain("file_age", &format!("check_file_age -f {file} -w 100000 -c 200000"), 0),
        plain("file_missing", "check_file_age -f /nonexistent/file", 2),
        usage("log", &log("log-of-runner"), &log("log-by-hand"), 0),
        plain("dummy", "check_dummy 3 \"it's a test: <é> & more\"", 3),
        plain("pipe", "check_dummy 1 first; check_dummy 2 second | tr a-z A-Z; exit 1", 1),
        plain("missing", "check_what_is_not_there -w 1", 127),
    ]
}

/// Numbers change from run to run; the words and their order do not.
fn masked(output: &str) -> String {
    Regex::new(r"\d+(\.\d+)?").expect("a pattern").replace_all(output, "N").into_owned()
}

fn by_hand(command: &str, path: &str, folder: &Path) -> (Option<i32>, String) {
    let mut shell = Command::new("sh");
    shell.args(["-c", &format!("{{ {command}\n}} 2>&1")]).env("PATH", path).current_dir(folder);
    let output = shell.output().expect("a shell");
    (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned())
}

/// The first result of every check in the log.
fn results(world: &World) -> BTreeMap<String, Value> {
    let log = world.log_text();
    let lines = log.lines().rev().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let results = lines.filter(|line| line["message"] == "publishing check result");
    let checks = results.map(|line| line["payload"]["check"].clone());
    checks.map(|check| (check["name"].as_str().unwrap_or_default().to_owned(), check)).collect()
}

#[test]
fn debians_plugins_run_unchanged_and_say_what_they_say_by_hand() {
    let world = World::new();
    let listener = server::start_routed(|path, _| match path {
        "/page" => Answer::http("200 OK", "Content-Type: text/plain\r\n", b"it works"),
        _ => Answer::http("404 Not Found", "", b""),
    });
    // A port that was free a moment ago, and that nobody is given soon again.
    let closed = TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("bound").port();
    std::fs::write(world.path("words"), "all is well\n").expect("written");
    world.define(
        "attributes",
        r#"{"client": {"load": {"warning": "800,800,800"}, "site": {"words": "it works"}}}"#,
    );
    let usages = usages(&world, listener.port(), closed);
    let definition = |usage: &Usage| {
        let check = json!({"command": usage.defined, "interval": 2, "timeout": 30, "standalone": true, "handlers": ["mail"]});
        (usage.name.to_owned(), check)
    };
    let checks: serde_json::Map<_, _> = usages.iter().map(definition).collect();
    world.define("plugins", &json!({"checks": checks}).to_string());
    let path = format!("{}:/usr/bin:/bin", plugins().display());
    let mut runner = world.start(&["--check-path", &path]);
    assert!(await_until(SOON, || results(&world).len() == usages.len()), "{:?}", results(&world).keys());
    assert!(runner.end().success());
    let logged = results(&world);
    for usage in &usages {
        let result = &logged[usage.name];
        let (code, output) = by_hand(&usage.typed, &path, &world.path(""));
        let (status, said) = (result["status"].as_i64(), result["output"].as_str().expect("text"));
        assert_eq!(status, code.map(i64::from), "{}: {said}beside {output}", usage.name);
        assert_eq!(masked(said), masked(&output), "{}", usage.name);
        assert!(usage.status.is_none() || status == usage.status, "{}: {status:?} {said}", usage.name);
        // The definition is published as it was written, tokens and all.
        assert_eq!(result["command"], usage.defined.as_str(), "{}", usage.name);
        assert!(result["duration"].is_f64(), "{result}");
    }
}
