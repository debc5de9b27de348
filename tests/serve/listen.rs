//! Where a service listens, and why it does not.

use super::support::run;
use super::support::service::Place;
use super::{args, curl, exporter};
use nix::sys::signal::Signal;
use std::net::TcpListener;

#[test]
fn a_socket_in_the_file_system_is_taken_over_from_the_dead_alone_and_removed_at_the_end() {
    let place = Place::new();
    let socket = place.arg("socket");
    let listen = format!("unix:{socket}");
    let ask = || curl(&["--unix-socket", &socket, "http://localhost/api/v1/checks"]).stdout;
    exporter(&place, &["--listen", &listen]).end(Signal::SIGKILL);
    assert!(place.path("socket").exists());
    let mut running = exporter(&place, &["--listen", &listen]);
    assert!(ask().ends_with("200"), "{}", ask());
    let other = Place::new();
    let refused = run(&mut other.command(&args(&["--listen", &listen])), b"");
    assert_eq!(refused.code, Some(2), "{}", refused.stderr);
    assert!(refused.stderr.contains(&format!("cannot listen on {listen}")), "{}", refused.stderr);
    // Who was refused takes nothing away.
    assert!(ask().ends_with("200"), "{}", ask());
    assert!(running.end(Signal::SIGTERM).success());
    assert!(!place.path("socket").exists());
}

#[test]
fn what_is_wrong_is_told_before_a_port_is_bound() {
    let place = Place::new();
    let taken = TcpListener::bind(&place.address).expect("free");
    place.write(
        "web.yml",
        "tls_server_config:\n  cert_file: missing.pem\n  key_file: none.pem\nunknown_key: 1\n",
    );
    let web = place.arg("web.yml");
    let refused = run(&mut place.command(&args(&["--web.config.file", &web])), b"");
    assert_eq!(refused.code, Some(2), "{}", refused.stderr);
    assert!(
        refused.stderr.contains("unknown_key") && !refused.stderr.contains("cannot listen"),
        "{}",
        refused.stderr
    );
    place.write("web.yml", "tls_server_config:\n  cert_file: missing.pem\n  key_file: none.pem\n");
    let refused = run(&mut place.command(&args(&["--web.config.file", &web])), b"");
    assert_eq!(refused.code, Some(2), "{}", refused.stderr);
    for file in ["missing.pem", "none.pem"] {
        assert!(refused.stderr.contains(file), "{file}: {}", refused.stderr);
    }
    for more in [&[][..], &["--listen", "systemd"]] {
        let args = args(&[&["--web.config.file", "/nonexistent"], more].concat());
        let refused = run(&mut place.command(&args), b"");
        assert_eq!(refused.code, Some(2), "{}", refused.stderr);
        assert!(
            refused.stderr.contains("--web.config.file: /nonexistent: No such file"),
            "{}",
            refused.stderr
        );
    }
    let refused = run(&mut place.command(&args(&[])), b"");
    assert_eq!(refused.code, Some(2), "{}", refused.stderr);
    assert!(refused.stderr.contains(&format!("cannot listen on {}", place.address)), "{}", refused.stderr);
    drop(taken);
    let refused = run(&mut place.command(&args(&["--listen", "nonsense"])), b"");
    assert_eq!(refused.code, Some(2), "{}", refused.stderr);
    assert!(refused.stderr.contains("`nonsense` is no address"), "{}", refused.stderr);
}
