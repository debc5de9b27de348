//! Moving between and within screens.

use crate::model::matcher::{MatchOp, Matcher};
use crate::tui::msg::Effect;
use crate::tui::state::list::RowKey;
use crate::tui::state::output::Output;
use crate::tui::state::rows::NodeKey;
use crate::tui::state::{Page, Screen, State};
use crate::tui::theme::Role;
use crate::tui::update::data::{follow, refind};

/// One level back. On a root list: drop the marks, else close the group under the cursor.
pub fn back(state: &mut State) {
    if state.stack.pop().is_some() {
        return refind(state);
    }
    if !state.page().list.marks.is_empty() {
        state.unmark();
        return;
    }
    let group = match state.current() {
        Some(RowKey::Group(key)) => key,
        Some(RowKey::Alert(_)) => {
            let at = state.page().list.at;
            let above = (0..at).rev().find_map(|i| match state.key_at(i) {
                Some(RowKey::Group(key)) => Some((i, key)),
                _ => None,
            });
            let Some((line, key)) = above else { return };
            state.page_mut().list.at = line;
            key
        }
        _ => return,
    };
    state.alerts.open.remove(&group);
    state.alerts.relist();
}

/// Goes to a root screen.
pub fn tab(state: &mut State, tab: usize) {
    state.tab = tab.min(state.roots.len() - 1);
    state.stack.clear();
    refind(state);
}

/// Moves the cursor, or the text of an output.
pub fn step(state: &mut State, step: isize) {
    let len = state.len();
    let is_output = matches!(state.screen(), Screen::Alert(_) | Screen::Check(_));
    let page = state.page_mut();
    if is_output {
        page.output.top = page.output.top.saturating_add_signed(step);
    } else {
        page.list.step(step, len);
    }
}

/// Opens what is under the cursor.
pub fn open(state: &mut State) -> Vec<Effect> {
    let Some(key) = state.current() else { return Vec::new() };
    match key {
        RowKey::Group(group) if state.screen() == &Screen::Overview => {
            // The groups of the overview are by name alone.
            let row = state.alerts.new.iter().find(|g| g.key == group).and_then(|g| g.members.first());
            let name = row.and_then(|at| state.alert(*at)).map(|row| row.alert.name().to_owned());
            tab(state, 1);
            let only = Matcher::new("alertname", MatchOp::Equal, &name.unwrap_or_default());
            state.set_filter(&only.to_string());
            state.page_mut().list.at = 0;
        }
        RowKey::Group(group) => {
            if !state.alerts.open.remove(&group) {
                state.alerts.open.insert(group);
            }
            state.alerts.relist();
        }
        RowKey::Alert(key) => return push(state, Screen::Alert(key)),
        RowKey::Node(key) => return push(state, Screen::Node(key)),
        RowKey::Check(key) => return push(state, Screen::Check(key)),
        RowKey::Silence(id) => return push(state, Screen::Silence(id)),
        RowKey::Operation(op) => return push(state, Screen::Operation(Some(op))),
        RowKey::Cluster(i) if state.screen() == &Screen::Overview => {
            tab(state, 4);
            state.page_mut().list.at = usize::from(i);
        }
        RowKey::Cluster(i) => show_cluster(state, i),
    }
    Vec::new()
}

/// Shows the alerts of one cluster.
pub fn show_cluster(state: &mut State, cluster: u16) {
    let Some(cluster) = state.cluster(cluster) else { return };
    let only = format!("@{}", Matcher::new("cluster", MatchOp::Equal, cluster.raw_name.as_str()));
    tab(state, 1);
    state.set_filter(&only);
}

/// Opens a screen above the shown one and asks for what it shows.
pub fn push(state: &mut State, screen: Screen) -> Vec<Effect> {
    // Node, check, node, check ...: a way back of more steps than this is not a way back.
    const DEEPEST: usize = 16;
    if state.stack.len() == DEEPEST {
        state.stack.remove(0);
    }
    state.stack.push(Page::new(screen));
    load(state)
}

/// Asks for what the shown page alone needs.
pub fn load(state: &mut State) -> Vec<Effect> {
    let now = state.now;
    let page = state.page_mut();
    (page.asked, page.due) = (Some(now), None);
    match state.screen() {
        Screen::Alert(key) => state
            .alert_of(*key)
            .map(|row| Effect::FetchAlertOutput(*key, row.alert.clone()))
            .into_iter()
            .collect(),
        Screen::Check(key) => vec![Effect::FetchOutput(key.clone())],
        Screen::Node(key) => vec![Effect::FetchNode(key.clone())],
        Screen::Operations => vec![Effect::LoadOperations],
        _ => Vec::new(),
    }
}

/// Shows another run of the shown check or what differs from the last run that was well.
pub fn past(
    state: &mut State,
    change: impl FnOnce(&mut Output) -> Result<bool, &'static str>,
) -> Vec<Effect> {
    match change(&mut state.page_mut().output) {
        Ok(true) => ask_history(state),
        Ok(false) => Vec::new(),
        Err(why) => {
            state.message = Some((Role::Notice, why.into()));
            Vec::new()
        }
    }
}

fn ask_history(state: &State) -> Vec<Effect> {
    match state.screen() {
        Screen::Alert(key) => {
            let row = state.alert_of(*key);
            row.map(|row| Effect::FetchAlertHistory(*key, row.alert.clone())).into_iter().collect()
        }
        Screen::Check(key) => vec![Effect::FetchHistory(key.clone())],
        _ => Vec::new(),
    }
}

/// Goes from an alert to its node.
pub fn go_node(state: &mut State) -> Vec<Effect> {
    let Screen::Alert(key) = *state.screen() else { return Vec::new() };
    let (Some(row), Some(cluster)) = (state.alert_of(key), state.cluster(key.cluster)) else {
        return Vec::new();
    };
    let name = row.alert.labels.get(&cluster.node_label);
    if name.is_empty() {
        state.message = Some((Role::Notice, "this alert is about no node".into()));
        return Vec::new();
    }
    let node = NodeKey { cluster: key.cluster, name: name.into() };
    push(state, Screen::Node(node))
}

/// Marks or unmarks the line under the cursor and moves on. A group marks all of its alerts.
pub fn mark(state: &mut State) {
    let keys: Vec<RowKey> = match state.current() {
        Some(RowKey::Group(group)) => {
            let members = state.alerts.groups.iter().find(|g| g.key == group).map(|g| g.members.clone());
            let rows = members.unwrap_or_default().into_iter().filter_map(|at| state.alert(at));
            rows.map(|row| RowKey::Alert(row.key())).collect()
        }
        Some(key) => vec![key],
        None => return,
    };
    let len = state.len();
    let list = &mut state.page_mut().list;
    if keys.iter().all(|key| list.marks.contains(key)) {
        keys.iter().for_each(|key| {
            list.marks.remove(key);
        });
    } else {
        list.marks.extend(keys);
    }
    list.step(1, len);
    state.count_marks();
}

/// Filters anew and keeps the cursor on its line where the line stays.
pub fn refilter(state: &mut State) {
    follow(state, State::refilter);
}

/// Takes over what was typed into the filter.
pub fn filter_typed(state: &mut State) {
    state.filters[state.tab].changed(&state.own);
    refilter(state);
}

/// Groups by the next thing.
pub fn regroup(state: &mut State) {
    state.alerts.group_by_next(&state.clusters);
    follow(state, State::regroup_alerts);
}
