//! Who the members are: named by URLs, by a name that has several addresses, or by a file of targets; looked up again and again.

use super::Shared;
use super::deliver::Delivery;
use super::exchange::Member;
use crate::config::Cluster;
use crate::model::cluster::ReplicaKind;
use crate::net::{Alertmanager, Http, replica_name};
use crate::sys::apart::apart;
use crate::sys::clock;
use crate::wire::file_sd::decode_targets;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use url::{Host, Url};

/// How often members are looked up again.
const LOOK_EVERY: Duration = Duration::from_secs(15);
/// How long a name server may take: at the start nothing is taken in before.
const LOOK_WITHIN: Duration = Duration::from_secs(2);
/// A file of targets is no larger.
const MOST_FILE: u64 = 1024 * 1024;

/// A member by where it is: a URL, and one of the addresses of its name. It is the same one however many others that name has
/// beside it: two lanes to one Alertmanager could bring it an old copy after a newer one.
type Place = (Url, Option<SocketAddr>);

/// The members that are known, and where they are looked up.
pub(super) struct Members {
    cluster: Mutex<Cluster>,
    changed: Notify,
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
        Self { cluster: Mutex::new(cluster), changed: Notify::new(), file, known: Mutex::default() }
    }

    /// Returns all that are known.
    pub(super) fn all(&self) -> Vec<Arc<Delivery>> {
        self.known().all.values().map(|(delivery, _)| delivery.clone()).collect()
    }

    /// Reports whether members are spoken to with something that proves who we are.
    pub(super) fn lends(&self) -> bool {
        let cluster = self.cluster();
        cluster.auth.is_some() || !cluster.headers.is_empty() || cluster.tls.cert.is_some()
    }

    /// Goes by this configuration from now on: those that stay are spoken to as it says, and the others are looked up at once.
    pub(super) fn adopt(&self, cluster: Cluster) {
        // First this, so that one that joins meanwhile has it too.
        *self.cluster() = cluster.clone();
        for ((url, address), (delivery, _)) in &self.known().all {
            let door = Http::open_at(&cluster, ReplicaKind::Alertmanager, url, *address);
            delivery.renew(Alertmanager::new(door));
        }
        self.changed.notify_one();
    }

    /// Looks members up again and again until `end`.
    pub(super) async fn follow(&self, shared: &Arc<Shared>, end: &CancellationToken) {
        loop {
            tokio::select! {
                () = tokio::time::sleep(LOOK_EVERY) => {}
                () = self.changed.notified() => {}
                () = end.cancelled() => return,
            }
            self.look(shared, end).await;
        }
    }

    /// Looks members up: new ones join, each with a task that delivers to it, and those that are gone leave.
    pub(super) async fn look(&self, shared: &Arc<Shared>, end: &CancellationToken) {
        let mut urls = self.cluster().alertmanager.clone();
        match self.targets().await {
            Ok(targets) if targets.is_empty() && urls.is_empty() && !self.known().all.is_empty() => {
                urls = self.known_urls();
                self.tell("no Alertmanager is named any more".to_owned());
            }
            Ok(targets) => {
                urls.extend(targets);
                self.known().trouble = None;
            }
            Err(why) => {
                // Whoever is named by a file that is wrong for a moment stays.
                urls = self.known_urls();
                self.tell(why);
            }
        }
        let places = urls.into_iter().map(|url| async {
            let found = tokio::time::timeout(LOOK_WITHIN, addresses(&url)).await;
            places(url, found.ok().and_then(Result::ok), self.known().all.keys())
        });
        let places = futures_util::future::join_all(places).await.concat();
        self.change(shared, end, &places);
    }

    /// New ones join before old ones leave: whoever waits for a member that has another address now goes on waiting.
    fn change(&self, shared: &Arc<Shared>, end: &CancellationToken, places: &[Place]) {
        let mut known = self.known();
        for place in places {
            if known.all.contains_key(place) {
                continue;
            }
            known.number += 1;
            let (url, address) = place;
            let door = Http::open_at(&self.cluster(), ReplicaKind::Alertmanager, url, *address);
            let is_alone = places.iter().filter(|(other, _)| other == url).count() == 1;
            let name = if is_alone { replica_name(url) } else { door.replica().name.to_string() };
            let delivery = Delivery::new(Member(known.number), name, Alertmanager::new(door));
            let stop = end.child_token();
            shared.exchange().join(delivery.member, clock::moment());
            shared.tasks.spawn(delivery.clone().run(shared.clone(), stop.clone()));
            known.all.insert(place.clone(), (delivery, stop));
        }
        let gone: Vec<Place> = known.all.keys().filter(|place| !places.contains(place)).cloned().collect();
        for place in gone {
            if let Some((delivery, stop)) = known.all.remove(&place) {
                tracing::info!(alertmanager = &*delivery.name, "is no member any more");
                stop.cancel();
                shared.exchange().leave(delivery.member);
            }
        }
    }

    fn known_urls(&self) -> Vec<Url> {
        let mut urls: Vec<Url> = self.known().all.keys().map(|(url, _)| url.clone()).collect();
        urls.dedup();
        urls
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

    fn cluster(&self) -> MutexGuard<'_, Cluster> {
        self.cluster.lock().unwrap_or_else(PoisonError::into_inner)
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

/// Returns the members behind a URL by what its name server said; one that does not answer takes nobody away.
fn places<'a>(
    url: Url,
    found: Option<Vec<SocketAddr>>,
    known: impl Iterator<Item = &'a Place>,
) -> Vec<Place> {
    let found: Vec<Place> = match found {
        Some(addresses) => addresses.into_iter().map(|address| (url.clone(), Some(address))).collect(),
        None => known.filter(|(known, _)| *known == url).cloned().collect(),
    };
    if found.is_empty() { vec![(url, None)] } else { found }
}

/// Returns the addresses of a URL's name, in order; a URL with an address in it has none.
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

#[cfg(test)]
mod tests {
    use super::{Place, places};
    use url::Url;

    #[test]
    fn a_member_is_the_same_however_many_its_name_has_beside_it() {
        let url: Url = "http://am:9093".parse().expect("a URL");
        let [a, b] = ["10.0.0.1:9093", "10.0.0.2:9093"].map(|text| text.parse().expect("an address"));
        let look = |found, known: &[Place]| places(url.clone(), found, known.iter());
        let alone = look(Some(vec![a]), &[]);
        let both = look(Some(vec![a, b]), &alone);
        assert!(both.len() == 2 && both.contains(&alone[0]), "{both:?}");
        assert_eq!(look(Some(vec![a]), &both), alone);
        // No answer changes nothing, and what has no other address is asked by its URL.
        assert_eq!(look(None, &both), both);
        assert_eq!(look(None, &[]), [(url.clone(), None)]);
        assert_eq!(look(Some(Vec::new()), &[]), [(url.clone(), None)]);
    }
}
