//! Every cluster with every replica.

use super::pen::{Pen, cell, name, number, part};
use super::words;
use crate::model::cluster::ReplicaKind;
use crate::model::text;
use crate::tui::state::State;
use crate::tui::state::data::{ClusterData, Fresh};
use crate::tui::state::trust::skew_of;
use crate::tui::state::wrap::cut;
use crate::tui::theme::Role;

/// Draws the list.
pub fn draw(state: &State, pen: &mut Pen<'_>) {
    let wide = words::cluster_columns(state);
    pen.line(
        0,
        &[
            part(Role::Title, "   "),
            cell(Role::Title, "CLUSTER", wide),
            cell(Role::Title, "PROM", 5),
            cell(Role::Title, "AM", 5),
            cell(Role::Title, "GOSSIP", 8),
            cell(Role::Title, "ALERTS", 6),
            cell(Role::Title, "NODES", 6),
            cell(Role::Title, " AGE", 5),
            cell(Role::Title, "RW", 2),
            part(Role::Title, "NOTE"),
        ],
    );
    let list = &state.page().list;
    for (i, cluster) in state.clusters.iter().enumerate().skip(list.top).take(state.list_rows()) {
        let row = 1 + i - list.top;
        draw_cluster(state, cluster, i, row, wide, pen);
        if i == list.at {
            pen.highlight(row, Role::Selection);
        }
    }
}

fn draw_cluster(state: &State, cluster: &ClusterData, i: usize, row: usize, wide: usize, pen: &mut Pen<'_>) {
    let index = u16::try_from(i).unwrap_or(u16::MAX);
    let fresh = state.fresh(index);
    let gossip = cluster.status.value.as_ref().map_or("?", |s| s.gossip.word());
    let silent = cluster.silent();
    let mark = match fresh {
        Fresh::Stale(_) | Fresh::Slow(_) => '~',
        Fresh::Missing => '!',
        _ if !silent.is_empty() => '!',
        _ => ' ',
    };
    let note = words::note(state, index);
    let unsure = |n: usize, known: bool| match (known, fresh.is_whole()) {
        (false, _) => "?".to_owned(),
        (_, true) => n.to_string(),
        _ => format!("{n}?"),
    };
    let alerts = cluster.alerts.value.as_ref();
    let nodes = cluster.nodes.value.as_ref();
    let nodes = if cluster.servers.0 == 0 {
        "-".into()
    } else {
        unsure(nodes.map_or(0, |n| n.len()), nodes.is_some())
    };
    pen.line(
        row,
        &[
            part(Role::Text, words::marks(i == state.page().list.at, mark)),
            name(Role::Text, &cluster.name, wide),
            cell(Role::Text, &cluster.servers_up(true), 5),
            cell(Role::Text, &cluster.servers_up(false), 5),
            cell(if gossip == "ok" { Role::Text } else { Role::Notice }, gossip, 8),
            number(Role::Text, &unsure(alerts.map_or(0, |a| a.len()), alerts.is_some()), 6),
            number(Role::Text, &nodes, 6),
            number(Role::Text, &state.age_text(index), 5),
            cell(Role::Text, cluster.access.word(), 2),
            part(Role::Error, note),
        ],
    );
}

/// Draws the replicas of a cluster, what is to be known of its data, and when it is asked again.
pub fn replicas(state: &State, cluster: &ClusterData, pen: &mut Pen<'_>) {
    let mut row = 0;
    let widest = cluster.status.value.iter().flat_map(|status| &status.replicas);
    let widest = widest.map(|replica| text::width(&replica.replica.name)).max().unwrap_or(0).clamp(8, 32);
    for replica in cluster.status.value.iter().flat_map(|status| &status.replicas) {
        let (word, role) = if replica.up { ("ok", Role::Good) } else { ("DOWN", Role::Critical) };
        let mut facts = vec![replica.version.clone().unwrap_or_default()];
        facts.extend(replica.took_seconds.map(|s| format!("{:.0}ms", s * 1000.0)));
        facts.extend(replica.started.map(|at| format!("up {}", words::ago(at, state.now))));
        facts.extend(replica.age_seconds.map(|s| format!("newest sample {s:.0}s old")));
        facts.extend(replica.peers.map(|n| format!("sees {n} members")));
        facts.extend(skew_of(replica).map(|s| format!("CLOCK SKEW {s:.0}s")));
        for (integration, (_, failed)) in replica.notifications.iter().filter(|(_, (_, failed))| *failed > 0)
        {
            facts.push(format!("{failed} {integration} notifications FAILED"));
        }
        facts.extend(replica.not_ready.as_ref().map(|why| format!("NOT READY: {why}")));
        facts.extend(replica.error.clone());
        facts.retain(|fact| !fact.is_empty());
        let facts = facts.iter().map(|fact| text::line(fact).into_owned());
        let kind = match replica.replica.kind {
            ReplicaKind::Alertmanager => "am",
            ReplicaKind::Proxy => "prxy",
            ReplicaKind::Pushgateway => "push",
            _ => "prom",
        };
        let start = [
            part(Role::Text, " "),
            cell(Role::Muted, kind, 4),
            name(Role::Text, &text::line(&replica.replica.name), widest),
            cell(role, word, 4),
        ];
        // Long facts (errors above all) go on below, as far as the columns reach.
        let lines = words::wrap(facts, pen.columns().saturating_sub(widest + 13));
        for (i, line) in cut(lines, 3).into_iter().enumerate() {
            match i {
                0 => pen.line(row, &[&start[..], &[part(Role::Text, line)]].concat()),
                _ => pen.text(row, Role::Text, format!("{}{line}", " ".repeat(widest + 12))),
            }
            row += 1;
        }
    }
    if cluster.status.value.is_none() {
        pen.text(row, Role::Text, " loading ...");
        row += 1;
    }
    for note in cluster.alerts.notes.iter().chain(&cluster.nodes.notes) {
        pen.text(row, Role::Notice, format!(" ! {}", text::line(note)));
        row += 1;
    }
    for warning in cluster.warnings() {
        pen.text(row, Role::Notice, format!(" ! {warning}"));
        row += 1;
    }
    pen.text(row, Role::Muted, format!(" {}", next(cluster)));
}

/// When the sources are asked next: slow ones are asked less often, and that is said. In absolute times,
/// because a countdown would send bytes every second.
fn next(cluster: &ClusterData) -> String {
    let word = |next: Option<crate::model::time::Timestamp>, out: bool| match next {
        Some(at) if !out => at.format("%H:%M:%S").to_string(),
        _ => "now".to_owned(),
    };
    format!(
        "asked next: alerts {}, nodes {}, silences {} (r: now)",
        word(cluster.alerts.next, cluster.alerts.asked.is_some()),
        word(cluster.nodes.next, cluster.nodes.asked.is_some()),
        word(cluster.silences.next, cluster.silences.asked.is_some()),
    )
}
