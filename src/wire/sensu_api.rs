//! Sensu's API: `GET /events` and `GET /clients`, as far as moving away from it needs them.

use super::WireError;
use super::sensu_json::{Object, Value, field};
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

/// A client: where a sensu-client runs, or what a result was about.
#[derive(Debug, Clone, PartialEq)]
pub struct SensuClient {
    /// Its name.
    pub name: String,
    /// Its address, as it says.
    pub address: Option<String>,
    /// Whether it sends keepalives; what the server made of a `source` does not.
    pub keepalives: bool,
    attributes: Object,
}

impl SensuClient {
    /// Takes a client as the API and definitions have it; none without a name.
    pub fn of(client: &Object) -> Option<Self> {
        let text = |name| field(client, name).and_then(Value::as_str);
        Some(Self {
            name: text("name").filter(|name| !name.is_empty())?.to_owned(),
            address: text("address").map(str::to_owned),
            keepalives: field(client, "keepalives").and_then(Value::as_bool) != Some(false),
            attributes: client.clone(),
        })
    }

    /// Returns an attribute that is a text, a number, or true or false.
    pub fn attribute(&self, name: &str) -> Option<String> {
        match field(&self.attributes, name)? {
            Value::Object(_) | Value::Array(_) | Value::Null => None,
            Value::String(text) => Some(String::from_utf8_lossy(text).into_owned()),
            other => Some(String::from_utf8_lossy(&other.to_bytes()).into_owned()),
        }
    }
}

/// Decodes the list of clients.
pub fn decode_clients(body: &[u8]) -> Result<Vec<SensuClient>, WireError> {
    let read = Value::parse(body).map_err(|error| WireError::Json(error.to_string()))?;
    let list = read.as_array().ok_or_else(|| WireError::Json("a list of clients is expected".to_owned()))?;
    let nameless = || WireError::Json("a client without a name".to_owned());
    list.iter().map(|one| one.as_object().and_then(SensuClient::of).ok_or_else(nameless)).collect()
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
