//! Results that other programs hand in by the local sockets (client/utils.rb, client/validators/check.rb).

use super::journal::Journal;
use crate::sensu::engine::{Engine, Event, payload};
use crate::sensu::validate::validate_result;
use crate::sys::clock;
use crate::wire::sensu_json::{Object, Value, field, set};
use std::sync::Arc;

/// Takes results in.
#[derive(Clone)]
pub(super) struct Intake {
    pub(super) engine: Engine,
    pub(super) journal: Arc<Journal>,
}

impl Intake {
    /// Publishes one result or a list of them, up to the first that is not valid.
    ///
    /// # Errors
    /// The original's words for what is wrong.
    pub(super) fn process(&self, data: Value) -> Result<(), String> {
        match data {
            Value::Array(items) => items.into_iter().try_for_each(|item| self.publish(item)),
            one => self.publish(one),
        }
    }

    fn publish(&self, item: Value) -> Result<(), String> {
        let Value::Object(mut check) = item else { return Err(no_object(&item)) };
        let now = clock::now().timestamp();
        fill(&mut check, "status", 0);
        fill(&mut check, "executed", now);
        validate_result(&check)?;
        set(&mut check, "issued", now);
        let status = field(&check, "status").and_then(Value::as_i64).unwrap_or(3);
        self.engine.counts().result(status);
        self.journal.take(Event::Result(payload(check, &self.engine.settings())));
        Ok(())
    }
}

/// Ruby's `||=`.
fn fill(check: &mut Object, name: &str, value: i64) {
    if !field(check, name).is_some_and(Value::is_truthy) {
        set(check, name, value);
    }
}

/// Ruby's words for asking `[:output]` of something that is no hash.
fn no_object(item: &Value) -> String {
    match item {
        Value::Null => "undefined method `[]' for nil:NilClass".to_owned(),
        Value::Bool(true) => "undefined method `[]' for true:TrueClass".to_owned(),
        Value::Bool(false) => "undefined method `[]' for false:FalseClass".to_owned(),
        Value::Float(_) => {
            format!("undefined method `[]' for {}:Float", String::from_utf8_lossy(&item.to_bytes()))
        }
        _ => "no implicit conversion of Symbol into Integer".to_owned(),
    }
}
