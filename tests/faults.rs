//! One cluster whose server misbehaves must not touch the others: their rows are there, coverage
//! says in words what is wrong, the exit code tells, and it ends within the time limit.

#[path = "faults/questions.rs"]
mod questions;
#[path = "faults/server.rs"]
mod server;

use server::Answer;
use std::io::Write as _;
use std::net::SocketAddr;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

const ALERTS: &[u8] = include_bytes!("../fixtures/alertmanager/0.25/alerts.json");
const TIMEOUT: Duration = Duration::from_secs(2);

/// Runs `iaasmon alerts` over a good cluster and one whose configuration ends with `bad`.
fn alerts_beside(bad: &str) -> (Output, Duration) {
    let good = server::start(Answer::json(ALERTS));
    run(&format!(
        "[[cluster]]\nname = \"good\"\nalertmanager = [\"http://{good}\"]\n[[cluster]]\nname = \"bad\"\n{bad}\n"
    ))
}

fn run(clusters: &str) -> (Output, Duration) {
    run_command(&["alerts"], clusters)
}

/// Runs a command with `-o json` over these clusters.
fn run_command(args: &[&str], clusters: &str) -> (Output, Duration) {
    let dir = tempfile::tempdir().expect("a folder");
    let config = dir.path().join("config.toml");
    std::fs::write(&config, format!("[defaults]\ntimeout = \"2s\"\n{clusters}")).expect("written");
    #[expect(clippy::disallowed_methods, reason = "a test measures the program's own limit")]
    let started = Instant::now();
    let output = Command::new(env!("CARGO_BIN_EXE_iaasmon"))
        .args(["--config".as_ref(), config.as_os_str()])
        .args(args)
        .args(["-o", "json"])
        .output()
        .expect("iaasmon runs");
    (output, started.elapsed())
}

/// Asserts that the good cluster's rows are there and that coverage names the bad server and `words`.
fn assert_partial(fault: &str, bad: &str, words: &str) {
    let (output, took) = alerts_beside(bad);
    let stdout = String::from_utf8_lossy(&output.stdout);
    let stderr = String::from_utf8_lossy(&output.stderr);
    let json: serde_json::Value =
        serde_json::from_str(&stdout).unwrap_or_else(|e| panic!("{fault}: {e}\n{stdout}\n{stderr}"));
    let rows = json["data"].as_array().expect("rows");
    assert!(
        rows.iter().any(|r| r["cluster"] == "good"),
        "{fault}: the good cluster's rows are missing\n{stdout}"
    );
    assert!(rows.iter().all(|r| r["cluster"] == "good"), "{fault}: rows out of nowhere\n{stdout}");
    let missing = json["coverage"]
        .as_array()
        .expect("coverage")
        .iter()
        .find(|r| r["cluster"] == "bad")
        .expect("the bad replica");
    let error = missing["error"].as_str().unwrap_or_default();
    assert!(error.contains(words), "{fault}: expected `{words}` in `{error}`");
    assert!(stderr.contains(words), "{fault}: expected `{words}` on stderr: {stderr}");
    assert_eq!(output.status.code(), Some(3), "{fault}: {stderr}");
    assert!(took < TIMEOUT + Duration::from_secs(2), "{fault}: took {took:?}");
}

fn at(address: SocketAddr) -> String {
    format!("alertmanager = [\"http://{address}\"]")
}

#[test]
fn refusals_and_server_errors_are_named() {
    let cases = [
        ("401 Unauthorized", &b"who are you"[..], "not authenticated (401): who are you"),
        ("403 Forbidden", b"\"no read role\"", "forbidden (403): no read role"),
        ("404 Not Found", b"404 page not found", "not found (404)"),
        ("429 Too Many Requests", b"", "too many requests (429)"),
        (
            "500 Internal Server Error",
            br#"{"code":500,"message":"multiple matcher sets"}"#,
            "status 500: multiple matcher sets",
        ),
        ("502 Bad Gateway", b"<html><h1>Bad Gateway</h1></html>", "unavailable (502)"),
        (
            "503 Service Unavailable",
            b"Limit of concurrent GET requests reached (8), try again later.\n",
            "unavailable (503): Limit of concurrent GET",
        ),
    ];
    for (status, body, words) in cases {
        assert_partial(status, &at(server::start(Answer::http(status, "", body))), words);
    }
}

#[test]
fn wrong_bodies_are_named() {
    let html = "Content-Type: text/html\r\n";
    let cases = [
        ("wrong JSON", Answer::json(br#"{"alerts": 7}"#), "not the expected JSON"),
        ("half an answer", Answer::json(&ALERTS[..ALERTS.len() / 2]), "not the expected JSON"),
        (
            "an HTML page with 200",
            Answer::http("200 OK", html, b"<html>login</html>"),
            "not the expected JSON",
        ),
        ("nothing at all", Answer::json(b""), "not the expected JSON"),
        ("invalid UTF-8", Answer::json(b"[{\"labels\":{\"a\":\"\xff\"}}]"), "not the expected JSON"),
    ];
    for (fault, answer, words) in cases {
        assert_partial(fault, &at(server::start(answer)), words);
    }
}

#[test]
fn a_truncated_body_is_not_taken_for_whole() {
    // The announced length never comes: the whole list is there, one byte is missing.
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", ALERTS.len() + 1);
    let bytes = [head.as_bytes(), ALERTS].concat();
    assert_partial("truncated", &at(server::start(Answer::Bytes(bytes.into()))), "connection broke");
}

#[test]
fn servers_that_do_not_speak_http_or_never_stop_are_named() {
    let cases = [
        (
            "an SSH server",
            Answer::Bytes(b"SSH-2.0-OpenSSH_9.2\r\n".to_vec().into()),
            "the answer is not HTTP",
        ),
        ("an empty answer", Answer::Bytes(Vec::new().into()), "connection broke"),
        ("endless headers", Answer::EndlessHeaders, "connection broke"),
        ("slow headers", Answer::SlowHeaders, "timed out after 2s"),
        ("silence", Answer::Silence, "timed out after 2s"),
    ];
    for (fault, answer, words) in cases {
        assert_partial(fault, &at(server::start(answer)), words);
    }
}

#[test]
fn bodies_are_capped_after_decompression() {
    // Lists of alerts are decoded while they come and may be eight times as large as any other answer.
    let announced = Answer::EndlessBody("HTTP/1.1 200 OK\r\nContent-Length: 1073741824\r\n\r\n");
    assert_partial("1 GiB announced", &at(server::start(announced)), "larger than 512 MiB");
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    for _ in 0..80 {
        gzip.write_all(&[b' '; 1024 * 1024]).expect("compressed");
    }
    let bomb = gzip.finish().expect("compressed");
    assert!(bomb.len() * 500 < 80 * 1024 * 1024, "it is a bomb");
    let answer = Answer::http("200 OK", "Content-Encoding: gzip\r\n", &bomb);
    let small = format!("{}\nmax_body = 1048576", at(server::start(answer)));
    assert_partial("gzip bomb", &small, "larger than 8 MiB");
}

#[test]
fn a_storm_of_enriched_alerts_is_larger_than_max_body_and_read() {
    let list: Vec<serde_json::Value> = serde_json::from_slice(ALERTS).expect("a list");
    let mut alert = list[0].clone();
    alert["annotations"]["output"] = "word ".repeat(100_000).into();
    let body = serde_json::to_vec(&vec![alert; 5]).expect("written");
    assert!(body.len() > 2 * 1024 * 1024);
    let storm = format!("{}\nmax_body = 1048576", at(server::start(Answer::json(&body))));
    let (output, _) = run(&format!("[[cluster]]\nname = \"storm\"\n{storm}\n"));
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(output.stdout.len() > 500_000, "with its whole text");
}

#[test]
fn a_redirect_to_another_host_is_not_followed() {
    let thief = server::start(Answer::json(ALERTS));
    let answer = Answer::http("302 Found", &format!("Location: http://{thief}/api/v2/alerts\r\n"), b"");
    assert_partial("redirect", &at(server::start(answer)), &format!("redirects to http://{thief}"));
}

#[tokio::test]
async fn a_redirect_on_the_same_host_is_followed_by_what_reads_and_by_no_write() {
    let (address, seen) = server::start_moved("/login", b"[]");
    let mut config = iaasmon::config::Config::default();
    let mut cluster = iaasmon::config::Cluster::new("moved", &config.defaults);
    let url: url::Url = format!("http://{address}").parse().expect("a URL");
    cluster.alertmanager = vec![url.clone()];
    cluster.prometheus = vec![url];
    config.clusters.push(cluster);
    let fleet = iaasmon::fleet::Fleet::new(&config);
    let member = &fleet.clusters()[0].alertmanager[0];
    assert_eq!(member.silences().await.expect("an answer").value, []);
    assert_eq!(seen.take(), ["GET /api/v2/silences", "GET /login"]);

    let error = member.expire_silence("6ba7b810-9dad-11d1-80b4-00c04fd430c8").await.expect_err("not expired");
    assert!(error.to_string().contains("redirects to /login"), "{error}");
    assert_eq!(seen.take(), ["DELETE /api/v2/silence/6ba7b810-9dad-11d1-80b4-00c04fd430c8"]);
    // A query is a POST for the length of its expression; as a GET it would lose it.
    let error = fleet.clusters()[0].prometheus[0].vector("up").await.expect_err("no answer");
    assert!(error.to_string().contains("redirects to /login"), "{error}");
    assert_eq!(seen.take(), ["POST /api/v1/query"]);
}

#[test]
fn a_closed_port_and_an_unknown_name_are_named() {
    let closed = std::net::TcpListener::bind("127.0.0.1:0")
        .and_then(|l| l.local_addr())
        .expect("a port nobody listens on");
    assert_partial("closed port", &at(closed), "connection refused");
    assert_partial(
        "unknown name",
        "alertmanager = [\"http://no-such-host.invalid:9093\"]",
        "failed to lookup",
    );
}

#[test]
fn nothing_answered_is_exit_4() {
    let silent = server::start(Answer::http("503 Service Unavailable", "", b""));
    let (output, _) = run(&format!("[[cluster]]\nname = \"only\"\n{}\n", at(silent)));
    assert_eq!(output.status.code(), Some(4), "{}", String::from_utf8_lossy(&output.stderr));
}

mod tls {
    use super::*;
    use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
    use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
    use std::sync::Arc;

    struct Authority {
        issuer: CertifiedIssuer<'static, KeyPair>,
        dir: tempfile::TempDir,
    }

    impl Authority {
        fn new() -> Self {
            let mut params = CertificateParams::new(Vec::new()).expect("no names");
            params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
            let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().expect("a key"))
                .expect("an authority");
            let dir = tempfile::tempdir().expect("a folder");
            std::fs::write(dir.path().join("ca.pem"), issuer.pem()).expect("written");
            Self { issuer, dir }
        }

        fn issue(&self, name: &str, expired: bool) -> (CertificateDer<'static>, KeyPair, String) {
            let mut params = CertificateParams::new(vec![name.to_owned()]).expect("a name");
            if expired {
                params.not_before = rcgen::date_time_ymd(2020, 1, 1);
                params.not_after = rcgen::date_time_ymd(2020, 2, 1);
            }
            let key = KeyPair::generate().expect("a key");
            let cert = params.signed_by(&key, &self.issuer).expect("a certificate");
            let pem = cert.pem();
            (cert.der().clone(), key, pem)
        }

        fn server(&self, name: &str, expired: bool, mutual: bool) -> SocketAddr {
            self.serving(name, expired, mutual, ALERTS)
        }

        fn serving(&self, name: &str, expired: bool, mutual: bool, body: &'static [u8]) -> SocketAddr {
            let (cert, key, _) = self.issue(name, expired);
            self.showing(cert, &key, mutual, body)
        }

        /// One that shows the authority's own certificate.
        fn itself(&self) -> SocketAddr {
            self.showing(self.issuer.der().clone(), self.issuer.key(), false, ALERTS)
        }

        fn showing(
            &self,
            cert: CertificateDer<'static>,
            key: &KeyPair,
            mutual: bool,
            body: &'static [u8],
        ) -> SocketAddr {
            let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
            let provider = Arc::new(rustls::crypto::ring::default_provider());
            let builder = rustls::ServerConfig::builder_with_provider(provider.clone())
                .with_safe_default_protocol_versions()
                .expect("TLS 1.2 and 1.3");
            let builder = if mutual {
                let mut roots = rustls::RootCertStore::empty();
                roots.add(self.issuer.der().clone()).expect("our authority");
                let verifier =
                    rustls::server::WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider)
                        .build()
                        .expect("a verifier");
                builder.with_client_cert_verifier(verifier)
            } else {
                builder.with_no_client_auth()
            };
            server::start_tls(builder.with_single_cert(vec![cert], key).expect("a pair"), body)
        }

        /// The configuration of a cluster behind `address` that trusts this authority.
        fn trusted(&self, address: SocketAddr, more: &str) -> String {
            let ca = self.dir.path().join("ca.pem");
            format!("alertmanager = [\"https://{address}\"]\ntls = {{ ca = {ca:?}{more} }}")
        }

        fn client_pair(&self) -> String {
            let (_, key, pem) = self.issue("client", false);
            let (cert, key_file) = (self.dir.path().join("cert.pem"), self.dir.path().join("key.pem"));
            std::fs::write(&cert, pem).expect("written");
            std::fs::write(&key_file, key.serialize_pem()).expect("written");
            format!(", cert = {cert:?}, key = {key_file:?}")
        }
    }

    fn assert_whole(what: &str, cluster: &str) {
        let (output, _) = run(&format!("[[cluster]]\nname = \"tls\"\n{cluster}\n"));
        assert_eq!(output.status.code(), Some(0), "{what}: {}", String::from_utf8_lossy(&output.stderr));
    }

    #[test]
    fn failures_of_trust_are_named() {
        let ours = Authority::new();
        let good = ours.server("127.0.0.1", false, false);
        let unknown = "tls: nobody who is trusted here has signed the certificate (tls.ca names the CA)";
        assert_partial("unknown authority", &format!("alertmanager = [\"https://{good}\"]"), unknown);
        assert_partial("another authority", &Authority::new().trusted(good, ""), unknown);
        assert_partial("wrong name", &ours.trusted(ours.server("other.example", false, false), ""), "tls: ");
        assert_partial("expired", &ours.trusted(ours.server("127.0.0.1", true, false), ""), "tls: ");
        let words = "tls: the server's certificate is that of a CA: one that is signed by it is needed";
        assert_partial("an authority's own certificate", &ours.trusted(ours.itself(), ""), words);
        let plain = server::start(Answer::Unasked(b"HTTP/1.1 400 Bad Request\r\n\r\n"));
        let words = "tls: the server does not speak it: is it an http:// URL?";
        assert_partial("plain HTTP behind https", &ours.trusted(plain, ""), words);
        let words = "the answer is not HTTP: is it https://, or another port?";
        assert_partial("https behind plain HTTP", &format!("alertmanager = [\"http://{good}\"]"), words);
        assert_partial(
            "a client certificate is asked for",
            &ours.trusted(ours.server("127.0.0.1", false, true), ""),
            "",
        );
    }

    #[test]
    fn private_authorities_other_names_and_client_certificates_work() {
        let ours = Authority::new();
        assert_whole("private authority", &ours.trusted(ours.server("127.0.0.1", false, false), ""));
        assert_whole(
            "server_name",
            &ours.trusted(ours.server("other.example", false, false), ", server_name = \"other.example\""),
        );
        assert_whole("mutual TLS", &ours.trusted(ours.server("127.0.0.1", false, true), &ours.client_pair()));
    }

    #[test]
    fn a_node_is_checked_by_its_own_name_and_not_by_the_servers() {
        let ours = Authority::new();
        let member = ours.server("other.example", false, false);
        let node = ours.serving("127.0.0.1", false, false, br#"{"output": "from the node"}"#);
        let cluster = format!(
            "[[cluster]]\nname = \"tls\"\ncheck_label = \"alertname\"\ndetail_url = \"https://{node}/{{alertname}}\"\n{}\n",
            ours.trusted(member, ", server_name = \"other.example\"")
        );
        let (output, _) = run_command(&["alert", "af55c2e965e82793"], &cluster);
        let (stdout, stderr) =
            (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert_eq!(output.status.code(), Some(0), "{stdout}{stderr}");
        assert!(stdout.contains("from the node"), "{stdout}{stderr}");
    }
}
