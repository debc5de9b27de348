//! A real Pushgateway, Debian's.

use super::server_cache;
use super::service::{Answer, Place, Running};
use std::process::Command;

/// One that keeps nothing once it has ended.
pub struct Pushgateway {
    pub place: Place,
    _running: Running,
}

impl Pushgateway {
    /// Finds it as `scripts/servers pushgateway` does, starts it and waits until it answers.
    pub fn start(args: &[&str]) -> Self {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let cache = server_cache().map(|cache| cache.join("pushgateway/usr/bin"));
        let mut files =
            std::env::split_paths(&path).chain(cache).map(|folder| folder.join("prometheus-pushgateway"));
        let program = files.find(|file| file.is_file()).expect(
            "the Pushgateway is missing: run `apt-get install prometheus-pushgateway`, or `scripts/servers pushgateway` for a private copy without root",
        );
        let place = Place::new();
        let mut serve = Command::new(program);
        serve.arg("--persistence.file=").arg(format!("--web.listen-address={}", place.address)).args(args);
        let running = place.await_answer(place.spawn(&mut serve));
        Self { place, _running: running }
    }

    /// Sends a request with a body.
    pub fn ask(&self, method: &str, path: &str, content_type: &str, body: &[u8]) -> Answer {
        let head = format!(
            "{method} {path} HTTP/1.0\r\nHost: {}\r\nContent-Type: {content_type}\r\nContent-Length: {}\r\n\r\n",
            self.place.address,
            body.len()
        );
        let answer = self.place.send(&[head.as_bytes(), body].concat());
        answer.unwrap_or_else(|| panic!("no answer to {method} {path}: {}", self.place.said()))
    }
}
