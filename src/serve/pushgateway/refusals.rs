//! Why pushes were refused: told to whoever keeps the gateway, for those who push often look at no answer. It is told on
//! standard error, and on the page until the group's next push. A restart forgets it: the group's stamp says that one failed.

use super::Shared;
use super::group::Nanos;
use super::stage::nanos;
use crate::model::group::GroupKey;
use crate::model::text;
use crate::serve::skeleton::Peer;
use crate::sys::clock::{self, Moment};
use crate::wire::push_path;
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Of so many groups it is known: more than these are refused a minute where somebody means no good.
const MOST_GROUPS: usize = 256;
/// Of one group a line is written so often.
const TELL_EVERY: Duration = Duration::from_secs(60);
/// So much is told of a reason: it may name what was pushed.
const MOST_WORDS: usize = 512;

/// The newest refusal of each group.
#[derive(Debug, Default)]
pub(super) struct Refusals(Mutex<HashMap<GroupKey, Refused>>);

/// What is known of a group's.
#[derive(Debug)]
struct Refused {
    why: Box<str>,
    at: Nanos,
    told: Instant,
    /// How many came since.
    untold: u64,
}

impl Refusals {
    /// Takes one down, and returns how many of its group came before it untold where it is to be told itself.
    fn note(&self, key: &GroupKey, why: &str, now: Moment) -> Option<u64> {
        let why: Box<str> = why[..why.floor_char_boundary(MOST_WORDS)].into();
        let is_over = |told: Instant| now.steady.saturating_duration_since(told) >= TELL_EVERY;
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(refused) = known.get_mut(key) {
            (refused.why, refused.at) = (why, nanos(now.wall));
            if !is_over(refused.told) {
                refused.untold += 1;
                return None;
            }
            refused.told = now.steady;
            return Some(std::mem::take(&mut refused.untold));
        }
        if known.len() >= MOST_GROUPS {
            let (oldest, refused) = known.iter().min_by_key(|(_, refused)| refused.told)?;
            let oldest = is_over(refused.told).then(|| oldest.clone())?;
            known.remove(&oldest);
        }
        known.insert(key.clone(), Refused { why, at: nanos(now.wall), told: now.steady, untold: 0 });
        Some(0)
    }

    /// Returns why the group's newest refusal was, where that came after `since`.
    pub(super) fn since(&self, key: &GroupKey, since: Nanos) -> Option<(Box<str>, Nanos)> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(key).filter(|refused| refused.at > since).map(|refused| (refused.why.clone(), refused.at))
    }
}

impl Shared {
    /// Takes down that a push was refused.
    pub(super) fn note_refusal(&self, key: &GroupKey, peer: &Peer, why: &str) {
        let Some(untold) = self.refusals.note(key, why, clock::moment()) else { return };
        let why = text::line(&why[..why.floor_char_boundary(MOST_WORDS)]);
        let client = peer.address.map(|address| address.ip().to_canonical().to_string());
        let client = client.as_deref().unwrap_or("a local socket");
        // As it stands in a path: that is plain text, whatever the labels are.
        let group = format!("/job{}", push_path::write(key, self.options.names));
        tracing::warn!(group, client, %why, untold, "a push was refused");
    }
}

#[cfg(test)]
mod tests {
    use super::{MOST_GROUPS, MOST_WORDS, Refusals, TELL_EVERY};
    use crate::model::group::GroupKey;
    use crate::serve::pushgateway::stage::nanos;
    use crate::sys::clock::{self, Moment};

    fn later(now: Moment) -> Moment {
        let wall = now.wall + chrono::Duration::from_std(TELL_EVERY).expect("a minute");
        Moment { wall, steady: now.steady + TELL_EVERY }
    }

    #[test]
    fn of_one_group_a_refusal_a_minute_is_told_and_the_newest_is_known() {
        let (refusals, key, now) = (Refusals::default(), GroupKey::new("j", []), clock::moment());
        assert_eq!(refusals.note(&key, "first", now), Some(0));
        assert_eq!(refusals.note(&key, "second", now), None);
        assert_eq!(refusals.note(&key, &"é".repeat(MOST_WORDS), now), None);
        let (why, at) = refusals.since(&key, 0).expect("known");
        assert_eq!((why.len(), at), (MOST_WORDS, nanos(now.wall)));
        assert_eq!(refusals.since(&key, at), None, "it was pushed since");
        assert_eq!(refusals.note(&key, "third", later(now)), Some(2));
        assert_eq!(refusals.since(&GroupKey::new("k", []), 0), None);
    }

    #[test]
    fn however_many_groups_are_refused_few_are_known_and_told() {
        let (refusals, now) = (Refusals::default(), clock::moment());
        let keys: Vec<GroupKey> =
            (0..2 * MOST_GROUPS).map(|number| GroupKey::new(&number.to_string(), [])).collect();
        let told = |now| keys.iter().filter(|key| refusals.note(key, "why", now).is_some()).count();
        assert_eq!(told(now), MOST_GROUPS);
        assert_eq!(refusals.0.lock().expect("nobody panicked").len(), MOST_GROUPS);
        // Those that are known may be told again, in place of others too.
        assert_eq!(told(later(now)), MOST_GROUPS);
        assert_eq!(refusals.0.lock().expect("nobody panicked").len(), MOST_GROUPS);
    }
}
