use super::*;
use crate::model::silence::{Silence, SilenceState};
use crate::model::time::Timestamp;
use proptest::prelude::*;

fn time(second: i64) -> Timestamp {
    Timestamp::from_timestamp(1_700_000_000 + second, 0).expect("in range")
}

fn labels(name: &str) -> Labels {
    [("alertname", name), ("cluster", "east")].into_iter().collect()
}

fn am(name: &str, silenced: &[&str], updated: i64) -> AmAlert {
    AmAlert {
        fingerprint: labels(name).fingerprint(),
        labels: labels(name),
        annotations: [("summary", format!("at {updated}"))].into_iter().collect(),
        starts_at: time(0),
        ends_at: time(300),
        updated_at: time(updated),
        generator_url: "".into(),
        receivers: vec!["mail".into()],
        silenced_by: silenced.iter().map(|s| Arc::from(*s)).collect(),
        inhibited_by: Vec::new(),
        muted_by: Vec::new(),
        unprocessed: false,
    }
}

fn prom(replica: &str, alerts: &[(&str, bool)], readable: bool) -> PromView {
    let alert = |(name, firing): &(&str, bool)| PromAlert {
        labels: [("alertname", *name)].into_iter().collect(),
        annotations: Labels::default(),
        firing: *firing,
        active_at: time(-60),
        value: 1.0,
    };
    let relabelling =
        AlertRelabelling { external_labels: [("cluster", "east")].into_iter().collect(), rules: Vec::new() };
    PromView {
        replica: replica.into(),
        alerts: alerts.iter().map(alert).collect(),
        relabelling: readable.then_some(relabelling),
    }
}

fn join_all(prometheus: &[PromView], members: &[(&str, Vec<AmAlert>)]) -> Vec<Alert> {
    join(&JoinInput {
        cluster: "east".into(),
        drop_labels: &[],
        prometheus: prometheus.iter().collect(),
        alertmanager: members.iter().map(|(name, alerts)| ((*name).into(), alerts.as_slice())).collect(),
        has_alertmanager: true,
    })
}

fn states(alerts: &[Alert]) -> Vec<(&str, AlertState)> {
    let mut states: Vec<_> = alerts.iter().map(|a| (a.name(), a.state)).collect();
    states.sort();
    states
}

#[test]
fn both_sides_become_one_row_with_value_and_suppression() {
    for readable in [true, false] {
        let joined =
            join_all(&[prom("a", &[("Disk", true)], readable)], &[("am1", vec![am("Disk", &["s1"], 5)])]);
        assert_eq!(states(&joined), [("Disk", AlertState::Silenced)], "readable: {readable}");
        assert_eq!(joined[0].value, Some(1.0));
        assert_eq!(
            joined[0].since,
            time(0),
            "firing since Alertmanager heard of it, not since it was pending"
        );
        assert_eq!(joined[0].seen_by, ["a".into(), "am1".into()]);
    }
}

#[test]
fn a_member_that_lags_or_has_restarted_changes_nothing() {
    let full = vec![am("Disk", &["s1"], 9)];
    let lagging = vec![am("Disk", &[], 5)];
    let joined = join_all(&[], &[("am1", full), ("am2", lagging), ("am3", vec![])]);
    assert_eq!(states(&joined), [("Disk", AlertState::Silenced)]);
    assert_eq!(joined[0].annotations.get("summary"), "at 9", "the newest text stands");
}

#[test]
fn what_alertmanager_does_not_have_is_pending_unsent_or_unknown() {
    let view = || prom("a", &[("Old", true), ("New", false)], true);
    assert_eq!(
        states(&join_all(&[view()], &[("am1", vec![])])),
        [("New", AlertState::Pending), ("Old", AlertState::Unsent)]
    );
    assert_eq!(
        states(&join_all(&[view()], &[])),
        [("New", AlertState::Pending), ("Old", AlertState::Unknown)]
    );
}

#[test]
fn one_replica_firing_and_one_pending_is_firing() {
    for views in [["a", "b"], ["b", "a"]] {
        let views: Vec<PromView> = views.iter().map(|r| prom(r, &[("X", *r == "a")], true)).collect();
        assert_eq!(states(&join_all(&views, &[])), [("X", AlertState::Unknown)]);
    }
}

#[test]
fn a_dropped_replica_label_joins_what_alertmanager_holds_twice() {
    let twice: Vec<AmAlert> = ["a", "b"]
        .map(|r| AmAlert {
            labels: labels("X").with("replica", r),
            fingerprint: labels("X").with("replica", r).fingerprint(),
            ..am("X", &[], 1)
        })
        .into();
    let input = JoinInput {
        cluster: "east".into(),
        drop_labels: &["replica".into()],
        prometheus: vec![],
        alertmanager: vec![("am1".into(), &twice)],
        has_alertmanager: true,
    };
    assert_eq!(join(&input).len(), 1);
}

proptest! {
    #[test]
    fn order_and_repetition_of_replies_do_not_matter(
        members in proptest::collection::vec(proptest::collection::vec((0u8..4, 0u8..3, 0i64..5), 0..5), 0..3),
        views in proptest::collection::vec(proptest::collection::vec((0u8..5, any::<bool>()), 0..5), 0..3),
        readable in any::<bool>(),
    ) {
        let members: Vec<(String, Vec<AmAlert>)> = members.iter().enumerate().map(|(i, alerts)| {
            let silences: [&[&str]; 3] = [&[], &["s1"], &["s2", "s3"]];
            (format!("am{i}"), alerts.iter().map(|(n, s, u)| am(&format!("A{n}"), silences[usize::from(*s)], *u)).collect())
        }).collect();
        let names = ["A0", "A1", "A2", "A3", "A4"];
        let views: Vec<PromView> = views.iter().enumerate().map(|(i, alerts)| {
            let alerts: Vec<(&str, bool)> = alerts.iter().map(|(n, f)| (names[usize::from(*n)], *f)).collect();
            prom(&format!("p{i}"), &alerts, readable)
        }).collect();
        let member_refs: Vec<(&str, Vec<AmAlert>)> = members.iter().map(|(n, a)| (n.as_str(), a.clone())).collect();
        let forward = join_all(&views, &member_refs);

        let mut backward_views = views.clone();
        backward_views.reverse();
        let mut backward_members = member_refs.clone();
        backward_members.reverse();
        prop_assert_eq!(&join_all(&backward_views, &backward_members), &forward);

        let doubled_views: Vec<PromView> = views.iter().chain(&views).cloned().collect();
        let doubled: Vec<_> = member_refs.iter().chain(&member_refs).cloned().collect();
        prop_assert_eq!(&join_all(&doubled_views, &doubled), &forward);

        for (_, alerts) in &member_refs {
            for alert in alerts {
                prop_assert!(forward.iter().any(|a| a.fingerprint == alert.fingerprint), "nothing is dropped");
            }
        }
    }
}

#[test]
fn what_no_alertmanager_has_is_one_row_though_one_configuration_is_unreadable() {
    for order in [[0, 1], [1, 0]] {
        let views = [prom("a", &[("New", false)], true), prom("b", &[("New", false)], false)];
        let joined = join_all(&order.map(|i| views[i].clone()), &[("am1", vec![])]);
        assert_eq!(states(&joined), [("New", AlertState::Pending)], "{order:?}");
        assert_eq!(joined[0].labels.get("cluster"), "east");
        assert_eq!(joined[0].seen_by, ["a".into(), "b".into()]);
    }
}

proptest! {
    #[test]
    fn texts_urls_and_readability_do_not_bring_the_order_of_replies_in(
        members in proptest::collection::vec(proptest::collection::vec((0u8..2, 0u8..2, 0u8..2, any::<bool>()), 0..4), 0..4),
        views in proptest::collection::vec((proptest::collection::vec((0u8..3, 0u8..3, 0u8..2), 0..4), any::<bool>()), 0..4),
    ) {
        let members: Vec<(String, Vec<AmAlert>)> = members.iter().enumerate().map(|(i, alerts)| {
            let alert = |(name, text, url, swapped): &(u8, u8, u8, bool)| {
                let mut receivers: Vec<Arc<str>> = vec!["mail".into(), "slack".into()];
                if *swapped {
                    receivers.reverse();
                }
                let annotations = [("summary", format!("text {text}"))].into_iter().collect();
                let generator_url = format!("http://p{url}/").into();
                AmAlert { annotations, generator_url, receivers, ..am(&format!("A{name}"), &[], 1) }
            };
            (format!("am{i}"), alerts.iter().map(alert).collect())
        }).collect();
        let views: Vec<PromView> = views.iter().enumerate().map(|(i, (alerts, readable))| {
            let alert = |(name, rack, text): &(u8, u8, u8)| PromAlert {
                labels: [("alertname", format!("A{name}")), ("rack", format!("r{rack}"))].into_iter().collect(),
                annotations: [("summary", format!("text {text}"))].into_iter().collect(),
                firing: *text == 0,
                active_at: time(i64::from(*text)),
                value: f64::from(*text),
            };
            PromView { alerts: alerts.iter().map(alert).collect(), ..prom(&format!("p{i}"), &[], *readable) }
        }).collect();
        let members: Vec<(&str, Vec<AmAlert>)> = members.iter().map(|(name, list)| (name.as_str(), list.clone())).collect();
        let forward = join_all(&views, &members);
        let backward: (Vec<_>, Vec<_>) = (views.iter().rev().cloned().collect(), members.iter().rev().cloned().collect());
        prop_assert_eq!(&join_all(&backward.0, &backward.1), &forward);
        let doubled: (Vec<_>, Vec<_>) =
            (views.iter().chain(&views).cloned().collect(), members.iter().chain(&members).cloned().collect());
        prop_assert_eq!(&join_all(&doubled.0, &doubled.1), &forward);
    }
}

#[test]
fn a_silence_says_who_works_on_an_alert_and_flapping_is_known_only_where_it_was_asked_for() {
    let silence = |id: &str, comment: &str| Silence {
        id: id.into(),
        matchers: Vec::new(),
        starts_at: time(0),
        ends_at: time(300),
        updated_at: time(0),
        created_by: "kim".to_owned(),
        comment: comment.to_owned(),
        annotations: Default::default(),
        state: SilenceState::Active,
    };
    let acked = silence("s1", "ACK! INC-1 kim looks at it");
    let other = silence("s2", "moving racks, no ACK!");
    let marks = AlertMarks::with_silences([&acked, &other]);
    let alerts =
        join_all(&[], &[("m1", vec![am("a", &["s1", "s2"], 1), am("b", &["s2"], 1), am("c", &["s3"], 1)])]);
    let by_name = |name: &str| alerts.iter().find(|alert| alert.name() == name).expect("joined");
    assert_eq!(["a", "b", "c"].map(|name| marks.is_acked(by_name(name))), [true, false, false]);
    assert_eq!(marks.silences_of(by_name("a")).count(), 2);
    assert_eq!(marks.is_flapping(by_name("a")), None, "nobody was asked");
}
