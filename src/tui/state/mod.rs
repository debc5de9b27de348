//! Everything that the screen is drawn from. Only `update` changes it.

pub mod alerts;
pub mod complete;
pub mod confirm;
pub mod data;
pub mod editor;
pub mod filter;
pub mod list;
pub mod lookup;
pub mod nodes;
pub mod operations;
pub mod output;
pub mod overview;
pub mod palette;
pub mod past;
pub mod rows;
pub mod run;
pub mod screen;
pub mod selection;
pub mod silences;
pub mod trust;
pub mod twin;
pub mod wrap;

use crate::config::{Access, Config, SilencePolicy};
use crate::fleet::Answer;
use crate::fleet::alerts::{AlertMarks, Wanted};
use crate::fleet::filter::ClusterLabels;
use crate::fleet::node::NodeDetail;
use crate::fleet::silence::OpId;
use crate::model::filter::RowKind;
use crate::model::text;
use crate::model::time::Timestamp;
use crate::tui::keymap::{self, place};
use crate::tui::theme::Role;
use alerts::{AlertLine, AlertTable};
use confirm::{Confirm, RemainsAsked};
use data::ClusterData;
use editor::Editor;
use filter::{FilterField, Judge};
use list::{List, RowKey};
use lookup::Lookup;
use nodes::NodeTable;
use operations::Operations;
use output::Output;
use palette::Palette;
use rows::{AlertRow, CheckKey, NodeKey};
use run::Run;
pub use screen::Screen;
use silences::{Made, SilenceRow, SilenceTable};
use std::path::PathBuf;
use std::time::Duration;

/// One screen with where the reader is on it.
#[derive(Debug, Clone)]
pub struct Page {
    /// Which screen.
    pub screen: Screen,
    /// Its list's cursor.
    pub list: List,
    /// The output that it shows.
    pub output: Output,
    /// The node that it shows.
    pub node: Option<Box<Answer<NodeDetail>>>,
    /// When its node was asked last.
    pub asked: Option<Timestamp>,
    /// When its node is to be asked again; nothing while an answer is out.
    pub due: Option<Timestamp>,
}

impl Page {
    /// Builds a page at its top.
    pub fn new(screen: Screen) -> Self {
        Self { screen, list: List::default(), output: Output::waiting(), node: None, asked: None, due: None }
    }
}

/// What lies over the screen.
#[derive(Debug, Clone, Default)]
pub enum Popup {
    /// Nothing.
    #[default]
    None,
    /// The keys that are valid here, from this line on.
    Help(usize),
    /// The command palette.
    Palette(Palette),
    /// The last look before something is written.
    Confirm(Box<Confirm>),
    /// What the last look at the rest of operations waits for.
    Remains(RemainsAsked),
    /// What is asked before the last look of an extension or acknowledgement; its text is the editor's.
    Prompt,
    /// The clusters that can be chosen in the editor, and the cursor's place.
    Clusters(usize),
}

/// The state of the interface.
#[derive(Debug, Clone)]
pub struct State {
    /// The time that ages are counted from.
    pub now: Timestamp,
    /// Columns and rows of the terminal.
    pub size: (u16, u16),
    /// How often a source is asked at the most.
    pub refresh: Duration,
    /// What a silence must fulfil.
    pub policy: SilencePolicy,
    /// What the clusters said.
    pub clusters: Vec<ClusterData>,
    /// Where rows are found by what they are.
    pub lookup: Lookup,
    /// Alerts, sorted and filtered.
    pub alerts: AlertTable,
    /// Nodes, sorted and filtered.
    pub nodes: NodeTable,
    /// Silences, sorted and filtered.
    pub silences: SilenceTable,
    /// The labels that the configuration gives to clusters.
    pub own: ClusterLabels,
    /// What is known beside the alerts: their silences, and which of them flap.
    pub marks: AlertMarks,
    /// The filters of the root screens.
    pub filters: [FilterField; 5],
    /// The root screen.
    pub tab: usize,
    /// The root pages.
    pub roots: [Page; 5],
    /// Pages opened from the root page, the last one is shown.
    pub stack: Vec<Page>,
    /// What lies over the screen.
    pub popup: Popup,
    /// The silence that is being written.
    pub editor: Option<Editor>,
    /// The draft that was left last, to be taken up again.
    pub left: Option<Editor>,
    /// Whether only a part of the configuration's clusters is shown.
    pub narrowed: bool,
    /// The configuration's file, where it was named at the start.
    pub config_file: Option<PathBuf>,
    /// The operation that is or was carried out last.
    pub run: Option<Run>,
    /// The operations of the journal.
    pub operations: Operations,
    /// What was made here lately.
    pub made: Vec<Made>,
    /// Who is named as the author of silences.
    pub author: String,
    /// What the preview shows, and the line that it was on when the cursor came to rest there.
    pub previewed: Option<(usize, RowKey)>,
    /// Whether the cursor has just moved, and the preview has yet to follow.
    pub moving: bool,
    /// How often it has moved.
    pub moves: u64,
    /// Numbers what is asked for once, so that late answers to something else are told apart.
    pub token: u64,
    /// The last thing to be told, until the next key.
    pub message: Option<(Role, String)>,
}

impl State {
    /// Builds the state of a fresh start.
    pub fn new(now: Timestamp, size: (u16, u16), config: &Config) -> Self {
        let clusters: Vec<_> = config.clusters.iter().map(ClusterData::new).collect();
        let mut state = Self {
            now,
            size,
            refresh: config.ui.refresh.max(crate::config::Ui::MIN_REFRESH),
            policy: config.policy.clone(),
            clusters,
            lookup: Lookup::default(),
            alerts: AlertTable::default(),
            nodes: NodeTable::default(),
            silences: SilenceTable::default(),
            filters: [None, Some(RowKind::Alert), Some(RowKind::Node), Some(RowKind::Silence), None]
                .map(FilterField::new),
            own: ClusterLabels::of(config),
            marks: AlertMarks::default(),
            tab: 0,
            roots: Screen::ROOTS.map(Page::new),
            stack: Vec::new(),
            popup: Popup::None,
            editor: None,
            left: None,
            narrowed: false,
            config_file: None,
            run: None,
            operations: Operations::default(),
            made: Vec::new(),
            author: config.policy.author.clone().unwrap_or_default(),
            previewed: None,
            moving: false,
            moves: 0,
            token: 0,
            message: None,
        };
        state.rebuild_alerts();
        state.rebuild_nodes();
        state
    }

    /// Returns the page that is shown.
    pub fn page(&self) -> &Page {
        self.stack.last().unwrap_or(&self.roots[self.tab])
    }

    /// Returns the page that is shown, to be changed.
    pub fn page_mut(&mut self) -> &mut Page {
        self.stack.last_mut().unwrap_or(&mut self.roots[self.tab])
    }

    /// Returns the screen that is shown.
    pub fn screen(&self) -> &Screen {
        &self.page().screen
    }

    /// Returns where keys are looked up.
    pub fn place(&self) -> u16 {
        match self.screen() {
            Screen::Overview => place::OVERVIEW,
            Screen::Alerts => place::ALERTS,
            Screen::Alert(_) => place::ALERT,
            Screen::Nodes => place::NODES,
            Screen::Node(_) => place::NODE,
            Screen::Check(_) => place::CHECK,
            Screen::Silences => place::SILENCES,
            Screen::Silence(_) => place::SILENCE,
            Screen::Clusters => place::CLUSTERS,
            Screen::Editor => place::EDITOR,
            Screen::Operations => place::OPERATIONS,
            Screen::Operation(_) => place::OPERATION,
        }
    }

    /// Returns the keys and labels that are valid here: for the key line in order of rank, for the help all.
    pub fn keys(&self, all: bool) -> Vec<(&'static str, &'static str)> {
        let usable = |b: &&keymap::Binding| b.rank.is_some() && (!b.action.writes() || self.writable());
        let mut list: Vec<_> = keymap::here(self.place())
            .filter(|b| all || usable(b))
            .filter(|b| self.may_change_operation(b.action))
            .collect();
        if !all {
            list.sort_by_key(|b| b.rank);
        }
        list.into_iter().map(|b| (b.shown, b.label)).collect()
    }

    /// Returns the operations that are shown or under the cursor.
    pub fn chosen_operations(&self) -> Vec<OpId> {
        match (self.shown_run(), self.current()) {
            (Some(run), _) => run.ops.clone(),
            (None, Some(RowKey::Operation(op))) => vec![op],
            _ => Vec::new(),
        }
    }

    /// Returns the filter of the root screen.
    pub fn filter(&self) -> &FilterField {
        &self.filters[self.tab]
    }

    /// Reports whether silences may be written anywhere.
    pub fn writable(&self) -> bool {
        self.clusters.iter().any(|c| c.access == Access::Rw && c.servers.1 > 0)
    }

    /// Returns the operation that the shown page is about.
    pub fn shown_run(&self) -> Option<std::borrow::Cow<'_, Run>> {
        use std::borrow::Cow;
        match self.screen() {
            Screen::Operation(None) => self.run.as_ref().map(Cow::Borrowed),
            Screen::Operation(Some(op)) => {
                self.operations.find(*op).map(|row| Cow::Owned(Run::of(&row.standing)))
            }
            _ => None,
        }
    }

    /// Reports whether an alert is held back by what was made here, although Alertmanager has not said so yet.
    pub fn is_just_silenced(&self, row: &AlertRow) -> bool {
        self.awaits_silence() && self.alerts.just_silenced.contains(&row.key())
    }

    /// Reports whether Alertmanager may still have to say that something made here holds alerts back.
    pub fn awaits_silence(&self) -> bool {
        self.made.iter().any(|made| made.is_recent(self.now))
    }

    /// Finds out which alerts are held back by what was made here, although Alertmanager has not said so yet.
    fn find_just_silenced(&mut self) {
        let rows = self.clusters.iter().flat_map(|c| c.alerts.value.iter().flat_map(|list| list.iter()));
        let held =
            |row: &&AlertRow| self.made.iter().any(|made| made.should_hold(row, &self.silences, self.now));
        self.alerts.just_silenced = match self.awaits_silence() {
            true => rows.filter(held).map(AlertRow::key).collect(),
            false => Default::default(),
        };
    }

    /// Returns the alert that is at `at`.
    pub fn alert(&self, at: alerts::At) -> Option<&AlertRow> {
        alerts::row(&self.clusters, at)
    }

    /// Returns the alert of an identity, as long as it is known.
    pub fn alert_of(&self, key: rows::AlertKey) -> Option<&AlertRow> {
        self.lookup.alert(key.cluster, key.fingerprint)
    }

    /// Returns the node that is at `at`.
    pub fn node(&self, at: alerts::At) -> Option<&rows::NodeRow> {
        nodes::row(&self.clusters, at)
    }

    /// Returns the silence that is on line `i` of the list.
    pub fn silence(&self, i: usize) -> Option<&SilenceRow> {
        self.silences.shown.get(i).and_then(|place| self.silences.rows.get(*place))
    }

    /// Returns a cluster.
    pub fn cluster(&self, index: u16) -> Option<&ClusterData> {
        self.clusters.get(usize::from(index))
    }

    /// Returns the name of a cluster, safe.
    pub fn cluster_name(&self, index: u16) -> &str {
        self.cluster(index).map_or("?", |c| &c.name)
    }

    /// Returns how many lines the list of the shown page has.
    pub fn len(&self) -> usize {
        match self.screen() {
            Screen::Overview => self.overview().keys().len(),
            Screen::Alerts => self.alerts.lines.len(),
            Screen::Nodes => self.nodes.shown.len(),
            Screen::Silences => self.silences.shown.len(),
            Screen::Clusters => self.clusters.len(),
            Screen::Node(_) => self.page().node.as_ref().map_or(0, |n| n.value.checks.len()),
            Screen::Alert(_) | Screen::Check(_) => self.page().output.len(),
            Screen::Operations => self.operations.rows.len(),
            Screen::Silence(_) | Screen::Editor | Screen::Operation(_) => 0,
        }
    }

    /// Reports whether that list is empty.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns the identity of line `i` of the list of the shown page.
    pub fn key_at(&self, i: usize) -> Option<RowKey> {
        match self.screen() {
            Screen::Overview => self.overview().keys().get(i).cloned(),
            Screen::Alerts => match *self.alerts.lines.get(i)? {
                AlertLine::Group(g) => Some(RowKey::Group(self.alerts.groups.get(g)?.key.clone())),
                AlertLine::Alert(_, at) => self.alert(at).map(|row| RowKey::Alert(row.key())),
            },
            Screen::Nodes => self.node(*self.nodes.shown.get(i)?).map(|row| RowKey::Node(row.key())),
            Screen::Silences => self.silence(i).map(|row| RowKey::Silence(row.silence.id.clone())),
            Screen::Clusters => {
                u16::try_from(i).ok().filter(|_| i < self.clusters.len()).map(RowKey::Cluster)
            }
            Screen::Node(node) => {
                let check = self.page().node.as_ref()?.value.checks.get(i)?;
                Some(RowKey::Check(CheckKey { node: node.clone(), check: check.check.clone() }))
            }
            Screen::Operations => self.operations.rows.get(i).map(|row| RowKey::Operation(row.op())),
            Screen::Alert(_)
            | Screen::Check(_)
            | Screen::Silence(_)
            | Screen::Editor
            | Screen::Operation(_) => None,
        }
    }

    /// Returns the line that the cursor is on.
    pub fn current(&self) -> Option<RowKey> {
        self.key_at(self.page().list.at)
    }

    /// Builds the table of alerts anew.
    pub fn rebuild_alerts(&mut self) {
        self.lookup.refresh(&self.clusters);
        self.rebuild_silences();
        self.find_just_silenced();
        let judge = judge(&self.filters[1], &self.own, &self.marks, self.now);
        self.alerts.rebuild(&self.clusters, judge);
        self.count_marks();
    }

    /// Builds anew what depends on the silences.
    pub fn silences_changed(&mut self) {
        self.rebuild_silences();
        self.rebuild_marks();
        if self.awaits_silence() {
            // What was made here may be over already.
            self.rebuild_alerts();
        }
    }

    /// Builds anew what is known beside the alerts; their list changes only where its filter asks for that.
    pub fn rebuild_marks(&mut self) {
        let copies = self.clusters.iter().flat_map(|c| c.silences.value.iter().flat_map(|list| list.iter()));
        let silences = AlertMarks::with_silences(copies.map(|copy| &copy.silence));
        let flapping =
            self.clusters.iter().flat_map(|c| c.flapping.value.iter().flat_map(|list| list.iter()));
        self.marks = flapping.cloned().fold(silences, AlertMarks::join);
        if Wanted::by(&self.filters[1].applied) != Wanted::default() {
            let judge = judge(&self.filters[1], &self.own, &self.marks, self.now);
            self.alerts.refilter(&self.clusters, judge);
            self.count_marks();
        }
    }

    /// Builds the table of nodes anew.
    pub fn rebuild_nodes(&mut self) {
        self.lookup.refresh(&self.clusters);
        let judge = judge(&self.filters[2], &self.own, &self.marks, self.now);
        self.nodes.rebuild(&self.clusters, judge);
    }

    /// Builds the table of silences anew.
    pub fn rebuild_silences(&mut self) {
        let judge = judge(&self.filters[3], &self.own, &self.marks, self.now);
        self.silences.rebuild(&self.clusters, judge);
    }

    /// Returns what judges rows by the filter of the root screen.
    pub fn judge(&self) -> Judge<'_> {
        judge(self.filter(), &self.own, &self.marks, self.now)
    }

    /// Groups the table of alerts anew.
    pub fn regroup_alerts(&mut self) {
        let judge = judge(&self.filters[1], &self.own, &self.marks, self.now);
        self.alerts.regroup(&self.clusters, judge);
        self.count_marks();
    }

    /// Drops the marks of the shown list.
    pub fn unmark(&mut self) {
        self.page_mut().list.marks.clear();
        self.count_marks();
    }

    /// Counts anew how many alerts of each group are marked.
    pub fn count_marks(&mut self) {
        self.alerts.count_marks(&self.clusters, &self.roots[1].list.marks);
    }

    /// Sets the filter of the root screen.
    pub fn set_filter(&mut self, text: &str) {
        self.filters[self.tab].set(text, &self.own);
        self.refilter();
    }

    /// Filters the list of the root screen anew.
    pub fn refilter(&mut self) {
        let judge = judge(&self.filters[self.tab], &self.own, &self.marks, self.now);
        match self.tab {
            1 => {
                self.alerts.refilter(&self.clusters, judge);
                self.count_marks();
            }
            2 => self.nodes.refilter(&self.clusters, judge),
            3 => self.silences.refilter(judge),
            _ => {}
        }
    }

    /// Returns the alerts of a node.
    pub fn alerts_of<'a>(&'a self, node: &'a NodeKey) -> impl Iterator<Item = &'a AlertRow> {
        let label = self.cluster(node.cluster).map_or("", |c| c.node_label.as_str());
        let shown = text::line(rows::without_port(&node.name));
        let rows: Vec<_> = self.lookup.alerts_on(node.cluster, &shown).collect();
        rows.into_iter().filter(move |row| row.alert.labels.get(label) == &*node.name)
    }

    /// Returns the alerts that a logical silence holds back.
    pub fn held_by<'a>(&'a self, silence: &'a SilenceRow) -> impl Iterator<Item = &'a AlertRow> {
        silence.silence.copies.iter().flat_map(|copy| {
            let clusters = (0u16..).zip(&self.clusters);
            let cluster =
                clusters.filter(|(_, cluster)| cluster.raw_name == copy.cluster).map(|(i, _)| i).next();
            cluster.into_iter().flat_map(|cluster| self.lookup.silenced_by(cluster, &copy.silence.id))
        })
    }

    /// Keeps every cursor within its list and on the screen.
    pub fn settle(&mut self) {
        let (len, rows) = (self.len(), self.list_rows());
        let is_output = matches!(self.screen(), Screen::Alert(_) | Screen::Check(_));
        let page = self.page_mut();
        if is_output {
            page.output.top = page.output.top.min(len.saturating_sub(rows.min(len)));
        } else {
            page.list.settle(len, rows);
        }
        let key = self.current();
        self.page_mut().list.key = key;
    }
}

fn judge<'a>(
    field: &'a FilterField,
    own: &'a ClusterLabels,
    marks: &'a AlertMarks,
    now: Timestamp,
) -> Judge<'a> {
    Judge { filter: &field.applied, own, marks, now }
}
