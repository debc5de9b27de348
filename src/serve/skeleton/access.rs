//! Who is answered: passwords, checked slowly once and quickly after that, and a rate for all.

use crate::config::web::{Rate, Web};
use crate::model::network::Network;
use crate::sys::apart::apart;
use crate::sys::clock;
use axum::http::{HeaderMap, header};
use base64::Engine as _;
use sha2::{Digest as _, Sha256};
use std::collections::{BTreeMap, HashSet};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;
use tokio::sync::Semaphore;

/// How many passwords that were right are remembered.
const RIGHT: usize = 256;
/// How many that were wrong are: a client with an old password repeats it for hours.
const WRONG: usize = 64;
/// bcrypt takes tens of milliseconds of a core: this is how many cores a flood of wrong passwords gets.
const VERIFYING: usize = 1;
/// How many requests may wait for their turn: each holds a connection.
const WAITING: usize = 16;

/// Who sent a request; an extension of every request.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Peer {
    /// Its address; none means a socket in the file system.
    pub address: Option<SocketAddr>,
    /// The name whose password it knew.
    pub user: Option<String>,
    /// Whether it showed a certificate that was verified.
    pub certificate: bool,
}

impl Peer {
    /// Whether the request came from this machine.
    pub fn is_local(&self) -> bool {
        self.address.is_none_or(super::listen::is_loopback)
    }

    /// Returns why the sender may not read the words of checks, where it may not: they are for this machine, for clients that
    /// proved who they are, and for networks that were named (DESIGN, rule 10).
    pub fn may_not_read(&self, allowed: &[Network], service: &str) -> Option<String> {
        let is_named = |address: SocketAddr| allowed.iter().any(|network| network.holds(address.ip()));
        if self.is_local() || self.is_authenticated() || self.address.is_some_and(is_named) {
            return None;
        }
        let address = self.address.map(|address| address.ip().to_canonical().to_string()).unwrap_or_default();
        Some(format!(
            "{address} may not read the output of checks: start the {service} with --detail-allow {address}, or authenticate (--web.config.file)"
        ))
    }

    /// Whether the sender proved who it is.
    pub fn is_authenticated(&self) -> bool {
        self.user.is_some() || self.certificate
    }
}

/// What becomes of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    Welcome,
    Unknown,
    TooMany,
    /// Too many passwords have to be looked at.
    Busy,
}

/// The passwords and the rate of one web config file.
#[derive(Debug)]
pub(super) struct Access {
    users: BTreeMap<String, String>,
    rate: Option<Rate>,
    memory: Arc<Memory>,
}

/// What outlives a reload: whoever touches the file must not make everybody's password be looked at again, nor get
/// new tokens.
#[derive(Debug)]
pub(super) struct Memory {
    /// Digests of name, hash and password; so a changed hash ends what was remembered.
    right: Mutex<HashSet<Digest256>>,
    wrong: Mutex<HashSet<Digest256>>,
    waiting: Semaphore,
    verifying: Semaphore,
    bucket: Mutex<Option<Bucket>>,
}

type Digest256 = [u8; 32];

impl Default for Memory {
    fn default() -> Self {
        Self {
            right: Mutex::default(),
            wrong: Mutex::default(),
            waiting: Semaphore::new(WAITING),
            verifying: Semaphore::new(VERIFYING),
            bucket: Mutex::default(),
        }
    }
}

impl Memory {
    fn knows(&self, digest: &Digest256) -> Option<bool> {
        let has = |known: &Mutex<HashSet<Digest256>>| {
            known.lock().unwrap_or_else(PoisonError::into_inner).contains(digest)
        };
        if has(&self.right) { Some(true) } else { has(&self.wrong).then_some(false) }
    }

    /// Right ones and wrong ones have a place of their own: no flood of wrong ones makes us forget a right one.
    fn remember(&self, digest: Digest256, is_right: bool) {
        let (known, most) = if is_right { (&self.right, RIGHT) } else { (&self.wrong, WRONG) };
        let mut known = known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= most {
            known.clear();
        }
        known.insert(digest);
    }

    fn take(&self, rate: Rate) -> bool {
        let mut bucket = self.bucket.lock().unwrap_or_else(PoisonError::into_inner);
        let fits = bucket.as_ref().is_some_and(|bucket| bucket.rate == rate);
        if !fits {
            *bucket = Some(Bucket::full(rate));
        }
        bucket.as_mut().is_none_or(|bucket| bucket.take(clock::instant()))
    }
}

impl Access {
    pub(super) fn new(web: &Web, memory: Arc<Memory>) -> Self {
        Self { users: web.users.clone(), rate: web.rate, memory }
    }

    /// Whether somebody has to log in.
    pub(super) fn guards(&self) -> bool {
        !self.users.is_empty()
    }

    /// Judges a request by its headers; whose password was right is written into `peer`.
    pub(super) async fn judge(&self, headers: &HeaderMap, peer: &mut Peer) -> Verdict {
        if self.rate.is_some_and(|rate| !self.memory.take(rate)) {
            return Verdict::TooMany;
        }
        // A socket in the file system has its own permissions.
        if self.users.is_empty() || peer.address.is_none() {
            return Verdict::Welcome;
        }
        let Some((user, password)) = credentials(headers) else { return Verdict::Unknown };
        let verdict = self.verify(&user, password).await;
        if verdict == Verdict::Welcome {
            peer.user = Some(user);
        }
        verdict
    }

    async fn verify(&self, user: &str, password: Vec<u8>) -> Verdict {
        let word = |is_right| if is_right { Verdict::Welcome } else { Verdict::Unknown };
        let known = self.users.get(user);
        // An unknown name is compared with the hash of a known one, so that it costs the same; the outcome does not count.
        let Some(hash) = known.or_else(|| self.users.values().next()).cloned() else {
            return Verdict::Unknown;
        };
        let is_known = known.is_some();
        // All three, each with its length before it: a password that was right for one name or one hash must never
        // be taken for another's (CVE-2022-46146).
        let mut digest = Sha256::new();
        for part in [user.as_bytes(), hash.as_bytes(), &password] {
            digest.update((part.len() as u64).to_be_bytes());
            digest.update(part);
        }
        let digest: Digest256 = digest.finalize().into();
        if let Some(is_right) = self.memory.knows(&digest) {
            return word(is_right);
        }
        let Ok(_waiting) = self.memory.waiting.try_acquire() else { return Verdict::Busy };
        let Ok(_turn) = self.memory.verifying.acquire().await else { return Verdict::Busy };
        // Another may have waited with the same password.
        if let Some(is_right) = self.memory.knows(&digest) {
            return word(is_right);
        }
        let fits = apart(move || bcrypt::verify(password, &hash).unwrap_or(false)).await;
        self.memory.remember(digest, fits && is_known);
        word(fits && is_known)
    }
}

/// Reads `Authorization: Basic ...`.
fn credentials(headers: &HeaderMap) -> Option<(String, Vec<u8>)> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, encoded) = value.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = base64::engine::general_purpose::STANDARD.decode(encoded.trim()).ok()?;
    let colon = memchr::memchr(b':', &decoded)?;
    let user = String::from_utf8(decoded[..colon].to_vec()).ok()?;
    Some((user, decoded[colon + 1..].to_vec()))
}

/// A token bucket, as Go's x/time/rate.
#[derive(Debug)]
struct Bucket {
    rate: Rate,
    tokens: f64,
    at: Instant,
}

impl Bucket {
    fn full(rate: Rate) -> Self {
        Self { rate, tokens: rate.burst.into(), at: clock::instant() }
    }

    fn take(&mut self, now: Instant) -> bool {
        let more = now.saturating_duration_since(self.at).as_secs_f64() / self.rate.interval.as_secs_f64();
        self.tokens = (self.tokens + more).min(self.rate.burst.into());
        self.at = now;
        let enough = self.tokens >= 1.0;
        self.tokens -= f64::from(u8::from(enough));
        enough
    }
}

#[cfg(test)]
mod tests {
    use super::{Access, Bucket, Memory, Peer, RIGHT, Verdict, WAITING, WRONG};
    use crate::config::web::{Rate, Web};
    use crate::sys::clock;
    use axum::http::{HeaderMap, HeaderValue, header};
    use base64::Engine as _;
    use std::sync::Arc;
    use std::time::Duration;

    fn headers(user: &str, password: &str) -> HeaderMap {
        let encoded = base64::engine::general_purpose::STANDARD.encode(format!("{user}:{password}"));
        let value = HeaderValue::from_str(&format!("Basic {encoded}")).expect("a header");
        HeaderMap::from_iter([(header::AUTHORIZATION, value)])
    }

    fn stranger() -> Peer {
        Peer { address: Some(([192, 0, 2, 1], 5).into()), ..Peer::default() }
    }

    async fn judge(access: &Access, user: &str, password: &str) -> (Verdict, Option<String>) {
        let mut peer = stranger();
        (access.judge(&headers(user, password), &mut peer).await, peer.user)
    }

    #[tokio::test]
    async fn a_right_password_is_remembered_for_its_own_name_and_hash_alone() {
        let hash = |password: &str| bcrypt::hash(password, 4).expect("hashed");
        let users = [("ann", hash("a")), ("bob", hash("b"))].map(|(name, hash)| (name.to_owned(), hash));
        let access = Access::new(&Web { users: users.into(), ..Web::default() }, Arc::default());
        for _ in 0..2 {
            assert_eq!(judge(&access, "ann", "a").await, (Verdict::Welcome, Some("ann".to_owned())));
            for (user, password) in
                [("ann", "b"), ("bob", "a"), ("nobody", "a"), ("", ""), ("anna", ""), ("ann", "")]
            {
                assert_eq!(
                    judge(&access, user, password).await,
                    (Verdict::Unknown, None),
                    "{user} {password}"
                );
            }
        }
        let mut peer = stranger();
        assert_eq!(access.judge(&HeaderMap::new(), &mut peer).await, Verdict::Unknown);
        // Who may open the socket's file was decided by the system.
        assert_eq!(access.judge(&HeaderMap::new(), &mut Peer::default()).await, Verdict::Welcome);
    }

    fn web(users: &[(&str, &str)]) -> Web {
        let hash = |password: &str| bcrypt::hash(password, 4).expect("hashed");
        let users = users.iter().map(|(name, password)| ((*name).to_owned(), hash(password)));
        Web { users: users.collect(), ..Web::default() }
    }

    #[tokio::test]
    async fn a_reload_keeps_what_is_remembered_and_a_changed_hash_ends_it() {
        let (memory, first) = (Arc::<Memory>::default(), web(&[("ann", "a")]));
        let before = Access::new(&first, memory.clone());
        assert_eq!(judge(&before, "ann", "a").await.0, Verdict::Welcome);
        // Nobody gets a turn any more: what is answered now is remembered.
        memory.verifying.close();
        let same = Access::new(&first, memory.clone());
        assert_eq!(judge(&same, "ann", "a").await.0, Verdict::Welcome);
        let changed = Access::new(&web(&[("ann", "new")]), memory);
        assert_eq!(judge(&changed, "ann", "a").await.0, Verdict::Busy);
    }

    #[tokio::test]
    async fn an_unknown_name_is_compared_as_a_known_one_and_the_outcome_does_not_count() {
        let access = Access::new(&web(&[("ann", "a")]), Arc::default());
        assert_eq!(judge(&access, "nobody", "a").await, (Verdict::Unknown, None));
        assert_eq!(access.memory.wrong.lock().expect("unpoisoned").len(), 1);
        assert!(access.memory.right.lock().expect("unpoisoned").is_empty());
        access.memory.verifying.close();
        assert_eq!(judge(&access, "nobody", "a").await.0, Verdict::Unknown);
    }

    #[tokio::test]
    async fn more_than_may_wait_are_told_to_come_back() {
        let access = Access::new(&web(&[("ann", "a")]), Arc::default());
        let all = access.memory.waiting.acquire_many(u32::try_from(WAITING).expect("few")).await;
        assert_eq!(judge(&access, "ann", "a").await.0, Verdict::Busy);
        drop(all);
        assert_eq!(judge(&access, "ann", "a").await.0, Verdict::Welcome);
    }

    #[test]
    fn what_is_remembered_is_bounded_and_wrong_ones_push_out_no_right_one() {
        let memory = Memory::default();
        let digest = |number: u32| std::array::from_fn(|at| number.to_be_bytes()[at % 4]);
        memory.remember(digest(0), true);
        (1..1000).for_each(|number| memory.remember(digest(number), false));
        assert_eq!(memory.knows(&digest(0)), Some(true));
        (1000..2000).for_each(|number| memory.remember(digest(number), true));
        assert!(memory.right.lock().expect("unpoisoned").len() <= RIGHT);
        assert!(memory.wrong.lock().expect("unpoisoned").len() <= WRONG);
    }

    #[test]
    fn a_reload_gives_no_new_tokens() {
        let memory = Memory::default();
        let rate = Rate { interval: Duration::from_secs(3600), burst: 1 };
        assert!(memory.take(rate) && !memory.take(rate));
        assert!(memory.take(Rate { burst: 2, ..rate }));
    }

    #[test]
    fn a_rate_lets_a_burst_through_and_then_one_an_interval() {
        let mut bucket = Bucket::full(Rate { interval: Duration::from_secs(1), burst: 2 });
        let now = clock::instant();
        assert_eq!(
            [0, 0, 0, 1, 1, 5, 5, 5].map(|second| bucket.take(now + Duration::from_secs(second))),
            [true, true, false, true, false, true, true, false]
        );
    }
}
