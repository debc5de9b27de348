use super::*;
use crate::fleet::silence::fixtures::*;
use crate::fleet::silence::{Targets, preview};
use crate::model::matcher::{MatchOp, Matcher};

fn judged(draft: &Draft, facts: &[Facts], policy: &SilencePolicy) -> Judgement {
    judge(draft, &preview(draft, facts), facts, policy, now())
}

fn one_alert() -> Vec<Facts> {
    vec![facts("east", vec![alert("east", "NodeDown", "n1", "critical")], vec![])]
}

fn level(draft: &Draft) -> ConfirmLevel {
    judged(draft, &one_alert(), &SilencePolicy::default()).level
}

#[test]
fn a_short_narrow_silence_is_small() {
    assert_eq!(level(&draft(vec![equal("alertname", "NodeDown")])), ConfirmLevel::Small);
}

#[test]
fn matchers_that_name_nothing_are_broad_and_matching_nothing_is_refused() {
    for matchers in [
        vec![Matcher::new("rack", MatchOp::NotEqual, "r9")],
        vec![equal("severity", "critical")],
        vec![Matcher::new("alertname", MatchOp::Regex, ".+")],
    ] {
        assert_eq!(level(&draft(matchers.clone())), ConfirmLevel::Broad, "{matchers:?}");
    }
    for matchers in [vec![], vec![equal("rack", "")], vec![Matcher::new("rack", MatchOp::Regex, ".*")]] {
        assert_eq!(level(&draft(matchers.clone())), ConfirmLevel::Refused, "{matchers:?}");
    }
}

#[test]
fn length_decides() {
    for (hours_long, expected) in [
        (8, ConfirmLevel::Small),
        (9, ConfirmLevel::Medium),
        (25, ConfirmLevel::Broad),
        (7 * 24, ConfirmLevel::Broad),
        (7 * 24 + 1, ConfirmLevel::Refused),
        (-1, ConfirmLevel::Refused),
    ] {
        let draft =
            Draft { ends_at: now() + hours(hours_long), ..draft(vec![equal("alertname", "NodeDown")]) };
        assert_eq!(level(&draft), expected, "{hours_long} h");
    }
    // A pending silence is as long as it lasts, not as long as it is away.
    let later = Draft {
        starts_at: Some(now() + hours(100)),
        ends_at: now() + hours(102),
        ..draft(vec![equal("alertname", "NodeDown")])
    };
    assert_eq!(level(&later), ConfirmLevel::Small);
}

#[test]
fn the_comment_must_be_there_and_fit() {
    let policy = SilencePolicy {
        comment_pattern: Some(regex::Regex::new("INC-[0-9]+").expect("a regex")),
        ..SilencePolicy::default()
    };
    let mut draft = draft(vec![equal("alertname", "NodeDown")]);
    assert_eq!(judged(&draft, &one_alert(), &policy).level, ConfirmLevel::Small);
    draft.comment = "because".into();
    let judgement = judged(&draft, &one_alert(), &policy);
    assert_eq!(judgement.level, ConfirmLevel::Refused);
    assert!(judgement.why().any(|why| why.contains("INC-[0-9]+")));
    draft.comment = " ".into();
    assert_eq!(level(&draft), ConfirmLevel::Refused);
    let lax = SilencePolicy { comment_required: false, ..SilencePolicy::default() };
    assert_eq!(judged(&draft, &one_alert(), &lax).level, ConfirmLevel::Small);
}

#[test]
fn many_alerts_many_clusters_and_a_share_of_the_critical_ones_count() {
    let storm = |cluster: &str, n: usize| {
        let alerts = (0..n).map(|i| alert(cluster, "NodeDown", &format!("n{i}"), "critical")).collect();
        facts(cluster, alerts, vec![])
    };
    let narrow = draft(vec![equal("alertname", "NodeDown")]);
    let policy = SilencePolicy::default();
    let of = |facts: &[Facts]| judged(&narrow, facts, &policy).level;
    assert_eq!(of(&[storm("a", 2), storm("b", 2), facts("c", vec![], vec![])]), ConfirmLevel::Medium);
    assert_eq!(of(&[storm("a", 2), storm("b", 2), storm("c", 2)]), ConfirmLevel::Broad, "all of three");
    assert_eq!(of(&[storm("a", 60)]), ConfirmLevel::Broad, "all that is critical");
    let others = (0..1_000).map(|i| alert("b", "DiskFull", &format!("n{i}"), "critical")).collect();
    assert_eq!(of(&[storm("a", 60), facts("b", others, vec![])]), ConfirmLevel::Medium);
    assert_eq!(of(&[storm("a", 501)]), ConfirmLevel::Broad);
}

#[test]
fn utf8_names_need_a_new_enough_alertmanager_on_every_target() {
    let mut all = vec![facts("east", vec![], vec![])];
    let draft = Draft { targets: Targets::All, ..draft(vec![equal("日本", "x")]) };
    let policy = SilencePolicy::default();
    assert_eq!(judged(&draft, &all, &policy).level, ConfirmLevel::Refused);
    all[0].version = None;
    assert_eq!(judged(&draft, &all, &policy).level, ConfirmLevel::Refused);
    all[0].version = Some((0, 27));
    assert_eq!(judged(&draft, &all, &policy).level, ConfirmLevel::Small);
}

#[test]
fn an_end_that_pages_much_at_once_asks_for_a_second_look() {
    let policy = SilencePolicy::default();
    let most = policy.confirm_above.alerts as usize;
    assert_eq!(judge_expiry(0, &policy).level, ConfirmLevel::Small);
    assert_eq!(judge_expiry(most, &policy).level, ConfirmLevel::Small);
    let judged = judge_expiry(most + 1, &policy);
    assert_eq!(judged.level, ConfirmLevel::Medium);
    assert_eq!(judged.why().collect::<Vec<_>>(), ["51 alerts page again at once (more than 50)"]);
}
