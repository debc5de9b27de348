use super::{settings, validate_result};
use crate::wire::sensu_json::{Object, Value, set};

fn object(json: &str) -> Object {
    Value::parse(json.as_bytes()).expect(json).as_object().expect("an object").clone()
}

/// Returns what is wrong with one check whose fields are these over a good one's.
fn of_check(fields: &str) -> Vec<String> {
    let mut check = object(r#"{"command":"true","interval":10,"standalone":true}"#);
    for (key, value) in object(fields) {
        match value {
            Value::String(text) if &*text == b"gone" => drop(check.shift_remove(&key)),
            value => drop(check.insert(key, value)),
        }
    }
    if !check.contains_key(&b"name"[..]) {
        set(&mut check, "name", "a");
    }
    let root = object(r#"{"client":{"name":"c","address":"a","subscriptions":[]},"sensu":{}}"#);
    settings(&root, &[(b"a"[..].into(), check.into())]).into_iter().map(|problem| problem.message).collect()
}

#[test]
fn each_rule_of_a_check_has_its_message() {
    for (fields, messages) in [
        ("{}", &[][..]),
        (r#"{"name":5}"#, &["check name must be a string"]),
        (r#"{"name":"a b"}"#, &["check name cannot contain spaces or special characters"]),
        (r#"{"name":"日本"}"#, &["check name cannot contain spaces or special characters"]),
        (r#"{"command":5}"#, &["check command must be a string"]),
        (r#"{"command":"gone"}"#, &["either check command or extension must be set"]),
        (r#"{"extension":"x"}"#, &["either check command or extension must be set"]),
        (r#"{"command":"gone","extension":5}"#, &["check extension must be a string"]),
        (r#"{"timeout":"5"}"#, &["check timeout must be numeric"]),
        (r#"{"timeout":1.5}"#, &[]),
        (r#"{"stdin":"yes"}"#, &["check stdin must be boolean"]),
        (r#"{"source":5}"#, &["check source must be a string"]),
        (
            r#"{"source":"a b"}"#,
            &["check source cannot contain spaces, special characters, or invalid tokens"],
        ),
        (r#"{"source":":::environment|x:::-switch"}"#, &[]),
        (
            r#"{"source":"a:::b"}"#,
            &["check source cannot contain spaces, special characters, or invalid tokens"],
        ),
        (r#"{"publish":1}"#, &["check publish must be boolean"]),
        (r#"{"publish":false,"interval":"gone"}"#, &[]),
        (r#"{"cron":5}"#, &["check cron must be a string"]),
        (r#"{"cron":"x"}"#, &["check cron string must use the cron syntax"]),
        (r#"{"interval":"10"}"#, &["check interval must be an integer greater than 0"]),
        (r#"{"interval":1.5}"#, &["check interval must be an integer greater than 0"]),
        (r#"{"interval":0}"#, &["check interval must be an integer greater than 0"]),
        (r#"{"standalone":"yes"}"#, &["check standalone must be boolean"]),
        (r#"{"standalone":false}"#, &["check subscribers must be an array"]),
        (r#"{"standalone":false,"subscribers":[""]}"#, &["check subscribers must each be a string"]),
        (r#"{"proxy_requests":5}"#, &["check proxy_requests must be a hash"]),
        (r#"{"proxy_requests":{}}"#, &["check proxy_requests client_attributes must be a hash"]),
        (
            r#"{"proxy_requests":{"client_attributes":{},"splay":1,"splay_coverage":100}}"#,
            &[
                "check proxy_requests splay must be boolean",
                "check proxy_requests splay_coverage must be an integer greater than 0 and less than 100",
            ],
        ),
        (r#"{"handler":["x"]}"#, &["check handler must be a string"]),
        (r#"{"handlers":"x"}"#, &["check handlers must be an array"]),
        (r#"{"handlers":[5]}"#, &["check handlers must each be a string"]),
        (r#"{"ttl":"1"}"#, &["check ttl must be an integer"]),
        (r#"{"ttl":0}"#, &["check ttl must be greater than 0"]),
        (r#"{"ttl_status":"1"}"#, &["check ttl_status must be an integer"]),
        (r#"{"aggregates":"x"}"#, &["check aggregates must be an array"]),
        (
            r#"{"aggregates":["a b"]}"#,
            &["check aggregates items must be strings without spaces or special characters"],
        ),
        (r#"{"aggregate":"a b"}"#, &["check aggregate cannot contain spaces or special characters"]),
        (r#"{"aggregate":5}"#, &["check aggregate must be a string (name) or boolean"]),
        (r#"{"low_flap_threshold":1}"#, &["check high flap threshold must be an integer"]),
        (r#"{"high_flap_threshold":1}"#, &["check low flap threshold must be an integer"]),
        (r#"{"hooks":5}"#, &["check hooks must be a hash"]),
        (
            r#"{"hooks":{"bad":{"command":"x"}}}"#,
            &["check hook key must be a severity, status, or 'non-zero'"],
        ),
        (
            r#"{"hooks":{"1":{"command":5,"timeout":"x","stdin":1}}}"#,
            &[
                "check hook command must be a string",
                "check hook timeout must be numeric",
                "check hook stdin must be boolean",
            ],
        ),
        (r#"{"truncate_output":"x"}"#, &["check truncate_output must be boolean"]),
        (
            r#"{"truncate_output_length":0}"#,
            &["check truncate_output_length must be an integer greater than 0"],
        ),
        (r#"{"subdue":5}"#, &["check subdue must be a hash"]),
        (r#"{"subdue":{"begin":"1:00","end":"2:00"}}"#, &["check subdue days must be a hash"]),
        (
            r#"{"subdue":{"days":{}}}"#,
            &["check subdue days must include at least one day of the week or 'all'"],
        ),
        (
            r#"{"subdue":{"days":{"noday":[{"begin":"1:00","end":"2:00"}]}}}"#,
            &["check subdue days must be valid days of the week or 'all'"],
        ),
        (r#"{"subdue":{"days":{"all":5}}}"#, &["check subdue days all must be in an array"]),
        (
            r#"{"subdue":{"days":{"all":[]}}}"#,
            &["check subdue days all must include at least one time window"],
        ),
        (r#"{"subdue":{"days":{"all":[5]}}}"#, &["check subdue day time window must be a hash"]),
        (
            r#"{"subdue":{"days":{"all":[{"begin":"x","end":"2:00"}]}}}"#,
            &["check subdue day time window begin and end times must be valid"],
        ),
    ] {
        assert_eq!(of_check(fields), messages, "{fields}");
    }
}

#[test]
fn each_rule_of_the_client_has_its_message() {
    for (client, messages) in [
        (r#"{"name":"a b"}"#, &["client name cannot contain spaces or special characters"][..]),
        (r#"{"name":5}"#, &["client name must be a string"]),
        (r#"{"address":5}"#, &["client address must be a string"]),
        (r#"{"subscriptions":5}"#, &["client subscriptions must be an array"]),
        (r#"{"socket":{"port":"x"}}"#, &["client socket port must be an integer"]),
        (r#"{"http_socket":{"password":5}}"#, &["client http_socket password must be a string"]),
        (r#"{"redact":"x"}"#, &["client redact must be an array"]),
        (r#"{"safe_mode":1}"#, &["client safe_mode must be boolean"]),
        (r#"{"signature":1}"#, &["client signature must be a string"]),
        (
            r#"{"keepalive":{"thresholds":{"warning":"x"}}}"#,
            &["client keepalive warning threshold must be an integer"],
        ),
    ] {
        let mut root = object(r#"{"client":{"name":"c","address":"a","subscriptions":[]},"sensu":{}}"#);
        if let Some(Value::Object(fields)) = root.get_mut(&b"client"[..]) {
            fields.extend(object(client));
        }
        let found: Vec<String> = settings(&root, &[]).into_iter().map(|problem| problem.message).collect();
        assert_eq!(found, messages, "{client}");
    }
}

#[test]
fn the_spawn_limit_is_a_number_above_nought() {
    for (sensu, message) in [
        (r#"{"spawn":{"limit":0}}"#, "sensu spawn limit must be greater than 0"),
        (r#"{"spawn":{"limit":"5"}}"#, "sensu spawn limit must be an integer"),
        (r#"{"global_error_handler":5}"#, "sensu global_error_handler must be boolean"),
    ] {
        let mut root = object(r#"{"client":{"name":"c","address":"a","subscriptions":[]}}"#);
        set(&mut root, "sensu", object(sensu));
        assert_eq!(settings(&root, &[])[0].message, message);
    }
}

#[test]
fn the_first_problem_of_a_result_is_told() {
    for (json, told) in [
        (r#"{"output":"x","status":0,"executed":1}"#, "check name must be a string"),
        (r#"{"name":"a b","output":5,"status":0,"executed":1}"#, "check output must be a string"),
        (r#"{"name":"a","output":"x","status":1.5,"executed":1}"#, "check status must be an integer"),
        (
            r#"{"name":"a","output":"x","status":1,"executed":"now"}"#,
            "check executed timestamp must be an integer",
        ),
        (r#"{"name":"a","output":"x","status":1,"executed":1,"ttl":0}"#, "check ttl must be greater than 0"),
    ] {
        assert_eq!(validate_result(&object(json)), Err(told.to_owned()), "{json}");
    }
    let good = object(r#"{"name":"a","output":"x","status":-1,"executed":1,"interval":"not looked at"}"#);
    assert_eq!(validate_result(&good), Ok(()));
}
