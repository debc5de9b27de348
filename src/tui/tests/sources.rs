//! What only a silent replica knows stays, and what servers remark is told.

use super::world::{Case, World, now};
use super::{draw, press, rows};
use crate::fleet::{Answer, Coverage, silences::SilenceCopy};
use crate::model::cluster::Replica;
use crate::net::{Meta, NetError, NetErrorKind, Reply};
use crate::tui::msg::{Msg, Payload};
use crate::tui::state::State;
use crate::tui::state::rows::NodeRow;
use crate::tui::update::update;
use std::sync::Arc;
use std::time::Duration;

/// A world in which all servers answered once.
fn known() -> State {
    World { case: Case::Fresh, odd: String::new() }.state((120, 40))
}

/// What the servers of `known` say now: `silent` are down, the others remark `warnings`.
fn coverage(known: &Coverage, silent: &str, warnings: &[&str]) -> Coverage {
    let parts = known.replicas().iter().map(|r| {
        let replica: &Replica = &r.replica;
        let outcome = if replica.name.starts_with(silent) {
            let kind = NetErrorKind::Connect("connection refused".into());
            Err(NetError { replica: replica.clone(), request: "GET /".to_owned(), kind })
        } else {
            let meta = Meta { took: Duration::from_millis(9), at: now(), skew: None };
            let warnings = warnings.iter().map(|w| (*w).to_owned()).collect();
            Ok(Reply { value: (), meta, warnings })
        };
        Coverage::of(replica, &outcome)
    });
    parts.fold(Coverage::default(), Coverage::join)
}

fn tell(state: &mut State, cluster: u16, payload: Payload) {
    update(state, Msg::Data { cluster, at: now(), last: true, payload });
}

fn nodes(state: &mut State, list: Vec<NodeRow>, silent: &str, warnings: &[&str]) {
    let coverage = coverage(&state.clusters[0].nodes.coverage, silent, warnings);
    tell(state, 0, Payload::Nodes(Answer { value: list, coverage, notes: Vec::new() }));
}

#[test]
fn nodes_that_only_a_silent_replica_knows_stay_and_are_marked() {
    let mut state = known();
    let all: Vec<NodeRow> = state.clusters[0].nodes.value.as_deref().expect("nodes").clone();
    assert!(all.len() > 1);
    let prom_a = all[0].node.seen_by[0].clone();
    let seen_by_a = |row: &NodeRow| {
        let node = crate::model::node::Node { seen_by: vec![prom_a.clone()], ..(*row.node).clone() };
        NodeRow { node: Arc::new(node), ..row.clone() }
    };
    let mut lone = all.clone();
    lone[0] = seen_by_a(&all[0]);
    nodes(&mut state, lone, "nobody", &[]);

    // A is down, and B has restarted without its data.
    nodes(&mut state, Vec::new(), "prom-a", &[]);
    let kept = state.clusters[0].nodes.value.clone().expect("nodes");
    let names: Vec<_> = kept.iter().map(|row| row.name.clone()).collect();
    assert_eq!(names, [all[0].name.clone()], "what B knew, B would have told");
    assert!(kept[0].node.stale);
    press(&mut state, "3");
    let shown = rows(&draw(&state));
    let row = shown.iter().find(|row| row.contains(&*all[0].name)).expect("the row is there");
    assert!(row.contains('~'), "{row}");

    // A is back and has forgotten it as well: now it is gone.
    nodes(&mut state, Vec::new(), "nobody", &[]);
    assert_eq!(state.clusters[0].nodes.value.as_deref().map(Vec::len), Some(0));
}

#[test]
fn a_silence_that_only_a_silent_member_knows_stays_and_is_marked() {
    let mut state = known();
    let copies: Vec<SilenceCopy> = state.clusters[1].silences.value.as_deref().expect("silences").clone();
    let mut lone = copies.clone();
    lone[0].seen_by.truncate(1);
    for (list, silent, kept, marked) in
        [(lone, "nobody", 1, false), (Vec::new(), "am-1", 1, true), (Vec::new(), "nobody", 0, false)]
    {
        let coverage = coverage(&state.clusters[1].silences.coverage, silent, &[]);
        tell(&mut state, 1, Payload::Silences(Answer { value: list, coverage, notes: Vec::new() }));
        assert_eq!(state.clusters[1].silences.value.as_deref().map(Vec::len), Some(kept));
        assert_eq!(state.silences.rows.iter().any(|row| row.kept), marked);
    }
}

#[test]
fn what_servers_remark_is_counted_above_and_told_on_the_cluster() {
    let mut state = known();
    let list = state.clusters[0].nodes.value.as_deref().expect("nodes").clone();
    nodes(&mut state, list, "nobody", &["results \u{1b}[31mtruncated due to limit"]);
    let above = rows(&draw(&state));
    assert!(above[1].contains("2 server warnings"), "one of each replica: {}", above[1]);
    press(&mut state, "5");
    let page = rows(&draw(&state)).join("\n");
    assert_eq!(page.matches("truncated due to limit").count(), 3, "both, and the message line\n{page}");
    assert!(!page.contains('\u{1b}'));
}
