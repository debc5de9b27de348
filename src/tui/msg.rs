//! What happens to the interface, and what the interface wants done.

use crate::fleet::Answer;
use crate::fleet::alerts::AlertMarks;
use crate::fleet::detail::DetailSource;
use crate::fleet::node::NodeDetail;
use crate::fleet::silence::{Facts, Left, OpId, Preview, Standing, Step};
use crate::fleet::silences::SilenceCopy;
use crate::fleet::status::ClusterStatus;
use crate::model::check::History;
use crate::model::time::Timestamp;
use crate::tui::state::confirm::Deed;
use crate::tui::state::editor::Search;
use crate::tui::state::rows::{AlertKey, AlertRow, CheckKey, NodeKey, NodeRow};
use crossterm::event::KeyEvent;
use std::sync::Arc;
use std::time::Duration;

/// Something that happened; the only way in which the state changes.
#[derive(Debug, Clone)]
pub enum Msg {
    /// A key went down. Releases and repeats of a held key are told apart by the event's kind.
    Key(KeyEvent),
    /// Text was pasted; never keys.
    Paste(String),
    /// The terminal has this many columns and rows now.
    Resize(u16, u16),
    /// Time has passed.
    Tick(Timestamp),
    /// The program runs again after it was stopped; what is shown may be old.
    Resumed,
    /// A cluster answered, or a part of it did.
    Data {
        /// Which, by its place in the configuration.
        cluster: u16,
        /// When.
        at: Timestamp,
        /// Whether nothing more comes for this question.
        last: bool,
        /// The answer.
        payload: Payload,
    },
    /// The output of a check, or why there is none.
    Output(OutputOf, Timestamp, DetailSource),
    /// The earlier runs of a check, or why there are none.
    History(OutputOf, Result<History, String>),
    /// Everything about one node.
    Node(NodeKey, Timestamp, Box<Answer<NodeDetail>>),
    /// What a silence must know of a cluster, for the editor of this number.
    Facts {
        /// Which, by its place in the configuration.
        cluster: u16,
        /// Who asked.
        token: u64,
        /// What is known.
        facts: Box<Facts>,
    },
    /// What the editor of this number wanted to know: what its fields would do.
    Previewed {
        /// Who asked.
        token: u64,
        /// The number of the search.
        round: u64,
        /// What was found.
        preview: Box<Preview>,
    },
    /// Some time has passed since the cursor's move of this number.
    Rested(u64),
    /// The guard of a last look is over.
    Armed(u64),
    /// An operation has this id and is in the journal.
    Began(OpId),
    /// The operation has got on.
    Step(Step),
    /// The operation is over.
    Carried(Box<Standing>),
    /// Everything that was confirmed is over, or why it could not begin or go on.
    Ended(Result<(), String>),
    /// What the journals say.
    Operations(Result<Journalled, String>),
    /// What is left of operations, or why that cannot be found out, for the question of this number.
    Remains {
        /// Who asked.
        token: u64,
        /// Each cluster's part.
        found: Result<Vec<Remains>, String>,
    },
}

/// What is left of one operation.
#[derive(Debug, Clone)]
pub struct Remains {
    /// Where it stands by its journal.
    pub standing: Standing,
    /// What each cluster has of it, in the order of its tasks.
    pub parts: Vec<Left>,
}

/// What this machine's journals say.
#[derive(Debug, Clone, Default)]
pub struct Journalled {
    /// The operations, the newest first, and whether a process works on each now.
    pub operations: Vec<(Standing, bool)>,
    /// Why others cannot be read: they hide none of these.
    pub unreadable: Vec<String>,
}

/// An answer to one of the questions that are asked again and again. Rows are made ready for the
/// screen by whoever fetched them, not by the thread that draws.
#[derive(Debug, Clone)]
pub enum Payload {
    /// Alerts.
    Alerts(Answer<Vec<AlertRow>>),
    /// Nodes.
    Nodes(Answer<Vec<NodeRow>>),
    /// Silences.
    Silences(Answer<Vec<SilenceCopy>>),
    /// Health of the replicas.
    Status(Box<Answer<ClusterStatus>>),
    /// Which alerts flap.
    Flapping(Answer<Vec<AlertMarks>>),
}

/// The questions that are asked again and again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// Alerts.
    Alerts,
    /// Nodes and their failing checks.
    Nodes,
    /// Silences.
    Silences,
    /// Health of the replicas.
    Status,
    /// Which alerts flap: asked only while a filter wants to know, for it costs every Prometheus an hour of series.
    Flapping,
}

impl Kind {
    /// Every kind; what a screen needs first is asked first.
    pub const ALL: [Self; 5] = [Self::Alerts, Self::Status, Self::Nodes, Self::Silences, Self::Flapping];
}

/// Whose output is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OutputOf {
    /// The check behind an alert.
    Alert(AlertKey),
    /// A check of a node.
    Check(CheckKey),
}

/// Something to be done outside of the state.
#[derive(Debug, Clone)]
pub enum Effect {
    /// Leave the terminal and end.
    Quit,
    /// Leave the terminal and stop until continued (Ctrl-Z).
    Suspend,
    /// Draw every cell anew, for a screen that something else has written to.
    Redraw,
    /// Take the next theme.
    NextTheme,
    /// Put a text on the terminal's clipboard.
    Copy(String),
    /// Ask a cluster.
    Fetch {
        /// Which, by its place in the configuration.
        cluster: u16,
        /// What.
        kind: Kind,
        /// Whether to tell of the first replies before all have come.
        parts: bool,
    },
    /// Fetch the output of the check behind an alert.
    FetchAlertOutput(AlertKey, Arc<crate::model::alert::Alert>),
    /// Fetch the output of a check.
    FetchOutput(CheckKey),
    /// Fetch the earlier runs of the check behind an alert.
    FetchAlertHistory(AlertKey, Arc<crate::model::alert::Alert>),
    /// Fetch the earlier runs of a check.
    FetchHistory(CheckKey),
    /// Ask everything about one node.
    FetchNode(NodeKey),
    /// Ask every cluster for what a silence must know, for the editor of this number.
    Facts {
        /// Who asks.
        token: u64,
    },
    /// Find out what the editor's fields would do, unless something else is to be found before the time has passed.
    Preview {
        /// After how long: typing goes on.
        after: Duration,
        /// What for.
        search: Box<Search>,
    },
    /// Let go of what the editor knew: freeing every alert of a fleet takes longer than a frame may.
    Forget(Vec<Arc<Facts>>),
    /// Tell when a last look may be answered.
    Arm {
        /// After how long.
        after: Duration,
        /// Which last look.
        token: u64,
    },
    /// Tell when some time has passed since a move of the cursor.
    Rest {
        /// After how long.
        after: Duration,
        /// Which move.
        moves: u64,
    },
    /// Read the operations of the journal.
    LoadOperations,
    /// Read on every cluster what is left of operations, for the question of this number.
    FindRemains {
        /// Which.
        ops: Vec<OpId>,
        /// Who asks.
        token: u64,
    },
    /// Carry out what was confirmed.
    Write(Box<Deed>),
}
