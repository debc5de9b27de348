//! A fleet to try things on: real Prometheus and Alertmanager servers on loopback, simulated nodes and a few real ones,
//! and scenarios that unfold over time. Used by `iaasmon demo`, the tests and the benchmarks.
//!
//! Everything runs in child processes of one process group. A guard (a copy of this program) ends
//! them and removes the folder when the process that started them is gone, however it went.

mod block;
mod cluster;
mod error;
mod files;
pub mod fleet;
pub mod guard;
mod probe;
mod real;
mod run;
mod server;
pub mod servers;
mod stage;

pub use cluster::Cluster;
pub use error::DemoError;
pub use run::{Demo, Options};
pub use server::Server;
