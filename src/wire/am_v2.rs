//! Alertmanager's API v2: alerts, silences, status, and every shape of its errors.
//!
//! Fields that came after 0.25 (`mutedBy`, silence annotations, receiver labels) default to empty;
//! fields of the newest versions that we do not use are skipped.

use super::WireError;
use super::elements::Elements;
use super::seed::{Each, Element, LabelSet, Moment, Shared, SharedList, Text, Values};
use crate::model::alert::AmAlert;
use crate::model::labels::{Fingerprint, Interner, Labels};
use crate::model::matcher::{MatchOp, Matcher};
use crate::model::silence::{Silence, SilenceState};
use crate::model::time::{Timestamp, rfc3339};
use serde::de::{self, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

#[cfg(test)]
mod tests;

/// How much of each annotation is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Annotations {
    /// All of it.
    Whole,
    /// The first line, at most 256 bytes: enough for a list, and 50,000 enriched alerts stay small.
    FirstLine,
}

/// No member holds more alerts: ten times what a whole fleet of 20,000 nodes fires in a storm. What little an alert
/// may be in the answer is much more in memory, so bytes alone are no bound.
pub const MOST_ALERTS: usize = 500_000;

/// Decodes `GET /api/v2/alerts`.
pub fn decode_alerts(body: &[u8], keep: Annotations) -> Result<Vec<AmAlert>, WireError> {
    let mut alerts = AlertStream::new(keep);
    alerts.push(body)?;
    alerts.finish()
}

/// Decodes `GET /api/v2/alerts` while it comes.
#[derive(Debug)]
pub struct AlertStream {
    elements: Elements,
    interner: Interner,
    values: Values,
    list: Vec<AmAlert>,
}

impl AlertStream {
    /// Starts before the first byte.
    pub fn new(keep: Annotations) -> Self {
        let values = match keep {
            Annotations::Whole => Values::Owned,
            Annotations::FirstLine => Values::FirstLine(256),
        };
        Self { elements: Elements::default(), interner: Interner::default(), values, list: Vec::new() }
    }

    /// Takes the next bytes.
    pub fn push(&mut self, chunk: &[u8]) -> Result<(), WireError> {
        let Self { elements, interner, values, list } = self;
        elements.push(chunk, |element| {
            let number = list.len() + 1;
            let mut json = serde_json::Deserializer::from_slice(element);
            json.deserialize_map(OneAlert { interner, values: *values, list })
                .and_then(|()| json.end())
                .map_err(|error| WireError::Json(format!("alert {number}: {error}")))
        })
    }

    /// Ends the input.
    pub fn finish(self) -> Result<Vec<AmAlert>, WireError> {
        match self.elements.finish()? {
            None => Ok(self.list),
            // A nil slice of Go's is `null`; anything else is not what was asked for.
            Some(other) => Ok(serde_json::from_slice::<Option<[(); 0]>>(&other).map(|_| Vec::new())?),
        }
    }
}

#[derive(Deserialize)]
#[serde(field_identifier, rename_all = "camelCase")]
enum AlertField {
    Annotations,
    EndsAt,
    Fingerprint,
    #[serde(rename = "generatorURL")]
    GeneratorUrl,
    Labels,
    Receivers,
    StartsAt,
    Status,
    UpdatedAt,
    #[serde(other)]
    Other,
}

struct OneAlert<'a> {
    interner: &'a mut Interner,
    values: Values,
    list: &'a mut Vec<AmAlert>,
}

impl<'de> Visitor<'de> for OneAlert<'_> {
    type Value = ();
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an alert")
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let Self { interner, values, list } = self;
        let mut alert = blank();
        let mut fingerprint = None;
        while let Some(field) = map.next_key::<AlertField>()? {
            match field {
                AlertField::Labels => {
                    alert.labels = map.next_value_seed(LabelSet { interner, values: Values::Shared })?
                }
                AlertField::Annotations => {
                    alert.annotations = map.next_value_seed(LabelSet { interner, values })?
                }
                AlertField::StartsAt => alert.starts_at = map.next_value_seed(Moment)?,
                AlertField::EndsAt => alert.ends_at = map.next_value_seed(Moment)?,
                AlertField::UpdatedAt => alert.updated_at = map.next_value_seed(Moment)?,
                AlertField::GeneratorUrl => alert.generator_url = map.next_value_seed(Shared(interner))?,
                AlertField::Fingerprint => {
                    fingerprint = map.next_value_seed(Text(|text: &str| text.parse::<Fingerprint>().ok()))?
                }
                AlertField::Receivers => {
                    map.next_value_seed(Each(&mut Receivers { interner, list: &mut alert.receivers }))?
                }
                AlertField::Status => map.next_value_seed(Status { interner, alert: &mut alert })?,
                AlertField::Other => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        if alert.labels.is_empty() {
            return Err(de::Error::custom("an alert without labels"));
        }
        if list.len() >= MOST_ALERTS {
            return Err(de::Error::custom(format_args!("more than {MOST_ALERTS} alerts")));
        }
        // An Alertmanager always sends the fingerprint; something that only speaks its API may not.
        alert.fingerprint = fingerprint.unwrap_or_else(|| alert.labels.fingerprint());
        list.push(alert);
        Ok(())
    }
}

fn blank() -> AmAlert {
    AmAlert {
        fingerprint: Fingerprint(0),
        labels: Labels::default(),
        annotations: Labels::default(),
        starts_at: Timestamp::default(),
        ends_at: Timestamp::default(),
        updated_at: Timestamp::default(),
        generator_url: "".into(),
        receivers: Vec::new(),
        silenced_by: Vec::new(),
        inhibited_by: Vec::new(),
        muted_by: Vec::new(),
        unprocessed: false,
    }
}

struct Receivers<'a, 'i> {
    interner: &'i mut Interner,
    list: &'a mut Vec<Arc<str>>,
}

impl<'de> Element<'de> for Receivers<'_, '_> {
    fn read<D: Deserializer<'de>>(&mut self, deserializer: D) -> Result<(), D::Error> {
        #[derive(Deserialize)]
        struct Receiver<'a> {
            #[serde(borrow)]
            name: std::borrow::Cow<'a, str>,
        }
        let receiver = Receiver::deserialize(deserializer)?;
        self.list.push(self.interner.intern(&receiver.name));
        Ok(())
    }
}

#[derive(Deserialize)]
#[serde(field_identifier, rename_all = "camelCase")]
enum StatusField {
    State,
    SilencedBy,
    InhibitedBy,
    MutedBy,
    #[serde(other)]
    Other,
}

struct Status<'a, 'i> {
    interner: &'i mut Interner,
    alert: &'a mut AmAlert,
}

impl<'de> de::DeserializeSeed<'de> for Status<'_, '_> {
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Status<'_, '_> {
    type Value = ();
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an alert's status")
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(field) = map.next_key::<StatusField>()? {
            match field {
                StatusField::State => {
                    self.alert.unprocessed =
                        map.next_value_seed(Text(|state: &str| state == "unprocessed"))?
                }
                StatusField::SilencedBy => {
                    self.alert.silenced_by = map.next_value_seed(SharedList(self.interner))?
                }
                StatusField::InhibitedBy => {
                    self.alert.inhibited_by = map.next_value_seed(SharedList(self.interner))?
                }
                StatusField::MutedBy => {
                    self.alert.muted_by = map.next_value_seed(SharedList(self.interner))?
                }
                StatusField::Other => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(())
    }
}

/// A matcher as the API writes it. `isEqual` came with 0.22 and means true where it is missing.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireMatcher {
    name: String,
    value: String,
    is_regex: bool,
    #[serde(default = "yes")]
    is_equal: bool,
}

fn yes() -> bool {
    true
}

impl From<&Matcher> for WireMatcher {
    fn from(m: &Matcher) -> Self {
        Self {
            name: m.name.to_string(),
            value: m.value.to_string(),
            is_regex: m.op.is_regex(),
            is_equal: !m.op.is_negative(),
        }
    }
}

impl From<WireMatcher> for Matcher {
    fn from(m: WireMatcher) -> Self {
        Self::new(&m.name, MatchOp::from_flags(m.is_equal, m.is_regex), &m.value)
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireSilence {
    id: String,
    status: WireSilenceStatus,
    updated_at: Timestamp,
    #[serde(default)]
    comment: String,
    #[serde(default)]
    created_by: String,
    starts_at: Timestamp,
    ends_at: Timestamp,
    matchers: Vec<WireMatcher>,
    #[serde(default)]
    annotations: Option<BTreeMap<String, String>>,
}

#[derive(Deserialize)]
struct WireSilenceStatus {
    state: WireState,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum WireState {
    Active,
    Pending,
    Expired,
}

impl From<WireSilence> for Silence {
    fn from(s: WireSilence) -> Self {
        Self {
            id: s.id.into(),
            matchers: s.matchers.into_iter().map(Matcher::from).collect(),
            starts_at: s.starts_at,
            ends_at: s.ends_at,
            updated_at: s.updated_at,
            created_by: s.created_by,
            comment: s.comment,
            state: match s.status.state {
                WireState::Active => SilenceState::Active,
                WireState::Pending => SilenceState::Pending,
                WireState::Expired => SilenceState::Expired,
            },
            annotations: s.annotations.unwrap_or_default(),
        }
    }
}

/// Decodes `GET /api/v2/silences`.
pub fn decode_silences(body: &[u8]) -> Result<Vec<Silence>, WireError> {
    let silences: Option<Vec<WireSilence>> = serde_json::from_slice(body)?;
    Ok(silences.unwrap_or_default().into_iter().map(Silence::from).collect())
}

/// Decodes `GET /api/v2/silence/{id}`.
pub fn decode_silence(body: &[u8]) -> Result<Silence, WireError> {
    Ok(serde_json::from_slice::<WireSilence>(body)?.into())
}

/// What is sent to create or update a silence.
#[derive(Debug, Clone, PartialEq)]
pub struct SilenceRequest {
    /// The id of the silence to update; `None` creates.
    pub id: Option<Arc<str>>,
    /// All must hold. Their order is part of a silence's identity for updates.
    pub matchers: Vec<Matcher>,
    /// When it starts.
    pub starts_at: Timestamp,
    /// When it ends.
    pub ends_at: Timestamp,
    /// Who.
    pub created_by: String,
    /// Why.
    pub comment: String,
    /// Sent only where the member is new enough (0.32); older ones drop them silently.
    pub annotations: BTreeMap<String, String>,
}

/// Encodes the body of `POST /api/v2/silences`.
pub fn encode_silence(request: &SilenceRequest) -> serde_json::Value {
    let matchers: Vec<WireMatcher> = request.matchers.iter().map(WireMatcher::from).collect();
    let mut body = serde_json::json!({
        "matchers": matchers,
        "startsAt": rfc3339(request.starts_at),
        "endsAt": rfc3339(request.ends_at),
        "createdBy": request.created_by,
        "comment": request.comment,
    });
    if let Some(id) = &request.id {
        body["id"] = (&**id).into();
    }
    if !request.annotations.is_empty() {
        body["annotations"] = serde_json::json!(request.annotations);
    }
    body
}

/// Decodes the answer to `POST /api/v2/silences`: the id.
pub fn decode_silence_id(body: &[u8]) -> Result<Arc<str>, WireError> {
    #[derive(Deserialize)]
    struct Created {
        #[serde(rename = "silenceID")]
        id: Arc<str>,
    }
    Ok(serde_json::from_slice::<Created>(body)?.id)
}

/// A member's view of itself (`GET /api/v2/status`).
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AmStatus {
    /// The gossip cluster.
    pub cluster: AmCluster,
    /// The version.
    pub version_info: VersionInfo,
    /// When the member started.
    pub uptime: Timestamp,
    /// The configuration file, secrets masked by Alertmanager.
    #[serde(default)]
    pub config: AmConfig,
}

/// The configuration that a member runs with.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct AmConfig {
    /// The file's text.
    #[serde(default)]
    pub original: String,
}

/// The gossip cluster as one member sees it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct AmCluster {
    /// This member's name.
    #[serde(default)]
    pub name: String,
    /// `ready`, `settling` or `disabled`.
    pub status: String,
    /// All members, this one included.
    #[serde(default)]
    pub peers: Vec<AmPeer>,
}

/// One member of the gossip cluster.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
pub struct AmPeer {
    /// Its name.
    pub name: String,
    /// Its gossip address.
    pub address: String,
}

/// A server's version.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct VersionInfo {
    /// Such as `0.25.0`; distributions may add a suffix (`0.25.0+ds`).
    pub version: String,
}

/// Decodes `GET /api/v2/status`.
pub fn decode_status(body: &[u8]) -> Result<AmStatus, WireError> {
    Ok(serde_json::from_slice(body)?)
}

/// Reads the words out of an error body: a JSON string, `{code, message}`, plain text, or nothing.
pub fn error_text(body: &[u8]) -> String {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Shape {
        Text(String),
        Coded { message: String },
    }
    match serde_json::from_slice(body) {
        Ok(Shape::Text(text) | Shape::Coded { message: text }) => text,
        Err(_) => String::from_utf8_lossy(body).trim().to_owned(),
    }
}
