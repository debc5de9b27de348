//! Who is answered: passwords, checked slowly once and quickly after that, and a rate for all.

use crate::config::web::{Rate, Web};
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
const REMEMBERED: usize = 256;
/// bcrypt takes tens of milliseconds of a core: this is how many cores a flood of wrong passwords gets.
const VERIFYING: usize = 1;
/// What an unknown name is compared with, so that it costs the same as a known one (cost 10, as htpasswd's).
const NOBODY: &str = "$2y$10$X0h1gDsPszWURQaxFh.zoubFi6DXncSjhoQNJgRrnGs7EsimhC7zG";

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
}

/// The passwords and the rate of one web config file.
#[derive(Debug)]
pub(super) struct Access {
    users: BTreeMap<String, String>,
    right: Mutex<HashSet<[u8; 32]>>,
    verifying: Arc<Semaphore>,
    bucket: Option<Mutex<Bucket>>,
}

impl Access {
    pub(super) fn new(web: &Web) -> Self {
        Self {
            users: web.users.clone(),
            right: Mutex::default(),
            verifying: Arc::new(Semaphore::new(VERIFYING)),
            bucket: web.rate.map(|rate| Mutex::new(Bucket::full(rate))),
        }
    }

    /// Judges a request by its headers; whose password was right is written into `peer`.
    pub(super) async fn judge(&self, headers: &HeaderMap, peer: &mut Peer) -> Verdict {
        let bucket = self.bucket.as_ref().map(|bucket| bucket.lock().unwrap_or_else(PoisonError::into_inner));
        if bucket.is_some_and(|mut bucket| !bucket.take(clock::instant())) {
            return Verdict::TooMany;
        }
        // A socket in the file system has its own permissions.
        if self.users.is_empty() || peer.address.is_none() {
            return Verdict::Welcome;
        }
        match self.user(headers).await {
            Some(user) => {
                peer.user = Some(user);
                Verdict::Welcome
            }
            None => Verdict::Unknown,
        }
    }

    async fn user(&self, headers: &HeaderMap) -> Option<String> {
        let (user, password) = credentials(headers)?;
        let known = self.users.get(&user);
        let hash = known.map_or(NOBODY, String::as_str).to_owned();
        // All three, each with its length before it: a password that was right for one name or one hash must never
        // be taken for another's (CVE-2022-46146).
        let mut digest = Sha256::new();
        for part in [user.as_bytes(), hash.as_bytes(), &password] {
            digest.update((part.len() as u64).to_be_bytes());
            digest.update(part);
        }
        let digest: [u8; 32] = digest.finalize().into();
        if known.is_some() && self.right().contains(&digest) {
            return Some(user);
        }
        let _turn = self.verifying.acquire().await.ok()?;
        let is_right = apart(move || bcrypt::verify(password, &hash).unwrap_or(false)).await;
        if !is_right || known.is_none() {
            return None;
        }
        let mut right = self.right();
        if right.len() >= REMEMBERED {
            right.clear();
        }
        right.insert(digest);
        Some(user)
    }

    fn right(&self) -> std::sync::MutexGuard<'_, HashSet<[u8; 32]>> {
        self.right.lock().unwrap_or_else(PoisonError::into_inner)
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
    use super::{Access, Bucket, Peer, Verdict};
    use crate::config::web::{Rate, Web};
    use crate::sys::clock;
    use axum::http::{HeaderMap, HeaderValue, header};
    use base64::Engine as _;
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
        let access = Access::new(&Web { users: users.into(), ..Web::default() });
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
