//! A fleet to try things on: real Prometheus and Alertmanager servers on loopback, simulated nodes and a few real ones, checks
//! that belong to none, scenarios that unfold over time, and a mailbox for what the Alertmanagers tell. Used by `iaasmon demo`,
//! the tests and the benchmarks.
//!
//! Everything runs in child processes of one process group. A guard (a copy of this program) ends
//! them and removes the folder when the process that started them is gone, however it went.

mod addresses;
mod block;
mod cluster;
mod error;
mod files;
pub mod fleet;
pub mod guard;
mod jobs;
pub mod mailbox;
mod plugins;
mod probe;
mod real;
mod run;
mod server;
pub mod servers;
mod stage;

pub use cluster::Cluster;
pub use error::DemoError;
pub use run::{Demo, MAILED_NODES, Options};
pub use server::Server;
