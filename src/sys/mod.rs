//! What the operating system gives: the clock, processes, signals, files.

pub mod clock;
pub mod journal;
