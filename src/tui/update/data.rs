//! Answers, and when to ask next.

use crate::fleet::detail::DetailSource;
use crate::fleet::node::NodeDetail;
use crate::fleet::{Answer, ReplicaState};
use crate::model::check::History;
use crate::model::filter::Pseudo;
use crate::model::text;
use crate::model::time::{Timestamp, age};
use crate::tui::msg::{Effect, Journalled, Kind, OutputOf, Payload};
use crate::tui::state::list::RowKey;
use crate::tui::state::operations::OperationRow;
use crate::tui::state::rows::NodeKey;
use crate::tui::state::{Screen, State};
use crate::tui::theme::Role;
use crate::tui::update::navigate;
use std::time::Duration;

/// A source that is slow is left alone for so many times as long as it took.
const CALM: u32 = 10;

/// Moves the clock and asks what is due.
pub fn tick(state: &mut State, now: Timestamp) -> Vec<Effect> {
    let minute = |t: Timestamp| t.timestamp().div_euclid(60);
    let turned = minute(now) != minute(state.now);
    state.now = now;
    // Typing has paused: what is wrong with a filter is worth a word now.
    state.filters[state.tab].told = true;
    if turned {
        // What is new and what has expired depends on the time alone.
        follow(state, State::rebuild_alerts);
    }
    let mut effects = due(state);
    // Its statuses carry no age of their own, so they must be of now. An output carries one, and may be what is being read.
    let is_node = matches!(state.screen(), Screen::Node(_));
    if is_node && state.page().due.is_some_and(|due| due <= now) {
        effects.extend(navigate::load(state));
    }
    effects
}

/// Makes everything due and asks it.
pub fn hurry(state: &mut State) -> Vec<Effect> {
    for cluster in &mut state.clusters {
        Kind::ALL.iter().for_each(|kind| cluster.hurry(*kind));
    }
    due(state)
}

fn due(state: &mut State) -> Vec<Effect> {
    let now = state.now;
    let flapping = state.filters[1].applied.uses(Pseudo::Flap);
    let mut effects = Vec::new();
    for (cluster, i) in state.clusters.iter_mut().zip(0u16..) {
        let wanted = |kind: &Kind| flapping || *kind != Kind::Flapping;
        let asked = Kind::ALL.into_iter().filter(wanted).filter(|kind| cluster.ask(*kind, now));
        let asked: Vec<Kind> = asked.collect();
        effects.extend(asked.into_iter().map(|kind| Effect::Fetch {
            cluster: i,
            kind,
            parts: cluster.wants_parts(kind),
        }));
    }
    effects
}

/// Takes an answer or a part of one.
pub fn take(state: &mut State, cluster: u16, at: Timestamp, last: bool, payload: Payload) {
    state.now = state.now.max(at);
    let refresh = state.refresh;
    let Some(data) = state.clusters.get_mut(usize::from(cluster)) else { return };
    match payload {
        Payload::Alerts(answer) => {
            if data.take_alerts(answer, last, at, refresh) {
                follow(state, State::rebuild_alerts);
            }
        }
        Payload::Nodes(answer) => {
            if data.take_nodes(answer, last, at, refresh) {
                follow(state, State::rebuild_nodes);
            }
        }
        Payload::Silences(answer) => {
            if data.take_silences(answer, last, at, refresh) {
                follow(state, State::silences_changed);
            }
        }
        Payload::Flapping(answer) => {
            if data.take_flapping(answer, last, at, refresh) {
                follow(state, State::rebuild_marks);
            }
        }
        Payload::Status(answer) => data.take_status(*answer, last, at, refresh),
    }
}

/// Changes the tables and puts the cursor back on its line.
pub fn follow(state: &mut State, change: impl FnOnce(&mut State)) {
    change(state);
    let Some(key) = state.page().list.key.clone() else { return };
    let found = place_of(state, &key);
    state.page_mut().list.follow(found);
}

/// Puts the cursor of a page that is shown again on the line that it was on: the list may have changed meanwhile.
pub fn refind(state: &mut State) {
    let Some(key) = state.page().list.key.clone() else { return };
    if let Some(found) = place_of(state, &key) {
        state.page_mut().list.move_to(found);
    }
}

/// Finds the line of an identity; an alert that moved into a closed group is found as its group.
fn place_of(state: &State, key: &RowKey) -> Option<usize> {
    let at = state.page().list.at;
    if state.key_at(at).as_ref() == Some(key) {
        return Some(at);
    }
    (0..state.len()).find(|i| state.key_at(*i).as_ref() == Some(key))
}

/// Takes the output of a check for the page that waits for it.
pub fn take_output(state: &mut State, of: &OutputOf, at: Timestamp, source: &DetailSource) {
    for page in state.stack.iter_mut().filter(|page| waits_for(&page.screen, of)) {
        page.output.take(source, at);
    }
}

/// Takes the earlier runs of a check for the page that waits for them.
pub fn take_history(state: &mut State, of: &OutputOf, history: &Result<History, String>) {
    for page in state.stack.iter_mut().filter(|page| waits_for(&page.screen, of)) {
        if let Some(why) = page.output.take_history(history.as_ref().map_err(String::as_str)) {
            state.message = Some((Role::Notice, why));
        }
    }
}

fn waits_for(screen: &Screen, of: &OutputOf) -> bool {
    match (screen, of) {
        (Screen::Alert(key), OutputOf::Alert(of)) => key == of,
        (Screen::Check(key), OutputOf::Check(of)) => key == of,
        _ => false,
    }
}

/// Takes everything about a node for the page that waits for it. Where nobody answered, what was there stays.
pub fn take_node(state: &mut State, key: &NodeKey, at: Timestamp, answer: Box<Answer<NodeDetail>>) {
    let refresh = state.refresh;
    let waits = |answer: &Answer<NodeDetail>| {
        answer.coverage.replicas().iter().any(|replica| replica.state == ReplicaState::Waiting)
    };
    for page in state.stack.iter_mut().filter(|page| page.screen == Screen::Node(key.clone())) {
        if !waits(&answer) {
            let took = page.asked.map_or(Duration::ZERO, |asked| age(asked, at));
            page.due = Some(at + refresh.max(took * CALM));
        }
        match &mut page.node {
            // A part of an answer is better than nothing, and worse than the last whole one.
            Some(old) if waits(&answer) && !waits(old) => {}
            Some(old) if answer.coverage.answered() == 0 && !waits(&answer) => {
                old.coverage = answer.coverage.clone()
            }
            slot => *slot = Some(answer.clone()),
        }
    }
}

/// Takes what the journal says. The operation under the cursor stays under it.
pub fn take_operations(state: &mut State, answer: Result<Journalled, String>) {
    match answer {
        Ok(Journalled { operations, unreadable }) => {
            let row = |(standing, busy)| OperationRow::new(standing, busy);
            let rows = operations.into_iter().map(row).collect();
            let why = unreadable.first().map(|why| text::line(why).into_owned());
            state.operations.error = why.map(|why| match unreadable.len() - 1 {
                0 => why,
                more => format!("{why} (and {more} more)"),
            });
            follow(state, |state| state.operations.rows = rows);
        }
        Err(why) => state.operations.error = Some(text::line(&why).into_owned()),
    }
}
