//! Hooks: one more command, chosen by the check's status, whose words go into the result (process.rb:132-165).

use super::execute::{Around, seconds, wants_stdin};
use crate::sys::child::Group;
use crate::sys::clock;
use crate::wire::sensu_json::{Object, Value, field, set};

/// How long a hook without a timeout may run (process.rb:148).
const TIMEOUT: f64 = 60.0;

/// Runs the one hook that the result's status asks for and writes what came of it into the result alone. The original
/// writes it into the definition, from where it stays in every later result.
pub(super) async fn run(around: &Around<'_>, result: &mut Object) -> Option<Group> {
    let status = field(result, "status").and_then(Value::as_i64)?;
    let hooks = field(result, "hooks")?.as_object()?;
    let (name, mut hook) = choose(hooks, status)?;
    around.shared.debug("attempting to execute check hook", result);
    let line = field(&hook, "command").and_then(Value::as_bytes).unwrap_or_default().to_vec();
    let limit = field(&hook, "timeout").and_then(Value::as_f64).unwrap_or(TIMEOUT);
    let stdin = wants_stdin(&hook).then(|| around.stdin(result));
    set(&mut hook, "executed", clock::now().timestamp());
    let begun = clock::instant();
    let ran = around.command(&line, Some(limit), stdin, None).await;
    set(&mut hook, "duration", seconds(begun.elapsed()));
    set(&mut hook, "output", Value::text(&ran.output));
    set(&mut hook, "status", ran.status);
    if let Some(Value::Object(hooks)) = result.get_mut(&b"hooks"[..]) {
        hooks.insert(name, Value::Object(hook));
    }
    ran.lingering
}

/// The status itself, else its severity, else `non-zero`.
fn choose(hooks: &Object, status: i64) -> Option<(Box<[u8]>, Object)> {
    let severity = match status {
        0 => "ok",
        1 => "warning",
        2 => "critical",
        _ => "unknown",
    };
    let number = status.to_string();
    let names = [number.as_str(), severity, "non-zero"];
    let chosen = names.into_iter().find(|name| field(hooks, name).is_some_and(Value::is_truthy))?;
    if chosen == "non-zero" && status == 0 {
        return None;
    }
    let hook = field(hooks, chosen)?.as_object()?.clone();
    Some((chosen.as_bytes().into(), hook))
}

#[cfg(test)]
mod tests {
    use super::choose;
    use crate::wire::sensu_json::Value;

    #[test]
    fn status_comes_before_severity_before_non_zero() {
        let hooks = Value::parse(
            br#"{"warning":{"n":1},"1":{"n":2},"critical":{"n":3},"non-zero":{"n":4},"ok":null}"#,
        );
        let hooks = hooks.expect("valid").as_object().expect("an object").clone();
        let chosen =
            |status| choose(&hooks, status).map(|(name, _)| String::from_utf8_lossy(&name).into_owned());
        assert_eq!(
            [0, 1, 2, 3, 137, -1].map(|status| chosen(status).unwrap_or_default()),
            ["", "1", "critical", "non-zero", "non-zero", "non-zero"]
        );
    }
}
