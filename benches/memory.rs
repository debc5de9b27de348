//! How much memory the interface holds for 20,000 nodes and 50,000 enriched alerts, from the bodies
//! as two Alertmanager members of four clusters send them. Prints rows for docs/benchmarks.md.

#[path = "screen/fleet.rs"]
mod fleet;

use fleet::{ALERTS, CLUSTERS, alert, full_state};
use iaasmon::fleet::Answer;
use iaasmon::fleet::alerts::{JoinInput, join};
use iaasmon::model::alert::AmAlert;
use iaasmon::model::labels::Interner;
use iaasmon::tui::msg::{Msg, Payload};
use iaasmon::tui::state::rows::AlertRow;
use iaasmon::tui::update::update;
use iaasmon::wire::am_v2::{Annotations, decode_alerts};
use std::fmt::Write as _;
use std::io::Write as _;

fn main() {
    let mut state = full_state((200, 60));
    let mut bytes = 0;
    for cluster in 0..CLUSTERS {
        let members = [0, 1].map(|_| {
            let body = alert_body(cluster);
            bytes += body.len();
            decode_alerts(body.as_bytes(), Annotations::FirstLine).expect("alerts")
        });
        update(&mut state, taken_in(cluster, &members));
    }
    let (held, peak) = (kib("VmRSS:"), kib("VmHWM:"));
    let what = format!(
        "20,000 nodes and {} alerts of {} MiB in eight bodies",
        usize::from(CLUSTERS) * ALERTS,
        bytes >> 20
    );
    let mut out = std::io::stdout();
    let _ = writeln!(
        out,
        "| memory held, {what} | {} MiB |\n| memory at its peak, the same | {} MiB |",
        held / 1024,
        peak / 1024
    );
    // The state must still be there when the memory is read.
    std::hint::black_box(&state);
}

fn taken_in(cluster: u16, members: &[Vec<AmAlert>; 2]) -> Msg {
    let name = format!("prod-{cluster}");
    let alerts = join(&JoinInput {
        cluster: name.as_str().into(),
        drop_labels: &[],
        prometheus: Vec::new(),
        alertmanager: vec![("am-1".into(), &members[0]), ("am-2".into(), &members[1])],
        has_alertmanager: true,
    });
    let mut rows: Vec<_> = alerts.into_iter().map(|a| AlertRow::new(cluster, a, "instance")).collect();
    AlertRow::sort(&mut rows);
    let answer = Answer { value: rows, coverage: Default::default(), notes: Vec::new() };
    Msg::Data { cluster, at: fleet::time(2), last: true, payload: Payload::Alerts(answer) }
}

/// Returns a line of `/proc/self/status`.
fn kib(line: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux");
    let value = status.lines().find_map(|l| l.strip_prefix(line)).expect("the kernel counts");
    value.trim().trim_end_matches(" kB").parse().expect("a number")
}

/// Returns one cluster's alerts as an Alertmanager sends them, about 3 KB each with their output.
/// Written straight into the text: a tree of values would leave its own mark on the memory.
fn alert_body(cluster: u16) -> String {
    let output = "disk nvme3: available spare has fallen below threshold\\n".repeat(45);
    let mut interner = Interner::default();
    let mut body = String::from("[");
    for i in 0..ALERTS {
        let alert = alert(cluster, i, &mut interner);
        let comma = if i == 0 { "" } else { "," };
        let labels = serde_json::to_string(&alert.labels).expect("strings");
        let _ = write!(
            body,
            r#"{comma}{{"annotations":{{"summary":"{}","output":"{output}"}},"endsAt":"2026-11-24T04:17:18.178Z","fingerprint":"{}","receivers":[{{"name":"mail"}}],"startsAt":"2026-11-24T04:12:18.178Z","status":{{"inhibitedBy":[],"silencedBy":[],"state":"active"}},"updatedAt":"2026-11-24T04:12:18.178Z","generatorURL":"http://prom:9090/graph?g0.expr=x","labels":{labels}}}"#,
            alert.summary(),
            alert.fingerprint,
        );
    }
    body.push(']');
    body
}
