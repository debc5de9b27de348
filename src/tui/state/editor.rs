//! A silence that is being written, with what it would do now.

use crate::config::SilencePolicy;
use crate::fleet::silence::{ConfirmLevel, Draft, Facts, Judgement, Preview, Targets, judge, preview};
use crate::model::cluster::ClusterName;
use crate::model::matcher::Matcher;
use crate::model::matcher::parse_matchers;
use crate::model::time::{Timestamp, parse_duration};
use crate::tui::state::State;
use crate::tui::state::alerts::AlertLine;
use crate::tui::state::list::RowKey;
use crate::tui::state::rows::{AlertRow, NodeKey};
use crate::tui::state::screen::Screen;
use std::collections::BTreeSet;
use tui_input::Input;

/// A part of the editor that keys go into.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Field {
    /// What is silenced.
    Matchers,
    /// Where.
    Targets,
    /// For how long.
    Duration,
    /// Why.
    Comment,
    /// By whom.
    Author,
    /// Leave without writing.
    Cancel,
    /// Have the last look.
    Review,
}

impl Field {
    /// Every field in the order of Tab.
    pub const ALL: [Self; 7] = [
        Self::Matchers,
        Self::Targets,
        Self::Duration,
        Self::Comment,
        Self::Author,
        Self::Cancel,
        Self::Review,
    ];

    /// Returns the field that Tab goes to, or Shift-Tab.
    pub fn step(self, forward: bool) -> Self {
        let at = Self::ALL.iter().position(|f| *f == self).unwrap_or(0);
        let len = Self::ALL.len();
        Self::ALL[(at + if forward { 1 } else { len - 1 }) % len]
    }
}

/// Where a silence is to be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Where {
    /// On the clusters of what was selected.
    Selected,
    /// Where it matches now.
    Matching,
    /// Everywhere.
    All,
}

/// A silence that is being written.
#[derive(Debug, Clone)]
pub struct Editor {
    /// The text of the matchers.
    pub matchers: Input,
    /// Where it is to be made.
    pub target: Where,
    /// The clusters of what was selected.
    pub selected: Vec<ClusterName>,
    /// The text of the duration.
    pub duration: Input,
    /// The comment.
    pub comment: Input,
    /// The author.
    pub author: Input,
    /// Where keys go.
    pub focus: Field,
    /// What is known of each cluster; absent while it is asked.
    pub facts: Vec<Option<Facts>>,
    /// What stands in the fields, or why it is no silence.
    pub draft: Result<Draft, String>,
    /// What it would do.
    pub preview: Option<Preview>,
    /// What the policy says.
    pub judgement: Option<Judgement>,
    /// The number of its questions.
    pub token: u64,
}

impl Editor {
    /// Starts with these matchers, on these clusters.
    pub fn new(
        matchers: &[Matcher],
        selected: Vec<ClusterName>,
        author: &str,
        clusters: usize,
        token: u64,
    ) -> Self {
        let text = matchers.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
        Self {
            focus: if text.is_empty() { Field::Matchers } else { Field::Comment },
            matchers: Input::new(text),
            target: if selected.is_empty() { Where::Matching } else { Where::Selected },
            selected,
            duration: Input::new("2h".to_owned()),
            comment: Input::default(),
            author: Input::new(author.to_owned()),
            facts: vec![None; clusters],
            draft: Err("loading".into()),
            preview: None,
            judgement: None,
            token,
        }
    }

    /// Returns the field that text goes into.
    pub fn input(&mut self) -> Option<&mut Input> {
        match self.focus {
            Field::Matchers => Some(&mut self.matchers),
            Field::Duration => Some(&mut self.duration),
            Field::Comment => Some(&mut self.comment),
            Field::Author => Some(&mut self.author),
            Field::Targets | Field::Cancel | Field::Review => None,
        }
    }

    /// Counts the clusters that have answered.
    pub fn known(&self) -> usize {
        self.facts.iter().flatten().count()
    }

    /// Changes where it is to be made.
    pub fn next_target(&mut self) {
        self.target = match self.target {
            Where::Selected => Where::Matching,
            Where::Matching => Where::All,
            Where::All if self.selected.is_empty() => Where::Matching,
            Where::All => Where::Selected,
        };
    }

    /// Finds out anew what it would do. Only once every cluster was heard, or is known to be silent.
    pub fn recompute(&mut self, policy: &SilencePolicy, now: Timestamp) {
        self.draft = self.read(now);
        (self.preview, self.judgement) = (None, None);
        let (Ok(draft), Some(facts)) = (&self.draft, self.all_facts()) else { return };
        let preview = preview(draft, &facts);
        self.judgement = Some(judge(draft, &preview, &facts, policy, now));
        self.preview = Some(preview);
    }

    /// Returns what is known of every cluster, once all have answered.
    pub fn all_facts(&self) -> Option<Vec<Facts>> {
        self.facts.iter().cloned().collect()
    }

    fn read(&self, now: Timestamp) -> Result<Draft, String> {
        let parsed = parse_matchers(self.matchers.value()).map_err(|e| format!("matchers: {e}"))?;
        if parsed.matchers.is_empty() {
            return Err("matchers: at least one is needed, such as alertname=\"NodeDown\"".into());
        }
        let length = parse_duration(self.duration.value().trim()).map_err(|e| e.to_string())?;
        let length =
            chrono::TimeDelta::from_std(length).map_err(|_| "the duration is too long".to_owned())?;
        let ends_at = now.checked_add_signed(length).ok_or("the duration is too long")?;
        Ok(Draft {
            matchers: parsed.matchers,
            starts_at: None,
            ends_at,
            created_by: self.author.value().trim().to_owned(),
            comment: self.comment.value().trim().to_owned(),
            targets: match self.target {
                Where::Selected => Targets::Named(self.selected.clone()),
                Where::Matching => Targets::Matching,
                Where::All => Targets::All,
            },
        })
    }

    /// Returns why it cannot be reviewed, if so.
    pub fn obstacle(&self) -> Option<String> {
        if let Err(why) = &self.draft {
            return Some(why.clone());
        }
        let (Some(preview), Some(judgement)) = (&self.preview, &self.judgement) else {
            return Some(format!("asking every cluster: {}/{} answered", self.known(), self.facts.len()));
        };
        if let Err(why) = preview.targets() {
            return Some(why.to_string());
        }
        let refused = judgement.level == ConfirmLevel::Refused;
        refused.then(|| judgement.why().collect::<Vec<_>>().join("; "))
    }

    /// Returns the command line that does the same.
    pub fn command(&self) -> String {
        let quoted = |text: &str| format!("'{}'", text.replace('\'', "'\\''"));
        let mut words = vec!["iaasmon silence add".to_owned()];
        match &self.draft {
            Ok(draft) => words.extend(draft.matchers.iter().map(|m| quoted(&m.to_string()))),
            Err(_) => words.push(quoted(self.matchers.value())),
        }
        match self.target {
            Where::Selected => {
                words.extend(self.selected.iter().map(|c| format!("--cluster {}", quoted(c.as_str()))))
            }
            Where::Matching => {}
            Where::All => words.push("--all-clusters".into()),
        }
        words.push(format!("--duration {}", self.duration.value().trim()));
        words.push(format!("--comment {}", quoted(self.comment.value().trim())));
        words.join(" ")
    }
}

/// More values than this do not become one regular expression: nobody can read it.
const MOST_VALUES: usize = 20;
/// Labels that choose nothing or that only tell replicas apart.
const STRIPPED: [&str; 7] =
    ["severity", "prometheus", "replica", "monitor", "job", "prometheus_replica", "env"];

/// Returns the matchers that all of `rows` share, and their clusters. `pinned` also names their nodes.
pub fn matchers_of(state: &State, rows: &[&AlertRow], pinned: bool) -> (Vec<Matcher>, Vec<ClusterName>) {
    let Some((first, rest)) = rows.split_first() else { return (Vec::new(), Vec::new()) };
    let clusters: BTreeSet<u16> = rows.iter().map(|row| row.cluster).collect();
    let own =
        |name: &str| clusters.iter().filter_map(|c| state.cluster(*c)).any(|c| c.labels.contains_key(name));
    let node_label = state.cluster(first.cluster).map_or("instance", |c| c.node_label.as_str());
    let shared = first.alert.labels.iter().filter(|(name, value)| {
        !STRIPPED.contains(name) && !own(name) && rest.iter().all(|row| row.alert.labels.get(name) == *value)
    });
    use crate::model::matcher::MatchOp::{Equal, Regex};
    let mut matchers: Vec<Matcher> = shared.map(|(name, value)| Matcher::new(name, Equal, value)).collect();
    let nodes: BTreeSet<&str> = rows.iter().map(|row| row.alert.labels.get(node_label)).collect();
    if pinned && nodes.len() > 1 && nodes.len() <= MOST_VALUES && !nodes.contains("") {
        let any = nodes.iter().map(|n| escape(n)).collect::<Vec<_>>().join("|");
        matchers.push(Matcher::new(node_label, Regex, &any));
    }
    let names = clusters.iter().filter_map(|c| state.cluster(*c)).map(|c| c.raw_name.clone()).collect();
    (matchers, names)
}

/// Returns the matchers for these nodes, and their clusters.
pub fn matchers_of_nodes(state: &State, nodes: &[NodeKey]) -> (Vec<Matcher>, Vec<ClusterName>) {
    use crate::model::matcher::MatchOp::{Equal, Regex};
    let Some(first) = nodes.first() else { return (Vec::new(), Vec::new()) };
    let label = state.cluster(first.cluster).map_or("instance", |c| c.node_label.as_str());
    let names: BTreeSet<&str> = nodes.iter().map(|n| &*n.name).collect();
    let matcher = match names.len() {
        1 => Matcher::new(label, Equal, &first.name),
        _ => Matcher::new(label, Regex, &names.iter().map(|n| escape(n)).collect::<Vec<_>>().join("|")),
    };
    let clusters: BTreeSet<u16> = nodes.iter().map(|n| n.cluster).collect();
    let clusters = clusters.iter().filter_map(|c| state.cluster(*c)).map(|c| c.raw_name.clone()).collect();
    (vec![matcher], clusters)
}

/// Escapes what both Rust's and Go's regular expressions take for an operator, and nothing else: the
/// result is read by people.
fn escape(text: &str) -> String {
    let mut escaped = String::new();
    for c in text.chars() {
        if "\\.+*?()|[]{}^$".contains(c) {
            escaped.push('\\');
        }
        escaped.push(c);
    }
    escaped
}

impl State {
    /// Returns what a silence of the selection would match, and the clusters of the selection.
    pub fn silence_of_selection(&self) -> (Vec<Matcher>, Vec<ClusterName>) {
        let marks = &self.page().list.marks;
        let rows = |keys: &mut dyn Iterator<Item = &RowKey>| -> Vec<&AlertRow> {
            keys.filter_map(|key| match key {
                RowKey::Alert(key) => self.alert_of(*key),
                _ => None,
            })
            .collect()
        };
        match self.screen() {
            Screen::Alerts if !marks.is_empty() => matchers_of(self, &rows(&mut marks.iter()), true),
            Screen::Alerts => match self.alerts.lines.get(self.page().list.at) {
                Some(AlertLine::Alert(_, at)) => {
                    matchers_of(self, &self.alert(*at).into_iter().collect::<Vec<_>>(), true)
                }
                Some(AlertLine::Group(g)) => self.of_group(self.alerts.groups.get(*g)),
                None => (Vec::new(), Vec::new()),
            },
            Screen::Overview => match self.current() {
                Some(RowKey::Group(key)) => self.of_group(self.alerts.new.iter().find(|g| g.key == key)),
                _ => (Vec::new(), Vec::new()),
            },
            Screen::Alert(key) => {
                matchers_of(self, &self.alert_of(*key).into_iter().collect::<Vec<_>>(), true)
            }
            Screen::Nodes => {
                let marked = marks.iter().cloned().chain(self.current().filter(|_| marks.is_empty()));
                let nodes: Vec<NodeKey> = marked
                    .filter_map(|key| match key {
                        RowKey::Node(key) => Some(key),
                        _ => None,
                    })
                    .collect();
                matchers_of_nodes(self, &nodes)
            }
            Screen::Node(node) => {
                let (mut matchers, clusters) = matchers_of_nodes(self, std::slice::from_ref(node));
                // On a node's list the check under the cursor is meant; S is the whole node.
                if let (Some(RowKey::Check(key)), Some(cluster)) =
                    (self.current(), self.cluster(node.cluster))
                {
                    matchers.push(Matcher::new(
                        &cluster.check_label,
                        crate::model::matcher::MatchOp::Equal,
                        &key.check,
                    ));
                }
                (matchers, clusters)
            }
            Screen::Check(key) => {
                let (mut matchers, clusters) = matchers_of_nodes(self, std::slice::from_ref(&key.node));
                if let Some(cluster) = self.cluster(key.node.cluster) {
                    matchers.push(Matcher::new(
                        &cluster.check_label,
                        crate::model::matcher::MatchOp::Equal,
                        &key.check,
                    ));
                }
                (matchers, clusters)
            }
            _ => (Vec::new(), Vec::new()),
        }
    }

    fn of_group(&self, group: Option<&crate::tui::state::alerts::Group>) -> (Vec<Matcher>, Vec<ClusterName>) {
        let rows: Vec<&AlertRow> =
            group.into_iter().flat_map(|g| &g.members).filter_map(|at| self.alert(*at)).collect();
        matchers_of(self, &rows, false)
    }
}
