//! What is known of each check: its newest result with its output, for how long that holds, and what came before.

pub mod bound;
pub mod history;
pub mod labels;
pub mod latest;
pub mod pack;
pub mod page;
mod statuses;
pub mod trim;
