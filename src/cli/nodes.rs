//! `iaasmon nodes`: every monitored machine, the worst first.

use super::args::ListArgs;
use super::error::{AppError, Exit};
use super::filter::FilterArgs;
use super::render::{Cell, Column, Shape, Tone};
use super::session::Session;
use crate::fleet::filter::NodeSubject;
use crate::fleet::nodes;
use crate::model::filter::RowKind;
use crate::model::node::Node;
use crate::model::status::Status;
use clap::Args;
use std::cmp::Reverse;

const EXAMPLES: &str = "\
Examples:
  iaasmon nodes
  iaasmon nodes @up=down
  iaasmon nodes rack=r114 '@fails>2'
  iaasmon nodes --cluster 'prod-*' --limit 20
  iaasmon nodes --sort -crit,node
  iaasmon nodes -o name | wc -l";

/// List every node with its failing checks, the worst first
///
/// UP is what the replicas of a pair say together: DOWN only when all that answered say so, SPLIT when they
/// disagree. WORST CHECK is the worst failing check, with how many more there are. A filter knows @cluster
/// @state (of the worst check) @up @node @check @fails.
#[derive(Debug, Clone, Args)]
#[command(after_help = EXAMPLES)]
pub struct NodesArgs {
    /// Which nodes.
    #[command(flatten)]
    pub filter: FilterArgs,
    /// How to print.
    #[command(flatten)]
    pub list: ListArgs,
}

type C = Column<Node>;

const SHAPE: Shape<Node> = Shape {
    columns: &[
        C::name("node", |node, _| Cell::text(&*node.name)),
        C::name("cluster", |node, _| Cell::text(node.cluster.as_str())).droppable(1),
        C::word("up", |node, _| Cell::ranked(node.up.word(), node.up as u8).tone(node.up.into())),
        C::number("crit", |node, _| Cell::count(node.counts.crit, Tone::Bad)),
        C::number("warn", |node, _| Cell::count(node.counts.warn, Tone::Warn)),
        C::number("unkn", |node, _| Cell::count(node.counts.unknown, Tone::Unknown)),
        C::text("worst_check", |node, _| worst_check(node)),
        C::name("labels", |node, _| Cell::text(node.labels.to_string())).wide(),
    ],
    name: |node| node.name.to_string(),
};

fn worst_check(node: &Node) -> Cell<'_> {
    let Some(first) = node.failing.first() else {
        return Cell::text("");
    };
    let disputed = if first.disputed { " (replicas disagree)" } else { "" };
    let more = match node.failing.len() {
        1 => String::new(),
        n => format!(" +{}", n - 1),
    };
    let text = format!("{}{disputed}{more}", first.check);
    Cell { raw: (&*first.check).into(), ..Cell::text(text) }.tone(first.status.into())
}

/// Runs the command.
pub async fn run(args: &NodesArgs, session: &mut Session<'_>) -> Result<Exit, AppError> {
    let filter = args.filter.parse(RowKind::Node, session)?;
    let mut answer = session.ask_all(async |cluster| nodes::nodes(cluster, |_| {}).await).await;
    let own = &session.labels;
    let all = answer.value.len();
    answer.value.retain(|node| filter.is_empty() || filter.shows(&NodeSubject { node, own }));
    answer.value.sort_by(|a, b| {
        rank(a).cmp(&rank(b)).then_with(|| (&a.name, &a.cluster).cmp(&(&b.name, &b.cluster)))
    });
    let found = answer.value.iter().any(|node| node.worst() != Status::Ok);
    let nothing = Session::nothing("nodes", all - answer.value.len());
    let exit = session.list(&SHAPE, answer, &args.list, &nothing)?;
    Ok(exit.or_problems(&args.list, found))
}

/// The worst first: by status, then what is down, then by how many checks fail.
fn rank(node: &Node) -> impl Ord {
    let counts = node.counts;
    (Reverse(node.worst().badness()), node.up, Reverse((counts.crit, counts.unknown, counts.warn)))
}
