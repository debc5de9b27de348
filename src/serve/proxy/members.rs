//! Who the members are: named by URLs, by a name that has several addresses, or by a file of targets; looked up again and again.

use super::Shared;
use super::deliver::Delivery;
use super::exchange::Member;
use crate::config::Cluster;
use crate::model::cluster::ReplicaKind;
use crate::net::{Alertmanager, Http};
use crate::sys::apart::apart;
use crate::wire::file_sd::decode_targets;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use url::{Host, Url};

/// How often members are looked up again.
const LOOK_EVERY: Duration = Duration::from_secs(15);
/// A file of targets is no larger.
const MOST_FILE: u64 = 1024 * 1024;

/// A member by where it is: a URL, and one of the addresses of its name where that has several.
type Place = (Url, Option<SocketAddr>);

/// The members that are known, and where they are looked up.
pub(super) struct Members {
    cluster: Cluster,
    file: Option<PathBuf>,
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    number: u32,
    all: BTreeMap<Place, (Arc<Delivery>, CancellationToken)>,
    /// What was wrong with the file, which has been said.
    trouble: Option<String>,
}

impl Members {
    pub(super) fn new(cluster: Cluster, file: Option<PathBuf>) -> Self {
        Self { cluster, file, known: Mutex::default() }
    }

    /// Returns all that are known.
    pub(super) fn all(&self) -> Vec<Arc<Delivery>> {
        self.known().all.values().map(|(delivery, _)| delivery.clone()).collect()
    }

    /// Looks members up again and again until `end`.
    pub(super) async fn follow(&self, shared: &Arc<Shared>, end: &CancellationToken) {
        loop {
            tokio::select! {
                () = tokio::time::sleep(LOOK_EVERY) => self.look(shared, end).await,
                () = end.cancelled() => return,
            }
        }
    }

    /// Looks members up: new ones join, each with a task that delivers to it, and those that are gone leave.
    pub(super) async fn look(&self, shared: &Arc<Shared>, end: &CancellationToken) {
        let mut urls = self.cluster.alertmanager.clone();
        match self.targets().await {
            Ok(targets) => {
                urls.extend(targets);
                self.known().trouble = None;
            }
            Err(why) => {
                // Whoever is named by a file that is wrong for a moment stays.
                urls = self.known().all.keys().map(|(url, _)| url.clone()).collect();
                self.tell(why);
            }
        }
        let mut places: Vec<Place> = Vec::new();
        for url in urls {
            let addresses = addresses(&url).await;
            let before = || self.known().all.keys().filter(|(known, _)| *known == url).cloned().collect();
            let found: Vec<Place> = match addresses {
                Ok(addresses) if addresses.len() > 1 => {
                    addresses.into_iter().map(|address| (url.clone(), Some(address))).collect()
                }
                Ok(_) => vec![(url.clone(), None)],
                // A name server that does not answer takes nobody away.
                Err(_) => before(),
            };
            places.extend(if found.is_empty() { vec![(url, None)] } else { found });
        }
        self.change(shared, end, &places);
    }

    fn change(&self, shared: &Arc<Shared>, end: &CancellationToken, places: &[Place]) {
        let mut known = self.known();
        let gone: Vec<Place> = known.all.keys().filter(|place| !places.contains(place)).cloned().collect();
        for place in gone {
            if let Some((delivery, stop)) = known.all.remove(&place) {
                tracing::info!(alertmanager = &*delivery.name, "is no member any more");
                stop.cancel();
                shared.exchange().leave(delivery.member);
            }
        }
        for place in places {
            if known.all.contains_key(place) {
                continue;
            }
            known.number += 1;
            let (url, address) = place;
            let door = Http::open_at(&self.cluster, ReplicaKind::Alertmanager, url, *address);
            let delivery = Delivery::new(Member(known.number), Alertmanager::new(door));
            let stop = end.child_token();
            shared.exchange().join(delivery.member);
            shared.tasks.spawn(delivery.clone().run(shared.clone(), stop.clone()));
            known.all.insert(place.clone(), (delivery, stop));
        }
    }

    async fn targets(&self) -> Result<Vec<Url>, String> {
        let Some(file) = self.file.clone() else { return Ok(Vec::new()) };
        apart(move || read(&file)).await
    }

    fn tell(&self, why: String) {
        let mut known = self.known();
        if known.trouble.as_ref() != Some(&why) {
            tracing::warn!(why, "the members stay as they were");
            known.trouble = Some(why);
        }
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Reads a file of targets.
pub(super) fn read(file: &Path) -> Result<Vec<Url>, String> {
    let named = |why: &dyn std::fmt::Display| format!("{}: {why}", file.display());
    let about = std::fs::metadata(file).map_err(|error| named(&error))?;
    if !about.is_file() || about.len() > MOST_FILE {
        return Err(named(&"no file of targets: a regular file of 1 MiB at most"));
    }
    let text = std::fs::read_to_string(file).map_err(|error| named(&error))?;
    decode_targets(&text).map_err(|error| named(&error))
}

/// Returns the addresses of a URL's name, in order; one that is an address has none.
async fn addresses(url: &Url) -> std::io::Result<Vec<SocketAddr>> {
    let Some(Host::Domain(name)) = url.host() else { return Ok(Vec::new()) };
    let port = url.port_or_known_default().unwrap_or_default();
    let mut found: Vec<SocketAddr> = tokio::net::lookup_host((name, port)).await?.collect();
    // The same machine by both families would get every alert twice.
    if found.iter().any(SocketAddr::is_ipv4) {
        found.retain(SocketAddr::is_ipv4);
    }
    found.sort_unstable();
    found.dedup();
    Ok(found)
}
