//! What every service shares, on a real process: encryption, passwords, limits, sockets, systemd and the end.

#[path = "serve/access.rs"]
mod access;
#[path = "serve/limits.rs"]
mod limits;
#[path = "serve/listen.rs"]
mod listen;
mod support;
#[path = "serve/systemd.rs"]
mod systemd;
#[path = "serve/tls.rs"]
mod tls;

use support::Outcome;
use support::service::{Place, Running};

/// Starts an exporter with more flags; its log is not there, which is no matter here.
fn exporter(place: &Place, more: &[&str]) -> Running {
    place.serve(&args(more))
}

fn args<'a>(more: &[&'a str]) -> Vec<&'a str> {
    ["exporter", "--follow", "log"].iter().chain(more).copied().collect()
}

/// Asks with curl, which prints the body and, last, the status.
fn curl(args: &[&str]) -> Outcome {
    let mut curl = std::process::Command::new("curl");
    curl.args(["-sS", "--noproxy", "*", "--max-time", "20", "-w", "%{http_code}"]).args(args);
    support::run(&mut curl, b"")
}
