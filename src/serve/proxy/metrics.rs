//! The proxy's metrics: for each member a ledger that must balance, and what was done for the alerts' words.

use super::Shared;
use super::exchange::Counts;
use crate::sys::clock;
use crate::wire::exposition::{Exposition, Kind};

/// A column of the ledger: the metric's name, its help, and the count.
type Column = (&'static str, &'static str, fn(&Counts) -> u64);

/// Offered is the sum of the next four and of what is queued; what is lost is part of what expired.
const LEDGER: [Column; 7] = [
    ("iaasmon_proxy_copies_offered", "Copies of alerts that were to be sent to the member.", |c| c.offered),
    ("iaasmon_proxy_copies_forwarded", "Copies that the member took.", |c| c.forwarded),
    ("iaasmon_proxy_copies_refused", "Copies that the member will never take.", |c| c.refused),
    ("iaasmon_proxy_copies_superseded", "Copies in whose place a newer one was sent.", |c| c.superseded),
    ("iaasmon_proxy_copies_expired", "Copies that could not be sent while they meant something.", |c| {
        c.expired
    }),
    ("iaasmon_proxy_copies_lost", "Copies of these that no other member has either.", |c| c.lost),
    ("iaasmon_proxy_sends_failed", "Requests to the member that failed.", |c| c.failures),
];

pub(super) fn write(out: &mut Exposition, shared: &Shared) {
    let now = clock::instant();
    let members = shared.members.all();
    let (known, lanes) = {
        let exchange = shared.exchange();
        let lanes: Vec<_> = exchange
            .lanes()
            .filter_map(|(member, lane)| {
                // One that has just joined has its name on the next page.
                let name = members.iter().find(|one| one.member == member)?.name.to_string();
                let age = lane.oldest().map_or(0.0, |at| now.saturating_duration_since(at).as_secs_f64());
                Some((name, lane.counts(), lane.len(), age, lane.is_failing()))
            })
            .collect();
        (exchange.len(), lanes)
    };
    for (name, help, count) in LEDGER {
        out.family(name, help, Kind::Counter);
        for (member, counts, ..) in &lanes {
            out.sample(&[("alertmanager", member)], count(counts) as f64);
        }
    }
    out.family("iaasmon_proxy_queue_length", "Copies that wait or are under way.", Kind::Gauge);
    for (member, _, length, ..) in &lanes {
        out.sample(&[("alertmanager", member)], *length as f64);
    }
    out.family(
        "iaasmon_proxy_queue_age_seconds",
        "For how long the member is without the first of them.",
        Kind::Gauge,
    );
    for (member, _, _, age, _) in &lanes {
        out.sample(&[("alertmanager", member)], *age);
    }
    out.family(
        "iaasmon_proxy_alertmanager_up",
        "Whether the last request to the member succeeded.",
        Kind::Gauge,
    );
    for (member, .., failing) in &lanes {
        out.sample(&[("alertmanager", member)], f64::from(u8::from(!failing)));
    }
    let [details, bytes, running, paused] = shared.fetcher.counts();
    for (name, help, value) in [
        ("iaasmon_proxy_alerts_known", "Alerts that were received lately.", known),
        ("iaasmon_proxy_details_known", "Details that are held.", details),
        ("iaasmon_proxy_details_bytes", "The bytes of their words.", bytes),
        ("iaasmon_proxy_details_running", "Details that are being fetched.", running),
        ("iaasmon_proxy_nodes_paused", "Nodes that did not answer and are left alone for a while.", paused),
    ] {
        out.family(name, help, Kind::Gauge);
        out.sample(&[], value as f64);
    }
    shared.meter.write(out);
}
