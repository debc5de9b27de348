//! Which key does what, where. One table: the reducer, the key line and the help read the same rows.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

/// What a key asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// End.
    Quit,
    /// Stop until continued.
    Suspend,
    /// Draw every cell anew.
    Redraw,
    /// One level back, or end.
    BackOrQuit,
    /// One level back.
    Back,
    /// Go to a root screen.
    Tab(u8),
    /// Move by lines.
    Move(i8),
    /// Move by pages.
    Page(i8),
    /// To the first line.
    Top,
    /// To the last line.
    Bottom,
    /// Open what is under the cursor.
    Open,
    /// Mark what is under the cursor.
    Mark,
    /// Drop all marks.
    Unmark,
    /// Type a filter.
    Filter,
    /// Drop the filter.
    ClearFilter,
    /// Change the grouping.
    Group,
    /// Ask now.
    Refresh,
    /// Silence.
    Silence,
    /// A silence from nothing.
    NewSilence,
    /// A silence of the whole node, or of all that the filter lets through.
    WideSilence,
    /// A short silence that says that somebody works on it.
    Ack,
    /// Expire silences.
    Expire,
    /// Change a silence.
    EditSilence,
    /// Let a silence end later.
    Extend,
    /// Another silence like this one.
    Duplicate,
    /// Make a silence the same on all of its clusters.
    Repair,
    /// Show the operations of the journal.
    Operations,
    /// Finish an operation.
    Resume,
    /// Take an operation back.
    Undo,
    /// Copy what became of an operation.
    CopyReport,
    /// Show or hide expired silences.
    ShowExpired,
    /// Go to the node.
    GoNode,
    /// Show the output of the run before.
    OlderRun,
    /// Show the output of the run after.
    NewerRun,
    /// Show what differs from the last run that was well.
    Diff,
    /// Break long lines or not.
    Wrap,
    /// Copy the command line twin.
    Copy,
    /// The next theme.
    Theme,
    /// The keys that are valid here.
    Help,
    /// Find a command, screen, cluster or node.
    Palette,
}

impl Action {
    /// Reports whether it leads to something being written: not offered where nothing may be.
    pub fn writes(self) -> bool {
        matches!(
            self,
            Self::Silence
                | Self::NewSilence
                | Self::WideSilence
                | Self::Ack
                | Self::Expire
                | Self::EditSilence
                | Self::Extend
                | Self::Duplicate
                | Self::Repair
                | Self::Resume
                | Self::Undo
        )
    }
}

/// Where a key may be valid, one bit each.
pub mod place {
    #![allow(missing_docs, reason = "the names are the screens' names")]
    pub const OVERVIEW: u16 = 1;
    pub const ALERTS: u16 = 2;
    pub const ALERT: u16 = 4;
    pub const NODES: u16 = 8;
    pub const NODE: u16 = 16;
    pub const CHECK: u16 = 32;
    pub const SILENCES: u16 = 64;
    pub const SILENCE: u16 = 128;
    pub const CLUSTERS: u16 = 256;
    pub const EDITOR: u16 = 512;
    pub const OPERATION: u16 = 1024;
    pub const OPERATIONS: u16 = 2048;
    pub const LISTS: u16 = OVERVIEW | ALERTS | NODES | NODE | SILENCES | CLUSTERS | OPERATIONS;
    pub const OUTPUTS: u16 = ALERT | CHECK;
    pub const ALL: u16 = u16::MAX;
}

/// One row of the table.
#[derive(Debug)]
pub struct Binding {
    /// The keys, the first one is shown.
    pub keys: &'static [KeyCode],
    /// How the keys are shown.
    pub shown: &'static str,
    /// What they ask for.
    pub action: Action,
    /// What that is, for people.
    pub label: &'static str,
    /// Where they are valid.
    pub places: u16,
    /// The rank in the key line, lowest first; none is shown in help only.
    pub rank: Option<u8>,
}

const fn bind(
    keys: &'static [KeyCode],
    shown: &'static str,
    action: Action,
    label: &'static str,
    places: u16,
    rank: Option<u8>,
) -> Binding {
    Binding { keys, shown, action, label, places, rank }
}

use KeyCode::{
    BackTab, Backspace, Char, Down, End, Enter, Esc, Home, Left, PageDown, PageUp, Right, Tab, Up,
};
use place::{
    ALERT, ALERTS, ALL, CHECK, LISTS, NODE, NODES, OPERATION, OPERATIONS, OUTPUTS, OVERVIEW, SILENCE,
    SILENCES,
};

const DETAILS: u16 = ALERT | NODE | CHECK | SILENCE | OPERATION | OPERATIONS;
const ANY_SILENCE: u16 = SILENCES | SILENCE;
const ANY_OPERATION: u16 = OPERATION | OPERATIONS;
const FILTERED: u16 = ALERTS | NODES | SILENCES;

/// The table; the first row that fits wins.
pub const BINDINGS: &[Binding] = &[
    bind(&[Enter, Char('l'), Right], "Enter", Action::Open, "open", LISTS, Some(1)),
    bind(&[Esc, Char('h'), Left, Backspace], "Esc", Action::Back, "back", DETAILS, Some(2)),
    bind(&[Backspace], "Backspace", Action::ClearFilter, "drop the filter", FILTERED, None),
    bind(&[Esc, Char('h'), Left], "Esc", Action::Back, "close the group, drop the marks", ALERTS, None),
    bind(&[Esc], "Esc", Action::Unmark, "drop the marks", NODES | SILENCES, None),
    bind(&[Char(' ')], "Space", Action::Mark, "mark", ALERTS | NODES, Some(3)),
    bind(&[Char(' ')], "Space", Action::Mark, "mark", SILENCES, Some(8)),
    bind(
        &[Char('s')],
        "s",
        Action::Silence,
        "silence",
        OVERVIEW | ALERTS | ALERT | NODES | NODE | CHECK,
        Some(4),
    ),
    bind(&[Char('n')], "n", Action::NewSilence, "new", SILENCES, Some(4)),
    bind(&[Char('a')], "a", Action::Ack, "ack for 30m", ALERTS | ALERT, Some(5)),
    bind(&[Char('S')], "S", Action::WideSilence, "silence the whole node", ALERT | NODE | CHECK, None),
    bind(&[Char('S')], "S", Action::WideSilence, "silence what the filter says", ALERTS | NODES, None),
    bind(&[Char('e')], "e", Action::EditSilence, "edit", ANY_SILENCE, Some(5)),
    bind(&[Char('+')], "+", Action::Extend, "extend", ANY_SILENCE, Some(5)),
    bind(&[Char('x')], "x", Action::Expire, "expire", ANY_SILENCE, Some(5)),
    bind(&[Char('d')], "d", Action::Duplicate, "duplicate", ANY_SILENCE, Some(6)),
    bind(&[Char('R')], "R", Action::Repair, "make the clusters alike", ANY_SILENCE, None),
    bind(&[Char('r')], "r", Action::Resume, "finish (resume)", ANY_OPERATION, Some(3)),
    bind(&[Char('u')], "u", Action::Undo, "undo", ANY_OPERATION, Some(4)),
    bind(&[Char('y')], "y", Action::CopyReport, "copy a report", OPERATION, Some(5)),
    bind(&[Char('z')], "z", Action::ShowExpired, "show or hide expired", SILENCES, Some(7)),
    bind(&[Char('b')], "b", Action::Group, "group", ALERTS, Some(6)),
    bind(&[Char('w')], "w", Action::Wrap, "wrap", OUTPUTS, Some(8)),
    bind(&[Char('[')], "[", Action::OlderRun, "older run", OUTPUTS, Some(6)),
    bind(&[Char(']')], "]", Action::NewerRun, "newer run", OUTPUTS, Some(7)),
    bind(&[Char('d')], "d", Action::Diff, "diff to ok", OUTPUTS, Some(6)),
    bind(&[Char('g')], "g", Action::GoNode, "node", ALERT, Some(5)),
    bind(&[Char('y')], "y", Action::Copy, "copy as command", ALL & !OPERATION, Some(9)),
    bind(&[Char('/')], "/", Action::Filter, "filter", LISTS & !NODE & !OPERATIONS, Some(7)),
    bind(&[Char(':')], ":", Action::Palette, "command", ALL, Some(10)),
    bind(&[Char('T')], "T", Action::Theme, "next theme", ALL, None),
    bind(&[Char('r')], "r", Action::Refresh, "refresh", ALL & !ANY_OPERATION, Some(8)),
    bind(&[Char('?')], "?", Action::Help, "help", ALL, Some(0)),
    bind(&[Char('q')], "q", Action::BackOrQuit, "quit", LISTS & !NODE & !OPERATIONS, Some(11)),
    bind(&[Char('q')], "q", Action::BackOrQuit, "back", DETAILS, None),
    bind(&[Char('j'), Down], "j Down", Action::Move(1), "down", ALL, None),
    bind(&[Char('k'), Up], "k Up", Action::Move(-1), "up", ALL, None),
    bind(&[PageDown], "PgDn", Action::Page(1), "a page down", ALL, None),
    bind(&[PageUp], "PgUp", Action::Page(-1), "a page up", ALL, None),
    bind(&[Char('g'), Home], "g Home", Action::Top, "to the top", ALL & !ALERT, None),
    bind(&[Home], "Home", Action::Top, "to the top", ALERT, None),
    bind(&[Char('G'), End], "G End", Action::Bottom, "to the end", ALL, None),
    bind(&[Char('O')], "O", Action::Operations, "operations: finish or undo", ALL & !ANY_OPERATION, None),
    bind(&[Char('1')], "1", Action::Tab(0), "overview", ALL, None),
    bind(&[Char('2')], "2", Action::Tab(1), "alerts", ALL, None),
    bind(&[Char('3')], "3", Action::Tab(2), "nodes", ALL, None),
    bind(&[Char('4')], "4", Action::Tab(3), "silences", ALL, None),
    bind(&[Char('5')], "5", Action::Tab(4), "clusters", ALL, None),
];

/// Returns the binding of `key` at `place`.
pub fn action(place: u16, key: &KeyEvent) -> Option<Action> {
    if key.modifiers.contains(KeyModifiers::CONTROL) {
        return match key.code {
            Char('c') => Some(Action::Quit),
            Char('z') => Some(Action::Suspend),
            Char('l') => Some(Action::Redraw),
            _ => None,
        };
    }
    if key.modifiers.contains(KeyModifiers::ALT) || matches!(key.code, Tab | BackTab) {
        return None;
    }
    here(place).find(|b| b.keys.contains(&key.code)).map(|b| b.action)
}

/// Returns the bindings that are valid at `place`.
pub fn here(place: u16) -> impl Iterator<Item = &'static Binding> {
    BINDINGS.iter().filter(move |b| b.places & place != 0)
}
