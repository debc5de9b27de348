//! Which families and series there are, so that a push is held against all others at a cost that does not grow with them.
//!
//! Upstream gathers everything that it has for each push (storage/diskmetricstore.go, checkPushedMetrics); what is refused is the
//! same, as client_golang's registry refuses it.

use super::group::Group;
use super::ready::{Inconsistent, STATUS};
use super::series::Series;
use crate::model::family::Kind;
use foldhash::HashMap;
use std::collections::BTreeSet;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::Arc;

/// A group by its place.
pub(super) type Slot = u32;

/// The families and series of all groups.
#[derive(Debug)]
pub(super) struct Index {
    series: std::collections::HashMap<u64, Slot, BuildHasherDefault<Itself>>,
    /// Series whose number another one has, which does not happen.
    doubles: BTreeSet<(u64, Slot)>,
    families: HashMap<Arc<str>, Claim>,
    /// The gateway's own.
    own: HashMap<Box<str>, Kind>,
    numbers: Series,
}

/// All of an index.
#[cfg(test)]
pub(super) type Held = (BTreeSet<(u64, Slot)>, std::collections::BTreeMap<String, (Kind, u32)>);

/// What is known of a family.
#[derive(Debug)]
struct Claim {
    kind: Kind,
    /// How many groups have it.
    groups: u32,
    /// What it last said about itself.
    help: Option<Arc<str>>,
    /// Who came with it last, and may have gone since.
    last: Slot,
}

impl Index {
    /// Builds an empty one. These are the gateway's own families.
    pub(super) fn new(own: impl IntoIterator<Item = (String, Kind)>, numbers: Series) -> Self {
        Self {
            series: Default::default(),
            doubles: BTreeSet::new(),
            families: HashMap::default(),
            own: own.into_iter().map(|(name, kind)| (name.into(), kind)).collect(),
            numbers,
        }
    }

    /// Returns the text that is held of a family's name, if it is.
    pub(super) fn share_name(&self, name: &str) -> Arc<str> {
        self.families.get_key_value(name).map_or_else(|| name.into(), |(known, _)| known.clone())
    }

    /// Returns the text that is held of what a family says about itself, if it is.
    pub(super) fn share_help(&self, name: &str, help: &str) -> Arc<str> {
        let known = self.families.get(name).and_then(|claim| claim.help.clone());
        known.filter(|known| **known == *help).unwrap_or_else(|| help.into())
    }

    /// Adds what a group has, unless it cannot stand beside what is there.
    ///
    /// # Errors
    /// A family of another type, one whose samples would be taken for another's, or a series that is there already.
    pub(super) fn add<'g>(
        &mut self,
        slot: Slot,
        group: &Group,
        other: impl Fn(Slot) -> Option<&'g Group>,
    ) -> Result<(), Inconsistent> {
        if group.doubled_status() {
            let why =
                format!("{STATUS} of a check that was pushed with its output was pushed as a metric, too");
            return Err(Inconsistent::new(why));
        }
        for (place, (name, kind, help)) in group.families().enumerate() {
            if let Err(why) = self.claim(slot, (&name, kind, help.as_ref()), &other) {
                group.families().take(place).for_each(|(name, ..)| self.leave(&name));
                return Err(why);
            }
        }
        if let Some(why) = group.series().iter().find_map(|number| self.find_twin(*number, group, &other)) {
            group.families().for_each(|(name, ..)| self.leave(&name));
            return Err(why);
        }
        self.enter(slot, group);
        Ok(())
    }

    /// Puts back what was there and was removed.
    pub(super) fn restore(&mut self, slot: Slot, group: &Group) {
        for (name, kind, help) in group.families() {
            self.families.entry(name).or_insert(Claim { kind, groups: 0, help, last: slot }).groups += 1;
        }
        self.enter(slot, group);
    }

    /// Removes what a group has.
    pub(super) fn remove(&mut self, slot: Slot, group: &Group) {
        group.families().for_each(|(name, ..)| self.leave(&name));
        for number in group.series() {
            if self.doubles.remove(&(*number, slot)) {
                continue;
            }
            // A number that two of its own series have was removed with the first.
            if self.series.get(number) != Some(&slot) {
                continue;
            }
            self.series.remove(number);
            let next = self.doubles.range((*number, 0)..=(*number, Slot::MAX)).next().copied();
            if let Some(double) = next {
                self.doubles.remove(&double);
                self.series.insert(*number, double.1);
            }
        }
        if self.series.capacity() > 4 * self.series.len().max(1024) {
            self.series.shrink_to(2 * self.series.len());
        }
    }

    /// Returns how many series there are.
    pub(super) fn len(&self) -> usize {
        self.series.len() + self.doubles.len()
    }

    /// Returns all of it, so that two can be compared, but for what families say about themselves: that saves memory alone.
    #[cfg(test)]
    pub(super) fn holds(&self) -> Held {
        let firsts = self.series.iter().map(|(number, slot)| (*number, *slot));
        let series = firsts.chain(self.doubles.iter().copied());
        let families = self.families.iter();
        let families = families.map(|(name, claim)| (name.to_string(), (claim.kind, claim.groups)));
        (series.collect(), families.collect())
    }

    fn enter(&mut self, slot: Slot, group: &Group) {
        for number in group.series() {
            if let Some(first) = self.series.get(number) {
                // Two of one group, too, need but one mark.
                if *first != slot {
                    self.doubles.insert((*number, slot));
                }
            } else {
                self.series.insert(*number, slot);
            }
        }
    }

    /// Looks whether a number stands for the same series in another group.
    fn find_twin<'g>(
        &self,
        number: u64,
        group: &Group,
        other: &impl Fn(Slot) -> Option<&'g Group>,
    ) -> Option<Inconsistent> {
        let first = *self.series.get(&number)?;
        let doubles = self.doubles.range((number, 0)..=(number, Slot::MAX)).map(|(_, slot)| *slot);
        let ours = group.named(number, &self.numbers);
        for theirs in std::iter::once(first).chain(doubles).filter_map(other) {
            let named = theirs.named(number, &self.numbers);
            if let Some((family, labels)) = ours.iter().find(|one| named.contains(one)) {
                let labels = labels.iter().map(|(name, value)| (name.as_str(), value.as_str()));
                return Some(Inconsistent::twice(family, labels).held_by(Some(theirs)));
            }
        }
        None
    }

    fn claim<'g>(
        &mut self,
        slot: Slot,
        (name, kind, help): (&Arc<str>, Kind, Option<&Arc<str>>),
        other: &impl Fn(Slot) -> Option<&'g Group>,
    ) -> Result<(), Inconsistent> {
        if let Some(known) = self.families.get_mut(name) {
            if known.kind != kind {
                let why =
                    format!("collected metric {name:?} is not a {} but a {}", known.kind.name(), kind.name());
                return Err(Inconsistent::new(why).held_by(known.holder(name, other)));
            }
            known.groups += 1;
            known.last = slot;
            if help.is_some() {
                known.help = help.cloned();
            }
            return Ok(());
        }
        // Who pushes what a library tells of its process has families of these names: they stand beside the gateway's own, told
        // from them by their job.
        if let Some(own) = self.own.get(&**name).filter(|own| **own != kind) {
            return Err(Inconsistent::new(format_args!(
                "gathered metric family {name} has type {} but should have {}",
                kind.name(),
                own.name()
            )));
        }
        self.look_at_endings(name, kind, other)?;
        self.families.insert(name.clone(), Claim { kind, groups: 1, help: help.cloned(), last: slot });
        Ok(())
    }

    fn leave(&mut self, name: &str) {
        if let Some(known) = self.families.get_mut(name) {
            known.groups -= 1;
            if known.groups == 0 {
                self.families.remove(name);
            }
        }
    }

    /// Refuses a family that has the name of a sample of another one, or whose samples have another's name (client_golang,
    /// checkSuffixCollisions).
    fn look_at_endings<'g>(
        &self,
        name: &str,
        kind: Kind,
        other: &impl Fn(Slot) -> Option<&'g Group>,
    ) -> Result<(), Inconsistent> {
        let holder = |name: &str| self.families.get(name).and_then(|claim| claim.holder(name, other));
        let known = |name: &str| {
            self.families.get(name).map(|claim| claim.kind).or_else(|| self.own.get(name).copied())
        };
        for ending in ["_count", "_sum", "_bucket"] {
            let whole = name.strip_suffix(ending).and_then(|whole| Some((whole, endings(known(whole)?))));
            if let Some((whole, (word, endings))) = whole
                && endings.contains(&ending)
            {
                let why = format!(
                    "collected metric named {name:?} collides with previously collected {word} named {whole:?}"
                );
                return Err(Inconsistent::new(why).held_by(holder(whole)));
            }
        }
        let (_, own) = endings(kind);
        for ending in own {
            let sample = format!("{name}{ending}");
            if known(&sample).is_some() {
                let why = format!(
                    "collected histogram or summary named {name:?} collides with previously collected metric named {sample:?}"
                );
                return Err(Inconsistent::new(why).held_by(holder(&sample)));
            }
        }
        Ok(())
    }
}

impl Claim {
    /// Returns a group that has the family, where that is known without looking at all of them.
    fn holder<'g>(&self, name: &str, other: &impl Fn(Slot) -> Option<&'g Group>) -> Option<&'g Group> {
        other(self.last).filter(|group| group.families().any(|(known, ..)| *known == *name))
    }
}

/// The endings that samples of such a family have beside its name.
fn endings(kind: Kind) -> (&'static str, &'static [&'static str]) {
    match kind {
        Kind::Summary => ("summary", &["_count", "_sum"]),
        Kind::Histogram | Kind::GaugeHistogram => ("histogram", &["_count", "_sum", "_bucket"]),
        Kind::Counter | Kind::Gauge | Kind::Untyped => ("", &[]),
    }
}

/// The numbers are hashes themselves.
#[derive(Debug, Default)]
struct Itself(u64);

impl Hasher for Itself {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        // Nothing but numbers comes here.
        bytes.iter().for_each(|byte| self.0 = self.0.rotate_left(8) ^ u64::from(*byte));
    }

    fn write_u64(&mut self, number: u64) {
        self.0 = number;
    }
}
