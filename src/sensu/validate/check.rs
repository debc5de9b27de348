//! A check's definition (validators/check.rb).

use super::rules::{
    array_if_set, boolean_if_set, integer, integer_if_set, is_aggregate, is_name, is_source, number_if_set,
    positive, string, string_if_set, strings_if_array,
};
use crate::sensu::cron::Cron;
use crate::sensu::subdue;
use crate::sensu::time_of_day::TimeOfDay;
use crate::wire::sensu_json::{Object, Value, field};

/// What is wrong, in the original's order.
struct Found(Vec<String>);

impl Found {
    fn unless(&mut self, holds: bool, message: &str) {
        if !holds {
            self.0.push(message.to_owned());
        }
    }
}

/// Returns everything that is wrong with a check.
pub(super) fn problems(check: &Object) -> Vec<String> {
    let mut found = Found(Vec::new());
    name(check, &mut found);
    execution(check, &mut found);
    source(check, &mut found);
    scheduling(check, &mut found);
    proxy_requests(check, &mut found);
    handling(check, &mut found);
    ttl(check, &mut found);
    aggregates(check, &mut found);
    flapping(check, &mut found);
    hooks(check, &mut found);
    truncation(check, &mut found);
    subdue_windows(check, &mut found);
    found.0
}

/// Returns the first thing that is wrong with the parts that a result may carry, in the order in which results are looked at.
pub(super) fn first_problem_of_result(check: &Object) -> Option<String> {
    let mut found = Found(Vec::new());
    for part in [name, handling, aggregates, flapping, truncation, source, ttl] {
        part(check, &mut found);
    }
    found.0.into_iter().next()
}

fn name(check: &Object, found: &mut Found) {
    let name = field(check, "name");
    found.unless(string(name), "check name must be a string");
    let is_valid = name.and_then(Value::as_bytes).is_none_or(is_name);
    found.unless(is_valid, "check name cannot contain spaces or special characters");
}

fn execution(check: &Object, found: &mut Found) {
    let (command, extension) = (field(check, "command"), field(check, "extension"));
    found.unless(string_if_set(command), "check command must be a string");
    found.unless(string_if_set(extension), "check extension must be a string");
    let set = |value: Option<&Value>| !matches!(value, None | Some(Value::Null));
    found.unless(set(command) != set(extension), "either check command or extension must be set");
    found.unless(number_if_set(field(check, "timeout")), "check timeout must be numeric");
    found.unless(boolean_if_set(field(check, "stdin")), "check stdin must be boolean");
}

fn source(check: &Object, found: &mut Found) {
    let source = field(check, "source");
    found.unless(string_if_set(source), "check source must be a string");
    let is_valid = source.and_then(Value::as_bytes).is_none_or(is_source);
    found.unless(is_valid, "check source cannot contain spaces, special characters, or invalid tokens");
}

fn scheduling(check: &Object, found: &mut Found) {
    let publish = field(check, "publish");
    found.unless(boolean_if_set(publish), "check publish must be boolean");
    if publish.and_then(Value::as_bool) != Some(false) {
        match field(check, "cron").filter(|cron| cron.is_truthy()) {
            Some(Value::String(cron)) => {
                let is_valid = std::str::from_utf8(cron).is_ok_and(|text| Cron::parse(text).is_some());
                found.unless(is_valid, "check cron string must use the cron syntax");
            }
            Some(_) => found.unless(false, "check cron must be a string"),
            None => {
                let interval = field(check, "interval");
                found.unless(positive(interval), "check interval must be an integer greater than 0");
            }
        }
    }
    let standalone = field(check, "standalone");
    found.unless(boolean_if_set(standalone), "check standalone must be boolean");
    if !standalone.is_some_and(Value::is_truthy) {
        let subscribers = field(check, "subscribers");
        let is_list = matches!(subscribers, Some(Value::Array(_)));
        found.unless(is_list, "check subscribers must be an array");
        found.unless(strings_if_array(subscribers), "check subscribers must each be a string");
    }
}

fn proxy_requests(check: &Object, found: &mut Found) {
    let proxy = match field(check, "proxy_requests") {
        Some(Value::Object(proxy)) => proxy,
        Some(value) if value.is_truthy() => {
            return found.unless(false, "check proxy_requests must be a hash");
        }
        _ => return,
    };
    let attributes = matches!(field(proxy, "client_attributes"), Some(Value::Object(_)));
    found.unless(attributes, "check proxy_requests client_attributes must be a hash");
    found.unless(boolean_if_set(field(proxy, "splay")), "check proxy_requests splay must be boolean");
    let coverage = field(proxy, "splay_coverage");
    let in_range = coverage.and_then(Value::as_i64).is_some_and(|percent| percent > 0 && percent < 100);
    let message = "check proxy_requests splay_coverage must be an integer greater than 0 and less than 100";
    found.unless(integer_if_set(coverage) && (in_range || !integer(coverage)), message);
}

fn handling(check: &Object, found: &mut Found) {
    found.unless(string_if_set(field(check, "handler")), "check handler must be a string");
    let handlers = field(check, "handlers");
    found.unless(array_if_set(handlers), "check handlers must be an array");
    found.unless(strings_if_array(handlers), "check handlers must each be a string");
}

fn ttl(check: &Object, found: &mut Found) {
    if let Some(ttl) = field(check, "ttl").filter(|ttl| ttl.is_truthy()) {
        found.unless(integer(Some(ttl)), "check ttl must be an integer");
        found.unless(!integer(Some(ttl)) || positive(Some(ttl)), "check ttl must be greater than 0");
    }
    found.unless(integer_if_set(field(check, "ttl_status")), "check ttl_status must be an integer");
}

fn aggregates(check: &Object, found: &mut Found) {
    let list = field(check, "aggregates");
    found.unless(array_if_set(list), "check aggregates must be an array");
    if let Some(Value::Array(items)) = list {
        let are_valid = items.iter().all(|item| item.as_bytes().is_some_and(is_aggregate));
        found
            .unless(are_valid, "check aggregates items must be strings without spaces or special characters");
    }
    match field(check, "aggregate") {
        None | Some(Value::Null | Value::Bool(_)) => {}
        Some(Value::String(name)) => {
            found.unless(is_aggregate(name), "check aggregate cannot contain spaces or special characters");
        }
        Some(_) => found.unless(false, "check aggregate must be a string (name) or boolean"),
    }
}

fn flapping(check: &Object, found: &mut Found) {
    let (low, high) = (field(check, "low_flap_threshold"), field(check, "high_flap_threshold"));
    if [low, high].into_iter().flatten().any(Value::is_truthy) {
        found.unless(integer(low), "check low flap threshold must be an integer");
        found.unless(integer(high), "check high flap threshold must be an integer");
    }
}

fn hooks(check: &Object, found: &mut Found) {
    let hooks = match field(check, "hooks") {
        Some(Value::Object(hooks)) => hooks,
        Some(value) if value.is_truthy() => return found.unless(false, "check hooks must be a hash"),
        _ => return,
    };
    for (key, hook) in hooks {
        let is_status = (1..=3).contains(&key.len()) && key.iter().all(u8::is_ascii_digit);
        let is_severity = matches!(&**key, b"ok" | b"warning" | b"critical" | b"unknown" | b"non-zero");
        found.unless(is_status || is_severity, "check hook key must be a severity, status, or 'non-zero'");
        let Value::Object(hook) = hook else {
            found.unless(false, "check hook must be a hash");
            continue;
        };
        found.unless(string(field(hook, "command")), "check hook command must be a string");
        found.unless(number_if_set(field(hook, "timeout")), "check hook timeout must be numeric");
        found.unless(boolean_if_set(field(hook, "stdin")), "check hook stdin must be boolean");
    }
}

fn truncation(check: &Object, found: &mut Found) {
    found.unless(boolean_if_set(field(check, "truncate_output")), "check truncate_output must be boolean");
    let length = field(check, "truncate_output_length");
    let is_valid = matches!(length, None | Some(Value::Null)) || positive(length);
    found.unless(is_valid, "check truncate_output_length must be an integer greater than 0");
}

fn subdue_windows(check: &Object, found: &mut Found) {
    let subdue = match field(check, "subdue") {
        None | Some(Value::Null | Value::Bool(false)) => return,
        Some(Value::Object(subdue)) => subdue,
        Some(_) => return found.unless(false, "check subdue must be a hash"),
    };
    let Some(Value::Object(days)) = field(subdue, "days") else {
        return found.unless(false, "check subdue days must be a hash");
    };
    found.unless(!days.is_empty(), "check subdue days must include at least one day of the week or 'all'");
    let known = days.keys().all(|day| subdue::DAYS.iter().any(|known| known.as_bytes() == &**day));
    found.unless(known, "check subdue days must be valid days of the week or 'all'");
    for (day, windows) in days {
        let day = String::from_utf8_lossy(day);
        let Value::Array(windows) = windows else {
            found.unless(false, &format!("check subdue days {day} must be in an array"));
            continue;
        };
        let message = format!("check subdue days {day} must include at least one time window");
        found.unless(!windows.is_empty(), &message);
        for window in windows {
            let Value::Object(window) = window else {
                found.unless(false, "check subdue day time window must be a hash");
                continue;
            };
            let is_time = |name| {
                field(window, name)
                    .and_then(Value::as_str)
                    .is_some_and(|text| TimeOfDay::parse(text).is_some())
            };
            let both = is_time("begin") && is_time("end");
            found.unless(both, "check subdue day time window begin and end times must be valid");
        }
    }
}
