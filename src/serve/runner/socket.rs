//! The socket on port 3030, TCP and UDP (client/socket.rb): one message a connection, answered in one word.

use super::intake::Intake;
use super::sockets::{Budget, Share};
use crate::sensu::level::Level;
use crate::wire::sensu_json::Value;
use crate::wire::sensu_socket::{Heard, hear, hear_whole};
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
pub(super) async fn tcp(listener: TcpListener, intake: Intake, budget: Budget) {
    let slots = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let Ok(slot) = slots.clone().acquire_owned().await else { return };
        match listener.accept().await {
            Ok((stream, _)) => {
                let (intake, share) = (intake.clone(), budget.share());
                tokio::spawn(async move {
                    // Who hangs up early does not want the answer.
                    let _ = answer(stream, &intake, share).await;
                    drop(slot);
                });
            }
            Err(_) => tokio::time::sleep(WATCHDOG).await,
        }
    }
}

async fn answer(mut stream: TcpStream, intake: &Intake, mut share: Share) -> std::io::Result<()> {
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
            Ok(Ok(_)) if !share.hold(buffer.capacity()) => {
                discard(intake, &buffer[..1024], Some("too much comes in at the same time".to_owned()));
                return reply(&mut stream, "invalid").await;
            }
            Ok(read) => read?,
        };
        match hear(&buffer) {
            Heard::Ping => {
                intake.journal.line(Level::Debug, "socket received ping", &[]);
                return reply(&mut stream, "pong").await;
            }
            Heard::Message(data) => {
                let word = if take(intake, &buffer, data) { "ok" } else { "invalid" };
                return reply(&mut stream, word).await;
            }
            Heard::Unfinished(why) => problem = why,
        }
    }
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
        match hear_whole(raw) {
            Heard::Ping => intake.journal.line(Level::Debug, "socket received ping", &[]),
            Heard::Message(data) => {
                take(&intake, raw, data);
            }
            Heard::Unfinished(why) => refuse(&intake, &Value::text(raw), &why.unwrap_or_default()),
        }
    }
}
