//! iaasmon: one terminal over every Prometheus and Alertmanager pair.
//!
//! The library holds everything; `main.rs` only calls [`run`]. The rooms and who may import whom
//! are listed in ARCHITECTURE.md and kept by `tests/architecture.rs`.

pub mod cli;
pub mod config;
pub mod demo;
pub mod detail;
pub mod fleet;
pub mod generate;
pub mod model;
pub mod net;
pub mod sensu;
pub mod serve;
pub mod sys;
pub mod tui;
pub mod wire;

pub use cli::run;
