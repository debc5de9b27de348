//! A result as a line that its readers take: what is too long for one is cut, so that its status is told at least.

use crate::sensu::level::Level;
use crate::wire::sensu_json::{Object, Value, field, set};
use crate::wire::sensu_log::{RESULT, write_line};
use chrono::{DateTime, Local};

/// How much is left of the words of hooks, and then of the check itself. Each byte may take six in the line.
const OF_HOOKS: usize = 64 * 1024;
const OF_OUTPUT: usize = 1024 * 1024;
/// What is left of a check that is too long without its words: what a status is told by.
const CORE: [&str; 9] =
    ["name", "source", "interval", "cron", "ttl", "issued", "executed", "duration", "status"];

/// Writes a result as the original does, no longer than `most` bytes.
pub(super) fn line(payload: Object, now: &DateTime<Local>, most: usize) -> Vec<u8> {
    let mut payload = Value::Object(payload);
    let mut written = write(&payload, now);
    for shorten in [cut_hooks, cut_output, keep_core] {
        if written.len() <= most {
            break;
        }
        if let Value::Object(payload) = &mut payload
            && let Some(Value::Object(check)) = payload.get_mut(&b"check"[..])
        {
            tracing::warn!(check = %name(check), bytes = written.len(), "the result is too long for a line of the log, it is cut");
            shorten(check);
        }
        written = write(&payload, now);
    }
    written
}

fn write(payload: &Value, now: &DateTime<Local>) -> Vec<u8> {
    let mut line = Vec::new();
    write_line(&mut line, now, Level::Info.word(), RESULT, &[("payload", payload)]);
    line
}

fn name(check: &Object) -> String {
    let name = field(check, "name").and_then(Value::as_bytes).unwrap_or_default();
    crate::model::text::line(&String::from_utf8_lossy(name)).into_owned()
}

fn cut_hooks(check: &mut Object) {
    if let Some(Value::Object(hooks)) = check.get_mut(&b"hooks"[..]) {
        for hook in hooks.values_mut() {
            if let Value::Object(hook) = hook {
                cut(hook, OF_HOOKS);
            }
        }
    }
}

fn cut_output(check: &mut Object) {
    cut(check, OF_OUTPUT);
}

fn cut(of: &mut Object, keep: usize) {
    let output = field(of, "output").and_then(Value::as_bytes).filter(|output| output.len() > keep);
    if let Some(output) = output {
        let cut = [&output[..keep], format!("\n(cut: {} bytes in all)\n", output.len()).as_bytes()].concat();
        set(of, "output", Value::text(cut));
    }
}

fn keep_core(check: &mut Object) {
    check.retain(|name, _| CORE.iter().any(|core| core.as_bytes() == &**name));
    set(check, "output", "the result was too long for a line of the log\n");
}

#[cfg(test)]
mod tests {
    use super::line;
    use crate::wire::sensu_json::{Object, Value, set};
    use crate::wire::sensu_log::{LONGEST_LINE, Line, read};

    /// A payload whose output, hook and one more attribute have so many bytes that take six each.
    fn payload(output: usize, hook: usize, more: usize) -> Object {
        let control = |length: usize| Value::text(vec![1; length]);
        let object = |fields: Vec<(&str, Value)>| {
            let mut object = Object::new();
            fields.into_iter().for_each(|(name, value)| set(&mut object, name, value));
            object
        };
        let hook = object(vec![("command", "x".into()), ("output", control(hook))]);
        let check = vec![
            ("name", "disk".into()),
            ("more", control(more)),
            ("hooks", Value::Object(object(vec![("critical", Value::Object(hook))]))),
            ("output", control(output)),
            ("status", 2.into()),
        ];
        object(vec![("client", "n1".into()), ("check", Value::Object(object(check)))])
    }

    #[test]
    fn whatever_is_too_long_its_status_is_told_in_a_line_that_is_read() {
        let now = crate::sys::clock::local();
        for (output, hook, more, left) in [
            (2 << 20, 100, 100, 2 << 20),
            (2 << 20, 2 << 20, 100, 2 << 20),
            (4 << 20, 2 << 20, 100, 1 << 20),
            (4 << 20, 2 << 20, 4 << 20, 0),
        ] {
            let line = line(payload(output, hook, more), &now, LONGEST_LINE);
            assert!(line.len() <= LONGEST_LINE);
            let Line::Result(result) = read(line.trim_ascii_end()) else { panic!("{}", line.len()) };
            assert_eq!((result.status, &*result.check.to_text()), (Some(2), "disk"));
            let kept = result.output.bytes().len();
            assert!((left..left + 100).contains(&kept), "{kept} of {output}");
        }
    }
}
