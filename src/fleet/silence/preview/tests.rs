use super::*;
use crate::fleet::silence::fixtures::*;

fn chosen(preview: &Preview) -> Vec<&str> {
    preview.written().map(|c| c.cluster.as_str()).collect()
}

#[test]
fn only_clusters_with_a_matching_alert_or_node_are_chosen() {
    let facts = [
        facts("east", vec![alert("east", "NodeDown", "n1", "critical")], vec![]),
        facts("west", vec![alert("west", "DiskFull", "n9", "critical")], vec![]),
        facts("north", vec![], vec![node("north", "n7", "r1"), node("north", "n8", "r2")]),
    ];
    let by_alert = preview(&draft(vec![equal("alertname", "NodeDown")]), &facts);
    assert_eq!(chosen(&by_alert), ["east"]);
    assert_eq!(by_alert.hits().map(|h| &*h.node).collect::<Vec<_>>(), ["n1"]);
    // Maintenance comes before anything fires.
    let by_node = preview(&draft(vec![equal("instance", "n7")]), &facts);
    assert_eq!(chosen(&by_node), ["north"]);
    // An alertname says nothing of a target, the rack does.
    let both = preview(&draft(vec![equal("alertname", "DiskFull"), equal("rack", "r2")]), &facts);
    assert_eq!(chosen(&both), ["north"]);
    assert_eq!(both.clusters[2].nodes.iter().map(|n| &**n).collect::<Vec<_>>(), ["n8"]);
}

#[test]
fn a_draft_that_matches_nothing_has_no_target_unless_one_is_named() {
    let mut all = [facts("east", vec![], vec![node("east", "n1", "r1")]), facts("west", vec![], vec![])];
    all[1].reachable = false;
    let mut nothing = draft(vec![equal("instance", "n2")]);
    let error = preview(&nothing, &all).targets().expect_err("nothing matches");
    assert_eq!(error, PreviewError::NothingMatches { unknown: vec!["west".into()] });
    assert!(error.to_string().contains("not known: west"), "{error}");
    nothing.targets = Targets::Named(vec!["west".into()]);
    assert_eq!(chosen(&preview(&nothing, &all)), ["west"], "unreachable, named, attempted");
    nothing.targets = Targets::All;
    assert_eq!(chosen(&preview(&nothing, &all)), ["east", "west"]);
}

#[test]
fn a_name_alone_does_not_take_in_every_node() {
    let all = [facts("east", vec![], vec![node("east", "n1", "r1")])];
    for matchers in [vec![equal("alertname", "X")], vec![Matcher::new("rack", MatchOp::NotEqual, "r9")]] {
        assert!(preview(&draft(matchers), &all).targets().is_err());
    }
}

#[test]
fn read_only_clusters_are_skipped_and_named() {
    let mut all = [facts("east", vec![alert("east", "NodeDown", "n1", "critical")], vec![])];
    all[0].access = Access::Ro;
    let preview = preview(&draft(vec![equal("alertname", "NodeDown")]), &all);
    assert_eq!(preview.written().count(), 0);
    assert_eq!(preview.targets(), Err(PreviewError::AllSkipped(vec![("east".into(), Skip::ReadOnly)])));
}

#[test]
fn a_regex_beyond_us_is_said_and_its_cluster_is_chosen() {
    let all = [facts("east", vec![alert("east", "NodeDown", "n1", "critical")], vec![])];
    let unsure = Matcher::new("instance", MatchOp::Regex, "(?!x)n1");
    let preview = preview(&draft(vec![equal("alertname", "NodeDown"), unsure.clone()]), &all);
    assert_eq!(preview.clusters[0].undecided, 1);
    assert_eq!(chosen(&preview), ["east"]);
    assert_eq!(preview.cannot_evaluate.first().map(|(m, _)| m), Some(&unsure));
}

#[test]
fn overlaps_are_told_from_the_same_silence() {
    let mut all = [facts("east", vec![alert("east", "NodeDown", "n1", "critical")], vec![])];
    all[0].silences = vec![
        silence("east", "aaaaaaaa", vec![equal("rack", "r1"), equal("alertname", "NodeDown")]),
        silence("east", "bbbbbbbb", vec![equal("instance", "n1")]),
        silence("east", "cccccccc", vec![equal("alertname", "NodeDown"), equal("rack", "r7")]),
        silence("east", "dddddddd", vec![equal("alertname", "DiskFull")]),
    ];
    let preview = preview(&draft(vec![equal("alertname", "NodeDown"), equal("rack", "r1")]), &all);
    let kinds: Vec<_> = preview.overlaps.iter().map(|o| (o.kind, &*o.silence.id)).collect();
    assert_eq!(
        kinds,
        [
            (OverlapKind::Same, "aaaaaaaa"),
            (OverlapKind::Alerts(1), "bbbbbbbb"),
            (OverlapKind::SameAlertname, "cccccccc"),
        ]
    );
}

#[test]
fn what_stays_visible_is_counted_on_the_nodes_that_are_hit() {
    let alerts = ["NodeDown", "DiskFull", "NtpSkew"].map(|name| alert("east", name, "n1", "warning"));
    let mut all = [facts("east", alerts.into(), vec![])];
    all[0].alerts.push(alert("east", "DiskFull", "n2", "warning"));
    let preview = preview(&draft(vec![equal("alertname", "NodeDown")]), &all);
    assert_eq!(preview.clusters[0].stays_visible, 2);
}

#[test]
fn what_pages_again_is_what_nothing_else_holds_back() {
    let own = group([silence("east", "aaaaaaaa", vec![equal("rack", "r1")])]);
    let other = group([
        silence("east", "aaaaaaaa", vec![equal("rack", "r1")]),
        silence("east", "bbbbbbbb", vec![equal("instance", "n2")]),
        silence("west", "cccccccc", vec![equal("instance", "n1")]),
    ]);
    let mut alerts = vec![
        alert("east", "NodeDown", "n1", "critical"),
        alert("east", "NodeDown", "n2", "critical"),
        alert("east", "NodeDown", "n3", "critical"),
        alert("west", "NodeDown", "n1", "critical"),
    ];
    alerts[2].inhibited_by.push("0123456789abcdef".into());
    let pages: Vec<_> = would_page(&own[0], &alerts, &other)
        .map(|a| (a.cluster.as_str(), a.labels.get("instance")))
        .collect();
    assert_eq!(pages, [("east", "n1")]);
}
