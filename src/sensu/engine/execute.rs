//! One run of one check: substitution, the command, its hook, the result (process.rb:183-230).

use super::{Bounds, Counts, Event, Shared, hooks};
use crate::sensu::definitions::Settings;
use crate::sensu::tokens::substitute;
use crate::sys::child::{self, Command, Ended, Group, Guard, Outcome, Surroundings};
use crate::sys::clock;
use crate::wire::sensu_json::{Object, Value, field, set};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// What a check or hook came to, as it goes into the result.
#[derive(Debug)]
pub struct Ran {
    /// Any number that a process can end with, or the original's own for what did not run.
    pub status: i64,
    /// What it wrote, or what there is to say instead.
    pub output: Vec<u8>,
    /// A group that could not be ended.
    pub(super) lingering: Option<Group>,
}

/// Runs a check whose key is taken, tells the result, and returns a group that could not be ended.
pub(super) async fn publish(
    shared: &Arc<Shared>,
    check: Object,
    settings: &Settings,
    due: Instant,
) -> Option<Group> {
    let around = Around { shared, settings };
    let (check, lingering) = around.run(check, Some(due)).await;
    let status = field(&check, "status").and_then(Value::as_i64).unwrap_or(3);
    shared.counts.result(status);
    (shared.tell)(Event::Result(payload(check, settings)));
    lingering
}

/// Puts a check into what is published (process.rb:86-102).
pub fn payload(mut check: Object, settings: &Settings) -> Object {
    if field(&check, "source").and_then(Value::as_bytes).is_some_and(<[u8]>::is_empty) {
        check.shift_remove(&b"source"[..]);
    }
    let mut payload = Object::new();
    set(&mut payload, "client", settings.client_name());
    set(&mut payload, "check", check);
    if let Some(signature) = field(settings.client(), "signature") {
        set(&mut payload, "signature", signature.clone());
    }
    payload
}

/// Runs one check now, outside of any schedule, and returns its result; nobody is told.
pub async fn run_once(
    check: Object,
    settings: Settings,
    surroundings: Surroundings,
    guard: Option<Guard>,
    bounds: Bounds,
) -> Object {
    let engine = super::Engine::new(settings, surroundings, guard, bounds, Arc::new(|_| {}));
    let settings = engine.settings();
    let around = Around { shared: &engine.shared, settings: &settings };
    around.run(check, None).await.0
}

/// What a run needs of the engine.
pub(super) struct Around<'a> {
    pub(super) shared: &'a Shared,
    pub(super) settings: &'a Settings,
}

impl Around<'_> {
    async fn run(&self, check: Object, due: Option<Instant>) -> (Object, Option<Group>) {
        let substituted = substitute(&check, self.settings.client());
        let command =
            field(&substituted.check, "command").and_then(Value::as_bytes).unwrap_or_default().to_vec();
        let mut result = substituted.check;
        // The command is published as it was defined (process.rb:213).
        if let Some(defined) = field(&check, "command") {
            set(&mut result, "command", defined.clone());
        }
        set(&mut result, "executed", clock::now().timestamp());
        if !substituted.unmatched.is_empty() {
            let output = format!("Unmatched client token(s): {}", substituted.unmatched.join(", "));
            set(&mut result, "output", output.as_str());
            set(&mut result, "status", 3);
            set(&mut result, "handle", false);
            return (result, None);
        }
        let begun = clock::instant();
        let limit = field(&result, "timeout").and_then(Value::as_f64);
        let stdin = wants_stdin(&result).then(|| self.stdin(&result));
        let ran = self.command(&command, limit, stdin, due).await;
        // Rounded to milliseconds, and counted from before the queue for a slot (process.rb:188,199).
        set(&mut result, "duration", seconds(begun.elapsed()));
        set(&mut result, "output", Value::text(&ran.output));
        set(&mut result, "status", ran.status);
        let hook = hooks::run(self, &mut result).await;
        (result, ran.lingering.or(hook))
    }

    /// Runs a command in a slot of its own (spawn.rb:51-57); slots are given in the order in which they are asked for.
    ///
    /// What was due at a time is counted by how late its command is begun: it may have waited long for the slot.
    pub(super) async fn command(
        &self,
        line: &[u8],
        limit: Option<f64>,
        stdin: Option<Vec<u8>>,
        due: Option<Instant>,
    ) -> Ran {
        let limit = match limit {
            Some(seconds) if seconds < 0.0 => {
                return Ran::said(3, "Unexpected error: time interval must be positive".to_owned());
            }
            // 0 means none.
            Some(seconds) if seconds > 0.0 => Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX),
            _ => self.shared.bounds.max_runtime,
        };
        let slots = self.shared.state().slots.clone();
        let waiting = self.shared.counts.wait();
        let _slot = slots.acquire_owned().await;
        drop(waiting);
        if let Some(due) = due {
            self.shared.counts.begun(due.elapsed());
        }
        let command = Command {
            line,
            stdin,
            limit: Some(limit),
            keep: self.shared.bounds.max_output,
            around: &self.shared.around,
        };
        let ended = child::run(command, self.shared.guard.as_ref()).await;
        if ended.outcome == Outcome::TimedOut {
            Counts::add(&self.shared.counts.timed_out);
        }
        Ran::of(ended)
    }

    /// What a command with `stdin` reads: the client, nothing masked, and the check so far.
    pub(super) fn stdin(&self, check: &Object) -> Vec<u8> {
        let mut both = Object::new();
        set(&mut both, "client", self.settings.client().clone());
        set(&mut both, "check", check.clone());
        Value::Object(both).to_bytes()
    }
}

pub(super) fn wants_stdin(definition: &Object) -> bool {
    field(definition, "stdin").is_some_and(Value::is_truthy)
}

/// Returns seconds with three digits behind the point, as `("%.3f" % seconds).to_f` gives them.
pub(super) fn seconds(passed: Duration) -> Value {
    Value::Float((passed.as_secs_f64() * 1000.0).round() / 1000.0)
}

impl Ran {
    fn said(status: i64, output: String) -> Self {
        Self { status, output: output.into_bytes(), lingering: None }
    }

    fn of(ended: Ended) -> Self {
        match ended.outcome {
            Outcome::Exited(status) => {
                let cut = ended.output_bytes > ended.output.len() as u64;
                let mut output = ended.output;
                if cut {
                    output.extend(format!("\n(cut: {} bytes in all)\n", ended.output_bytes).into_bytes());
                }
                Self { status: status.into(), output, lingering: None }
            }
            // spawn.rb:160-170
            Outcome::TimedOut => {
                let unkillable = ended.lingering.map(|group| {
                    format!(" - Unable to TERM/KILL the process: #{}, it still runs", group.number())
                });
                let output = format!("Execution timed out{}", unkillable.unwrap_or_default());
                Self { lingering: ended.lingering, ..Self::said(2, output) }
            }
            Outcome::Failed(why) => {
                Self { lingering: ended.lingering, ..Self::said(3, format!("Unexpected error: {why}")) }
            }
        }
    }
}
