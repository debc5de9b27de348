//! The file of groups as the writer sees it: what it may lack of what is held, and that this is made good.

use super::keep::Keeper;
use super::meter::Meter;
use super::past::Past;
use super::shelf::Shelf;
use super::stage::Changed;
use crate::model::group::GroupKey;
use crate::serve::skeleton::Readiness;
use crate::sys::clock;
use crate::sys::store::StoreError;
use std::collections::HashSet;
use std::sync::Arc;

/// The file of groups.
pub(super) struct Disk {
    keeper: Arc<Keeper>,
    readiness: Readiness,
    meter: Arc<Meter>,
    /// Which opening of the file everything was written to.
    generation: u64,
    /// Whether it was opened anew since: an empty file may have taken the place of a damaged one, whoever found it.
    anew: bool,
    /// Groups of writes that failed: nobody knows what the file has of them.
    doubtful: HashSet<GroupKey>,
}

impl Disk {
    pub(super) fn new(keeper: Arc<Keeper>, readiness: Readiness, meter: Arc<Meter>) -> Self {
        let generation = keeper.generation();
        Self { keeper, readiness, meter, generation, anew: false, doubtful: HashSet::new() }
    }

    pub(super) fn keeper(&self) -> &Arc<Keeper> {
        &self.keeper
    }

    /// Whether it may lack something of what was acknowledged.
    pub(super) fn is_behind(&self) -> bool {
        self.anew || !self.doubtful.is_empty() || self.keeper.generation() != self.generation
    }

    /// Writes what has changed, and what it may lack.
    pub(super) fn write(
        &mut self,
        shelf: &Shelf,
        changed: &[Changed],
        past: &Past,
    ) -> Result<(), StoreError> {
        self.notice();
        let begun = clock::instant();
        let lacking = self.lacking(shelf, changed);
        let written = match &lacking[..] {
            [] if !self.anew && self.doubtful.is_empty() => self.keeper.write(changed, past),
            _ => self.keeper.write(&[lacking, self.anew(changed)].concat(), past),
        };
        self.meter.committed(begun.elapsed(), changed.len(), written.is_ok());
        self.readiness.block("store", written.as_ref().err().map(ToString::to_string));
        match &written {
            Ok(()) => {
                self.anew = false;
                self.doubtful.clear();
            }
            Err(_) => self.doubtful.extend(changed.iter().map(|change| change.key.clone())),
        }
        self.notice();
        written
    }

    fn notice(&mut self) {
        let generation = self.keeper.generation();
        self.anew |= generation != self.generation;
        self.generation = generation;
    }

    /// What has changed, and where nobody knows what the file has of it, all of it.
    fn anew(&self, changed: &[Changed]) -> Vec<Changed> {
        let is_known = |change: &Changed| !self.anew && !self.doubtful.contains(&change.key);
        let before = |change: &Changed| change.before.clone().filter(|_| is_known(change));
        changed.iter().map(|change| Changed { before: before(change), ..change.clone() }).collect()
    }

    /// What the file may lack, but for what is written anyway.
    fn lacking(&self, shelf: &Shelf, changed: &[Changed]) -> Vec<Changed> {
        let written: HashSet<&GroupKey> = changed.iter().map(|change| &change.key).collect();
        let all = shelf.iter().filter(|_| self.anew).map(|(_, group)| &group.key);
        // A group that was refused is on no shelf, and may be in the file all the same.
        let lacking: HashSet<&GroupKey> =
            all.chain(&self.doubtful).filter(|key| !written.contains(key)).collect();
        let held = |key: &GroupKey| shelf.slot(key).and_then(|slot| shelf.at(slot)).cloned();
        let whole = |key: &GroupKey| Changed { slot: 0, key: key.clone(), before: None, now: held(key) };
        lacking.into_iter().map(whole).collect()
    }
}
