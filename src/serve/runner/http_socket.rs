//! The socket on port 3031 (client/http_socket.rb): one request a connection, in em-http-server's own bytes.
//!
//! | request | answer |
//! |---|---|
//! | `GET /info` | version and transport |
//! | `POST /results` | takes a result or a list of them |
//! | `GET /settings` | the definitions, masked unless `?redacted=false`; wants the password of `client.http_socket` |
//! | `GET /brew` | 418 |

use super::intake::Intake;
use super::sockets::{Budget, Share};
use crate::sensu::level::Level;
use crate::wire::sensu_json::{Object, Value, field};
use crate::wire::sensu_socket::{Received, Request, receive};
use base64::Engine as _;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

const CONNECTIONS: usize = 16;
/// How long a request may take to arrive, and how long its answer may take to be read.
const PATIENCE: Duration = Duration::from_secs(10);

const HELP: &str = r#"{"endpoints":{"/info":{"help":"Sensu client information","methods":["GET"]},"/results":{"help":"Send check JSON results here","methods":["POST"]},"/settings":{"help":"Get redacted Sensu settings (requires basic auth). Use ?redacted=false if you want the setting unredacted.","methods":["GET"]},"/brew":{"help":"Ask Sensu to brew a cup of joe (try it!)","methods":["GET"]}}}"#;

/// Answers connections for ever.
pub(super) async fn http(listener: TcpListener, intake: Intake, budget: Budget) {
    let slots = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let Ok(slot) = slots.clone().acquire_owned().await else { return };
        match listener.accept().await {
            Ok((stream, _)) => {
                let (intake, share) = (intake.clone(), budget.share());
                tokio::spawn(async move {
                    exchange(stream, &intake, share, PATIENCE).await;
                    drop(slot);
                });
            }
            Err(_) => tokio::time::sleep(Duration::from_millis(500)).await,
        }
    }
}

/// Answers one request, with so much patience for either way.
async fn exchange(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    intake: &Intake,
    share: Share,
    patience: Duration,
) {
    let asked = tokio::time::timeout(patience, ask(&mut stream, intake, share)).await;
    let Ok(Some(answer)) = asked else { return };
    let reply = async {
        stream.write_all(&answer.to_bytes()).await?;
        stream.shutdown().await
    };
    // Who hangs up early, or does not read, does not want the answer.
    let _ = tokio::time::timeout(patience, reply).await;
}

/// Reads one request and finds its answer; none where it is no HTTP, or too large.
async fn ask(stream: &mut (impl AsyncRead + Unpin), intake: &Intake, mut share: Share) -> Option<Answer> {
    let mut buffer = Vec::new();
    loop {
        match receive(&buffer) {
            Received::Unfinished => {}
            Received::Whole(request) => return Some(answer(&request, intake)),
            Received::Refused => return None,
        }
        if stream.read_buf(&mut buffer).await.ok()? == 0 {
            return None;
        }
        if !share.hold(buffer.capacity()) {
            let error = Value::from("too much comes in at the same time");
            let message = "http socket error while processing request";
            intake.journal.line(Level::Error, message, &[("error", &error)]);
            return None;
        }
    }
}

/// An answer in the original's own bytes.
#[derive(Debug, PartialEq, Eq)]
struct Answer {
    status: &'static str,
    body: Vec<u8>,
    challenge: bool,
}

impl Answer {
    fn new(status: &'static str, body: impl Into<Vec<u8>>) -> Self {
        Self { status, body: body.into(), challenge: false }
    }

    /// `{"response":"..."}`
    fn says(status: &'static str, text: &str) -> Self {
        let mut response = Object::new();
        response.insert(b"response"[..].into(), Value::from(text));
        Self::new(status, Value::Object(response).to_bytes())
    }

    fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = format!(
            "HTTP/1.1 {}\r\nContent-length: {}\r\nContent-type: application/json\r\n",
            self.status,
            self.body.len()
        )
        .into_bytes();
        if self.challenge {
            bytes.extend(b"WWW-Authenticate: Basic realm=\"Sensu Client Restricted Area\"\r\n");
        }
        bytes.extend(b"\r\n");
        bytes.extend(&self.body);
        bytes
    }
}

fn answer(request: &Request<'_>, intake: &Intake) -> Answer {
    let method = match request.path {
        "/info" | "/settings" | "/brew" => "GET",
        "/results" => "POST",
        _ => {
            let uri = Value::from(request.path);
            intake.journal.line(
                Level::Warn,
                "http socket unknown endpoint requested",
                &[("http_request_uri", &uri)],
            );
            return Answer::new("404 Not Found", HELP);
        }
    };
    if request.method != method {
        return Answer::says(
            "405 Method Not Allowed",
            &format!("Valid methods for this endpoint: [\"{method}\"]"),
        );
    }
    match request.path {
        "/brew" => Answer::says("418 I'm a teapot", "I'm a teapot!"),
        "/settings" => guarded(request, intake, true, settings),
        "/results" => guarded(request, intake, false, results),
        _ => guarded(request, intake, false, |_, _| info()),
    }
}

/// Asks for the password where the endpoint or `protect_all_endpoints` wants one (http_socket.rb: authorized?).
fn guarded(
    request: &Request<'_>,
    intake: &Intake,
    always: bool,
    then: impl Fn(&Request<'_>, &Intake) -> Answer,
) -> Answer {
    let settings = intake.engine.settings();
    let options = field(settings.client(), "http_socket").and_then(Value::as_object);
    let option = |name| options.and_then(|options| field(options, name));
    let protect = option("protect_all_endpoints").is_some_and(Value::is_truthy);
    if (always || protect) && !authorized(request, option("user"), option("password")) {
        intake.journal.line(Level::Warn, "http socket refusing to serve unauthorized request", &[]);
        let text = "You must be authenticated using your http_options user and password settings";
        return Answer { challenge: true, ..Answer::says("401 Unauthorized", text) };
    }
    then(request, intake)
}

fn authorized(request: &Request<'_>, user: Option<&Value>, password: Option<&Value>) -> bool {
    let (Some(user), Some(password)) = (user.and_then(Value::as_bytes), password.and_then(Value::as_bytes))
    else {
        return false;
    };
    let Some((scheme, given)) = request.authorization.split_once(' ') else { return false };
    let Ok(given) = base64::engine::general_purpose::STANDARD.decode(given.trim()) else { return false };
    let expected = [user, b":", password].concat();
    // Compared without leaving early, so that its time says nothing of the password.
    let same = given.len() == expected.len()
        && given.iter().zip(&expected).fold(0, |differs, (a, b)| differs | (a ^ b)) == 0;
    scheme.eq_ignore_ascii_case("basic") && same
}

fn info() -> Answer {
    // Plugins ask for the version and whether the client is connected. There is no transport that could fail.
    Answer::new(
        "200 OK",
        r#"{"sensu":{"version":"1.9.0"},"transport":{"name":"noop","keepalives":{"messages":0,"consumers":0},"results":{"messages":0,"consumers":0},"connected":true}}"#,
    )
}

fn settings(request: &Request<'_>, intake: &Intake) -> Answer {
    intake.journal.line(Level::Info, "http socket responding to request for configuration settings", &[]);
    let settings = intake.engine.settings();
    let plain = request.query.split('&').any(|pair| pair == "redacted=false");
    let shown = if plain { Value::Object(settings.root().clone()) } else { settings.redacted() };
    Answer::new("200 OK", shown.to_bytes())
}

fn results(request: &Request<'_>, intake: &Intake) -> Answer {
    if !request.content_type.contains("application/json") {
        return Answer::says("415 Only application/json content type accepted", "Invalid content type");
    }
    let Ok(data) = Value::parse(request.body) else {
        return Answer::says("400 Failed to parse JSON body", "Failed to parse JSON body");
    };
    match intake.process(data) {
        Ok(()) => Answer::says("202 OK", "ok"),
        Err(why) => {
            let error = Value::from(why.as_str());
            intake.journal.line(
                Level::Error,
                "http socket error while processing request",
                &[("error", &error), ("backtrace", &Value::Array(Vec::new()))],
            );
            let text = "Internal Server Error: Check your Sensu logs for error details";
            Answer::says("500 Internal Server Error", text)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::sockets::{Budget, idle_intake};
    use super::exchange;
    use std::time::Duration;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    #[tokio::test]
    async fn an_answer_that_nobody_reads_is_given_up() {
        let (intake, _folder) = idle_intake();
        for reads in [true, false] {
            // Less than the answer.
            let (mut client, server) = tokio::io::duplex(64);
            let share = Budget::new(1024).share();
            let serving = exchange(server, &intake, share, Duration::from_millis(300));
            let asking = async {
                client.write_all(b"GET /info HTTP/1.1\r\n\r\n").await.expect("taken");
                let mut answer = String::new();
                if reads {
                    client.read_to_string(&mut answer).await.expect("answered");
                }
                answer
            };
            let both = async { tokio::join!(serving, asking).1 };
            let answer = tokio::time::timeout(Duration::from_secs(10), both).await.expect("it ends");
            assert_eq!(answer.ends_with("\"connected\":true}}"), reads, "{answer}");
        }
    }
}
