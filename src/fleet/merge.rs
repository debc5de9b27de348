//! Merging what the replicas of a pair say about the same series.
//!
//! A merged answer is a set of votes per series: who said what. Union of sets is commutative,
//! associative and idempotent by nature, so neither order nor repetition of replies matters and
//! nothing is dropped; what the votes *mean* is decided afterwards.

use crate::model::labels::Labels;
use crate::model::node::NodeUp;
use crate::model::status::Status;
use crate::wire::prom_json::Sample;
use foldhash::HashMap;
use std::sync::Arc;

/// What one replica says of a series.
#[derive(Debug, Clone)]
pub struct Vote {
    /// The replica's name.
    pub replica: Arc<str>,
    /// The value.
    pub value: f64,
}

impl Vote {
    /// Orders and compares by bits, so that NaN equals itself and sets stay sets.
    fn key(&self) -> (&str, u64) {
        (&self.replica, self.value.to_bits())
    }
}

impl PartialEq for Vote {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

/// What a replica's raw series holds: the value, and when it was scraped in seconds since the epoch.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RawSample {
    /// The value.
    pub value: f64,
    /// When it was scraped.
    pub time: f64,
}

/// Votes per series.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Merged {
    series: HashMap<Labels, Vec<Vote>>,
}

impl Merged {
    /// Takes one replica's instant vector, without the labels that only tell replicas apart.
    pub fn of(replica: &Arc<str>, samples: &[Sample], drop_labels: &[String]) -> Self {
        let mut merged = Self::default();
        merged.add(replica, samples, drop_labels);
        merged
    }

    /// Joins one replica's instant vector with what is there: the same as the union with [`Self::of`] it, without
    /// a table of its own.
    pub fn add(&mut self, replica: &Arc<str>, samples: &[Sample], drop_labels: &[String]) {
        // A pair knows the same series: the second finds its room taken.
        self.series.reserve(samples.len().saturating_sub(self.series.len()));
        for sample in samples {
            let vote = Vote { replica: replica.clone(), value: sample.value };
            insert(self.series.entry(sample.labels.without(drop_labels)).or_default(), vote);
        }
    }

    /// Joins two merged answers.
    pub fn union(mut self, other: Self) -> Self {
        for (labels, votes) in other.series {
            let ours = self.series.entry(labels).or_default();
            for vote in votes {
                insert(ours, vote);
            }
        }
        self
    }

    /// Returns every series with its votes, in no particular order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&Labels, &[Vote])> {
        self.series.iter().map(|(labels, votes)| (labels, votes.as_slice()))
    }

    /// Returns the votes about one series.
    pub fn votes(&self, labels: &Labels) -> &[Vote] {
        self.series.get(labels).map_or(&[], Vec::as_slice)
    }

    /// Adds one vote.
    pub fn cast(&mut self, labels: &Labels, vote: Vote) {
        insert(self.series.entry(labels.clone()).or_default(), vote);
    }

    /// Settles the votes about `labels` by the replicas' own samples: a vote takes its sample's value, and those
    /// whose sample is older than the freshest by more than `slack` seconds go. `sample` tells a replica's sample;
    /// a vote without one stays as it is, because its age is not known.
    pub fn settle(&mut self, labels: &Labels, sample: impl Fn(&Arc<str>) -> Option<RawSample>, slack: f64) {
        let Some(votes) = self.series.get_mut(labels) else { return };
        let times = votes.iter().filter_map(|v| Some(sample(&v.replica)?.time));
        let freshest = times.fold(f64::NEG_INFINITY, f64::max);
        for vote in std::mem::take(votes) {
            match sample(&vote.replica) {
                Some(raw) if raw.time + slack < freshest => {}
                Some(raw) => insert(votes, Vote { value: raw.value, ..vote }),
                None => insert(votes, vote),
            }
        }
    }

    /// Drops the series of which nobody says anything but OK.
    pub fn drop_ok(&mut self) {
        self.series.retain(|_, votes| status_of(votes).0 != Status::Ok);
    }

    /// Returns how many series there are.
    pub fn len(&self) -> usize {
        self.series.len()
    }

    /// Reports whether there is no series.
    pub fn is_empty(&self) -> bool {
        self.series.is_empty()
    }
}

fn insert(votes: &mut Vec<Vote>, vote: Vote) {
    if let Err(i) = votes.binary_search_by(|v| v.key().cmp(&vote.key())) {
        votes.insert(i, vote);
    }
}

/// Returns the worst status that any replica reports, and whether they disagree.
pub fn status_of(votes: &[Vote]) -> (Status, bool) {
    let statuses = votes.iter().map(|v| Status::from_value(v.value));
    let worst = statuses.clone().fold(Status::Ok, Status::worse);
    (worst, statuses.into_iter().any(|s| s != worst))
}

/// Returns whether a node is up: down only when every replica that knows it says so, else split.
pub fn up_of(votes: &[Vote]) -> NodeUp {
    votes
        .iter()
        .map(|v| if v.value == 1.0 { NodeUp::Up } else { NodeUp::Down })
        .fold(NodeUp::Unknown, NodeUp::merge)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn any_answer() -> impl Strategy<Value = Merged> {
        let value = prop_oneof![Just(0.0), Just(1.0), Just(2.0), Just(f64::NAN)];
        let sample = (0u8..6, value).prop_map(|(n, value)| Sample {
            labels: [("n", n.to_string())].into_iter().collect(),
            time: 1.0,
            value,
        });
        (0u8..3, proptest::collection::vec(sample, 0..8))
            .prop_map(|(replica, samples)| Merged::of(&format!("r{replica}").into(), &samples, &[]))
    }

    proptest! {
        #[test]
        fn union_is_commutative_associative_and_idempotent(a in any_answer(), b in any_answer(), c in any_answer()) {
            prop_assert_eq!(a.clone().union(b.clone()), b.clone().union(a.clone()));
            prop_assert_eq!(a.clone().union(b.clone()).union(c.clone()), a.clone().union(b.clone().union(c)));
            prop_assert_eq!(a.clone().union(a.clone()), a);
        }

        #[test]
        fn adding_is_the_union(a in any_answer(), replica in 0u8..3, numbers in proptest::collection::vec(0u8..6, 0..8)) {
            let name: Arc<str> = format!("r{replica}").into();
            let sample = |n: &u8| Sample { labels: [("n", n.to_string())].into_iter().collect(), time: 1.0, value: 2.0 };
            let samples: Vec<Sample> = numbers.iter().map(sample).collect();
            let mut added = a.clone();
            added.add(&name, &samples, &[]);
            prop_assert_eq!(added, a.union(Merged::of(&name, &samples, &[])));
        }

        #[test]
        fn union_drops_no_vote(a in any_answer(), b in any_answer()) {
            let both = a.clone().union(b.clone());
            for (labels, votes) in a.iter().chain(b.iter()) {
                for vote in votes {
                    prop_assert!(both.votes(labels).contains(vote));
                }
            }
        }

        #[test]
        fn the_order_of_samples_does_not_matter(mut values in proptest::collection::vec((0u8..9, 0u8..3), 0..12)) {
            let take = |list: &[(u8, u8)]| {
                let samples: Vec<Sample> = list.iter().map(|(n, v)| Sample { labels: [("n", n.to_string())].into_iter().collect(), time: 1.0, value: f64::from(*v) }).collect();
                Merged::of(&"r".into(), &samples, &[])
            };
            let forward = take(&values);
            values.reverse();
            prop_assert_eq!(forward, take(&values));
        }
    }

    #[test]
    fn an_empty_replica_does_not_turn_the_fleet_green() {
        let bad = Sample {
            labels: [("check", "disk"), ("replica", "a")].into_iter().collect(),
            time: 1.0,
            value: 2.0,
        };
        let merged =
            Merged::of(&"a".into(), &[bad], &["replica".into()]).union(Merged::of(&"b".into(), &[], &[]));
        let votes = merged.votes(&[("check", "disk")].into_iter().collect());
        assert_eq!(status_of(votes), (Status::Crit, false));
    }

    #[test]
    fn the_fresher_sample_settles_a_disagreement() {
        let labels: Labels = [("check", "disk")].into_iter().collect();
        let settled = |a: Option<f64>, b: Option<f64>| {
            let mut merged = Merged::default();
            for (replica, value) in [("a", 2.0), ("b", 0.0)] {
                merged.cast(&labels, Vote { replica: replica.into(), value });
            }
            let sample = |value: f64, time: Option<f64>| time.map(|time| RawSample { value, time });
            merged.settle(&labels, |r| if &**r == "a" { sample(2.0, a) } else { sample(0.0, b) }, 1.0);
            status_of(merged.votes(&labels))
        };
        assert_eq!(settled(Some(100.0), Some(115.0)), (Status::Ok, false));
        assert_eq!(settled(Some(115.0), Some(100.0)), (Status::Crit, false));
        assert_eq!(settled(Some(100.0), Some(100.5)), (Status::Crit, true));
        assert_eq!(settled(None, Some(100.0)), (Status::Crit, true));
    }

    #[test]
    fn a_raw_sample_beats_what_was_recorded_of_it() {
        let labels: Labels = [("check", "disk")].into_iter().collect();
        let mut merged = Merged::default();
        // B's rule has not been evaluated since its first scrape, so it records nothing bad.
        for (replica, value) in [("a", 2.0), ("b", 0.0)] {
            merged.cast(&labels, Vote { replica: replica.into(), value });
        }
        merged.settle(&labels, |_| Some(RawSample { value: 2.0, time: 100.0 }), 1.0);
        assert_eq!(status_of(merged.votes(&labels)), (Status::Crit, false));
    }

    #[test]
    fn disagreement_is_visible_and_the_worse_stands() {
        let vote = |replica: &str, value| Vote { replica: replica.into(), value };
        assert_eq!(status_of(&[vote("a", 0.0), vote("b", 1.0)]), (Status::Warn, true));
        assert_eq!(status_of(&[vote("a", 3.0), vote("b", 2.0)]), (Status::Crit, true));
        assert_eq!(up_of(&[vote("a", 0.0), vote("b", 0.0)]), NodeUp::Down);
        assert_eq!(up_of(&[vote("a", 0.0), vote("b", 1.0)]), NodeUp::Split);
        assert_eq!(up_of(&[vote("a", 1.0)]), NodeUp::Up);
        assert_eq!(up_of(&[]), NodeUp::Unknown);
    }
}
