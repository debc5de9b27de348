//! As much SMTP (RFC 5321) as it takes to receive mails on one's own machine: no TLS, no users, and every address is right.

use super::shelf::Shelf;
use super::{CONNECTIONS, MAX_MESSAGE, PATIENCE};
use crate::sys::apart::apart;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{
    AsyncBufRead, AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _,
    BufReader,
};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

/// The longest line. The standard's is 1,000; Alertmanager folds no header, and a mail may be for many.
const MAX_LINE: u64 = 16 * 1024;
/// A pause after the system refused a connection, usually for want of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Takes mails for ever; those who come when there are too many wait in the system's queue.
pub(super) async fn listen(listener: TcpListener, mails: Arc<Shelf>) {
    let mut talks = JoinSet::new();
    loop {
        while talks.try_join_next().is_some() {}
        if talks.len() >= CONNECTIONS {
            talks.join_next().await;
        }
        match listener.accept().await {
            Ok((stream, _)) => {
                let mails = mails.clone();
                // Who hangs up, or takes too long, has not told us anything.
                talks.spawn(async move { tokio::time::timeout(PATIENCE, converse(stream, &mails)).await });
            }
            Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
        }
    }
}

/// Sees one connection to its end.
pub(super) async fn converse(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    mails: &Arc<Shelf>,
) -> io::Result<()> {
    let mut stream = BufReader::new(stream);
    say(&mut stream, "220 the mailbox of a demo").await?;
    let mut envelope = Envelope::default();
    let mut line = Vec::new();
    loop {
        let heard = match read_line(&mut stream, &mut line).await? {
            Line::End => return Ok(()),
            Line::Long => Heard::Answer("500 the line is too long"),
            Line::Whole => envelope.hear(&line),
        };
        match heard {
            Heard::Answer(answer) => say(&mut stream, answer).await?,
            Heard::Quit => return say(&mut stream, "221 bye").await,
            Heard::Data => {
                say(&mut stream, "354 go on, and end with a dot").await?;
                let answer = match read_mail(&mut stream).await? {
                    Some(mail) => keep(mails.clone(), mail).await,
                    None => "552 the mail is too large",
                };
                say(&mut stream, answer).await?;
            }
        }
    }
}

async fn keep(mails: Arc<Shelf>, mail: Vec<u8>) -> &'static str {
    match apart(move || mails.put(&mail)).await {
        Ok(()) => "250 kept",
        Err(_) => "451 it cannot be written",
    }
}

/// What a command leads to.
#[derive(Debug, PartialEq, Eq)]
enum Heard {
    Answer(&'static str),
    /// The mail follows.
    Data,
    Quit,
}

/// Who a mail is from and for, as far as it matters: whether that was said.
#[derive(Debug, Default)]
struct Envelope {
    greeted: bool,
    from: bool,
    to: bool,
}

impl Envelope {
    fn hear(&mut self, line: &[u8]) -> Heard {
        let line = String::from_utf8_lossy(line).trim_end().to_ascii_uppercase();
        let (verb, rest) = line.split_once(' ').unwrap_or((&line, ""));
        Heard::Answer(match verb {
            "EHLO" => {
                *self = Self { greeted: true, ..Self::default() };
                "250-the mailbox of a demo\r\n250 8BITMIME"
            }
            "HELO" => {
                *self = Self { greeted: true, ..Self::default() };
                "250 the mailbox of a demo"
            }
            "MAIL" if self.greeted && !self.from && rest.starts_with("FROM:") => {
                self.from = true;
                "250 ok"
            }
            "RCPT" if self.from && rest.starts_with("TO:") => {
                self.to = true;
                "250 ok"
            }
            "DATA" if self.to => {
                (self.from, self.to) = (false, false);
                return Heard::Data;
            }
            "RSET" => {
                (self.from, self.to) = (false, false);
                "250 ok"
            }
            "NOOP" => "250 ok",
            "QUIT" => return Heard::Quit,
            "MAIL" | "RCPT" | "DATA" => "503 not now: EHLO, MAIL FROM:, RCPT TO:, DATA",
            _ => "502 this mailbox does not know it",
        })
    }
}

/// What came of a line.
enum Line {
    /// It is there, with its end.
    Whole,
    /// It was longer than any may be, and is gone.
    Long,
    /// Nothing comes any more.
    End,
}

/// Reads the next line into `line`.
async fn read_line(stream: &mut (impl AsyncBufRead + Unpin), line: &mut Vec<u8>) -> io::Result<Line> {
    let mut is_long = false;
    loop {
        line.clear();
        (&mut *stream).take(MAX_LINE).read_until(b'\n', line).await?;
        match (line.ends_with(b"\n"), is_long) {
            (true, true) => return Ok(Line::Long),
            (true, false) => return Ok(Line::Whole),
            (false, _) if (line.len() as u64) < MAX_LINE => return Ok(Line::End),
            (false, _) => is_long = true,
        }
    }
}

/// Reads a mail up to its dot, with this system's ends of lines; nothing where it, or a line of it, is too long.
async fn read_mail(stream: &mut (impl AsyncBufRead + Unpin)) -> io::Result<Option<Vec<u8>>> {
    let (mut mail, mut line, mut is_large) = (Vec::new(), Vec::new(), false);
    loop {
        match read_line(stream, &mut line).await? {
            Line::End => return Err(io::ErrorKind::UnexpectedEof.into()),
            Line::Long => is_large = true,
            Line::Whole => {
                let text = line.strip_suffix(b"\r\n").unwrap_or(&line[..line.len() - 1]);
                if text == b"." {
                    return Ok((!is_large).then_some(mail));
                }
                // A line that begins with a dot was given a second one on its way.
                let text = text.strip_prefix(b".").unwrap_or(text);
                is_large |= mail.len() + text.len() >= MAX_MESSAGE;
                if !is_large {
                    mail.extend_from_slice(text);
                    mail.push(b'\n');
                }
            }
        }
    }
}

async fn say(stream: &mut (impl AsyncWrite + Unpin), answer: &str) -> io::Result<()> {
    stream.write_all(format!("{answer}\r\n").as_bytes()).await?;
    stream.flush().await
}
