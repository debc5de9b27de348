//! What systemd hands over, and what it is told.

use super::support::service::Place;
use super::support::{PROGRAM, SOON, await_until};
use super::{args, support};
use nix::sys::signal::Signal;
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixDatagram;
use std::process::{Command, Stdio};

/// Runs its arguments with its standard input as the one socket that was handed over (sd_listen_fds(3)).
const HAND_OVER: &str =
    "LISTEN_FDS=1 LISTEN_PID=$$; export LISTEN_FDS LISTEN_PID; exec \"$@\" 3<&0 0</dev/null";

#[test]
fn it_serves_on_the_socket_that_systemd_hands_over() {
    let place = Place::new();
    let socket = OwnedFd::from(TcpListener::bind(&place.address).expect("free"));
    let mut command = Command::new("/bin/sh");
    command.args([
        "-c", HAND_OVER, "sh", PROGRAM, "serve", "exporter", "--follow", "log", "--listen", "systemd",
    ]);
    command
        .current_dir(place.path(""))
        .stdin(Stdio::from(socket))
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let mut child = support::Killed(command.spawn().expect("it starts"));
    // The command holds the socket as well: without this, connecting would work with nobody there.
    drop(command);
    let answer = place.get("/-/healthy").expect("the socket waited for the service");
    assert_eq!(answer.text(), "healthy\n");
    assert!(child.0.try_wait().expect("our own child").is_none());
}

#[test]
fn without_a_socket_handed_over_it_says_so() {
    let mut command = support::command();
    command.args(["serve", "exporter", "--follow", "log", "--listen", "systemd"]);
    let refused = support::run(&mut command, b"");
    assert_eq!(refused.code, Some(2), "{}", refused.stderr);
    assert!(refused.stderr.contains("no socket was handed over"), "{}", refused.stderr);
}

/// What systemd would hear.
struct Ear {
    socket: UnixDatagram,
    heard: Vec<String>,
}

impl Ear {
    /// Waits until a message with this line has come, after all that were waited for before.
    fn await_line(&mut self, line: &str) -> String {
        let mut found = None;
        let heard = await_until(SOON, || {
            let mut bytes = [0; 4096];
            let Ok(length) = self.socket.recv(&mut bytes) else { return false };
            let message = String::from_utf8_lossy(&bytes[..length]).into_owned();
            self.heard.push(message.clone());
            let is_it = message.lines().any(|one| one == line);
            found = is_it.then_some(message);
            is_it
        });
        assert!(heard, "{line} is not in {:#?}", self.heard);
        found.expect("it was heard")
    }
}

#[test]
fn systemd_hears_of_its_beginning_its_life_each_reload_and_its_end() {
    let place = Place::new();
    let socket = UnixDatagram::bind(place.path("notify")).expect("bound");
    socket.set_read_timeout(Some(SOON)).expect("set");
    let mut ear = Ear { socket, heard: Vec::new() };
    let mut command = place.command(&args(&[]));
    command.env("NOTIFY_SOCKET", place.path("notify")).env("WATCHDOG_USEC", "400000");
    let mut exporter = place.spawn(&mut command);
    ear.await_line("READY=1");
    // It is said once the port answers, and not before.
    assert_eq!(place.get("/-/healthy").expect("answered").code, 200);
    for _ in 0..2 {
        let alive = ear.await_line("WATCHDOG=1");
        assert!(alive.contains("STATUS="), "{alive}");
    }
    exporter.signal(Signal::SIGHUP);
    let reloading = ear.await_line("RELOADING=1");
    assert!(reloading.contains("MONOTONIC_USEC="), "{reloading}");
    ear.await_line("READY=1");
    exporter.signal(Signal::SIGTERM);
    ear.await_line("STOPPING=1");
    assert!(await_until(SOON, || exporter.has_ended()));
}
