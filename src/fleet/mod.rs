//! The federation: asking every replica, merging, coverage, and the use cases of CLI and TUI.
//!
//! Every use case works on one cluster and answers with a value and an honest [`Coverage`]; whoever
//! wants the whole fleet runs it on all clusters at once and joins the answers, so that a dead
//! cluster never delays another. While replicas are still out, a use case reports what it has so
//! far: the first answer paints, the second corrects.

pub mod alerts;
pub mod checks;
mod clusters;
mod coverage;
pub mod detail;
pub mod doctor;
pub mod filter;
mod gather;
pub mod live;
mod merge;
pub mod node;
pub mod nodes;
pub mod query;
pub mod sensu_events;
mod settle;
pub mod silence;
pub mod silences;
pub mod status;

pub use clusters::{Cluster, Fleet, UnknownCluster, chosen};
pub use coverage::{Coverage, CoverageVerdict, ReplicaCoverage, ReplicaState};
pub use gather::{Answer, SoFar};
pub use merge::{Merged, Vote};
