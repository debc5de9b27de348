//! Details on disk, so that a restart mails nothing bare.

use super::ProxyError;
use super::fetch::Fetcher;
use super::words::Words;
use crate::sys::clock;
use crate::sys::store::{Durability, Order, Store};
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

const DETAILS: &str = "details";
/// How large the store may be: the details of 50,000 alerts.
const MOST_KEPT: u64 = 512 * 1024 * 1024;
/// How often what is held no longer is taken out of it.
const PRUNE_EVERY: Duration = Duration::from_secs(3600);

pub(super) struct Keeper {
    store: Store,
    trouble: Mutex<Option<String>>,
    pruned: Mutex<Instant>,
}

impl Keeper {
    /// Opens the store and puts back what it holds. A damaged one is set aside.
    pub(super) fn open(folder: &Path, fetcher: &Fetcher) -> Result<Self, ProxyError> {
        let fail = |error: String| ProxyError::StateDir { path: folder.to_owned(), error };
        std::fs::create_dir_all(folder).map_err(|error| fail(error.to_string()))?;
        let opened = Store::open_limited(folder.join("proxy.redb"), MOST_KEPT);
        let opened = opened.map_err(|error| fail(error.to_string()))?;
        if let Some(aside) = opened.set_aside {
            tracing::warn!(aside = %aside.display(), "the store was damaged, details are fetched anew");
        }
        if let Some(trouble) = opened.trouble {
            return Err(fail(trouble.to_string()));
        }
        let mut restored = 0;
        let read = opened.store.prefix(DETAILS, &[], Order::Ascending, &mut |url, body| {
            // What is not read any more is fetched again.
            if let (Ok(url), Some(words)) = (std::str::from_utf8(url), Words::read(body)) {
                fetcher.restore(url, words);
                restored += 1;
            }
            ControlFlow::Continue(())
        });
        if let Err(error) = read {
            tracing::warn!(%error, "the details cannot be read back, they are fetched anew");
        }
        tracing::info!(details = restored, "restored");
        Ok(Self { store: opened.store, trouble: Mutex::default(), pruned: Mutex::new(clock::instant()) })
    }

    /// Writes what was fetched since the last call, and now and then takes out what is held no longer.
    pub(super) fn keep(&self, fetcher: &Fetcher) {
        let fresh = fetcher.take_unkept();
        let gone = self.gone(fetcher);
        if fresh.is_empty() && gone.is_empty() {
            return;
        }
        let written = self.store.commit(Durability::Eventual, |batch| {
            for url in &gone {
                batch.remove(DETAILS, url)?;
            }
            fresh.iter().try_for_each(|(url, words)| batch.put(DETAILS, url.as_bytes(), words.bytes()))
        });
        // What was not written is fetched again within the minute.
        *self.trouble.lock().unwrap_or_else(PoisonError::into_inner) =
            written.err().map(|error| error.to_string());
    }

    /// Returns why the last write failed.
    pub(super) fn trouble(&self) -> Option<String> {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn gone(&self, fetcher: &Fetcher) -> Vec<Vec<u8>> {
        let mut pruned = self.pruned.lock().unwrap_or_else(PoisonError::into_inner);
        let mut gone = Vec::new();
        if pruned.elapsed() >= PRUNE_EVERY {
            *pruned = clock::instant();
            // What cannot be read is not taken out.
            let _ = self.store.prefix(DETAILS, &[], Order::Ascending, &mut |url, _| {
                if !std::str::from_utf8(url).is_ok_and(|url| fetcher.holds(url)) {
                    gone.push(url.to_vec());
                }
                ControlFlow::Continue(())
            });
        }
        gone
    }
}
