//! Answers of Prometheus' HTTP API (`/api/v1/...`), decoded in one pass.
//!
//! The envelope is `{status, data, errorType, error, warnings, infos}`; `data` may stand beside an
//! error. Values are strings (`"NaN"`, `"+Inf"`). Unknown fields are skipped: Thanos, Mimir and
//! VictoriaMetrics add their own.

use super::WireError;
use super::am_v2::MOST_ALERTS;
use super::seed::{Each, Element, LabelSet, Text, Values};
use crate::model::alert::PromAlert;
use crate::model::labels::{Interner, Labels};
use crate::model::time::Timestamp;
use serde::Deserialize;
use serde::de::{self, DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use std::fmt;
use std::marker::PhantomData;

#[cfg(test)]
mod tests;

/// A successful answer with what the server wanted to say about it.
#[derive(Debug, Clone, PartialEq)]
pub struct Answered<T> {
    /// The data.
    pub value: T,
    /// `warnings` and `infos`: partial responses of Thanos, truncation, deprecated use.
    pub warnings: Vec<String>,
}

/// One sample of an instant vector.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    /// The series.
    pub labels: Labels,
    /// Time of evaluation in epoch seconds.
    pub time: f64,
    /// The value.
    pub value: f64,
}

/// The result of an instant query.
#[derive(Debug, Clone, PartialEq)]
pub enum QueryValue {
    /// One value per series.
    Vector(Vec<Sample>),
    /// Several values per series (a range selector), in order of time.
    Matrix(Vec<(Labels, Vec<(f64, f64)>)>),
    /// A number without series.
    Scalar {
        /// Time of evaluation in epoch seconds.
        time: f64,
        /// The value.
        value: f64,
    },
    /// A text.
    Text(String),
}

/// Decodes an instant query's answer (`GET|POST /api/v1/query`).
pub fn decode_query(body: &[u8], interner: &mut Interner) -> Result<Answered<QueryValue>, WireError> {
    decode(body, Query { interner })
}

/// Decodes an instant query that must answer with a vector.
pub fn decode_vector(body: &[u8], interner: &mut Interner) -> Result<Answered<Vec<Sample>>, WireError> {
    let answer = decode_query(body, interner)?;
    match answer.value {
        QueryValue::Vector(samples) => Ok(Answered { value: samples, warnings: answer.warnings }),
        _ => Err(WireError::Json("the result is not a vector".into())),
    }
}

/// Decodes `GET /api/v1/alerts`.
pub fn decode_alerts(body: &[u8], interner: &mut Interner) -> Result<Answered<Vec<PromAlert>>, WireError> {
    decode(body, Alerts { interner, list: Vec::new() })
}

/// Decodes any other answer whose `data` is a plain shape.
pub fn decode_data<T: de::DeserializeOwned>(body: &[u8]) -> Result<Answered<T>, WireError> {
    decode(body, PhantomData::<T>)
}

/// Reads the server's own words out of an error body; `None` if it is not Prometheus' envelope.
pub fn decode_error(body: &[u8]) -> Option<WireError> {
    match decode(body, PhantomData::<IgnoredAny>) {
        Err(error @ WireError::Api { .. }) => Some(error),
        _ => None,
    }
}

fn decode<'de, S: DeserializeSeed<'de>>(body: &'de [u8], data: S) -> Result<Answered<S::Value>, WireError> {
    let mut json = serde_json::Deserializer::from_slice(body);
    let envelope = json.deserialize_map(Envelope { data })?;
    json.end()?;
    if envelope.status != "success" {
        return Err(WireError::Api {
            kind: envelope.kind.unwrap_or(envelope.status),
            message: envelope.message.unwrap_or_default(),
        });
    }
    match envelope.data {
        Some(value) => Ok(Answered { value, warnings: envelope.warnings }),
        None => Err(WireError::Json("`data` is missing".into())),
    }
}

struct Envelope<S> {
    data: S,
}

struct Opened<T> {
    status: String,
    data: Option<T>,
    kind: Option<String>,
    message: Option<String>,
    warnings: Vec<String>,
}

impl<'de, S: DeserializeSeed<'de>> Visitor<'de> for Envelope<S> {
    type Value = Opened<S::Value>;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Prometheus' answer, an object with `status` and `data`")
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut seed = Some(self.data);
        let mut opened =
            Opened { status: String::new(), data: None, kind: None, message: None, warnings: Vec::new() };
        while let Some(key) = map.next_key::<Key>()? {
            match key {
                Key::Status => opened.status = map.next_value()?,
                Key::Data => match seed.take() {
                    Some(seed) => opened.data = map.next_value_seed(Maybe(seed))?,
                    None => return Err(de::Error::duplicate_field("data")),
                },
                Key::ErrorType => opened.kind = Some(map.next_value()?),
                Key::Error => opened.message = Some(map.next_value()?),
                Key::Warnings | Key::Infos => {
                    map.next_value_seed(Each(&mut Warnings(&mut opened.warnings)))?
                }
                Key::Other => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(opened)
    }
}

#[derive(Deserialize)]
#[serde(field_identifier, rename_all = "camelCase")]
enum Key {
    Status,
    Data,
    ErrorType,
    Error,
    Warnings,
    Infos,
    #[serde(other)]
    Other,
}

/// What a server remarks, each remark once. A reader takes in a few; a server with more to say says nonsense.
struct Warnings<'a>(&'a mut Vec<String>);

/// The most remarks that are kept of one answer, and the most bytes of each.
const MOST_WARNINGS: (usize, usize) = (10, 300);

impl<'de> Element<'de> for Warnings<'_> {
    fn read<D: Deserializer<'de>>(&mut self, deserializer: D) -> Result<(), D::Error> {
        let keep = Text(|text: &str| {
            let text = &text[..text.floor_char_boundary(MOST_WARNINGS.1)];
            if self.0.len() < MOST_WARNINGS.0 && !text.is_empty() && !self.0.iter().any(|known| known == text)
            {
                self.0.push(text.to_owned());
            }
        });
        keep.deserialize(deserializer)
    }
}

/// The most series of one answer: eight times what a scan of 5,000 nodes with 50 checks brings. What little a series
/// may be in the answer is more in memory, so bytes alone are no bound.
const MOST_SAMPLES: usize = 2_000_000;

/// Reads `null` as absent: `data` is `null` in some servers' errors.
struct Maybe<S>(S);

impl<'de, S: DeserializeSeed<'de>> DeserializeSeed<'de> for Maybe<S> {
    type Value = Option<S::Value>;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_option(self)
    }
}

impl<'de, S: DeserializeSeed<'de>> Visitor<'de> for Maybe<S> {
    type Value = Option<S::Value>;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("data or null")
    }
    fn visit_none<E: de::Error>(self) -> Result<Self::Value, E> {
        Ok(None)
    }
    fn visit_unit<E: de::Error>(self) -> Result<Self::Value, E> {
        Ok(None)
    }
    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        self.0.deserialize(deserializer).map(Some)
    }
}

/// `data` of a query: `{resultType, result}` in either order.
struct Query<'i> {
    interner: &'i mut Interner,
}

impl<'de> DeserializeSeed<'de> for Query<'_> {
    type Value = QueryValue;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<QueryValue, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Query<'_> {
    type Value = QueryValue;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with `resultType` and `result`")
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<QueryValue, A::Error> {
        let mut kind = String::new();
        let mut rows =
            Rows { interner: self.interner, samples: Vec::new(), matrix: Vec::new(), loose: Vec::new() };
        while let Some(key) = map.next_key::<QueryField>()? {
            match key {
                QueryField::ResultType => kind = map.next_value()?,
                QueryField::Result => map.next_value_seed(Each(&mut rows))?,
                QueryField::Other => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        rows.into_value(&kind).map_err(de::Error::custom)
    }
}

#[derive(Deserialize)]
#[serde(field_identifier, rename_all = "camelCase")]
enum QueryField {
    ResultType,
    Result,
    #[serde(other)]
    Other,
}

/// Elements of `result`, whatever the result's type turns out to be.
struct Rows<'i> {
    interner: &'i mut Interner,
    samples: Vec<Sample>,
    matrix: Vec<(Labels, Vec<(f64, f64)>)>,
    /// The two elements of a scalar or a string: time and text.
    loose: Vec<(f64, String)>,
}

impl Rows<'_> {
    fn into_value(self, kind: &str) -> Result<QueryValue, String> {
        match kind {
            "vector" => Ok(QueryValue::Vector(self.samples)),
            "matrix" => Ok(QueryValue::Matrix(self.matrix)),
            "scalar" | "string" => {
                let [(time, _), (_, text)] = self.loose.as_slice() else {
                    return Err(format!("a {kind} must be [time, text]"));
                };
                if kind == "string" {
                    return Ok(QueryValue::Text(text.clone()));
                }
                let value = number(text).ok_or_else(|| format!("`{text}` is not a number"))?;
                Ok(QueryValue::Scalar { time: *time, value })
            }
            other => Err(format!("unknown resultType `{other}`")),
        }
    }
}

impl<'de> Element<'de> for Rows<'_> {
    fn read<D: Deserializer<'de>>(&mut self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(Row(self))
    }
}

struct Row<'a, 'i>(&'a mut Rows<'i>);

impl Row<'_, '_> {
    /// Takes a part of a scalar or a string, which have two.
    fn loose<E: de::Error>(self, time: f64, text: &str) -> Result<(), E> {
        if self.0.loose.len() == 2 {
            return Err(de::Error::custom("a scalar of more than time and text"));
        }
        self.0.loose.push((time, text.to_owned()));
        Ok(())
    }
}

impl<'de> Visitor<'de> for Row<'_, '_> {
    type Value = ();
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a series, or the time and text of a scalar")
    }
    fn visit_f64<E: de::Error>(self, time: f64) -> Result<(), E> {
        self.loose(time, "")?;
        Ok(())
    }
    fn visit_u64<E: de::Error>(self, time: u64) -> Result<(), E> {
        self.visit_f64(time as f64)
    }
    fn visit_str<E: de::Error>(self, text: &str) -> Result<(), E> {
        self.loose(0.0, text)?;
        Ok(())
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let mut labels = Labels::default();
        let mut point = None;
        let mut points = None;
        while let Some(key) = map.next_key::<SeriesField>()? {
            match key {
                SeriesField::Metric => {
                    labels =
                        map.next_value_seed(LabelSet { interner: self.0.interner, values: Values::Shared })?
                }
                SeriesField::Value => point = Some(map.next_value::<Point>()?),
                SeriesField::Values => points = Some(map.next_value::<Vec<Point>>()?),
                // Native histograms are not a number; such a series is kept out of numbers.
                SeriesField::Other => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        if let Some(Point(time, value)) = point {
            if self.0.samples.len() >= MOST_SAMPLES {
                return Err(de::Error::custom(format_args!("more than {MOST_SAMPLES} series")));
            }
            self.0.samples.push(Sample { labels, time, value });
        } else if let Some(points) = points {
            self.0
                .matrix
                .push((labels, points.into_iter().map(|Point(time, value)| (time, value)).collect()));
        }
        Ok(())
    }
}

#[derive(Deserialize)]
#[serde(field_identifier, rename_all = "camelCase")]
enum SeriesField {
    Metric,
    Value,
    Values,
    #[serde(other)]
    Other,
}

/// `[1700000000.123, "1.5"]`
struct Point(f64, f64);

impl<'de> Deserialize<'de> for Point {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct PointVisitor;
        impl<'de> Visitor<'de> for PointVisitor {
            type Value = Point;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("[time, \"number\"]")
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Point, A::Error> {
                let time = seq.next_element()?.ok_or_else(|| de::Error::invalid_length(0, &self))?;
                let value = seq
                    .next_element_seed(Text(number))?
                    .ok_or_else(|| de::Error::invalid_length(1, &self))?;
                let value = value.ok_or_else(|| de::Error::custom("a sample's value is not a number"))?;
                Ok(Point(time, value))
            }
        }
        deserializer.deserialize_seq(PointVisitor)
    }
}

/// Reads a number as Prometheus prints it; Rust's parser takes `NaN`, `+Inf`, `-Inf` and exponents alike.
fn number(text: &str) -> Option<f64> {
    text.parse().ok()
}

/// `data` of `/api/v1/alerts`: `{alerts: [...]}`.
struct Alerts<'i> {
    interner: &'i mut Interner,
    list: Vec<PromAlert>,
}

impl<'de> DeserializeSeed<'de> for Alerts<'_> {
    type Value = Vec<PromAlert>;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Alerts<'_> {
    type Value = Vec<PromAlert>;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with `alerts`")
    }
    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<Self::Value, A::Error> {
        while let Some(key) = map.next_key::<AlertsField>()? {
            match key {
                AlertsField::Alerts => map.next_value_seed(Each(&mut self))?,
                AlertsField::Other => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(self.list)
    }
}

#[derive(Deserialize)]
#[serde(field_identifier, rename_all = "camelCase")]
enum AlertsField {
    Alerts,
    #[serde(other)]
    Other,
}

impl<'de> Element<'de> for Alerts<'_> {
    fn read<D: Deserializer<'de>>(&mut self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(OneAlert(self))
    }
}

struct OneAlert<'a, 'i>(&'a mut Alerts<'i>);

impl<'de> Visitor<'de> for OneAlert<'_, '_> {
    type Value = ();
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an alert")
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let mut labels = Labels::default();
        let mut annotations = Labels::default();
        let mut firing = false;
        let mut active_at = Timestamp::default();
        let mut value = f64::NAN;
        while let Some(key) = map.next_key::<AlertField>()? {
            match key {
                AlertField::Labels => {
                    labels =
                        map.next_value_seed(LabelSet { interner: self.0.interner, values: Values::Shared })?
                }
                AlertField::Annotations => {
                    annotations =
                        map.next_value_seed(LabelSet { interner: self.0.interner, values: Values::Owned })?
                }
                AlertField::State => firing = map.next_value_seed(Text(|state: &str| state == "firing"))?,
                AlertField::ActiveAt => active_at = map.next_value()?,
                AlertField::Value => value = map.next_value_seed(Text(number))?.unwrap_or(f64::NAN),
                AlertField::Other => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        if labels.is_empty() {
            return Err(de::Error::custom("an alert without labels"));
        }
        if self.0.list.len() >= MOST_ALERTS {
            return Err(de::Error::custom(format_args!("more than {MOST_ALERTS} alerts")));
        }
        self.0.list.push(PromAlert { labels, annotations, firing, active_at, value });
        Ok(())
    }
}

#[derive(Deserialize)]
#[serde(field_identifier, rename_all = "camelCase")]
enum AlertField {
    Labels,
    Annotations,
    State,
    ActiveAt,
    Value,
    #[serde(other)]
    Other,
}
