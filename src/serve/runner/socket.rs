//! The socket on port 3030, TCP and UDP (client/socket.rb): one message a connection, answered in one word.

use super::intake::Intake;
use super::sockets::{Budget, Share};
use crate::sensu::level::Level;
use crate::sys::clock;
use crate::wire::sensu_json::Value;
use crate::wire::sensu_socket::{Heard, hear, hear_whole};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, UdpSocket};
use tokio::sync::Semaphore;

/// How long after the last piece an unfinished message is given up (client/socket.rb: WATCHDOG_DELAY).
const WATCHDOG: Duration = Duration::from_millis(500);
/// How long a whole exchange may take, however the pieces come: who sends a byte now and then would hold its place for ever.
/// The original waits as long as they come; a script that writes its message while it works has a minute for it.
const PATIENCE: Duration = Duration::from_secs(60);
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
                    let _ = answer(stream, &intake, share, PATIENCE).await;
                    drop(slot);
                });
            }
            Err(_) => tokio::time::sleep(WATCHDOG).await,
        }
    }
}

async fn answer(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    intake: &Intake,
    mut share: Share,
    patience: Duration,
) -> std::io::Result<()> {
    let mut buffer = Vec::new();
    let mut problem = None;
    let begun = clock::instant();
    loop {
        let wait = WATCHDOG.min(patience.saturating_sub(begun.elapsed()));
        let read = tokio::time::timeout(wait, stream.read_buf(&mut buffer)).await;
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

async fn reply(stream: &mut (impl AsyncWrite + Unpin), word: &str) -> std::io::Result<()> {
    let reply = async {
        stream.write_all(word.as_bytes()).await?;
        stream.shutdown().await
    };
    tokio::time::timeout(WATCHDOG, reply).await?
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

#[cfg(test)]
mod tests {
    use super::super::sockets::{Budget, idle_intake};
    use super::answer;
    use crate::sys::clock;
    use std::time::Duration;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    /// Sends a message in pieces that come in time each, and returns the answer and how long that took.
    async fn send(message: &[u8], patience: Duration) -> (String, Duration) {
        let (intake, _folder) = idle_intake();
        let (mut client, server) = tokio::io::duplex(1024);
        let begun = clock::instant();
        let serving =
            tokio::spawn(async move { answer(server, &intake, Budget::new(1024).share(), patience).await });
        for byte in message {
            // It may be over already.
            let _ = client.write_all(&[*byte]).await;
            tokio::time::sleep(Duration::from_millis(50)).await;
            if serving.is_finished() {
                break;
            }
        }
        let mut said = String::new();
        client.read_to_string(&mut said).await.expect("it answers");
        serving.await.expect("it ends").expect("answered");
        (said, begun.elapsed())
    }

    #[tokio::test]
    async fn who_sends_for_ever_is_given_up_and_who_is_slow_is_not() {
        let message = br#"{"name": "a", "output": "slow"}"#;
        assert_eq!(send(message, Duration::from_secs(30)).await.0, "ok");
        let (said, took) = send(&b" ".repeat(300), Duration::from_millis(700)).await;
        assert_eq!(said, "invalid");
        assert!(took >= Duration::from_millis(700) && took < Duration::from_secs(5), "{took:?}");
    }
}
