//! The detail API's shapes: what a node or pushgateway answers about one check's output.
//!
//! Readers are lenient: only `output` is required, times are RFC 3339 or epoch seconds, unknown
//! fields are kept for `-o json`.

use super::WireError;
use crate::model::check::{Detail, History, Run};
use crate::model::status::Status;
use crate::model::time::{Timestamp, from_epoch};
use serde_json::{Map, Value};

/// Decodes `GET /api/v1/checks/{check}`.
pub fn decode_detail(check: &str, body: &[u8]) -> Result<Detail, WireError> {
    let mut fields: Map<String, Value> = serde_json::from_slice(body)?;
    let output = match fields.remove("output") {
        Some(Value::String(output)) => output,
        Some(_) => return Err(WireError::Json("`output` is not a string".into())),
        None => return Err(WireError::Json("`output` is missing".into())),
    };
    fields.remove("v");
    let name = text(fields.remove("check")).unwrap_or_else(|| check.to_owned());
    Ok(Detail {
        check: name,
        status: fields.remove("status").and_then(|v| v.as_f64()).map(Status::from_value),
        executed: fields.remove("executed").as_ref().and_then(time),
        interval: fields.remove("interval").and_then(|v| v.as_f64()),
        duration: fields.remove("duration").and_then(|v| v.as_f64()),
        stale: fields.remove("stale").and_then(|v| v.as_bool()).unwrap_or(false),
        output,
        output_bytes: fields.remove("output_bytes").and_then(|v| v.as_u64()),
        output_truncated: fields.remove("output_truncated").and_then(|v| v.as_bool()).unwrap_or(false),
        command: text(fields.remove("command")),
        other: fields.into_iter().collect(),
    })
}

/// Decodes `GET /api/v1/checks/{check}/history`: an object with `runs`, or the bare list of them.
///
/// What a run does not tell is missing, not an error; the newest run comes first whatever the order was.
pub fn decode_history(check: &str, body: &[u8]) -> Result<History, WireError> {
    let mut history = History { check: check.to_owned(), ..History::default() };
    let runs = match serde_json::from_slice(body)? {
        Value::Array(runs) => runs,
        Value::Object(mut fields) => {
            history.source = text(fields.remove("source"));
            if let Some(name) = text(fields.remove("check")) {
                history.check = name;
            }
            match fields.remove("runs") {
                Some(Value::Array(runs)) => runs,
                Some(_) => return Err(WireError::Json("`runs` is not a list".into())),
                None => return Err(WireError::Json("`runs` is missing".into())),
            }
        }
        _ => return Err(WireError::Json("neither an object nor a list".into())),
    };
    history.runs = runs.into_iter().map(run).collect::<Result<_, _>>()?;
    history.runs.sort_by_key(|run| std::cmp::Reverse(run.executed));
    Ok(history)
}

fn run(value: Value) -> Result<Run, WireError> {
    let Value::Object(mut fields) = value else {
        return Err(WireError::Json("a run is not an object".into()));
    };
    let status = fields.remove("status").unwrap_or_default();
    Ok(Run {
        executed: fields.remove("executed").as_ref().and_then(time),
        status: status.as_f64().map(Status::from_value),
        exit_status: status.as_i64().filter(|code| !(0..=3).contains(code)),
        duration: fields.remove("duration").and_then(|v| v.as_f64()),
        output_sha256: text(fields.remove("output_sha256")),
        output: text(fields.remove("output")),
    })
}

/// Reads the words of an error body: `{"error": "..."}`, else the text itself.
pub fn error_text(body: &[u8]) -> String {
    match serde_json::from_slice::<Map<String, Value>>(body) {
        Ok(mut fields) => text(fields.remove("error")).unwrap_or_default(),
        Err(_) => String::from_utf8_lossy(body).trim().to_owned(),
    }
}

/// Reports whether an error body is this API's own: who stands in between, or is there by mistake, has other words.
pub fn is_own_error(body: &[u8]) -> bool {
    let fields: Map<String, Value> = serde_json::from_slice(body).unwrap_or_default();
    fields.get("v") == Some(&1.into()) && fields.get("error").is_some_and(Value::is_string)
}

/// Reports whether a pushgateway says that it knows a newer result than the one that it was given.
pub fn is_older(body: &[u8]) -> bool {
    let fields: Map<String, Value> = serde_json::from_slice(body).unwrap_or_default();
    fields.get("older") == Some(&true.into())
}

fn text(value: Option<Value>) -> Option<String> {
    match value {
        Some(Value::String(text)) => Some(text),
        _ => None,
    }
}

fn time(value: &Value) -> Option<Timestamp> {
    match value {
        Value::String(text) => text.parse().ok(),
        Value::Number(seconds) => from_epoch(seconds.as_f64()?),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn only_the_output_is_required_and_times_may_be_epochs() {
        let detail = decode_detail("disk", br#"{"output":"a\nb"}"#).expect("lenient");
        assert_eq!((detail.check.as_str(), detail.output.as_str(), detail.status), ("disk", "a\nb", None));
        let whole = br#"{"v":1,"check":"disk","status":2,"executed":1700000000.5,"interval":60,"duration":1.25,"stale":true,"output":"x","output_bytes":9,"output_truncated":true,"team":"storage"}"#;
        let detail = decode_detail("disk", whole).expect("whole");
        assert_eq!(detail.status, Some(Status::Crit));
        assert_eq!(detail.executed, from_epoch(1_700_000_000.5));
        assert_eq!(detail.other["team"], "storage");
        let text = decode_detail("disk", br#"{"executed":"2026-11-23T06:22:40.869Z","output":""}"#)
            .expect("rfc 3339");
        assert_eq!(text.executed.expect("a time").timestamp_millis(), 1_795_414_960_869);
    }

    #[test]
    fn a_detail_without_output_is_an_error() {
        for body in [&b"{}"[..], b"[]", br#"{"output":1}"#, b"<html>"] {
            assert!(decode_detail("x", body).is_err());
        }
    }

    #[test]
    fn a_history_is_an_object_or_a_bare_list_with_the_newest_first() {
        let runs = r#"[{"executed":1700000000,"status":0,"duration":0.5,"output_sha256":"ab","output":"fine"},
            {"executed":"2026-11-23T06:22:40.869Z","status":127,"team":"storage"},{}]"#;
        let whole = format!(r#"{{"v":1,"check":"disk","source":"lb-1","runs":{runs}}}"#);
        let history = decode_history("x", whole.as_bytes()).expect("whole");
        assert_eq!((history.check.as_str(), history.source.as_deref()), ("disk", Some("lb-1")));
        let statuses: Vec<_> = history.runs.iter().map(|run| run.status).collect();
        assert_eq!(statuses, [Some(Status::Unknown), Some(Status::Ok), None]);
        let codes: Vec<_> = history.runs.iter().map(|run| run.exit_status).collect();
        assert_eq!(codes, [Some(127), None, None]);
        assert_eq!(history.runs[1].output.as_deref(), Some("fine"));
        let bare = decode_history("disk", runs.as_bytes()).expect("bare");
        assert_eq!((bare.runs, bare.source), (history.runs, None));
        for body in ["{}", "1", r#"{"runs":1}"#, "[1]", "<html>"] {
            assert!(decode_history("x", body.as_bytes()).is_err(), "{body}");
        }
    }

    fn runs() -> impl Strategy<Value = Vec<Run>> {
        let optional = proptest::option::of::<proptest::string::RegexGeneratorStrategy<String>>;
        let text = |pattern| proptest::string::string_regex(pattern).expect("a pattern");
        let run = (
            0_i64..4_000_000_000,
            0_u8..4,
            0_u32..100_000,
            optional(text("[0-9a-f]{4}")),
            optional(text("\\PC{0,20}")),
        );
        let run = run.prop_map(|(at, status, took, output_sha256, output)| Run {
            executed: chrono::DateTime::from_timestamp(at, 0),
            status: Some(Status::from_value(status.into())),
            exit_status: None,
            duration: Some(f64::from(took) / 1000.0),
            output_sha256,
            output,
        });
        proptest::collection::vec(run, 0..12)
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(mut runs in runs()) {
            let written: Vec<Value> = (runs.iter())
                .map(|run| {
                    let mut value = serde_json::json!({
                        "executed": run.executed.map(crate::model::time::rfc3339),
                        "status": run.status.map(Status::value),
                        "duration": run.duration,
                    });
                    for (name, text) in [("output_sha256", &run.output_sha256), ("output", &run.output)] {
                        if let Some(text) = text {
                            value[name] = text.clone().into();
                        }
                    }
                    value
                })
                .collect();
            let body = serde_json::json!({"v": 1, "check": "disk", "runs": written}).to_string();
            let read = decode_history("x", body.as_bytes()).expect("our own");
            runs.sort_by_key(|run| std::cmp::Reverse(run.executed));
            prop_assert_eq!(read.runs, runs);
        }

        #[test]
        fn arbitrary_bytes_never_panic(body in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = decode_detail("x", &body);
            let _ = decode_history("x", &body);
            let _ = error_text(&body);
        }
    }
}
