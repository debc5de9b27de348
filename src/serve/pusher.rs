//! The pusher: runs checks as the runner does, for jobs that have no node, and pushes every result to every pushgateway.
//!
//! ```text
//! definitions -> runner -> log
//!                   |
//!                   +-> result (its group, its detail) -> a lane a gateway -> one push in flight -> pushgateway
//!    what is gone ------+                                     |  of each check the newest
//!                                                             +-> spool on disk, while it is not taken
//! ```
//!
//! This file joins the runner and what pushes, as `serve/node.rs` joins runner and exporter; neither knows the other.

mod gateway;
mod keep;
mod lane;
mod metrics;
mod pushes;
mod result;
mod roster;

pub use keep::StateDirError;
pub use pushes::{Options, Pushes};
pub use result::{Labelling, grouping_name, judge};

use super::runner::{Receiver, Runner};
use super::skeleton::http::{Router, get};
use super::skeleton::{Pages, ServeError, Service, Skeleton};
use std::sync::Arc;

/// Returns who receives the results of the runner.
pub fn receiver(pushes: &Pushes) -> Receiver {
    let (take, define) = (pushes.clone(), pushes.clone());
    Receiver {
        take: Arc::new(move |payload| take.take(payload)),
        judge,
        define: Arc::new(move |settings| define.define(settings)),
    }
}

/// Runs checks and pushes until the service ends, the checks that run have ended, and the gateways that answer have all results.
///
/// # Errors
/// When an address cannot be had: nothing is run then.
pub async fn run(skeleton: Skeleton, runner: Runner, pushes: Pushes) -> Result<(), ServeError> {
    let (readiness, ending) = (skeleton.readiness(), skeleton.ending());
    let bound = skeleton.bind().await?;
    let (metrics, reload, pushed) = (runner.works(), runner.works(), pushes.clone());
    let service = Service {
        name: "pusher",
        routes: Router::new().route("/", get(async || "iaasmon pusher: /metrics, /-/ready\n")),
        metrics: Arc::new(move |out| {
            metrics.write_metrics(out);
            pushed.write_metrics(out);
        }),
        reload: Arc::new(move || reload.reload().map(Some)),
        pages: Pages::default(),
    };
    let working = async {
        let pushing = pushes.begin(&readiness);
        runner.run(&readiness, &ending).await;
        pushing.finish(ending.at_once()).await;
    };
    bound.serve_during(service, working).await;
    Ok(())
}
