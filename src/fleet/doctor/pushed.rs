//! Pushgateways: whether they are there, are scraped as they have to be, and hold what somebody still pushes.
//!
//! What they hold is asked of Prometheus, which has a series for each group: a gateway's own answer has all metrics of all groups.

use super::rules::finding;
use super::{Facts, Finding, Level, Sender, heard};
use crate::fleet::clusters::Cluster;
use crate::fleet::node::quote;
use crate::fleet::status::Unread;
use crate::model::alert::of_job;
use crate::model::labels::Labels;
use crate::model::time::format_age;
use crate::net::{NetError, NetErrorKind, PrometheusClient, PushgatewayClient};
use crate::wire::prom_json::Sample;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use url::Url;

/// A group that nobody pushed for longer is said to be forgotten. Nobody tells Prometheus how often a job runs: most run once a day or
/// once a week, and such a one may be a day late. Whoever says it with a check (`--interval`) is told by the check's own status.
const SILENT_SECONDS: f64 = 8.0 * 86_400.0;

/// How many groups are named.
const NAMED: usize = 3;

/// The label that Prometheus makes of a pushed `job` where it keeps its own.
const RENAMED: &str = "exported_job";

/// What one pushgateway tells of itself.
#[derive(Debug, Clone)]
pub(super) struct Gateway {
    pub(super) name: Arc<str>,
    /// What Prometheus calls it as a target.
    pub(super) target: String,
    /// Whether it can do its job.
    pub(super) ready: Result<(), NetErrorKind>,
    /// Whether it keeps its groups in a file; absent where it does not say.
    pub(super) has_file: Option<bool>,
    /// Whether we may read the words of its checks.
    pub(super) detail: Result<(), NetErrorKind>,
    pub(super) unread: Vec<Unread>,
}

impl Gateway {
    /// Whether it does not answer. One that hides whether it is ready does.
    fn is_silent(&self) -> bool {
        matches!(&self.ready, Err(why) if !matches!(why, NetErrorKind::Status { .. }))
    }
}

/// What one Prometheus tells of the pushgateways that it scrapes.
#[derive(Debug, Clone, Default)]
pub(super) struct Scraped {
    /// Whether their last scrapes brought something, by target.
    pub(super) up: BTreeMap<String, bool>,
    /// How many it scrapes that are called otherwise than in the configuration.
    pub(super) others: usize,
    /// The jobs that rename the labels of what was pushed.
    pub(super) renaming: Vec<String>,
    /// The groups whose last push was refused.
    pub(super) refused: Vec<Labels>,
    /// The groups that nobody pushed for long, and for how many seconds.
    pub(super) silent: Vec<(Labels, f64)>,
}

/// Asks the pushgateways of a cluster.
pub(super) async fn gateways(cluster: &Cluster) -> Vec<Gateway> {
    futures_util::future::join_all(cluster.pushgateway.iter().map(|client| gateway(cluster, client))).await
}

async fn gateway(cluster: &Cluster, client: &PushgatewayClient) -> Gateway {
    let (ready, flags, detail) =
        tokio::join!(client.ready(), client.flags(), cluster.detail.lists_checks(client.url()));
    let kind = |answer: Result<(), NetError>| answer.map_err(|error| error.kind);
    let mut unread = Vec::new();
    let flags = flags.map_err(|error| unread.push(Unread::failed("whether it has a file", &error))).ok();
    Gateway {
        name: client.replica().name.clone(),
        target: target_of(client.url()),
        ready: kind(ready),
        has_file: flags.map(|flags| flags.get("persistence.file").is_some_and(|file| !file.is_empty())),
        detail: kind(detail),
        unread,
    }
}

fn target_of(url: &Url) -> String {
    let port = url.port_or_known_default().unwrap_or_default();
    format!("{}:{port}", url.host_str().unwrap_or_default())
}

/// Asks a Prometheus about the pushgateways of its cluster; nothing where there are none.
pub(super) async fn scraped(
    cluster: &Cluster,
    prom: &PrometheusClient,
    unread: &mut Vec<Unread>,
) -> Option<Scraped> {
    if cluster.pushgateway.is_empty() {
        return None;
    }
    let targets: Vec<String> = cluster.pushgateway.iter().map(|gateway| target_of(gateway.url())).collect();
    let any = targets.iter().map(|target| regex::escape(target)).collect::<Vec<_>>().join("|");
    let seen = format!("up{{instance=~{}}} or pushgateway_build_info", quote(&any));
    let renaming = format!("count by (job) (push_time_seconds{{{RENAMED}!=\"\"}})");
    // One that was never pushed has a push that failed.
    let silent = format!("time() - (push_time_seconds > 0) > {SILENT_SECONDS}");
    let (seen, renaming, refused, silent) = tokio::join!(
        prom.vector(&seen),
        prom.vector(&renaming),
        prom.vector("push_failure_time_seconds > push_time_seconds"),
        prom.vector(&silent)
    );
    let dropped = [&cluster.config.drop_labels[..], &["__name__".to_owned()]].concat();
    let bare = |sample: Sample| (sample.labels.without(&dropped), sample.value);
    let seen = heard(unread, "its pushgateways", seen)?;
    let (up, built): (Vec<Sample>, Vec<Sample>) =
        seen.into_iter().partition(|sample| sample.labels.get("__name__") == "up");
    let renaming = heard(unread, "labels of what was pushed", renaming).unwrap_or_default();
    Some(Scraped {
        others: built
            .iter()
            .filter(|s| !targets.iter().any(|target| target == s.labels.get("instance")))
            .count(),
        up: up.into_iter().map(|s| (s.labels.get("instance").to_owned(), s.value != 0.0)).collect(),
        renaming: renaming.into_iter().map(|s| s.labels.get("job").to_owned()).collect(),
        refused: heard(unread, "pushes that failed", refused)?.into_iter().map(|s| bare(s).0).collect(),
        silent: heard(unread, "groups that are silent", silent)?.into_iter().map(bare).collect(),
    })
}

/// What is wrong with one pushgateway.
pub(super) fn gateway_rules(facts: &Facts<'_>, gateway: &Gateway) -> Vec<Finding> {
    let name = &gateway.name;
    let mut findings = Vec::new();
    let mut found =
        |level, rule, text: String, hint: &str| findings.push(finding(facts, level, rule, text, hint));
    match &gateway.ready {
        Err(NetErrorKind::Status { status: 503, message }) => found(
            Level::Problem,
            "pushgateway_ready",
            format!("pushgateway {name} cannot do its job: {message}"),
            "its /-/ready and its log say more",
        ),
        Err(why) if gateway.is_silent() => {
            let text = format!("pushgateway {name} does not answer: {why}");
            let hint = "what is pushed waits at `serve pusher` and is lost elsewhere; alerts of its checks stay as they were";
            return vec![finding(facts, Level::Problem, "unreachable", text, hint)];
        }
        Ok(()) | Err(_) => {}
    }
    match &gateway.detail {
        Err(NetErrorKind::Status { status: 404, .. }) => found(
            Level::Warning,
            "pushgateway_detail",
            format!("pushgateway {name} has no detail API: no alert of what is pushed there has its output"),
            "the original has none; `iaasmon serve pushgateway` takes its place",
        ),
        Err(why) if why.is_forbidden() => found(
            Level::Warning,
            "pushgateway_detail",
            format!("pushgateway {name} does not let us read the output of checks: {why}"),
            "start it with --detail-allow for our network, and for that of the proxies",
        ),
        Ok(()) | Err(_) => {}
    }
    if gateway.has_file == Some(false) {
        let text =
            format!("pushgateway {name} keeps its groups in memory alone: a restart resolves their alerts");
        found(Level::Warning, "pushgateway_file", text, "start it with --persistence.file FILE");
    }
    findings
}

/// What is wrong with how one Prometheus scrapes them.
pub(super) fn scrape_rules(facts: &Facts<'_>, sender: &Sender) -> Vec<Finding> {
    let (Some(scraped), prom) = (&sender.scraped, &sender.name) else { return Vec::new() };
    let mut findings = Vec::new();
    let missing = facts.gateways.iter().filter(|gateway| !scraped.up.contains_key(&gateway.target)).count();
    // One that does not answer us either is dead, which is said once.
    for gateway in facts.gateways.iter().filter(|gateway| !gateway.is_silent()) {
        let name = &gateway.name;
        let (text, hint) = match scraped.up.get(&gateway.target) {
            Some(true) => continue,
            Some(false) => (
                format!("{prom} cannot scrape pushgateway {name}: what is pushed there is not seen"),
                "its page of targets says why",
            ),
            // As many go by other names.
            None if scraped.others >= missing => continue,
            None => (
                format!("{prom} does not scrape pushgateway {name}: what is pushed there is not seen"),
                "`iaasmon generate prometheus` writes the job; one that it knows by another name is to be named so in the configuration",
            ),
        };
        findings.push(finding(facts, Level::Problem, "pushgateway_scrape", text, hint));
    }
    if !scraped.renaming.is_empty() {
        let jobs = scraped.renaming.join(", ");
        let text = format!(
            "{prom} renames the labels of what is pushed ({RENAMED}): neither its alerts nor its output are found by job and group"
        );
        let hint = format!("scrape it with honor_labels: true (job {jobs})");
        findings.push(finding(facts, Level::Warning, "pushgateway_labels", text, &hint));
    }
    findings
}

/// What is wrong with what was pushed, as any Prometheus tells it.
pub(super) fn group_rules(facts: &Facts<'_>) -> Vec<Finding> {
    let scraped = || facts.senders.iter().filter_map(|sender| sender.scraped.as_ref());
    // What one told and the other did not is there: it may have been scraped a moment earlier.
    let refused: BTreeMap<&Labels, f64> =
        scraped().flat_map(|scraped| &scraped.refused).map(|labels| (labels, 0.0)).collect();
    let silent: BTreeMap<&Labels, f64> =
        scraped().flat_map(|scraped| &scraped.silent).map(|(labels, age)| (labels, *age)).collect();
    let mut findings = Vec::new();
    if let Some(names) = names_of(&refused, |_| String::new()) {
        let text = format!("the last push of {} was refused: {names}", groups(refused.len()));
        let hint = "whoever pushed was told why, and what was there before is what is seen";
        findings.push(finding(facts, Level::Warning, "pushgateway_refused", text, hint));
    }
    let since = |age: f64| Duration::try_from_secs_f64(age).map(format_age).unwrap_or_default();
    if let Some(names) = names_of(&silent, |age| format!(" for {}", since(age))) {
        let text = format!("nobody has pushed {} for more than a week: {names}", groups(silent.len()));
        let hint =
            "what it says may be old; delete the group of a job that is no more, or let it go by --ttl";
        findings.push(finding(facts, Level::Warning, "pushgateway_silent", text, hint));
    }
    findings
}

fn groups(number: usize) -> String {
    if number == 1 { "a group".to_owned() } else { format!("{number} groups") }
}

/// Names the first few groups, those that are silent for longest before the others.
fn names_of(all: &BTreeMap<&Labels, f64>, more: impl Fn(f64) -> String) -> Option<String> {
    let mut sorted: Vec<_> = all.iter().collect();
    sorted.sort_by(|(a, x), (b, y)| y.total_cmp(x).then_with(|| a.cmp(b)));
    let names = sorted.iter().take(NAMED).map(|(labels, value)| group_of(labels) + &more(**value));
    let rest = if all.len() > NAMED { ", ..." } else { "" };
    (!all.is_empty()).then(|| names.collect::<Vec<_>>().join(", ") + rest)
}

/// A group by its labels, the job before the others.
fn group_of(labels: &Labels) -> String {
    let is_renamed = !labels.get(RENAMED).is_empty();
    let own = labels.iter().filter(|(name, _)| !is_renamed || !["job", "instance"].contains(name));
    let labels: Labels =
        own.map(|(name, value)| (name.strip_prefix("exported_").unwrap_or(name), value)).collect();
    let others = labels.without(&["job"]);
    let others = others.iter().map(|(name, value)| format!("{name}={value}"));
    [of_job(&labels)].into_iter().chain(others).collect::<Vec<_>>().join(",")
}
