//! What the tests of the whole program share: a real fleet, the program itself, and waiting for a condition.
// Each test file is a program of its own and uses a part of this.
#![allow(dead_code, clippy::unwrap_used, reason = "tests: no file uses all of it, and a panic is a failure")]

pub mod apart;
pub mod pushgateway;
pub mod service;
pub mod smtp;
pub mod soak;

use iaasmon::demo::fleet::Scenario;
use iaasmon::demo::{Demo, Options, servers};
use iaasmon::sys::clock;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// The program under test.
pub const PROGRAM: &str = env!("CARGO_BIN_EXE_iaasmon");
/// No command of ours takes longer when all is well; a hang ends here.
const COMMAND_TIMEOUT: Duration = Duration::from_secs(60);
/// Long enough for a busy machine; every wait ends as soon as its condition holds.
pub const SOON: Duration = Duration::from_secs(60);

/// Two clusters of 16 nodes with 12 checks each, one second between scrapes, the scenario long over:
/// the alerts of a rack with full disks, a rack without power, a stale runner, old warnings.
pub fn fleet() -> Demo {
    start(&fleet_options())
}

/// As [`fleet`], once every Prometheus has scraped all nodes and every Alertmanager holds the alerts.
///
/// Prometheus hands new targets to its scraper every five seconds, so this takes about ten. Put many
/// assertions on one fleet.
pub fn settled_fleet() -> Demo {
    let demo = fleet();
    settle(&demo);
    demo
}

/// Waits until every Prometheus of `demo` has scraped all nodes and every Alertmanager holds the alerts and
/// has found its peer.
pub fn settle(demo: &Demo) {
    for cluster in demo.clusters() {
        for prometheus in &cluster.prometheus {
            let all = f64::from(cluster.plan().nodes);
            assert!(
                await_until(SOON, || ask(&prometheus.url(), "count(up)") == Some(all)),
                "{}",
                prometheus.name()
            );
        }
        // Recorded, then alerted, then sent: each takes an evaluation.
        let bad = "count(ALERTS{alertstate=\"firing\"})";
        for alertmanager in &cluster.alertmanager {
            let holds = || {
                let firing = ask(&cluster.prometheus[0].url(), bad).unwrap_or_default();
                firing > 0.0 && firing == alert_names(&alertmanager.url()).len() as f64
            };
            assert!(await_until(SOON, holds), "{}", alertmanager.name());
            assert!(
                await_until(SOON, || peers(&alertmanager.url()) == 2),
                "{} is alone",
                alertmanager.name()
            );
        }
    }
}

/// Returns how many members an Alertmanager sees, itself included.
pub fn peers(alertmanager: &str) -> usize {
    let status = get_json(&format!("{alertmanager}/api/v2/status")).unwrap_or_default();
    status["cluster"]["peers"].as_array().map_or(0, Vec::len)
}

/// Asks a Prometheus for a single number.
pub fn ask(prometheus: &str, query: &str) -> Option<f64> {
    let query: String = url::form_urlencoded::byte_serialize(query.as_bytes()).collect();
    let answer = get_json(&format!("{prometheus}/api/v1/query?query={query}"))?;
    answer["data"]["result"][0]["value"][1].as_str()?.parse().ok()
}

/// The options of [`fleet`], to be changed where a test needs something else.
///
/// Prometheus `b` of the last cluster stays alive in every scenario, unless the test calls [`Demo::play`].
pub fn fleet_options() -> Options {
    Options {
        clusters: 2,
        nodes: 32,
        real_nodes: 0,
        proxies: false,
        pushgateway: false,
        mailbox: false,
        checks: 12,
        scenario: Scenario::Mixed,
        elapsed: Duration::from_secs(3600),
        seed: 1,
        interval: Duration::from_secs(1),
        parent: std::env::temp_dir(),
        program: PROGRAM.into(),
        servers: servers(),
    }
}

/// Starts a demo and shows what it was doing when that fails.
pub fn start(options: &Options) -> Demo {
    let mut steps = Vec::new();
    let demo = Demo::start(options, &mut |step| steps.push(step.to_owned()));
    demo.unwrap_or_else(|error| panic!("{error}\nafter {steps:#?}"))
}

/// Finds the servers as `iaasmon demo` does.
pub fn servers() -> servers::Programs {
    servers::find(&std::env::var_os("PATH").unwrap_or_default(), cached_programs().as_deref())
        .unwrap_or_else(|error| panic!("{error}"))
}

fn cached_programs() -> Option<PathBuf> {
    let folder = |name| std::env::var_os(name).map(PathBuf::from);
    servers::cache_folder(folder("IAASMON_SERVER_CACHE"), folder("XDG_CACHE_HOME"), folder("HOME"))
}

/// Returns the folder that `scripts/servers` fills.
pub fn server_cache() -> Option<PathBuf> {
    Some(cached_programs()?.ancestors().nth(2)?.to_owned())
}

/// What a run of the program left behind.
#[derive(Debug)]
pub struct Outcome {
    pub stdout: String,
    pub stderr: String,
    /// The exit code; `None` when a signal ended it.
    pub code: Option<i32>,
    pub took: Duration,
}

/// Runs the program with `args` and no configuration of this machine's user.
pub fn iaasmon<S: AsRef<std::ffi::OsStr>>(args: &[S]) -> Outcome {
    run(command().args(args), b"")
}

/// As [`iaasmon`], on the clusters of `demo`.
pub fn iaasmon_on<S: AsRef<std::ffi::OsStr>>(demo: &Demo, args: &[S]) -> Outcome {
    run(command().arg("--config").arg(demo.config()).args(args), b"")
}

/// The program with an environment that a test can rely on.
pub fn command() -> Command {
    let mut command = Command::new(PROGRAM);
    let home = Path::new(env!("CARGO_TARGET_TMPDIR"));
    command.env_clear().env("HOME", home).env("USER", "tester").env("TZ", "UTC").env("LANG", "C.UTF-8");
    command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
    command
}

/// Runs `command` with `input` to its end, or fails the test when it does not end in time.
pub fn run(command: &mut Command, input: &[u8]) -> Outcome {
    let started = clock::instant();
    let piped = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = piped.spawn().expect("the program starts");
    // A program that does not read its input closes the pipe; that is its right.
    let _ = child.stdin.take().expect("piped").write_all(input);
    let stdout = drain(child.stdout.take().expect("piped"));
    let stderr = drain(child.stderr.take().expect("piped"));
    let ended = await_until(COMMAND_TIMEOUT, || child.try_wait().expect("our own child").is_some());
    if !ended {
        child.kill().expect("our own child");
    }
    let code = child.wait().expect("our own child").code();
    let [stdout, stderr] = [stdout, stderr].map(|reader| reader.join().expect("reading does not panic"));
    assert!(ended, "still running after {COMMAND_TIMEOUT:?}: {command:?}\n{stdout}\n{stderr}");
    Outcome { stdout, stderr, code, took: started.elapsed() }
}

fn drain(mut pipe: impl Read + Send + 'static) -> std::thread::JoinHandle<String> {
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        pipe.read_to_end(&mut bytes).expect("a pipe can be read");
        String::from_utf8_lossy(&bytes).into_owned()
    })
}

/// Asks `condition` again and again until it holds or `deadline` has passed, and returns whether it holds.
#[must_use]
pub fn await_until(deadline: Duration, mut condition: impl FnMut() -> bool) -> bool {
    let started = clock::instant();
    loop {
        if condition() {
            return true;
        }
        if started.elapsed() >= deadline {
            return false;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Asks `url` with curl's manners and returns the body as JSON; `None` when there is no usable answer.
pub fn get_json(url: &str) -> Option<serde_json::Value> {
    let rest = url.strip_prefix("http://")?;
    let (host, path) = rest.split_once('/')?;
    let mut stream = std::net::TcpStream::connect(host).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(5))).ok()?;
    write!(stream, "GET /{path} HTTP/1.0\r\nHost: {host}\r\n\r\n").ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    let (_, body) = answer.split_once("\r\n\r\n")?;
    serde_json::from_str(body).ok()
}

/// Returns the names of the alerts that an Alertmanager holds, one per alert.
pub fn alert_names(alertmanager: &str) -> Vec<String> {
    let alerts = get_json(&format!("{alertmanager}/api/v2/alerts")).unwrap_or_default();
    let names = alerts.as_array().into_iter().flatten().map(|alert| alert["labels"]["alertname"].as_str());
    names.map(|name| name.unwrap_or_default().to_owned()).collect()
}

/// Sends a child a signal again and again, as somebody who does not want to wait, until it has ended.
pub fn insist(child: &mut Child, signal: Signal) {
    let pid = Pid::from_raw(i32::try_from(child.id()).expect("a process id"));
    let has_ended = || {
        let has_ended = child.try_wait().expect("our own child").is_some();
        if !has_ended {
            kill(pid, signal).expect("it runs");
        }
        has_ended
    };
    assert!(await_until(SOON, has_ended), "it goes on after {signal}");
}

/// A child that is killed when a test ends early.
#[derive(Debug)]
pub struct Killed(pub Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
