//! `iaasmon serve runner` as a process: beside the log of a real sensu-client, and through everything that goes wrong.

#[path = "runner/compare.rs"]
mod compare;
#[path = "runner/faults.rs"]
mod faults;
#[path = "runner/golden.rs"]
mod golden;
#[path = "runner/plugins.rs"]
mod plugins;
#[path = "runner/run_check.rs"]
mod run_check;
#[path = "faults/server.rs"]
#[allow(dead_code, reason = "the servers that misbehave belong to other tests")]
mod server;
#[path = "runner/sockets.rs"]
mod sockets;
mod support;
#[path = "runner/world.rs"]
mod world;
