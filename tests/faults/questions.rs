//! The same faults before Prometheus and before every other question: `nodes`, `query`, `status`, `silence list`.

use super::server::{self, Answer};
use super::{ALERTS, TIMEOUT, run_command};
use iaasmon::fleet::{self, ReplicaState};
use iaasmon::model::node::NodeUp;
use serde_json::Value;
use std::io::Write as _;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

const SILENCES: &[u8] = include_bytes!("../../fixtures/alertmanager/0.25/silences.json");
const STATUS: &[u8] = include_bytes!("../../fixtures/alertmanager/0.25/status.json");
const UP: &str = r#"[{"metric":{"__name__":"up","instance":"n1:1","job":"node"},"value":[1,"1"]}]"#;
const CRIT: &str = r#"[{"metric":{"__name__":"iaasmon_check_status","instance":"n1:1","job":"node","check":"disk"},"value":[1,"2"]}]"#;
const NO_RULES: &str = r#"{"status":"success","data":{"groups":[]}}"#;

fn vector(result: &str) -> Answer {
    let body = format!(r#"{{"status":"success","data":{{"resultType":"vector","result":{result}}}}}"#);
    Answer::json(body.as_bytes())
}

/// What a Prometheus with one node says; it has no recording rule, so it is scanned.
fn prometheus(path: &str, body: &str) -> Answer {
    match path.split('?').next().unwrap_or_default() {
        "/api/v1/query" if body.contains("query=up") => vector(UP),
        "/api/v1/query" if body.contains("%21%3D") => vector(CRIT),
        "/api/v1/query" => vector("[]"),
        "/api/v1/rules" => Answer::json(NO_RULES.as_bytes()),
        "/api/v1/alerts" => Answer::json(br#"{"status":"success","data":{"alerts":[]}}"#),
        "/api/v1/status/buildinfo" => Answer::json(br#"{"status":"success","data":{"version":"2.42.0"}}"#),
        _ => Answer::http("404 Not Found", "", b""),
    }
}

fn alertmanager(path: &str, _: &str) -> Answer {
    match path.split('?').next().unwrap_or_default() {
        "/api/v2/alerts" => Answer::json(ALERTS),
        "/api/v2/silences" => Answer::json(SILENCES),
        "/api/v2/status" => Answer::json(STATUS),
        _ => Answer::http("404 Not Found", "", b""),
    }
}

fn cluster(name: &str, kind: &str, address: SocketAddr) -> String {
    format!("[[cluster]]\nname = {name:?}\n{kind} = [\"http://{address}\"]\n")
}

/// Asserts that a command tells of the good cluster, says `words` of the bad one, ends with 3, and in time.
fn assert_partial(command: &[&str], kind: &str, fault: &str, bad: Answer, words: &str) {
    let good = match kind {
        "prometheus" => server::start_routed(prometheus),
        _ => server::start_routed(alertmanager),
    };
    let clusters = cluster("good", kind, good) + &cluster("bad", kind, server::start(bad));
    let (output, took) = run_command(command, &clusters);
    let what = format!("{command:?}, {fault}");
    let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    let json: Value =
        serde_json::from_str(&stdout).unwrap_or_else(|e| panic!("{what}: {e}\n{stdout}\n{stderr}"));
    assert!(json["data"].to_string().contains("good"), "{what}: the good cluster is missing\n{stdout}");
    let coverage = json["coverage"].as_array().expect("coverage");
    let of = |name: &str| coverage.iter().find(|r| r["cluster"] == name).expect("a replica of each");
    assert_eq!(of("good")["error"], Value::Null, "{what}");
    let error = of("bad")["error"].as_str().unwrap_or_default();
    assert!(error.contains(words), "{what}: expected `{words}` in `{error}`");
    assert!(stderr.contains(words), "{what}: expected `{words}` on stderr: {stderr}");
    assert_eq!(output.status.code(), Some(3), "{what}: {stderr}");
    assert!(took < TIMEOUT + Duration::from_secs(2), "{what}: took {took:?}");
}

/// Faults of any server, with what must be said of them.
fn faults(whole: &[u8]) -> Vec<(&'static str, Answer, &'static str)> {
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", whole.len() + 1);
    let cut = [head.as_bytes(), whole].concat();
    let envelope = |kind: &str, text: &str| {
        format!(r#"{{"status":"error","errorType":"{kind}","error":"{text}"}}"#).into_bytes()
    };
    vec![
        ("401", Answer::http("401 Unauthorized", "", b"who are you"), "not authenticated (401): who are you"),
        ("403", Answer::http("403 Forbidden", "", b"no read role"), "forbidden (403): no read role"),
        (
            "422",
            Answer::http("422 Unprocessable Entity", "", &envelope("execution", "too many samples")),
            "status 422",
        ),
        (
            "503",
            Answer::http("503 Service Unavailable", "", &envelope("unavailable", "starting")),
            "unavailable (503)",
        ),
        ("half", Answer::json(&whole[..whole.len() / 2]), "not the expected JSON"),
        ("truncated", Answer::Bytes(cut.into()), "connection broke"),
        ("silence", Answer::Silence, "timed out after 2s"),
    ]
}

#[test]
fn faults_of_a_prometheus_are_named_by_every_command_that_asks_it() {
    let up = format!(r#"{{"status":"success","data":{{"resultType":"vector","result":{UP}}}}}"#);
    for command in [&["nodes"][..], &["query", "up"], &["status"]] {
        for (fault, bad, words) in faults(up.as_bytes()) {
            assert_partial(command, "prometheus", fault, bad, words);
        }
    }
}

#[test]
fn faults_of_an_alertmanager_are_named_by_every_command_that_asks_it() {
    for command in [&["silence", "list"][..], &["status"]] {
        for (fault, bad, words) in faults(SILENCES) {
            assert_partial(command, "alertmanager", fault, bad, words);
        }
    }
}

#[test]
fn what_prometheus_says_beside_an_error_is_not_taken_for_an_answer() {
    let words = r#"{"status":"error","errorType":"timeout","error":"query timed out","data":{"resultType":"vector","result":[]}}"#;
    for command in [&["nodes"][..], &["query", "up"]] {
        assert_partial(
            command,
            "prometheus",
            "data beside an error",
            Answer::json(words.as_bytes()),
            "query timed out",
        );
    }
}

#[test]
fn a_prometheus_that_sends_too_much_is_cut_off() {
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    for _ in 0..80 {
        gzip.write_all(&[b' '; 1024 * 1024]).expect("compressed");
    }
    let bomb = gzip.finish().expect("compressed");
    for command in [&["nodes"][..], &["query", "up"]] {
        let announced = Answer::EndlessBody("HTTP/1.1 200 OK\r\nContent-Length: 104857600\r\n\r\n");
        assert_partial(command, "prometheus", "100 MB announced", announced, "larger than 64 MiB");
        let bomb = Answer::http("200 OK", "Content-Encoding: gzip\r\n", &bomb);
        assert_partial(command, "prometheus", "gzip bomb", bomb, "larger than 64 MiB");
    }
}

#[test]
fn a_backend_without_the_rules_api_is_scanned_and_this_is_said() {
    let backend = server::start_routed(|path, body| match path.starts_with("/api/v1/rules") {
        true => Answer::http("404 Not Found", "", b"no such path"),
        false => prometheus(path, body),
    });
    let (output, _) = run_command(&["nodes"], &cluster("mimir", "prometheus", backend));
    let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.status.code(), Some(0), "{stderr}");
    let json: Value = serde_json::from_str(&stdout).expect("JSON");
    assert_eq!(json["data"][0]["counts"]["crit"], 1, "{stdout}");
    let notes = json["notes"].to_string();
    assert!(
        notes.contains("does not tell whether a rule records") && notes.contains("not found (404)"),
        "{notes}"
    );
}

#[test]
fn a_question_of_several_steps_ends_within_one_limit() {
    // Each of the three steps alone would be in time.
    let pause = Duration::from_millis(1_200);
    let slow = server::start_routed(move |path, body| prometheus(path, body).late(pause));
    let (output, took) = run_command(&["nodes"], &cluster("slow", "prometheus", slow));
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(stderr.contains("timed out after 2s"), "{stderr}");
    assert_eq!(output.status.code(), Some(4), "{stderr}");
    assert!(took < TIMEOUT + Duration::from_millis(1_000), "took {took:?}");
}

#[test]
fn a_hanging_node_leaves_its_alert_the_time_it_needs_and_only_that_one_is_asked_for_whole() {
    let node = server::start(Answer::Silence);
    let narrowed = Arc::new(AtomicUsize::new(0));
    let seen = narrowed.clone();
    let member = server::start_routed(move |path, body| {
        if path.contains("filter=instance") && path.contains("filter=alertname") {
            seen.fetch_add(1, Ordering::SeqCst);
        }
        alertmanager(path, body)
    });
    let labels = format!("check_label = \"alertname\"\ndetail_url = \"http://{node}/{{alertname}}\"\n",);
    let cluster = cluster("east", "alertmanager", member) + &labels;
    let (output, took) = run_command(&["alert", "af55c2e965e82793"], &cluster);
    let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(stdout.contains("line 2"), "{stdout}{stderr}");
    assert!(stdout.contains("timed out after 1.3s"), "why: {stdout}{stderr}");
    assert_eq!(narrowed.load(Ordering::SeqCst), 2, "once for the alert, once for the output: {stdout}");
    assert!(took < TIMEOUT + Duration::from_millis(1_500), "took {took:?}");
}

/// Asks for the node `n1:1` of these servers; returns what is told on the way, and how far each replica is then:
/// the states of the Prometheus servers, then of the members.
async fn node_of(
    prometheus: &[SocketAddr],
    members: &[SocketAddr],
) -> Vec<(fleet::Answer<fleet::node::NodeDetail>, Vec<ReplicaState>)> {
    let urls =
        |list: &[SocketAddr]| list.iter().map(|at| format!("http://{at}").parse().expect("a URL")).collect();
    let mut config = iaasmon::config::Config::default();
    let mut east = iaasmon::config::Cluster::new("east", &config.defaults);
    (east.prometheus, east.alertmanager) = (urls(prometheus), urls(members));
    east.timeout = TIMEOUT;
    config.clusters.push(east);
    let fleet = fleet::Fleet::new(&config);
    let told = std::sync::Mutex::new(Vec::new());
    let so_far = |part: fleet::SoFar<'_, _>| told.lock().expect("no panic").push(part());
    let last = fleet::node::node(&fleet.clusters()[0], "n1:1", so_far).await;
    let mut told = told.into_inner().expect("no panic");
    told.push(last);
    let state = |answer: &fleet::Answer<_>, at: &SocketAddr| {
        let mut replicas = answer.coverage.replicas().iter();
        replicas.find(|r| *r.replica.name == at.to_string()).expect("it was asked").state
    };
    let all = || prometheus.iter().chain(members);
    let with_states = |answer| {
        let states = all().map(|at| state(&answer, at)).collect();
        (answer, states)
    };
    told.into_iter().map(with_states).collect()
}

#[tokio::test]
async fn a_node_is_shown_before_a_hanging_replica_is_given_up_and_says_whom_it_waits_for() {
    use ReplicaState::{Answered, Missing, Waiting};
    let [one, two] = [(); 2].map(|()| server::start_routed(prometheus));
    let member = server::start_routed(alertmanager);
    let hangs = server::start(Answer::Silence);
    let cases: [(&[SocketAddr], &[SocketAddr], &[ReplicaState]); 5] = [
        (&[one, hangs], &[], &[Answered, Waiting]),
        (&[one, hangs], &[member], &[Answered, Waiting, Answered]),
        (&[one], &[hangs], &[Answered, Waiting]),
        (&[one], &[member, hangs], &[Answered, Answered, Waiting]),
        (&[one, two], &[hangs], &[Answered, Answered, Waiting]),
    ];
    for (servers, members, early) in cases {
        let told = node_of(servers, members).await;
        let what = format!("{early:?} in {:#?}", told.iter().map(|(_, states)| states).collect::<Vec<_>>());
        let known = |(answer, _): &&(fleet::Answer<fleet::node::NodeDetail>, _)| answer.value.is_known();
        let (first, _) = told.iter().find(known).expect("something");
        assert_eq!(first.value.up, NodeUp::Up, "{what}");
        assert!(first.coverage.replicas().iter().all(|r| r.state != Missing), "{what}");
        assert!(told.iter().any(|(answer, states)| answer.value.is_known() && states == early), "{what}");
        let (last, end) = told.last().expect("the end");
        let ends = early.iter().map(|state| if *state == Waiting { Missing } else { Answered });
        assert_eq!(*end, ends.collect::<Vec<_>>(), "{what}");
        assert_eq!(last.value.up, NodeUp::Up, "{what}");
    }
}
