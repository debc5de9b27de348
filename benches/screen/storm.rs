//! One storm of alerts that somebody has silenced, and what the silence editor is told of a fleet of this size.

use crate::fleet::{ALERTS, NODES, alert, answer, full_state, node, time};
use iaasmon::fleet::Coverage;
use iaasmon::fleet::silence::Facts;
use iaasmon::fleet::silences::SilenceCopy;
use iaasmon::model::alert::AlertState;
use iaasmon::model::labels::{Interner, Labels};
use iaasmon::model::matcher::{MatchOp, Matcher};
use iaasmon::model::silence::{Silence, SilenceState};
use iaasmon::tui::msg::{Msg, Payload};
use iaasmon::tui::state::State;
use iaasmon::tui::state::rows::AlertRow;
use iaasmon::tui::update::update;

/// Returns the state with one group of 20,000 alerts, all silenced, under the cursor of the list.
pub fn one_group(size: (u16, u16)) -> State {
    let mut state = full_state(size);
    let mut interner = Interner::default();
    let rows = (0..20_000).map(|i| {
        let mut alert = alert(0, 4 * i, &mut interner);
        let name = (interner.intern("node"), interner.intern(&i.to_string()));
        alert.labels = Labels::new(alert.labels.pairs().iter().cloned().chain([name]));
        alert.fingerprint = alert.labels.fingerprint();
        alert.state = AlertState::Silenced;
        AlertRow::new(0, alert, "instance")
    });
    let mut rows: Vec<_> = rows.collect();
    AlertRow::sort(&mut rows);
    let payload = Payload::Alerts(answer(rows));
    update(&mut state, Msg::Data { cluster: 0, at: time(1), last: true, payload });
    state.tab = 1;
    state.set_filter("@cluster=prod-0");
    state
}

/// Returns what the editor is told of a cluster: every alert and node, and 125 silences.
pub fn facts(cluster: u16) -> Facts {
    let mut interner = Interner::default();
    let name = format!("prod-{cluster}");
    let silences = (0..125).map(|i| SilenceCopy {
        cluster: name.as_str().into(),
        silence: Silence {
            id: format!("{cluster}-{i}").into(),
            matchers: vec![Matcher::new("rack", MatchOp::Equal, &format!("r{i}"))],
            starts_at: time(-60),
            ends_at: time(3600 + i),
            updated_at: time(-60),
            created_by: format!("person-{i}"),
            comment: format!("INC-{i}"),
            state: SilenceState::Active,
            annotations: Default::default(),
        },
        seen_by: Vec::new(),
    });
    Facts {
        cluster: name.as_str().into(),
        access: iaasmon::config::Access::Rw,
        has_alertmanager: true,
        reachable: true,
        node_label: "instance".to_owned(),
        check_label: "check".to_owned(),
        labels: Default::default(),
        alerts: (0..ALERTS).map(|i| alert(cluster, i, &mut interner)).collect(),
        nodes: (0..NODES).map(|i| node(cluster, i, &mut interner)).collect(),
        silences: silences.collect(),
        version: Some((0, 28)),
        coverage: Coverage::default(),
        notes: Vec::new(),
    }
}
