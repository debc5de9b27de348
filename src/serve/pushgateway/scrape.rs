//! All groups of one moment as they are scraped. They are taken from the shelf in one go, and what is written of them is written
//! beside it: a push does not wait for a page.

use super::group::{Group, Nanos};
use super::ready::{FAILED, PUSHED, STATUS};
use super::shelf::Shelf;
use crate::model::family::{Family, Kind, Metric, Value};
use crate::sys::clock::Moment;
use crate::wire::exposition::{Exposition, Format, write};
use foldhash::HashMap;
use std::collections::BTreeSet;
use std::sync::Arc;

/// What upstream says about the stamps.
pub(super) const PUSHED_HELP: &str = "Last Unix time when changing this group in the Pushgateway succeeded.";
pub(super) const FAILED_HELP: &str = "Last Unix time when changing this group in the Pushgateway failed.";

/// What an exporter says about the statuses, too.
const STATUS_HELP: &str = "Status of a check: 0 OK, 1 WARN, 2 CRIT, 3 UNKNOWN or stale.";

/// All groups of one moment.
#[derive(Debug)]
pub(super) struct Scrape {
    /// By their places on the shelf.
    groups: Vec<Arc<Group>>,
    bytes: usize,
}

/// A family, and who has it where among its own.
type Members = (Arc<str>, Vec<(u32, u32)>);

/// The groups of a moment with what they have, by name.
pub(super) struct Sorted<'a> {
    groups: &'a [Arc<Group>],
    families: Vec<Members>,
    format: Format,
}

impl Scrape {
    /// Takes what there is.
    pub(super) fn of(shelf: &Shelf) -> Self {
        Self { groups: shelf.iter().map(|(_, group)| group.clone()).collect(), bytes: shelf.bytes() }
    }

    /// Returns how many groups there are.
    pub(super) fn len(&self) -> usize {
        self.groups.len()
    }

    /// Returns how much they hold.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Puts what they have in order of name, for a page that is to be read like this.
    pub(super) fn sorted(&self, format: Format) -> Sorted<'_> {
        let mut families: Vec<Members> = Vec::new();
        let mut by_name: HashMap<&str, usize> = HashMap::default();
        // Groups are alike: what the one before had in this place this one has, too, and its name is the same piece of memory.
        let mut alike: Vec<usize> = Vec::new();
        for (number, group) in (0..).zip(&self.groups) {
            for (place, part) in group.parts().iter().enumerate() {
                let known =
                    alike.get(place).copied().filter(|known| Arc::ptr_eq(&families[*known].0, &part.name));
                let family = known.unwrap_or_else(|| {
                    *by_name.entry(&part.name).or_insert_with(|| {
                        families.push((part.name.clone(), Vec::new()));
                        families.len() - 1
                    })
                });
                match alike.get_mut(place) {
                    Some(before) => *before = family,
                    None => alike.push(family),
                }
                families[family].1.push((number, u32::try_from(place).unwrap_or(u32::MAX)));
            }
        }
        families.sort_unstable_by(|a, b| a.0.cmp(&b.0));
        Sorted { groups: &self.groups, families, format }
    }
}

impl Sorted<'_> {
    /// Writes all of it as it is scraped, but for the samples of these families.
    pub(super) fn write(&self, now: Moment, except: &BTreeSet<String>, page: &mut Exposition) {
        if self.format == Format::Protobuf {
            let natives = self.groups.iter().flat_map(|group| group.natives());
            natives.for_each(|(family, native)| page.native(family, native.clone()));
        }
        page.append(|out| self.write_text(now, except, out));
    }

    fn write_text(&self, now: Moment, except: &BTreeSet<String>, out: &mut String) {
        out.reserve(self.groups.iter().map(|group| group.page_bytes()).sum());
        if !self.groups.is_empty() {
            self.write_stamps(FAILED, FAILED_HELP, |group| group.failed, out);
            self.write_stamps(PUSHED, PUSHED_HELP, |group| group.pushed, out);
        }
        let has_checks = self.groups.iter().any(|group| group.checks.is_some());
        if has_checks && self.find(STATUS).is_none() {
            write::head(STATUS, Some(STATUS_HELP), Kind::Gauge, out);
            self.write_statuses(now, out);
        }
        for family in self.families.iter().filter(|(name, _)| !except.contains(&**name)) {
            self.write_family(family, out);
            if *family.0 == *STATUS {
                self.write_statuses(now, out);
            }
        }
    }

    /// Writes the statuses of checks as they are now: what is past its bound is not what it was.
    fn write_statuses(&self, now: Moment, out: &mut String) {
        for group in self.groups.iter().filter(|group| group.checks.is_some()) {
            write::samples(&group.statuses(|entry| f64::from(entry.judge(false, now).status.value())), out);
        }
    }

    /// Returns the head and the lines of a family, where somebody pushed it.
    pub(super) fn family(&self, name: &str) -> Option<(String, String)> {
        let mut text = String::new();
        let lines = self.write_family(self.find(name)?, &mut text);
        let lines = text.split_off(lines);
        Some((text, lines))
    }

    fn find(&self, name: &str) -> Option<&Members> {
        let place = self.families.binary_search_by(|(known, _)| (**known).cmp(name)).ok()?;
        self.families.get(place)
    }

    /// Writes a family, and returns where its lines begin.
    fn write_family(&self, (name, members): &Members, out: &mut String) -> usize {
        let members =
            || members.iter().map(|(group, place)| (&self.groups[*group as usize], *place as usize));
        let parts = || members().filter_map(|(group, place)| group.parts().get(place));
        let help = parts().find_map(|part| part.help.as_deref());
        let kind = parts().next().map_or(Kind::Untyped, |part| part.kind);
        match self.format {
            Format::Text | Format::OpenMetrics => write::head(name, help, kind, out),
            // It is read once more, and messages know all types.
            Format::Protobuf => write::exact_head(name, help, kind, out),
        }
        let lines = out.len();
        members().for_each(|(group, place)| out.push_str(group.lines(place)));
        lines
    }

    fn write_stamps(&self, name: &str, help: &str, of: impl Fn(&Group) -> Nanos, out: &mut String) {
        write::head(name, Some(help), Kind::Gauge, out);
        for group in self.groups {
            let labels =
                group.labels().into_iter().map(|(name, value)| (name.into(), value.into())).collect();
            let stamp = Metric { labels, value: Value::Plain(seconds(of(group))), timestamp_ms: None };
            let family = Family { name: name.into(), help: None, kind: Kind::Gauge, metrics: vec![stamp] };
            write::samples(&family, out);
        }
    }
}

/// Stamps are shown in seconds.
pub(super) fn seconds(stamp: Nanos) -> f64 {
    stamp as f64 / 1e9
}
