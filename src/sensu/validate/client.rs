//! The client's definition (validators/client.rb).

use super::rules::{
    array_if_set, boolean_if_set, integer_if_set, is_name, object_if_set, string, string_if_set,
    strings_if_array,
};
use crate::wire::sensu_json::{Object, Value, field};

type Holds = fn(Option<&Value>) -> bool;

/// Rules for the client's own fields.
const OWN: &[(&str, Holds, &str)] = &[
    ("name", string, "client name must be a string"),
    ("address", string, "client address must be a string"),
    ("subscriptions", is_array, "client subscriptions must be an array"),
    ("subscriptions", strings_if_array, "client subscriptions must each be a string"),
    ("safe_mode", boolean_if_set, "client safe_mode must be boolean"),
    ("socket", object_if_set, "client socket must be a hash"),
    ("http_socket", object_if_set, "client http_socket must be a hash"),
    ("keepalives", boolean_if_set, "client keepalives must be boolean"),
    ("keepalive", object_if_set, "client keepalive must be a hash"),
    ("redact", array_if_set, "client redact must be an array"),
    ("redact", strings_if_array, "client redact keys must each be a string"),
    ("signature", string_if_set, "client signature must be a string"),
    ("registration", object_if_set, "client registration must be a hash"),
    ("deregister", boolean_if_set, "client deregister must be boolean"),
    ("deregistration", object_if_set, "client deregistration must be a hash"),
];

/// Rules for the fields of its parts.
const PARTS: &[(&str, &str, Holds, &str)] = &[
    ("socket", "bind", string_if_set, "client socket bind must be a string"),
    ("socket", "port", integer_if_set, "client socket port must be an integer"),
    ("http_socket", "bind", string_if_set, "client http_socket bind must be a string"),
    ("http_socket", "port", integer_if_set, "client http_socket port must be an integer"),
    ("http_socket", "user", string_if_set, "client http_socket user must be a string"),
    ("http_socket", "password", string_if_set, "client http_socket password must be a string"),
    (
        "http_socket",
        "protect_all_endpoints",
        boolean_if_set,
        "client http_socket protect_all_endpoints must be boolean",
    ),
    ("keepalive", "handler", string_if_set, "client keepalive handler must be a string"),
    ("keepalive", "handlers", array_if_set, "client keepalive handlers must be an array"),
    ("keepalive", "handlers", strings_if_array, "client keepalive handlers must each be a string"),
    ("keepalive", "thresholds", object_if_set, "client keepalive thresholds must be a hash"),
    ("registration", "handler", string_if_set, "client registration handler must be a string"),
    ("registration", "handlers", array_if_set, "client registration handlers must be an array"),
    ("registration", "status", integer_if_set, "client registration status must be an integer"),
    ("deregistration", "handler", string_if_set, "client deregistration handler must be a string"),
    ("deregistration", "status", integer_if_set, "client deregistration status must be an integer"),
];

fn is_array(value: Option<&Value>) -> bool {
    matches!(value, Some(Value::Array(_)))
}

/// Returns everything that is wrong with the client.
pub(super) fn problems(client: &Object) -> Vec<&'static str> {
    let mut found: Vec<&'static str> = Vec::new();
    for (name, holds, message) in OWN {
        if !holds(field(client, name)) {
            found.push(message);
        }
        if *name == "name" && !field(client, name).and_then(Value::as_bytes).is_none_or(is_name) {
            found.push("client name cannot contain spaces or special characters");
        }
    }
    for (part, name, holds, message) in PARTS {
        let part = field(client, part).and_then(Value::as_object);
        if part.is_some_and(|part| !holds(field(part, name))) {
            found.push(message);
        }
    }
    let keepalive = field(client, "keepalive").and_then(Value::as_object);
    let thresholds =
        keepalive.and_then(|keepalive| field(keepalive, "thresholds")).and_then(Value::as_object);
    for (name, message) in [
        ("warning", "client keepalive warning threshold must be an integer"),
        ("critical", "client keepalive critical threshold must be an integer"),
    ] {
        if thresholds.is_some_and(|thresholds| !integer_if_set(field(thresholds, name))) {
            found.push(message);
        }
    }
    found
}
