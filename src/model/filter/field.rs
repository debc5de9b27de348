//! The `@fields` of a filter: what a row has beside its labels. Names are karma's where karma has them.

use crate::model::nearest::nearest;
use std::sync::Arc;

/// What kind of rows a filter is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RowKind {
    /// Alerts.
    Alert,
    /// Nodes.
    Node,
    /// Checks by name over the fleet.
    Check,
    /// Checks of one node.
    NodeCheck,
    /// Silences.
    Silence,
    /// Servers of the monitoring itself.
    Replica,
    /// Series of a query's result.
    Series,
    /// What the doctor says.
    Finding,
}

impl RowKind {
    /// Returns the plural for messages.
    pub fn word(self) -> &'static str {
        match self {
            Self::Alert => "alerts",
            Self::Node => "nodes",
            Self::Check => "checks",
            Self::NodeCheck => "checks of a node",
            Self::Silence => "silences",
            Self::Replica => "replicas",
            Self::Series => "series",
            Self::Finding => "findings",
        }
    }

    /// Returns the words that `@state` of such rows can be compared with; empty where they have no state.
    pub fn states(self) -> &'static [&'static str] {
        match self {
            Self::Alert => &ALERT_STATES,
            Self::Node | Self::Check | Self::NodeCheck => &STATUS_WORDS,
            Self::Silence => &["active", "pending", "expired"],
            Self::Replica => &["up", "down"],
            Self::Series => &[],
            Self::Finding => &["problem", "warning", "ok"],
        }
    }
}

/// An alert's own states, and two that come from elsewhere: `acked` from its silence, `stale` from its source.
const ALERT_STATES: [&str; 10] = [
    "active",
    "unknown",
    "unsent",
    "unprocessed",
    "silenced",
    "inhibited",
    "muted",
    "pending",
    "acked",
    "stale",
];

/// A check's states, as the tables write them and as JSON and alert rules do.
const STATUS_WORDS: [&str; 7] = ["ok", "warn", "warning", "crit", "critical", "unkn", "unknown"];

/// What `@up` is compared with.
pub(super) const UP_WORDS: [&str; 4] = ["up", "down", "split", "unknown"];

/// What a filter may ask for.
#[derive(Debug, Clone, Copy, Default)]
pub struct Scope<'a> {
    /// The kind of rows; `None` takes every field.
    pub kind: Option<RowKind>,
    /// Names of the labels that the configuration gives to clusters (`env`, `region`): fields, too.
    pub cluster_labels: &'a [&'a str],
}

/// A field of our own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Pseudo {
    /// The cluster's name.
    Cluster,
    /// Where it stands: `active`, `silenced`, ... as the row's own words, in lower case.
    State,
    /// How long ago it began.
    Age,
    /// The same as `@age`, as karma calls it for silences.
    Since,
    /// For how long it has been pending or failing.
    For,
    /// The node's name.
    Node,
    /// The check's name; of a node, the names of its failing checks.
    Check,
    /// The check's exit code.
    Exit,
    /// The check's output.
    Out,
    /// How long the check's run took.
    Dur,
    /// How many checks fail.
    Fails,
    /// The Alertmanager members that have it.
    Am,
    /// Ids of silences.
    Silence,
    /// Who wrote the silence.
    Author,
    /// The silence's comment.
    Comment,
    /// The ticket named in the silence's comment.
    Ticket,
    /// How long until the silence ends.
    Expires,
    /// The alert's fingerprint.
    Fp,
    /// Receivers that it is routed to.
    Receiver,
    /// Whether the node can be scraped: `up`, `down`, `split`, `unknown`.
    Up,
    /// Whether it began within the last [`NEW_WITHIN`].
    New,
    /// Whether it went off and on at least twice within the last hour.
    Flap,
}

/// How long an alert is new.
pub const NEW_WITHIN: std::time::Duration = std::time::Duration::from_secs(15 * 60);

/// How a field is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Class {
    Text,
    Duration,
    Number,
    /// Yes or no, written without a value.
    Flag,
}

use Class::{Duration, Flag, Number, Text};
use RowKind::{Alert, Check, Finding, Node, NodeCheck, Replica, Series, Silence};

/// Every field: its name, how it is compared, which rows have it.
const FIELDS: [(Pseudo, &str, Class, &[RowKind]); 22] = [
    (Pseudo::Cluster, "cluster", Text, &[Alert, Node, Check, NodeCheck, Silence, Replica, Series, Finding]),
    (Pseudo::State, "state", Text, &[Alert, Node, Check, NodeCheck, Silence, Replica, Finding]),
    (Pseudo::Age, "age", Duration, &[Alert, NodeCheck, Silence, Replica]),
    (Pseudo::Since, "since", Duration, &[Alert, NodeCheck, Silence]),
    (Pseudo::For, "for", Duration, &[Alert, NodeCheck]),
    (Pseudo::New, "new", Flag, &[Alert]),
    (Pseudo::Flap, "flap", Flag, &[Alert]),
    (Pseudo::Node, "node", Text, &[Alert, Node, Check]),
    (Pseudo::Check, "check", Text, &[Alert, Node, Check, NodeCheck]),
    (Pseudo::Exit, "exit", Number, &[NodeCheck]),
    (Pseudo::Out, "out", Text, &[Alert, NodeCheck]),
    (Pseudo::Dur, "dur", Duration, &[NodeCheck]),
    (Pseudo::Fails, "fails", Number, &[Node, Check]),
    (Pseudo::Am, "am", Text, &[Alert, Silence]),
    (Pseudo::Silence, "silence", Text, &[Alert, Silence]),
    (Pseudo::Author, "author", Text, &[Alert, Silence]),
    (Pseudo::Comment, "comment", Text, &[Alert, Silence]),
    (Pseudo::Ticket, "ticket", Text, &[Alert, Silence]),
    (Pseudo::Expires, "expires", Duration, &[Silence]),
    (Pseudo::Fp, "fp", Text, &[Alert]),
    (Pseudo::Receiver, "receiver", Text, &[Alert]),
    (Pseudo::Up, "up", Text, &[Node]),
];

impl Pseudo {
    /// Returns the name without `@`.
    pub fn name(self) -> &'static str {
        self.entry().1
    }

    /// Reports whether rows of `kind` have it.
    pub fn applies_to(self, kind: RowKind) -> bool {
        self.entry().3.contains(&kind)
    }

    /// Returns the fields of rows of `kind`, for completion and help.
    pub fn of(kind: RowKind) -> impl Iterator<Item = Self> {
        FIELDS.iter().map(|(pseudo, ..)| *pseudo).filter(move |pseudo| pseudo.applies_to(kind))
    }

    pub(super) fn class(self) -> Class {
        self.entry().2
    }

    fn entry(self) -> &'static (Self, &'static str, Class, &'static [RowKind]) {
        FIELDS.iter().find(|(pseudo, ..)| *pseudo == self).expect("FIELDS lists every variant")
    }
}

/// What stands behind an `@`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Field {
    /// A field of our own.
    Pseudo(Pseudo),
    /// A label of the row's cluster, given in the configuration.
    ClusterLabel(Arc<str>),
}

impl Field {
    /// Finds the field called `name`; fails with a message and the hint for it.
    pub(super) fn find(name: &str, scope: &Scope<'_>) -> Result<Self, (String, Option<String>)> {
        // The configuration knows better: a cluster label may take the name of a field of ours.
        if scope.cluster_labels.contains(&name) {
            return Ok(Self::ClusterLabel(name.into()));
        }
        let fits = |pseudo: Pseudo| scope.kind.is_none_or(|kind| pseudo.applies_to(kind));
        let found = FIELDS.iter().find(|(_, n, ..)| *n == name);
        if let Some((pseudo, ..)) = found.filter(|(pseudo, ..)| fits(*pseudo)) {
            return Ok(Self::Pseudo(*pseudo));
        }
        let own = FIELDS.iter().filter(|(pseudo, ..)| fits(*pseudo)).map(|(_, name, ..)| *name);
        let known: Vec<&str> = own.chain(scope.cluster_labels.iter().copied()).collect();
        let list = || format!("there are @{}", known.join(" @"));
        Err(match (found, scope.kind) {
            (Some(_), Some(kind)) => (format!("{} have no @{name}", kind.word()), Some(list())),
            _ => {
                let near = nearest(name, &known).map(|near| format!("did you mean @{near}?"));
                (format!("unknown field @{name}"), Some(near.unwrap_or_else(list)))
            }
        })
    }

    pub(super) fn class(&self) -> Class {
        match self {
            Self::Pseudo(pseudo) => pseudo.class(),
            Self::ClusterLabel(_) => Text,
        }
    }
}
