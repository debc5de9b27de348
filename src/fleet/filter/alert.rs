//! Alerts as a filter sees them.

use super::{ClusterLabels, tickets};
use crate::fleet::alerts::AlertMarks;
use crate::model::alert::Alert;
use crate::model::filter::{Field, NEW_WITHIN, Pseudo, Subject, Value};
use crate::model::labels::Labels;
use crate::model::silence::Silence;
use crate::model::time::{Timestamp, age};
use std::borrow::Cow;

/// An alert.
#[derive(Debug, Clone, Copy)]
pub struct AlertSubject<'a> {
    /// The alert.
    pub alert: &'a Alert,
    /// The label that names its node.
    pub node_label: &'a str,
    /// The label that names its check.
    pub check_label: &'a str,
    /// The labels of clusters.
    pub own: &'a ClusterLabels,
    /// When ages are counted from.
    pub now: Timestamp,
}

impl AlertSubject<'_> {
    fn states(&self) -> Vec<Cow<'_, str>> {
        let stale = self.alert.stale.then_some("stale");
        [self.alert.state.word()].into_iter().chain(stale).map(Into::into).collect()
    }
}

impl Subject for AlertSubject<'_> {
    fn labels(&self) -> &Labels {
        &self.alert.labels
    }

    fn field(&self, field: &Field) -> Value<'_> {
        let alert = self.alert;
        match field {
            Field::ClusterLabel(name) => self.own.value(&alert.cluster, name),
            Field::Pseudo(pseudo) => match pseudo {
                Pseudo::Cluster => Value::Text(alert.cluster.as_str().into()),
                Pseudo::State if alert.stale => Value::Texts(self.states()),
                Pseudo::State => Value::Text(alert.state.word().into()),
                Pseudo::Age | Pseudo::Since | Pseudo::For => Value::Duration(age(alert.since, self.now)),
                Pseudo::New => Value::Flag(age(alert.since, self.now) <= NEW_WITHIN),
                Pseudo::Node => Value::Text(alert.labels.get(self.node_label).into()),
                Pseudo::Check => Value::Text(alert.labels.get(self.check_label).into()),
                Pseudo::Out => {
                    Value::Texts(alert.annotations.iter().map(|(_, value)| value.trim_end().into()).collect())
                }
                Pseudo::Am => Value::List(&alert.seen_by),
                Pseudo::Silence => Value::List(&alert.silenced_by),
                Pseudo::Receiver => Value::List(&alert.receivers),
                Pseudo::Fp => Value::Text(alert.fingerprint.to_string().into()),
                _ => Value::Absent,
            },
        }
    }

    fn any_text(&self, test: &mut dyn FnMut(&str) -> bool) -> bool {
        let alert = self.alert;
        test(alert.cluster.as_str())
            || alert.labels.iter().any(|(_, value)| test(value))
            || alert.annotations.iter().any(|(_, value)| test(value))
    }
}

/// An alert with what is known beside it: its silences, and whether it flaps.
#[derive(Debug, Clone, Copy)]
pub struct MarkedAlert<'a> {
    /// The alert.
    pub alert: AlertSubject<'a>,
    /// What is known beside it.
    pub marks: &'a AlertMarks,
}

impl MarkedAlert<'_> {
    fn of_silences<'b>(&'b self, text: impl Fn(&'b Silence) -> Vec<&'b str>) -> Value<'b> {
        let texts = self.marks.silences_of(self.alert.alert).flat_map(text);
        Value::Texts(texts.map(Into::into).collect())
    }
}

impl Subject for MarkedAlert<'_> {
    fn labels(&self) -> &Labels {
        self.alert.labels()
    }

    fn field(&self, field: &Field) -> Value<'_> {
        let alert = self.alert.alert;
        match field {
            Field::Pseudo(Pseudo::Flap) => self.marks.is_flapping(alert).map_or(Value::Absent, Value::Flag),
            Field::Pseudo(Pseudo::State) if self.marks.is_acked(alert) => {
                let states = self.alert.states().into_iter();
                Value::Texts(states.chain([Cow::Borrowed("acked")]).collect())
            }
            Field::Pseudo(Pseudo::Author) => self.of_silences(|silence| vec![&silence.created_by]),
            Field::Pseudo(Pseudo::Comment) => self.of_silences(|silence| vec![&silence.comment]),
            Field::Pseudo(Pseudo::Ticket) => self.of_silences(|silence| tickets(&silence.comment).collect()),
            field => self.alert.field(field),
        }
    }

    fn any_text(&self, test: &mut dyn FnMut(&str) -> bool) -> bool {
        self.alert.any_text(test)
    }
}
