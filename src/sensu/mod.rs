//! The check engine: Sensu's definitions, and running them as sensu-client 1.9 does.
//!
//! Everything but `engine` is pure. What differs from the original on purpose stands in ARCHITECTURE.md.

pub mod cron;
pub mod definitions;
pub mod engine;
pub mod level;
pub mod migrate;
pub mod redact;
mod ruby;
pub mod schedule;
pub mod splay;
pub mod subdue;
pub mod time_of_day;
pub mod tokens;
pub mod validate;
