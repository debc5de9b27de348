use super::*;
use crate::model::matcher::MatchOp;
use proptest::prelude::*;

fn at(millis: i64) -> Timestamp {
    Timestamp::from_timestamp_millis(1_800_000_000_000 + millis).expect("in range")
}

fn copy(cluster: &str, id: &str, start: i64, end: i64) -> SilenceCopy {
    SilenceCopy {
        cluster: cluster.into(),
        silence: Silence {
            id: id.into(),
            matchers: vec![
                Matcher::new("rack", MatchOp::Equal, "r1"),
                Matcher::new("alertname", MatchOp::Equal, "NodeDown"),
            ],
            starts_at: at(start),
            ends_at: at(end),
            updated_at: at(start),
            created_by: "me".into(),
            comment: "INC-1".into(),
            state: SilenceState::Active,
            annotations: BTreeMap::new(),
        },
        seen_by: vec!["am-1".into()],
    }
}

fn expired(mut copy: SilenceCopy, end: i64) -> SilenceCopy {
    copy.silence.state = SilenceState::Expired;
    copy.silence.ends_at = at(end);
    copy
}

#[test]
fn copies_of_one_operation_are_one_silence_whatever_their_matchers_order() {
    let mut west = copy("west", "bbbbbbbb-2", 400, 7_200_123);
    west.silence.matchers.reverse();
    // The second member's turn came half a minute later: a timeout lay between.
    let north = copy("north", "cccccccc-3", 31_000, 7_200_123);
    let all = group([copy("east", "aaaaaaaa-1", 0, 7_200_123), west, north]);
    assert_eq!(all.len(), 1);
    assert_eq!(&*all[0].id, "aaaaaaaa-1");
    assert_eq!(all[0].clusters(), ["east".into(), "north".into(), "west".into()]);
    assert_eq!(all[0].drift, []);
}

#[test]
fn a_changed_end_is_drift_and_not_another_silence() {
    let all = group([copy("east", "aaaaaaaa-1", 0, 7_200_123), copy("west", "bbbbbbbb-2", 400, 9_000_000)]);
    assert_eq!(all.len(), 1);
    let drift = Drift::Ends { first: ("east".into(), at(7_200_123)), last: ("west".into(), at(9_000_000)) };
    assert_eq!(
        drift.to_string(),
        "it ends 2027-01-15T10:00:00.123Z on east and 2027-01-15T10:30:00.000Z on west"
    );
    assert_eq!(all[0].drift, [drift]);
    assert_eq!(all[0].ends_at, at(9_000_000));
}

#[test]
fn one_expired_copy_is_drift_and_the_rest_is_in_force() {
    let gone = expired(copy("west", "aaaaaaaa-1", 400, 7_200_123), 60_000);
    let all = group([copy("east", "bbbbbbbb-2", 0, 7_200_123), gone]);
    assert_eq!(all.len(), 1);
    assert_eq!((&*all[0].id, all[0].state), ("bbbbbbbb-2", SilenceState::Active));
    assert_eq!(all[0].drift, [Drift::Expired(vec!["west".into()])]);
}

#[test]
fn the_same_silence_added_twice_stays_two() {
    let pairs = [
        copy("east", "aaaaaaaa-1", 0, 7_200_123),
        copy("west", "bbbbbbbb-2", 100, 7_200_123),
        copy("east", "cccccccc-3", 3_000, 7_203_456),
        copy("west", "dddddddd-4", 3_100, 7_203_456),
    ];
    assert_eq!(group(pairs.clone()).len(), 2);
    // Expired, the ends say nothing any more; the starts still tell them apart.
    let over = pairs.into_iter().enumerate().map(|(i, c)| expired(c, 10_000 + i as i64 * 7));
    let groups = group(over);
    let ids: Vec<Vec<&str>> =
        groups.iter().map(|s| s.copies.iter().map(|c| &*c.silence.id).collect()).collect();
    assert_eq!(ids, [["cccccccc-3", "dddddddd-4"], ["aaaaaaaa-1", "bbbbbbbb-2"]]);
}

#[test]
fn another_author_comment_or_matcher_is_another_silence() {
    let mut other = copy("west", "bbbbbbbb-2", 0, 7_200_123);
    other.silence.comment = "INC-2".into();
    let mut author = copy("north", "cccccccc-3", 0, 7_200_123);
    author.silence.created_by = "you".into();
    let mut fewer = copy("south", "dddddddd-4", 0, 7_200_123);
    fewer.silence.matchers.pop();
    assert_eq!(group([copy("east", "aaaaaaaa-1", 0, 7_200_123), other, author, fewer]).len(), 4);
}

#[test]
fn a_late_twin_on_one_cluster_belongs_to_its_silence_and_is_seen() {
    let all = group([copy("east", "aaaaaaaa-1", 0, 7_200_123), copy("east", "bbbbbbbb-2", 9_000, 7_200_123)]);
    assert_eq!(all.len(), 1);
    assert_eq!(all[0].drift, [Drift::Twins("east".into())]);
}

#[test]
fn an_annotation_ties_copies_whose_times_say_nothing() {
    let mut east = copy("east", "aaaaaaaa-1", 0, 7_200_123);
    let mut west = copy("west", "bbbbbbbb-2", 90_000, 9_000_000);
    for c in [&mut east, &mut west] {
        c.silence.annotations.insert(OP_ANNOTATION.into(), "01OP".into());
    }
    assert_eq!(group([east, west]).len(), 1);
}

#[test]
fn any_copys_id_or_its_unique_beginning_names_the_silence() {
    let mut other = copy("east", "aaaaaaaa-9", 0, 7_200_123);
    other.silence.comment = "INC-2".into();
    let all =
        group([copy("east", "aaaaaaaa-1", 0, 7_200_123), copy("west", "bbbbbbbb-2", 0, 7_200_123), other]);
    assert_eq!(find(&all, "bbbbbbbb-2").expect("west's").comment, "INC-1");
    assert_eq!(find(&all, "bbbbbbbb").expect("its beginning").comment, "INC-1");
    assert_eq!(find(&all, "aaaaaaaa"), Err(FindError::Ambiguous("aaaaaaaa".into(), 2)));
    assert_eq!(find(&all, "aaaaaaaa-9").expect("exact").comment, "INC-2");
    assert_eq!(find(&all, "cccccccc"), Err(FindError::Unknown("cccccccc".into())));
    assert_eq!(find(&all, "bbb"), Err(FindError::TooShort("bbb".into())));
}

fn any_copy() -> impl Strategy<Value = SilenceCopy> {
    (0u8..3, 0u8..200, 0i64..30_000, 0u8..4, any::<bool>(), 0u8..2, proptest::option::of(0u8..2)).prop_map(
        |(cluster, id, start, end, over, comment, op)| {
            let mut c = copy(&format!("c{cluster}"), &format!("{id:08}"), start, 1_000_000 + i64::from(end));
            if over {
                c = expired(c, 40_000 + i64::from(id));
            }
            c.silence.comment = format!("INC-{comment}");
            if let Some(op) = op {
                c.silence.annotations.insert(OP_ANNOTATION.into(), format!("op{op}"));
            }
            c
        },
    )
}

proptest! {
    #[test]
    fn grouping_ignores_order_and_loses_nothing(
        (copies, shuffled) in proptest::collection::vec(any_copy(), 0..12)
            .prop_map(|list| {
                // Ids are unique on a cluster, as on a real one.
                let unique: BTreeMap<_, _> =
                    list.into_iter().map(|c| ((c.cluster.clone(), c.silence.id.clone()), c)).collect();
                unique.into_values().collect::<Vec<_>>()
            })
            .prop_flat_map(|list| (Just(list.clone()), Just(list).prop_shuffle()))
    ) {
        let count = copies.len();
        let groups = group(copies);
        prop_assert_eq!(&groups, &group(shuffled));
        prop_assert_eq!(groups.iter().map(|g| g.copies.len()).sum::<usize>(), count);
        for g in &groups {
            for c in &g.copies {
                prop_assert!(g.has_id(&c.silence.id));
            }
        }
    }
}
