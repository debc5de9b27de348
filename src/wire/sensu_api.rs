//! Sensu's API: `GET /events`, as far as the parallel run needs it.

use super::WireError;
use serde::Deserialize;

/// An event: a check that is not well on a client.
#[derive(Debug, Clone, PartialEq)]
pub struct SensuEvent {
    /// The client, or the `source` that a result was about: the server makes a client of it.
    pub client: String,
    /// The check; `keepalive` where the client is silent.
    pub check: String,
    /// The exit code.
    pub status: i64,
    /// What the check wrote.
    pub output: String,
    /// Whether it is silenced there.
    pub silenced: bool,
}

#[derive(Deserialize)]
struct RawEvent {
    client: RawClient,
    check: RawCheck,
    #[serde(default)]
    silenced: bool,
}

#[derive(Deserialize)]
struct RawClient {
    name: String,
}

#[derive(Deserialize)]
struct RawCheck {
    name: String,
    // A result that came by a socket may hold any number there.
    #[serde(default = "unknown")]
    status: f64,
    // And any value here.
    #[serde(default)]
    output: serde_json::Value,
}

fn unknown() -> f64 {
    3.0
}

/// Decodes the list of events.
pub fn decode_events(body: &[u8]) -> Result<Vec<SensuEvent>, WireError> {
    let raw: Vec<RawEvent> = serde_json::from_slice(body)?;
    let event = |raw: RawEvent| SensuEvent {
        client: raw.client.name,
        check: raw.check.name,
        status: raw.check.status as i64,
        output: raw.check.output.as_str().unwrap_or_default().to_owned(),
        silenced: raw.silenced,
    };
    Ok(raw.into_iter().map(event).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_read_as_sensu_1_writes_them() {
        let body = br#"[{"id":"1-2","client":{"name":"web-1","address":"10.0.0.1","subscriptions":["web"]},
            "check":{"name":"disk","command":"x","status":2,"output":"DISK CRITICAL\n","history":["0","2"]},
            "occurrences":3,"action":"create","timestamp":1479400000,"silenced":true,"silenced_by":["web:*"]},
            {"client":{"name":"web-2"},"check":{"name":"odd","output":5}}]"#;
        let events = decode_events(body).expect("events");
        assert_eq!(
            (events[0].client.as_str(), events[0].check.as_str(), events[0].status),
            ("web-1", "disk", 2)
        );
        assert!(events[0].silenced && events[0].output == "DISK CRITICAL\n");
        assert_eq!((events[1].status, events[1].output.as_str(), events[1].silenced), (3, "", false));
        assert!(decode_events(b"{\"error\":\"x\"}").is_err() && decode_events(b"[{}]").is_err());
    }
}
