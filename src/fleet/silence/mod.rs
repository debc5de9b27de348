//! Silences over many clusters: seeing them as one, planning a change, and making it without doubt.
//!
//! One operation makes, changes or ends one Alertmanager silence per cluster; together they are a
//! *logical silence*. The parts, pure unless said otherwise:
//!
//! * [`group`] turns the copies that members report into [`LogicalSilence`]s, the same way on every machine;
//!   [`find`] looks one up by any of its ids.
//! * [`Facts`] is what is known of one cluster ([`fetch_facts`] asks, I/O); a [`Draft`] is what somebody wants;
//!   [`preview`] says what the draft would hit, [`judge`] what Alertmanager and the policy say to it.
//! * [`add`], [`expire`], [`edit`] and [`undo`] plan an [`Operation`]: a task per cluster, with an identity
//!   that is found again on the servers.
//! * [`run`] and [`resume`] carry an operation out (I/O), journalled, and tell of every [`Step`] on the way.
//!   [`left`] tells beforehand what of an interrupted one is still to be sent, [`find_out`] notes what it has done.

mod draft;
mod engine;
#[cfg(test)]
mod fixtures;
mod held;
mod identity;
mod logical;
mod operation;
mod own;
mod policy;
mod preview;
mod record;
mod requests;

pub use draft::{ACK_LENGTH, DEFAULT_LENGTH, Draft, DraftError, Facts, Targets, fetch_facts};
pub use engine::{
    Left, Limits, Observer, Opened, Step, What, begin, find_out, left, load, open, operations, resume, run,
};
pub use held::held;
pub use identity::{OP_ANNOTATION, OpId};
pub use logical::{Drift, FindError, LogicalSilence, find, group, short_id};
pub use operation::{Change, Content, Kind, Operation, Seen, Task, add, edit, expire, undo};
pub use policy::{ConfirmLevel, Judgement, comment_wish, judge, judge_expiry};
pub use preview::{
    ClusterPreview, Hit, Overlap, OverlapKind, Preview, PreviewError, Skip, preview, would_page,
};
pub use record::{Outcome, Progress, Replication, Standing};
pub use requests::{Request, requests};
