//! Runner and exporter in one process and behind one listener: what a node needs. The log stays the hand-over between them.

use super::exporter::Exporter;
use super::runner::{Runner, Works};
use super::skeleton::{Pages, ServeError, Service, Skeleton};
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// Runs both until the service ends, and the checks that run have ended.
///
/// # Errors
/// When an address cannot be had: nothing is run then.
pub async fn run(skeleton: Skeleton, runner: Option<Runner>, exporter: Exporter) -> Result<(), ServeError> {
    let (readiness, ending) = (skeleton.readiness(), skeleton.ending());
    // The port opens once results are known: a series that is missing would resolve an alert. Those that were put back
    // will do while a backlog is read.
    if exporter.is_restored() {
        readiness.block("backlog", Some("the logs are still to be read".to_owned()));
    } else {
        tokio::select! {
            () = exporter.catch_up(&readiness, ending.begun()) => {}
            () = ending.begun().cancelled() => return Ok(()),
        }
    }
    let bound = skeleton.bind().await?;
    // The exporter follows the log until the last check has ended, and so long the doors stay open: a long one would else leave
    // the node unseen.
    let ended = CancellationToken::new();
    let following = tokio::spawn({
        let (exporter, readiness, ended) = (exporter.clone(), readiness.clone(), ended.clone());
        async move { exporter.follow(readiness, ended).await }
    });
    let service = service(runner.as_ref().map(Runner::works), &exporter);
    let working = async {
        match runner {
            Some(runner) => runner.run(&readiness, &ending).await,
            None => ending.begun().cancelled().await,
        }
    };
    bound.serve_during(service, working).await;
    ended.cancel();
    // A panic there is not ours to hide, and not ours to pass on at the end.
    let _ = following.await;
    Ok(())
}

fn service(works: Option<Works>, exporter: &Exporter) -> Service {
    let (metrics, reload, pages) = (works.clone(), works, exporter.clone());
    Service {
        name: if metrics.is_some() { "node" } else { "exporter" },
        routes: exporter.routes(),
        metrics: Arc::new(move |out| {
            pages.write_metrics(out);
            if let Some(works) = &metrics {
                works.write_metrics(out);
            }
        }),
        reload: Arc::new(move || reload.as_ref().map(Works::reload).transpose()),
        pages: Pages::default(),
    }
}
