//! The command palette: screens, clusters, commands and nodes by substring.

use crate::tui::keymap::Action;
use crate::tui::state::State;
use crate::tui::state::rows::NodeKey;
use tui_input::Input;

/// What an entry of the palette does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Goal {
    /// As if its key was pressed.
    Do(Action),
    /// Show the alerts of a cluster.
    Cluster(u16),
    /// Open a node.
    Node(NodeKey),
}

/// One entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// What kind of thing it is.
    pub kind: &'static str,
    /// Its words, safe.
    pub label: String,
    /// What it does.
    pub goal: Goal,
}

/// The palette.
#[derive(Debug, Clone, Default)]
pub struct Palette {
    /// What is typed.
    pub input: Input,
    /// The entry under the cursor.
    pub at: usize,
    /// What fits, best kinds first, at most [`MOST`].
    pub entries: Vec<Entry>,
}

/// No more entries than fit on a large screen are looked for.
pub const MOST: usize = 30;

const COMMANDS: [(&str, Action); 12] = [
    ("overview", Action::Tab(0)),
    ("alerts", Action::Tab(1)),
    ("nodes", Action::Tab(2)),
    ("silences", Action::Tab(3)),
    ("clusters", Action::Tab(4)),
    ("silence what is selected", Action::Silence),
    ("new silence", Action::NewSilence),
    ("operations: finish or undo", Action::Operations),
    ("refresh now", Action::Refresh),
    ("next theme", Action::Theme),
    ("help", Action::Help),
    ("quit", Action::Quit),
];

impl State {
    /// Lists what fits the typed words.
    pub fn palette_entries(&self, typed: &str) -> Vec<Entry> {
        let typed = typed.trim().to_lowercase();
        let words: Vec<&str> = typed.split_whitespace().collect();
        let fits = |text: &str| words.iter().all(|word| text.contains(word));
        let commands = COMMANDS.iter().map(|(label, action)| Entry {
            kind: "command",
            label: (*label).into(),
            goal: Goal::Do(*action),
        });
        let clusters = (0u16..).zip(&self.clusters).map(|(i, c)| Entry {
            kind: "cluster",
            label: c.name.to_string(),
            goal: Goal::Cluster(i),
        });
        let fixed = commands
            .chain(clusters)
            .filter(|entry| fits(&format!("{} {}", entry.kind, entry.label).to_lowercase()));
        // A node's whole search column would find labels, too; a jump is by name.
        let nodes = self.nodes.all().iter().filter_map(|at| self.node(*at));
        let nodes =
            nodes.filter(|row| !words.is_empty() && fits(row.search.split('\n').next().unwrap_or_default()));
        let nodes = nodes.map(|row| Entry {
            kind: "node",
            label: format!("{}  {}", row.name, self.cluster_name(row.cluster)),
            goal: Goal::Node(row.key()),
        });
        fixed.chain(nodes).take(MOST).collect()
    }
}
