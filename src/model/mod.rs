//! Pure nouns of the domain: no I/O, no clock, nothing of ours imported.

pub mod alert;
pub mod check;
pub mod cluster;
pub mod diff;
pub mod family;
pub mod filter;
pub mod group;
pub mod histogram;
pub mod labels;
pub mod matcher;
pub mod names;
pub mod nearest;
pub mod network;
pub mod node;
pub mod notice;
pub mod relabel;
pub mod silence;
pub mod status;
pub mod text;
pub mod time;
