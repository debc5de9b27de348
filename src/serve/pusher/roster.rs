//! The checks whose results are pushed from here, and those of an earlier life: what is none any more is deleted at the gateways,
//! where it would be UNKNOWN for good. Pure.

use crate::model::group::PushedCheck;
use std::collections::HashSet;

/// Which checks there are.
#[derive(Debug, Default)]
pub(super) struct Roster {
    /// Those that are defined; none before definitions are in force.
    defined: Option<HashSet<PushedCheck>>,
    /// Whether all that defines checks could be read.
    is_whole: bool,
    /// Those that an earlier life pushed and that are not defined, as far as is known.
    earlier: HashSet<PushedCheck>,
    /// Whether the disk says something else.
    is_changed: bool,
}

impl Roster {
    /// Reports whether the results of a check are pushed: a run that began before its definition went ends after it.
    pub(super) fn has(&self, check: &PushedCheck) -> bool {
        self.defined.as_ref().is_none_or(|defined| defined.contains(check))
    }

    /// Reports whether a check is known to be defined.
    pub(super) fn defines(&self, check: &PushedCheck) -> bool {
        self.defined.as_ref().is_some_and(|defined| defined.contains(check))
    }

    /// Puts other definitions in force, and returns the checks that are gone.
    ///
    /// What an earlier life had is not gone where a file could not be read: it may define that.
    pub(super) fn define(&mut self, defined: HashSet<PushedCheck>, is_whole: bool) -> Vec<PushedCheck> {
        let before = self.defined.take().unwrap_or_default();
        let mut gone: Vec<PushedCheck> = before.difference(&defined).cloned().collect();
        (self.defined, self.is_whole, self.is_changed) = (Some(defined), is_whole, true);
        gone.extend(self.settle());
        gone
    }

    /// Takes up what an earlier life pushed, and returns what of it is gone.
    pub(super) fn restore(&mut self, earlier: HashSet<PushedCheck>) -> Vec<PushedCheck> {
        self.earlier = earlier;
        self.settle()
    }

    fn settle(&mut self) -> Vec<PushedCheck> {
        let Some(defined) = &self.defined else { return Vec::new() };
        self.earlier.retain(|check| !defined.contains(check));
        match self.is_whole {
            true => self.earlier.drain().collect(),
            false => Vec::new(),
        }
    }

    /// Takes what is to be written, where that is something else than the disk has.
    pub(super) fn take_unkept(&mut self) -> Option<Vec<PushedCheck>> {
        let defined = self.defined.as_ref().filter(|_| self.is_changed)?;
        let all = defined.iter().chain(&self.earlier).cloned().collect();
        self.is_changed = false;
        Some(all)
    }

    /// The disk has not taken it, or has lost it.
    pub(super) fn not_kept(&mut self) {
        self.is_changed = true;
    }

    /// Reports whether the disk may say something else.
    pub(super) fn has_unkept(&self) -> bool {
        self.is_changed
    }
}

#[cfg(test)]
mod tests {
    use super::Roster;
    use crate::model::group::{GroupKey, PushedCheck};
    use std::collections::HashSet;

    fn checks<const N: usize>(names: [&str; N]) -> HashSet<PushedCheck> {
        let check =
            |name: &str| PushedCheck { group: GroupKey::new(name, []), check: name.into(), source: None };
        names.map(check).into()
    }

    fn names(checks: impl IntoIterator<Item = PushedCheck>) -> String {
        let mut names: Vec<String> = checks.into_iter().map(|check| check.check.into()).collect();
        names.sort();
        names.join(" ")
    }

    fn has(roster: &Roster, name: &str) -> bool {
        checks([name]).iter().all(|check| roster.has(check))
    }

    #[test]
    fn what_is_not_defined_any_more_is_gone_once_and_its_late_results_are_nobodys() {
        let mut roster = Roster::default();
        assert!(has(&roster, "a"), "nothing is known yet");
        assert_eq!(names(roster.define(checks(["a", "b", "c"]), true)), "");
        assert_eq!(names(roster.define(checks(["b", "d"]), true)), "a c");
        assert!(has(&roster, "b") && has(&roster, "d") && !has(&roster, "a"));
        assert_eq!(names(roster.define(checks(["a", "d"]), true)), "b");
        assert!(has(&roster, "a"), "it is back");
    }

    #[test]
    fn what_an_earlier_life_had_is_gone_once_all_definitions_are_read_whichever_comes_first() {
        for disk_is_late in [false, true] {
            let mut roster = Roster::default();
            let earlier = checks(["a", "b", "c"]);
            let mut gone = match disk_is_late {
                true => roster.define(checks(["b"]), false),
                false => roster.restore(earlier.clone()),
            };
            gone.extend(match disk_is_late {
                true => roster.restore(earlier),
                false => roster.define(checks(["b"]), false),
            });
            assert_eq!(names(gone), "", "a file could not be read");
            assert_eq!(roster.take_unkept().map(names).as_deref(), Some("a b c"));
            assert_eq!(roster.take_unkept(), None);
            assert_eq!(names(roster.define(checks(["b", "c"]), true)), "a");
            assert_eq!(roster.take_unkept().map(names).as_deref(), Some("b c"));
            roster.not_kept();
            assert!(roster.has_unkept());
        }
    }
}
