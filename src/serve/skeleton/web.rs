//! The web config file in force: read again when it or one of its keys changes, without dropping a connection.

use super::access::{Access, Memory};
use super::tls::{self, Acceptor};
use crate::config::web::{Pem, Web, WebErrors};
use crate::sys::clock;
use axum::http::{HeaderName, HeaderValue};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

/// How often is looked whether a file changed. The original reads it with every request.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// What a web config file means.
pub(super) struct Current {
    pub(super) tls: Option<Acceptor>,
    pub(super) access: Access,
    pub(super) headers: Vec<(HeaderName, HeaderValue)>,
    /// When the certificate ends, in epoch seconds.
    pub(super) not_after: Option<i64>,
}

impl Current {
    /// Says what `new` would no longer guard. A file that is being written is short for a moment, and one that was
    /// emptied by mistake must not open a service to everybody: less guard takes a restart.
    fn keeps_its_guard(&self, new: &Self) -> Vec<String> {
        let mut problems = Vec::new();
        if self.tls.is_some() != new.tls.is_some() {
            problems.push("TLS cannot be switched on or off while the service runs: restart it".to_owned());
        }
        if self.access.guards() && !new.access.guards() {
            problems.push("the last user cannot be removed while the service runs: restart it".to_owned());
        }
        problems
    }
}

/// A web config file; none guards nothing.
pub(super) struct WebFile {
    path: Option<PathBuf>,
    memory: Arc<Memory>,
    state: Mutex<State>,
}

struct State {
    current: Arc<Current>,
    stamps: Vec<(PathBuf, Option<SystemTime>, u64)>,
    looked: Instant,
    problem: Option<String>,
}

impl WebFile {
    /// Reads the file.
    ///
    /// # Errors
    /// Everything that is wrong with it or with what it names.
    pub(super) fn open(path: Option<PathBuf>) -> Result<Self, WebErrors> {
        let memory = Arc::default();
        let (current, stamps) = read(path.as_ref(), &memory)?;
        let state = State { current: Arc::new(current), stamps, looked: clock::instant(), problem: None };
        Ok(Self { path, memory, state: Mutex::new(state) })
    }

    /// Returns what is in force, after a look at the files where the last one was a while ago.
    pub(super) fn current(&self) -> Arc<Current> {
        let mut state = self.state();
        let now = clock::instant();
        if self.path.is_some() && now.duration_since(state.looked) >= LOOK_EVERY {
            state.looked = now;
            let changed = state.stamps.iter().any(|(path, time, length)| stamp(path) != (*time, *length));
            if changed && let Err(error) = self.renew(&mut state) {
                tracing::error!(%error, "the web config file is wrong; the old one stays in force");
            }
        }
        state.current.clone()
    }

    /// Reads the file again and names it, where there is one; the old one stays in force where the new one is wrong.
    ///
    /// # Errors
    /// What is wrong.
    pub(super) fn reload(&self) -> Result<Option<&'static str>, WebErrors> {
        self.renew(&mut self.state()).map(|()| self.path.is_some().then_some("web config"))
    }

    /// Returns why the file as it stands is not in force.
    pub(super) fn problem(&self) -> Option<String> {
        self.state().problem.clone()
    }

    fn renew(&self, state: &mut State) -> Result<(), WebErrors> {
        let read = read(self.path.as_ref(), &self.memory).and_then(|(new, stamps)| {
            let file = self.path.clone().unwrap_or_default();
            let problems = state.current.keeps_its_guard(&new);
            if problems.is_empty() { Ok((new, stamps)) } else { Err(WebErrors { file, problems }) }
        });
        match read {
            Ok((current, stamps)) => {
                state.current = Arc::new(current);
                state.stamps = stamps;
                state.problem = None;
                Ok(())
            }
            Err(error) => {
                state.problem = Some(error.to_string());
                // What is wrong now is not read again before it changes.
                state.stamps.iter_mut().for_each(|(path, time, length)| (*time, *length) = stamp(path));
                Err(error)
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

type Stamps = Vec<(PathBuf, Option<SystemTime>, u64)>;

fn read(path: Option<&PathBuf>, memory: &Arc<Memory>) -> Result<(Current, Stamps), WebErrors> {
    let Some(path) = path else {
        let web = Web::default();
        let none = Current {
            tls: None,
            access: Access::new(&web, memory.clone()),
            headers: Vec::new(),
            not_after: None,
        };
        return Ok((none, Vec::new()));
    };
    // Stamped first: what changes while it is read is read again.
    let own = (path.clone(), stamp(path));
    let web = Web::load(path)?;
    let pems =
        web.tls.iter().flat_map(|tls| [Some(&tls.cert), Some(&tls.key), tls.client_ca.as_ref()]).flatten();
    let files = pems.filter_map(|pem| match pem {
        Pem::File(file) => Some(file.clone()),
        Pem::Inline(_) => None,
    });
    let files = files.map(|file| {
        let seen = stamp(&file);
        (file, seen)
    });
    let stamps = std::iter::once(own).chain(files).map(|(file, (time, length))| (file, time, length));
    let stamps = stamps.collect();
    let built = web.tls.as_ref().map(tls::build).transpose();
    let built = built.map_err(|problems| WebErrors { file: path.clone(), problems })?;
    let (tls, not_after) = built.map_or((None, None), |(acceptor, not_after)| (Some(acceptor), not_after));
    let header = |(name, value): &(String, String)| Some((name.parse().ok()?, value.parse().ok()?));
    let headers = web.headers.iter().filter_map(header).collect();
    Ok((Current { tls, access: Access::new(&web, memory.clone()), headers, not_after }, stamps))
}

fn stamp(path: &PathBuf) -> (Option<SystemTime>, u64) {
    std::fs::metadata(path).map_or((None, 0), |about| (about.modified().ok(), about.len()))
}

#[cfg(test)]
mod tests {
    use super::WebFile;
    use std::fs;

    const USER: &str =
        "basic_auth_users: {ann: $2y$10$X0h1gDsPszWURQaxFh.zoubFi6DXncSjhoQNJgRrnGs7EsimhC7zG}\n";

    #[test]
    fn a_file_that_loses_its_users_opens_nothing() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("web.yml");
        fs::write(&path, USER).expect("written");
        let web = WebFile::open(Some(path.clone())).expect("good");
        for text in ["", "{}", "rate_limit: {interval: 1s, burst: 5}\n"] {
            fs::write(&path, text).expect("written");
            let problem = web.reload().expect_err(text).to_string();
            assert!(problem.contains("the last user cannot be removed"), "{problem}");
            assert!(web.current().access.guards() && web.problem().is_some());
        }
        fs::write(&path, format!("{USER}rate_limit: {{interval: 1s, burst: 5}}\n")).expect("written");
        web.reload().expect("good again");
        assert_eq!(web.problem(), None);
    }

    #[test]
    fn tls_is_not_switched_on_or_off_by_a_reload() {
        let folder = tempfile::tempdir().expect("a folder");
        let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).expect("written");
        let signed = rcgen::generate_simple_self_signed(["x".to_owned()]).expect("signed");
        write("c.pem", &signed.cert.pem());
        write("k.pem", &signed.signing_key.serialize_pem());
        let tls = "tls_server_config: {cert_file: c.pem, key_file: k.pem}\n";
        let path = folder.path().join("web.yml");
        for (first, second) in [(tls, ""), ("", tls)] {
            write("web.yml", first);
            let web = WebFile::open(Some(path.clone())).expect("good");
            write("web.yml", second);
            let problem = web.reload().expect_err("switched").to_string();
            assert!(problem.contains("restart it"), "{problem}");
            assert_eq!(web.current().tls.is_some(), first == tls);
            assert_eq!(web.current().not_after.is_some(), first == tls);
        }
    }
}
