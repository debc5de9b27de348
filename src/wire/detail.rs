//! The detail API's shapes: what a node or pushgateway answers about one check's output.
//!
//! Readers are lenient: only `output` is required, times are RFC 3339 or epoch seconds, unknown
//! fields are kept for `-o json`.

use super::WireError;
use crate::model::check::Detail;
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

/// Reads the words of an error body: `{"error": "..."}`, else the text itself.
pub fn error_text(body: &[u8]) -> String {
    match serde_json::from_slice::<Map<String, Value>>(body) {
        Ok(mut fields) => text(fields.remove("error")).unwrap_or_default(),
        Err(_) => String::from_utf8_lossy(body).trim().to_owned(),
    }
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

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(body in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = decode_detail("x", &body);
            let _ = error_text(&body);
        }
    }
}
