//! What the operating system gives: the clock, threads, processes, signals, files.

pub mod apart;
pub mod child;
pub mod clock;
pub mod disk;
pub mod journal;
pub mod logfile;
pub mod pidfile;
pub mod process;
pub mod signals;
pub mod store;
pub mod tail;
pub mod telemetry;
