//! Whether definitions and results are valid, in the original's words (validators/check.rb, validators/client.rb).

mod check;
mod client;
mod result;
mod rules;

pub use result::validate_result;

use super::definitions::Problem;
use super::redact::redact;
use crate::wire::sensu_json::{Object, Value, field, set};

/// Finds every problem of the definitions: of all checks, whether they run here or not, then of the client.
pub fn settings(root: &Object, checks: &[(Box<[u8]>, Value)]) -> Vec<Problem> {
    let mut problems = Vec::new();
    spawn(root, &mut problems);
    match field(root, "checks") {
        None | Some(Value::Object(_)) => {}
        Some(other) => problems.push(problem("checks must be a hash", other)),
    }
    for (_, definition) in checks {
        match definition {
            Value::Object(fields) => {
                let found = check::problems(fields);
                problems.extend(found.into_iter().map(|message| problem(&message, definition)));
            }
            other => problems.push(problem("check must be a hash", other)),
        }
    }
    match field(root, "client") {
        Some(definition @ Value::Object(fields)) => {
            problems.extend(client::problems(fields).into_iter().map(|message| problem(message, definition)));
        }
        other => problems.push(problem("client must be a hash", other.unwrap_or(&Value::Null))),
    }
    problems
}

fn spawn(root: &Object, problems: &mut Vec<Problem>) {
    let Some(sensu @ Value::Object(fields)) = field(root, "sensu") else {
        return problems.push(problem("sensu must be a hash", &Value::Null));
    };
    match field(fields, "spawn") {
        None => {}
        Some(Value::Object(spawn)) => match field(spawn, "limit") {
            None => {}
            Some(Value::Int(_)) if field(spawn, "limit").and_then(Value::as_i64).is_some_and(|n| n > 0) => {}
            Some(Value::Int(_)) => problems.push(problem("sensu spawn limit must be greater than 0", sensu)),
            Some(_) => problems.push(problem("sensu spawn limit must be an integer", sensu)),
        },
        Some(_) => problems.push(problem("sensu spawn must be a hash", sensu)),
    }
    if !rules::boolean_if_set(field(fields, "global_error_handler")) {
        problems.push(problem("sensu global_error_handler must be boolean", sensu));
    }
}

fn problem(message: &str, object: &Value) -> Problem {
    let mut about = Object::new();
    set(&mut about, "object", redact(object));
    Problem::new(message, about)
}

#[cfg(test)]
mod tests;
