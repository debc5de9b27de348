//! `iaasmon serve pushgateway` as the pusher sees it: killed, stopped, and back again with what it acknowledged.

use super::support::service::{Place, Running};
use super::support::{SOON, await_until};
use nix::sys::signal::Signal;
use serde_json::Value;
use std::cell::RefCell;

pub struct Gateway {
    place: Place,
    running: RefCell<Option<Running>>,
}

impl Gateway {
    /// One that is dead still.
    pub fn new() -> Self {
        Self { place: Place::new(), running: RefCell::default() }
    }

    /// One that runs.
    pub fn running() -> Self {
        let gateway = Self::new();
        gateway.start();
        gateway
    }

    /// Where it is.
    pub fn url(&self) -> String {
        format!("http://{}", self.place.address)
    }

    /// What it is called in metrics.
    pub fn name(&self) -> &str {
        &self.place.address
    }

    /// Starts it.
    pub fn start(&self) {
        let file = self.place.arg("groups.redb");
        *self.running.borrow_mut() = Some(self.place.serve(&["pushgateway", "--persistence.file", &file]));
    }

    /// Kills it.
    pub fn kill(&self) {
        let mut running = self.running.borrow_mut().take().expect("it runs");
        running.end(Signal::SIGKILL);
    }

    /// Has it hang: connections are made, and nothing is answered.
    pub fn stop(&self) {
        self.signal(Signal::SIGSTOP);
    }

    /// Has it go on, with what came meanwhile first.
    pub fn wake(&self) {
        self.signal(Signal::SIGCONT);
    }

    fn signal(&self, signal: Signal) {
        self.running.borrow().as_ref().expect("it runs").signal(signal);
    }

    /// Returns the newest result of a check, by what follows `/api/v1/groups` in its path.
    pub fn result(&self, path: &str) -> Option<Value> {
        let answer = self.place.get(&format!("/api/v1/groups{path}"))?;
        (answer.code == 200).then(|| answer.json())
    }

    /// Pushes a result as somebody else does.
    pub fn put_result(&self, path: &str, body: &str) {
        let head = format!("PUT /api/v1/groups{path} HTTP/1.0\r\nContent-Length: {}\r\n\r\n", body.len());
        let answer = self.place.send(format!("{head}{body}").as_bytes());
        assert!(answer.as_ref().is_some_and(|answer| answer.code == 200), "{answer:?}");
    }

    /// Waits until the newest result of a check is such a one.
    pub fn await_result(&self, path: &str, is_so: impl Fn(&Value) -> bool) -> Value {
        let mut last = None;
        let reached = await_until(SOON, || {
            last = self.result(path);
            last.as_ref().is_some_and(&is_so)
        });
        assert!(reached, "{path} is {last:?}");
        last.unwrap_or_default()
    }

    /// Reports whether these words stand in its file.
    pub fn keeps(&self, words: &str) -> bool {
        let file = std::fs::read(self.place.path("groups.redb")).expect("its file");
        file.windows(words.len()).any(|window| window == words.as_bytes())
    }

    /// Returns the value of one series, named as it stands in `/metrics`.
    pub fn metric(&self, series: &str) -> Option<f64> {
        self.place.metric(series)
    }
}
