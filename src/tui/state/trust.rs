//! How far what is shown can be trusted, in words: the part of every screen that says who does not answer.

use crate::fleet::status::{ReplicaStatus, SKEW_SECONDS};
use crate::fleet::{Coverage, ReplicaState};
use crate::model::cluster::ReplicaKind;
use crate::model::text;
use crate::model::time::{Timestamp, age, format_age};
use crate::tui::state::State;
use crate::tui::state::data::{ClusterData, Fresh};
use std::time::Duration;

/// Says which replicas are missing and which are still waited for.
pub fn gaps(coverage: &Coverage) -> String {
    let names = |stands: ReplicaState| {
        let replicas = coverage.replicas().iter().filter(|r| r.state == stands);
        replicas.map(|r| text::line(&r.replica.name).into_owned()).collect::<Vec<_>>().join(" ")
    };
    let said = |names: String, says: &str| {
        if names.is_empty() { String::new() } else { format!("   {says} {names}") }
    };
    said(names(ReplicaState::Missing), "! no answer:") + &said(names(ReplicaState::Waiting), "waiting for:")
}

/// Returns how far a server's clock is off, in seconds, where that matters.
pub fn skew_of(replica: &ReplicaStatus) -> Option<f64> {
    replica.skew_seconds.filter(|skew| skew.abs() > SKEW_SECONDS)
}

/// Says how long ago something was, in words that change at most once a minute: each change is sent to the terminal.
pub fn ago(then: Timestamp, now: Timestamp) -> String {
    let age = age(then, now);
    if age < Duration::from_secs(60) { "<1m".to_owned() } else { format_age(age) }
}

/// As [`ago`], in steps of ten seconds below a minute: for answers that are overdue.
fn overdue(then: Timestamp, now: Timestamp) -> String {
    let age = age(then, now);
    let seconds = age.as_secs();
    if seconds < 60 { format!("{}s", seconds / 10 * 10) } else { format_age(age) }
}

impl State {
    /// Returns how far a cluster's data can be trusted.
    pub fn fresh(&self, index: u16) -> Fresh {
        self.cluster(index).map_or(Fresh::Missing, |c| c.fresh(self.now, self.refresh))
    }

    /// Reports whether rows of this cluster are older than they should be.
    pub fn is_stale(&self, index: u16) -> bool {
        matches!(self.fresh(index), Fresh::Slow(_) | Fresh::Stale(_) | Fresh::Missing)
    }

    /// Reports whether every cluster's data is complete: only then is a count a count.
    pub fn is_whole(&self) -> bool {
        (0u16..).zip(&self.clusters).all(|(i, _)| self.fresh(i).is_whole())
    }

    /// Reports whether no cluster has data that can be trusted, although all were asked.
    pub fn is_blind(&self) -> bool {
        !self.clusters.is_empty()
            && (0u16..)
                .zip(&self.clusters)
                .all(|(i, _)| matches!(self.fresh(i), Fresh::Stale(_) | Fresh::Missing))
    }

    /// Returns how many clusters' silences are not known as they are now.
    pub fn unknown_silences(&self) -> usize {
        let unknown =
            |c: &&ClusterData| c.servers.1 > 0 && !c.silences.fresh(self.now, self.refresh).is_whole();
        self.clusters.iter().filter(unknown).count()
    }

    /// Writes a count; `+?` after it where a source is missing, so that it is never taken for the truth.
    pub fn count(&self, count: usize) -> String {
        if self.is_whole() { count.to_string() } else { format!("{count}+?") }
    }

    /// Says how old a cluster's last complete answer is: `<30s` while it comes as often as it should.
    pub fn age_text(&self, index: u16) -> String {
        let Some(at) = self.cluster(index).and_then(|c| c.alerts.whole_at) else { return "-".to_owned() };
        let limit = self.refresh * 2;
        if limit < Duration::from_secs(100) && age(at, self.now) <= limit {
            format!("<{}s", limit.as_secs().max(1))
        } else {
            overdue(at, self.now)
        }
    }

    /// Returns what of a cluster is missing as a whole, where the rest of it answers: the rows are of now, but half of
    /// what is to be known of them is not.
    fn half(&self, index: u16) -> Option<&'static str> {
        let cluster = self.cluster(index)?;
        let missing =
            |coverage: &Coverage, kind| coverage.answered() > 0 && !coverage.covers(&cluster.raw_name, kind);
        if missing(&cluster.alerts.coverage, ReplicaKind::Alertmanager) {
            Some("NO ALERTMANAGER")
        } else if missing(&cluster.alerts.coverage, ReplicaKind::Prometheus) {
            Some("NO PROMETHEUS")
        } else {
            None
        }
    }

    /// Reports whether it is known which alerts of a cluster are silenced or inhibited.
    pub fn knows_silenced(&self, index: u16) -> bool {
        self.half(index) != Some("NO ALERTMANAGER")
    }

    /// Reports whether what is shown of an alert may no longer be true.
    pub fn is_outdated(&self, index: u16) -> bool {
        matches!(self.fresh(index), Fresh::Stale(_) | Fresh::Missing) && self.half(index).is_none()
    }

    /// Says in one or two words what is wrong with a cluster's data as a whole; nothing if it is complete and recent.
    pub fn trouble(&self, index: u16) -> Option<String> {
        let refused = self.cluster(index).is_some_and(ClusterData::forbidden);
        match self.fresh(index) {
            Fresh::Yes | Fresh::Loading => None,
            Fresh::Slow(at) => Some(overdue(at, self.now)),
            Fresh::Stale(at) if refused => Some(format!("REFUSED US {}", ago(at, self.now))),
            Fresh::Missing if refused => Some("REFUSED US".to_owned()),
            Fresh::Stale(at) => {
                Some(format!("{} {}", self.half(index).unwrap_or("STALE"), ago(at, self.now)))
            }
            Fresh::Missing => Some(self.half(index).unwrap_or("NO DATA").to_owned()),
        }
    }

    /// Says how far what is shown can be trusted: `7/8 ok ! dc3-b STALE 4m`. The second part is worth a warning.
    pub fn freshness(&self) -> (String, String) {
        let all = self.clusters.len();
        let count = |want: fn(Fresh) -> bool| {
            (0u16..).zip(&self.clusters).filter(|(i, _)| want(self.fresh(*i))).count()
        };
        let loading = count(|fresh| fresh == Fresh::Loading);
        let whole = count(Fresh::is_whole);
        let good = if loading > 0 {
            format!("loading {}/{all}", all - loading)
        } else {
            format!("{whole}/{all} ok")
        };
        (good, self.first_trouble())
    }

    fn first_trouble(&self) -> String {
        if self.is_blind() && self.clusters.len() > 1 {
            let last = self.clusters.iter().filter_map(|c| c.alerts.whole_at).max();
            return last
                .map_or("! no data yet".to_owned(), |at| format!("! no data since {}", at.format("%H:%MZ")));
        }
        let mut bad: Vec<(Fresh, String)> = (0u16..)
            .zip(&self.clusters)
            .filter_map(|(i, c)| Some((self.fresh(i), format!("{} {}", c.name, self.trouble(i)?))))
            .collect();
        // What has no data at all is told before what is only late.
        bad.sort_by_key(|(fresh, _)| std::cmp::Reverse(matches!(fresh, Fresh::Stale(_) | Fresh::Missing)));
        let late = bad.iter().all(|(fresh, _)| matches!(fresh, Fresh::Slow(_)));
        let down = self.clusters.iter().flat_map(ClusterData::silent).count();
        match bad.as_slice() {
            _ if late && down > 0 => format!("! {down} replica{} DOWN", if down == 1 { "" } else { "s" }),
            [] => match (self.skews().next(), self.clusters.iter().map(|c| c.warnings().len()).sum()) {
                (Some(skew), _) => format!("! {skew}"),
                (None, 0) => String::new(),
                (None, 1) => "! 1 server warning".to_owned(),
                (None, n) => format!("! {n} server warnings"),
            },
            [(_, one)] if late => one.clone(),
            [(_, one)] => format!("! {one}"),
            [(_, one), rest @ ..] => format!("{}{one} +{}", if late { "" } else { "! " }, rest.len()),
        }
    }

    /// Returns the servers whose clocks are off: `clock skew 41s dc5-a prom-a:9090`.
    fn skews(&self) -> impl Iterator<Item = String> {
        let replicas = self
            .clusters
            .iter()
            .flat_map(|c| c.status.value.iter().flat_map(move |s| s.replicas.iter().map(move |r| (c, r))));
        replicas.filter_map(|(cluster, replica)| {
            let skew = skew_of(replica)?;
            Some(format!("clock skew {skew:.0}s {} {}", cluster.name, text::line(&replica.replica.name)))
        })
    }

    /// Returns the first thing that is wrong with the sources, and how many there are.
    pub fn source_problem(&self) -> Option<String> {
        let silent =
            self.clusters.iter().flat_map(|c| c.silent().into_iter().map(|s| format!("{} {s}", c.name)));
        let notes = self.clusters.iter().flat_map(|c| c.alerts.notes.iter().chain(&c.nodes.notes));
        let notes = notes.map(|n| text::line(n).into_owned());
        let warnings =
            self.clusters.iter().flat_map(|c| c.warnings().into_iter().map(|w| format!("{} {w}", c.name)));
        let all: Vec<String> = silent.chain(self.skews()).chain(notes).chain(warnings).collect();
        match all.as_slice() {
            [] => None,
            [one] => Some(format!("! {one} (5)")),
            [one, rest @ ..] => Some(format!("! {one} (+{} more: 5)", rest.len())),
        }
    }
}
