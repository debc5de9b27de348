//! What a group of alerts knows of all of its alerts, beside what looking at each of them tells.

use super::*;
use crate::tui::state::alerts::At;
use crate::tui::tests::press;
use crate::tui::tests::world::{Case, World, now};
use crate::tui::update::update;
use proptest::prelude::*;

/// What every alert of a group says, found by looking at each of them.
fn looked_at(state: &State, group: &Group) -> (bool, bool) {
    let rows = || group.members.iter().filter_map(|at: &At| state.alert(*at));
    let mut said: Vec<_> = rows().map(|row| words::alert_state(state, row).0).collect();
    said.dedup();
    let marks = &state.roots[1].list.marks;
    (said.len() == 1, rows().all(|row| marks.contains(&RowKey::Alert(row.key()))))
}

proptest! {
    #[test]
    fn a_group_knows_of_its_alerts_what_looking_at_each_would_tell(
        case in proptest::sample::select(vec![
            Case::Fresh, Case::Slow, Case::Stale, Case::OneDown, Case::NoAlertmanager, Case::Blind,
        ]),
        keys in "[bjk lz]{0,24}",
        filter in proptest::sample::select(vec!["", "@state=active", "NodeDown"]),
    ) {
        let mut state = World { case, odd: String::new() }.state((120, 40));
        press(&mut state, &format!("2{keys}/{filter}\n{keys}"));
        update(&mut state, crate::tui::msg::Msg::Tick(now()));
        for group in &state.alerts.groups {
            let (alike, marked) = looked_at(&state, group);
            prop_assert_eq!(are_alike(&state, group), alike, "{:?}", group);
            prop_assert_eq!(group.marked == group.members.len(), marked, "{:?}", group);
        }
    }
}
