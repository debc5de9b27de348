//! `iaasmon migrate pushgateway OLD NEW`: the groups of a gateway that runs, pushed to another one.

mod checks;
mod histograms;

use crate::cli::error::{AppError, Exit};
use crate::cli::streams::Streams;
use crate::config::{self, Cluster, Config, Env};
use crate::model::cluster::ReplicaKind;
use crate::model::family::{Family, Kind, Metric};
use crate::model::group::GroupKey;
use crate::model::text;
use crate::net::{Http, Metrics, NetError, PushOutcome, PushgatewayClient};
use crate::wire::exposition::{Format, protobuf, write};
use crate::wire::push_groups::PushedGroup;
use checks::{Checks, Plan};
use clap::Args;
use futures_util::stream::{self, StreamExt as _};
use serde_json::json;
use std::collections::HashSet;
use std::path::Path;
use std::time::Duration;
use url::Url;

/// So many groups are pushed at a time.
const AT_A_TIME: usize = 8;
/// How long a gateway may take: the original gathers everything for each answer, and for each push.
const WITHIN: Duration = Duration::from_secs(60);
/// The largest answer: 5,000 groups of 50 metrics are about 50 MB.
const LARGEST: u64 = 1024 * 1024 * 1024;
/// Where a gateway is scraped, unless it says otherwise.
const PAGE: &str = "/metrics";
/// The flag that says so.
const PAGE_FLAG: &str = "web.telemetry-path";
/// Why a group is not copied of which something cannot be had.
const LACKING: &str =
    "a histogram of it cannot be read from the old gateway's page, which alone has all of it";
/// Progress is told after so many groups.
const TELL_EVERY: usize = 500;

const EXAMPLES: &str = "\
Examples:
  iaasmon migrate pushgateway http://old:9091 http://new:9091 --dry-run
  iaasmon migrate pushgateway http://old:9091 http://new:9091

Exit codes:
  0 all groups are there, with their checks   2 wrong usage or configuration
  3 a group was refused, or checks were left behind   4 one of the two did not answer";

/// Copy the groups of a Pushgateway that runs to another one
///
/// The original's file is not read: it is asked. A group that the new one has already is left as it is there, for clients may
/// push to it meanwhile; so the command can be run again. When a group was pushed is not copied: the new gateway stamps it now,
/// and its own --ttl holds. From a gateway of iaasmon the newest result of each check goes over as well, with its output; what came
/// before it does not. A password or certificates for a gateway are those of the configured cluster that names it as its
/// pushgateway.
#[derive(Debug, Clone, Args)]
#[command(after_help = EXAMPLES)]
pub struct PushgatewayArgs {
    /// Where the groups are
    #[arg(value_name = "OLD", value_parser = parse_gateway)]
    pub old: Url,
    /// Where they are to be
    #[arg(value_name = "NEW", value_parser = parse_gateway)]
    pub new: Url,
    /// Say what would be copied, and push nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Print what became of each group as a JSON object a line
    #[arg(long)]
    pub json: bool,
}

fn parse_gateway(text: &str) -> Result<Url, String> {
    config::server_url(text).map_err(|wrong| match wrong.hint {
        Some(hint) => format!("{}; {hint}", wrong.message),
        None => wrong.message,
    })
}

/// What became of a group.
enum Fate {
    Copied,
    Planned,
    There,
    Refused(String),
}

impl Fate {
    fn word(&self) -> &'static str {
        match self {
            Self::Copied => "copied",
            Self::Planned => "to copy",
            Self::There => "there already",
            Self::Refused(_) => "refused",
        }
    }
}

/// Runs the command. `global` is what `--config` named.
pub fn run(
    args: &PushgatewayArgs,
    global: Option<&Path>,
    env: &Env,
    streams: &mut Streams<'_>,
) -> Result<Exit, AppError> {
    let config = match config::load_if_there(global, env) {
        Ok(config) => config.unwrap_or_default(),
        Err(errors) if global.is_some() => return Err(errors.into()),
        // Nobody asked for it, and most gateways need none of it.
        Err(errors) => {
            let error = AppError::from(errors);
            let first = error.complaints.first().map_or("", |complaint| complaint.message.as_str());
            writeln!(streams.err, "note: the configuration is not used: {}", text::line(first))?;
            Config::default()
        }
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(copy(args, &config, streams))
}

/// How many groups, or checks, came to what.
#[derive(Debug, Default)]
struct Counts {
    groups: usize,
    copied: usize,
    planned: usize,
    there: usize,
    refused: usize,
    checks: usize,
    checks_left: usize,
}

async fn copy(args: &PushgatewayArgs, config: &Config, streams: &mut Streams<'_>) -> Result<Exit, AppError> {
    let (old, new) = (client(&args.old, config), client(&args.new, config));
    let (groups, there) = tokio::join!(old.groups(), new.groups());
    let checks = Checks::ask(&old, &new).await;
    let mut groups = groups.map_err(silent)?;
    let histograms = histograms::complete(&old, &mut groups).await;
    if let Some(note) = &histograms.note {
        writeln!(streams.err, "note: {}", text::line(note))?;
    }
    let there: HashSet<GroupKey> = there.map_err(silent)?.into_iter().map(|group| group.key).collect();
    let checks = checks.map_err(silent)?;
    groups.sort_by(|a, b| a.key.cmp(&b.key));
    let all = groups.len();
    let mut fates = stream::iter(groups)
        .map(|group| {
            let (old, new, is_there, plan) =
                (&old, &new, there.contains(&group.key), checks.plan(&group.key));
            let lacks = histograms.lacking.contains(&group.key);
            async move {
                let fate = match (is_there, lacks) {
                    (true, _) => Fate::There,
                    (false, true) => Fate::Refused(LACKING.to_owned()),
                    (false, false) if args.dry_run => Fate::Planned,
                    (false, false) => push(new, &group).await,
                };
                if args.dry_run {
                    return (group, fate, plan);
                }
                let done = plan.carry_out(old, new).await;
                (group, fate, done)
            }
        })
        .buffered(AT_A_TIME);
    let mut counts = Counts::default();
    while let Some((group, fate, checks)) = fates.next().await {
        tell(&group, &fate, &checks, args, streams)?;
        counts.add(&fate, &checks);
        if counts.groups % TELL_EVERY == 0 && counts.groups < all {
            writeln!(streams.err, "{} of {all} groups", counts.groups)?;
        }
    }
    writeln!(streams.err, "{}", counts.told(args.dry_run))?;
    Ok(if counts.refused > 0 || counts.checks_left > 0 { Exit::Partial } else { Exit::Done })
}

impl Counts {
    fn add(&mut self, fate: &Fate, checks: &Plan) {
        self.groups += 1;
        *match fate {
            Fate::Copied => &mut self.copied,
            Fate::Planned => &mut self.planned,
            Fate::There => &mut self.there,
            Fate::Refused(_) => &mut self.refused,
        } += 1;
        self.checks += checks.copy.len();
        self.checks_left += checks.left;
    }

    fn told(&self, dry_run: bool) -> String {
        let of = |done: usize, planned: usize| match dry_run {
            true => format!("{planned} would be copied"),
            false => format!("{done} copied"),
        };
        let Self { groups, copied, planned, there, refused, checks, checks_left } = *self;
        let mut told =
            format!("{groups} groups: {}, {there} there already, {refused} refused", of(copied, planned));
        if checks + checks_left > 0 {
            told += &format!("; checks: {}, {checks_left} left behind", of(checks, checks));
        }
        told
    }
}

/// Who does not answer is named as it was given: it belongs to no cluster here.
fn silent(error: NetError) -> AppError {
    AppError::new(Exit::Nothing, format!("{}: {}", error.replica.name, error.kind))
}

/// Opens the door of a gateway, with what the cluster has for it that names it.
fn client(url: &Url, config: &Config) -> PushgatewayClient {
    let is_same = |known: &Url| known.as_str().trim_end_matches('/') == url.as_str().trim_end_matches('/');
    let named = config.clusters.iter().find(|cluster| cluster.pushgateway.iter().any(is_same));
    let mut cluster =
        named.cloned().unwrap_or_else(|| Cluster::new("pushgateway", &Config::default().defaults));
    (cluster.timeout, cluster.max_body) = (WITHIN, LARGEST);
    PushgatewayClient::new(Http::open_one(&cluster, ReplicaKind::Pushgateway, url))
}

/// Asks for the page that Prometheus reads.
async fn page(gateway: &PushgatewayClient, format: Format) -> Result<Vec<u8>, NetError> {
    let flags = gateway.flags().await?;
    gateway.page(flags.get(PAGE_FLAG).map_or(PAGE, String::as_str), format).await
}

async fn push(new: &PushgatewayClient, group: &PushedGroup) -> Fate {
    let (body, format) = body(&group.families);
    let metrics = Metrics { group: &group.key, body: &body, format, replace: true };
    match new.push(metrics, None).await {
        PushOutcome::Accepted | PushOutcome::Older => Fate::Copied,
        PushOutcome::Refused(why) | PushOutcome::Failed(why) => Fate::Refused(why),
    }
}

/// Writes families as text, which everybody reads, unless that cannot hold them.
fn body(families: &[Family<'_>]) -> (Vec<u8>, Format) {
    let mut metrics = families.iter().flat_map(|family| &family.metrics);
    if families.iter().any(|family| family.kind == Kind::GaugeHistogram) || metrics.any(Metric::is_native) {
        let messages = families.iter().flat_map(protobuf::write::delimited);
        return (messages.collect(), Format::Protobuf);
    }
    let mut text = String::new();
    for family in families {
        write::head(&family.name, family.help.as_deref(), family.kind, &mut text);
        write::samples(family, &mut text);
    }
    (text.into_bytes(), Format::Text)
}

fn tell(
    group: &PushedGroup,
    fate: &Fate,
    checks: &Plan,
    args: &PushgatewayArgs,
    streams: &mut Streams<'_>,
) -> std::io::Result<()> {
    let why = match fate {
        Fate::Refused(why) => Some(why.as_str()),
        Fate::Copied | Fate::Planned | Fate::There => checks.why.as_deref(),
    };
    if args.json {
        let labels: serde_json::Map<_, _> =
            group.key.labels().map(|(name, value)| (name.to_owned(), value.into())).collect();
        let line = json!({"v": 1, "group": labels, "result": fate.word(), "checks": checks.copy.len(),
            "checks_left": checks.left, "error": why});
        return writeln!(streams.out, "{line}");
    }
    let word = match checks.left {
        0 => fate.word().to_owned(),
        left => format!("{}, without its {}", fate.word(), counted(left)),
    };
    let labels: Vec<String> = group.key.labels().map(|(name, value)| format!("{name}={value:?}")).collect();
    let with = match (checks.copy.len(), args.dry_run) {
        (0, _) => String::new(),
        (copied, true) => format!("; {} to copy", counted(copied)),
        (copied, false) => format!("; {} copied", counted(copied)),
    };
    let why = why.map(|why| format!(": {why}")).unwrap_or_default();
    writeln!(streams.out, "{word:<13} {}", text::line(&format!("{}{with}{why}", labels.join(","))))
}

fn counted(checks: usize) -> String {
    if checks == 1 { "1 check".to_owned() } else { format!("{checks} checks") }
}
