//! One run of a command that nobody scheduled here: cron or CI did.

use super::ending::{Ending, Heard, code_of};
use crate::cli::serve::GUARD;
use crate::detail::trim;
use crate::model::time::{Timestamp, format_duration, rfc3339};
use crate::sensu::redact::redact_text;
use crate::sys::child::{Attended, Finish, Guard, Outcome, Output, Running, Uncopied, attend};
use crate::sys::{clock, signals};
use nix::errno::Errno;
use nix::sys::signal::Signal;
use serde_json::{Value, json};
use std::borrow::Cow;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, IsTerminal as _};
use std::os::unix::ffi::OsStrExt as _;
use std::time::Duration;

/// What `timeout` of coreutils ends with, too.
const TIMED_OUT: u8 = 124;
/// What a shell ends with where a command cannot be run.
const NOT_RUN: u8 = 126;
/// What a program ends with that could not write its output.
const NOT_WRITTEN: u8 = 1;
/// The end of an output begins behind its first line, or, where lines are longer than this, behind its second word.
const LONGEST_LINE: usize = 1024;

/// A command to be run.
pub(super) struct Job<'a> {
    pub(super) command: &'a [OsString],
    pub(super) limit: Option<Duration>,
    pub(super) keep: usize,
    pub(super) copy: bool,
    pub(super) is_plugin: bool,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Ran {
    pub(super) exit: u8,
    /// What it did not say itself, a line each.
    pub(super) reasons: Vec<String>,
    status: i64,
    output: String,
    executed: Timestamp,
    took: Duration,
}

impl Job<'_> {
    /// Runs it; `None` where somebody insists that we end before it has ended. The guard ends it then.
    pub(super) async fn run(&self, ending: &mut Ending) -> io::Result<Option<Ran>> {
        if io::stdin().is_terminal() {
            // A group of its own is not the terminal's foreground: reading would stop it for good.
            nix::unistd::dup2_stdin(File::open("/dev/null")?).map_err(io::Error::from)?;
        }
        let guard = Guard::start(GUARD, Vec::new()).ok();
        let attended = Attended {
            words: self.command,
            limit: self.limit,
            copy: self.copy,
            keep: self.keep / 4,
            tail: self.keep - self.keep / 4,
            running: Running::default(),
        };
        let executed = clock::now();
        let running = attend(&attended, guard.as_ref());
        tokio::pin!(running);
        let mut passed = None;
        let ended = loop {
            tokio::select! {
                biased;
                ended = &mut running => break ended,
                heard = ending.next() => match heard {
                    Heard::First(signal) if attended.running.pass(signal) => passed = Some(signal),
                    Heard::Again if attended.running.is_so() => return Ok(None),
                    // It has ended, and what is waited for is the end of its output.
                    _ => attended.running.give_up(),
                }
            }
        };
        let (exit, status, reasons) = self.judge(&ended, passed);
        let output = whole_output(&ended, &reasons);
        Ok(Some(Ran { exit, reasons, status, output, executed, took: ended.took }))
    }

    /// Returns exit code, status, and what is to be said before the output.
    fn judge(&self, ended: &Finish, passed: Option<Signal>) -> (u8, i64, Vec<String>) {
        let left = ended.lingering.map(|group| format!("; its group {} still runs", group.number()));
        let left = left.unwrap_or_default();
        let (mut exit, mut status, mut reasons) = match &ended.outcome {
            Outcome::Exited(code) => {
                let exit = u8::try_from(*code).unwrap_or(u8::MAX);
                let status = if self.is_plugin || exit == 0 { i64::from(exit) } else { 2 };
                let of_signal = passed.map(|signal| match signals::name(signal) {
                    name if exit == code_of(signal) => format!("ended by {name}"),
                    name => format!("{name} came while it ran"),
                });
                (exit, status, Vec::from_iter(of_signal))
            }
            Outcome::TimedOut => {
                let limit = format_duration(self.limit.unwrap_or_default());
                (TIMED_OUT, 2, vec![format!("timed out after {limit}{left}")])
            }
            Outcome::Failed(why) => {
                let status = if self.is_plugin { 3 } else { 2 };
                (NOT_RUN, status, vec![format!("cannot be run: {why}{left}")])
            }
        };
        for unwritten in ended.uncopied.iter().filter(|uncopied| !uncopied.is_unread()) {
            reasons.push(format!("{}: {}", unwritten.output, cause(unwritten)));
            // Written by itself, it would have known, and few look at what becomes of their complaints.
            if exit == 0 && unwritten.output == Output::Out {
                (exit, status) = (NOT_WRITTEN, 2);
            }
        }
        (exit, status, reasons)
    }

    /// Returns the detail that is pushed.
    pub(super) fn detail(&self, ran: &Ran) -> Value {
        let mut detail = detail_before(self.command);
        let of_run = json!({
            "status": ran.status,
            "output": String::from_utf8_lossy(&redact_text(ran.output.as_bytes())),
            "executed": rfc3339(ran.executed),
            "duration": (ran.took.as_secs_f64() * 1e3).round() / 1e3,
            "exit_code": ran.exit,
        });
        if let (Value::Object(detail), Value::Object(of_run)) = (&mut detail, of_run) {
            detail.extend(of_run);
        }
        detail
    }
}

/// Returns what is known of a detail before the run.
pub(super) fn detail_before(command: &[OsString]) -> Value {
    let client = nix::unistd::gethostname().unwrap_or_default();
    let words: Vec<Vec<u8>> = command.iter().map(|word| shown(word)).collect();
    json!({
        "client": client.to_string_lossy(),
        "command": String::from_utf8_lossy(&redact_text(&words.join(&b' '))),
    })
}

/// Puts together what is kept of an output.
fn whole_output(ended: &Finish, reasons: &[String]) -> String {
    let lines = reasons.iter().map(|reason| format!("{reason}\n"));
    let mut output = lines.collect::<String>().into_bytes();
    let (head, tail) = uncut(ended);
    output.extend_from_slice(head);
    let left_out = ended.output_bytes - (head.len() + tail.len()) as u64;
    if left_out > 0 {
        note(&mut output, &format!("{left_out} bytes are left out"));
    }
    output.extend_from_slice(tail);
    if ended.uncopied.iter().any(Uncopied::is_unread) {
        note(&mut output, "nobody reads its output any more");
    }
    if ended.is_held {
        note(&mut output, "a process that it began still holds its output");
    }
    String::from_utf8_lossy(&output).into_owned()
}

/// Returns beginning and end of an output. Where something is missing between them, they end and begin where a secret does not:
/// half of one, or one without its name, would not be known for what it is.
fn uncut(ended: &Finish) -> (&[u8], &[u8]) {
    let (head, tail) = (&ended.output[..], &ended.tail[..]);
    if (head.len() + tail.len()) as u64 == ended.output_bytes {
        return (head, tail);
    }
    let line = tail.iter().take(LONGEST_LINE).position(|byte| *byte == b'\n');
    let begin = line.map(|at| at + 1).unwrap_or_else(|| behind_word(tail, behind_word(tail, 0)));
    (trim::output(head, head.len().saturating_sub(1)), &tail[begin..])
}

/// Returns where the word ends that begins at, or behind white space at, a place; the white space behind it is part of it.
fn behind_word(text: &[u8], at: usize) -> usize {
    let word =
        |from: usize, is_part: fn(&u8) -> bool| text[from..].iter().take_while(|byte| is_part(byte)).count();
    let end = at + word(at, |byte| !byte.is_ascii_whitespace());
    end + word(end, u8::is_ascii_whitespace)
}

/// Adds a remark of ours on a line of its own.
fn note(output: &mut Vec<u8>, words: &str) {
    if output.last().is_some_and(|last| *last != b'\n') {
        output.push(b'\n');
    }
    output.extend_from_slice(format!("({words})\n").as_bytes());
}

/// The system's words alone.
fn cause(uncopied: &Uncopied) -> Cow<'static, str> {
    match uncopied.error.raw_os_error() {
        Some(code) => Errno::from_raw(code).desc().into(),
        None => uncopied.error.to_string().into(),
    }
}

fn quoted(word: &OsStr) -> Vec<u8> {
    let parts: Vec<&[u8]> = word.as_bytes().split(|byte| *byte == b'\'').collect();
    [b"'", &parts.join(&b"'\\''"[..])[..], b"'"].concat()
}

/// A word as people would write it.
fn shown(word: &OsStr) -> Vec<u8> {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_./:=,+@%".contains(byte);
    let bytes = word.as_bytes();
    if !bytes.is_empty() && bytes.iter().all(plain) { bytes.to_vec() } else { quoted(word) }
}

#[cfg(test)]
mod tests;
