//! The socket on port 3030, TCP and UDP (client/socket.rb): one message a connection, answered in one word.

use super::intake::Intake;
use crate::sensu::level::Level;
use crate::wire::sensu_json::Value;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::sync::Semaphore;

/// How long after the last piece an unfinished message is given up (client/socket.rb: WATCHDOG_DELAY).
const WATCHDOG: Duration = Duration::from_millis(500);
/// The longest message. The original has no bound; its cost grows with the square of the length.
const MOST: usize = 16 * 1024 * 1024;
/// Connections at a time; more wait in the system's queue.
const CONNECTIONS: usize = 64;
/// The largest datagram.
const DATAGRAM: usize = 65_536;

/// Answers TCP connections for ever.
pub(super) async fn tcp(listener: TcpListener, intake: Intake) {
    let slots = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let Ok(slot) = slots.clone().acquire_owned().await else { return };
        match listener.accept().await {
            Ok((stream, _)) => {
                let intake = intake.clone();
                tokio::spawn(async move {
                    // Who hangs up early does not want the answer.
                    let _ = answer(stream, &intake).await;
                    drop(slot);
                });
            }
            Err(_) => tokio::time::sleep(WATCHDOG).await,
        }
    }
}

async fn answer(mut stream: TcpStream, intake: &Intake) -> std::io::Result<()> {
    let mut buffer = Vec::new();
    let mut problem = None;
    loop {
        let read = tokio::time::timeout(WATCHDOG, stream.read_buf(&mut buffer)).await;
        match read {
            Err(_) => {
                discard(intake, &buffer, problem);
                return reply(&mut stream, "invalid").await;
            }
            Ok(Ok(0)) => {
                // The original notices half a second later; nobody is there to be answered.
                discard(intake, &buffer, problem);
                return Ok(());
            }
            Ok(Ok(_)) if buffer.len() > MOST => {
                discard(intake, &buffer[..1024], Some("the message is too long".to_owned()));
                return reply(&mut stream, "invalid").await;
            }
            Ok(read) => read?,
        };
        match attempt(intake, &buffer) {
            Attempt::Done(word) => return reply(&mut stream, word).await,
            Attempt::Unfinished(why) => problem = why,
        }
    }
}

enum Attempt {
    Done(&'static str),
    Unfinished(Option<String>),
}

/// Tries to make sense of what has come so far (client/socket.rb: process_data).
fn attempt(intake: &Intake, buffer: &[u8]) -> Attempt {
    if buffer.trim_ascii() == b"ping" {
        intake.journal.line(Level::Debug, "socket received ping", &[]);
        return Attempt::Done("pong");
    }
    if !may_be_whole(buffer) {
        return Attempt::Unfinished(None);
    }
    match Value::parse(buffer) {
        Ok(data) => Attempt::Done(if take(intake, buffer, data) { "ok" } else { "invalid" }),
        Err(error) => Attempt::Unfinished(Some(error.to_string())),
    }
}

/// Whether it is worth a look: a result ends with a bracket, and only short messages are anything else. The original parses
/// the whole buffer with every piece and takes 0.9 s for 200 kB.
fn may_be_whole(buffer: &[u8]) -> bool {
    matches!(buffer.trim_ascii_end().last(), Some(b'}' | b']')) || buffer.len() < 4096
}

/// Takes a parsed message in; false where it is not valid, which is said in the log.
fn take(intake: &Intake, raw: &[u8], data: Value) -> bool {
    let raw = Value::text(raw);
    if raw.as_str().is_none() {
        let message = "data from socket is not a valid UTF-8 sequence, processing it anyways";
        intake.journal.line(Level::Warn, message, &[("data", &raw)]);
    }
    intake.journal.line(Level::Debug, "socket received data", &[("data", &raw)]);
    match intake.process(data) {
        Ok(()) => true,
        Err(why) => {
            refuse(intake, &raw, &why);
            false
        }
    }
}

fn refuse(intake: &Intake, raw: &Value, why: &str) {
    let message = "failed to process check result from socket";
    intake.journal.line(Level::Error, message, &[("data", raw), ("error", &Value::from(why))]);
}

fn discard(intake: &Intake, buffer: &[u8], problem: Option<String>) {
    let problem = match problem {
        Some(problem) => Value::text(problem),
        // It was not looked at before, for it did not look whole.
        None => Value::parse(buffer).err().map_or(Value::Null, |error| Value::text(error.to_string())),
    };
    let fields = [("data", &Value::text(buffer)), ("parse_error", &problem)];
    intake.journal.line(Level::Warn, "discarding data buffer for sender and closing connection", &fields);
}

async fn reply(stream: &mut TcpStream, word: &str) -> std::io::Result<()> {
    stream.write_all(word.as_bytes()).await?;
    stream.shutdown().await
}

/// Takes datagrams for ever: one is one message, and none is answered.
pub(super) async fn udp(socket: UdpSocket, intake: Intake) {
    let mut buffer = vec![0; DATAGRAM];
    loop {
        let Ok(read) = socket.recv(&mut buffer).await else {
            tokio::time::sleep(WATCHDOG).await;
            continue;
        };
        let raw = &buffer[..read];
        if raw.trim_ascii() == b"ping" {
            intake.journal.line(Level::Debug, "socket received ping", &[]);
            continue;
        }
        match Value::parse(raw) {
            Ok(data) => {
                take(&intake, raw, data);
            }
            Err(error) => refuse(&intake, &Value::text(raw), &error.to_string()),
        }
    }
}
