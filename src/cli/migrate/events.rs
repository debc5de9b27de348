//! `iaasmon migrate events`: Sensu's events beside the alerts of the fleet, while both systems run.

use crate::cli::args::ListArgs;
use crate::cli::error::{AppError, Exit};
use crate::cli::render::{Cell, Column, Shape, Tone};
use crate::cli::session::Session;
use crate::fleet::alerts::{Annotations, alerts};
use crate::fleet::sensu_events::{Compared, Naming, SeenAlert, Verdict, compare};
use crate::fleet::{Answer, Cluster, Coverage};
use crate::model::status::Status;
use crate::net::SensuApi;
use clap::Args;
use std::path::PathBuf;
use url::Url;

const EXAMPLES: &str = "\
Examples:
  iaasmon migrate events --sensu-api http://sensu.example:4567
  iaasmon migrate events --sensu-api http://sensu.example:4567 --cluster prod-east -o wide
  iaasmon migrate events --sensu-api http://sensu.example:4567 --client-label hostname -o json";

/// Compare Sensu's events with the alerts of the fleet, client by client and check by check
///
/// One line a check that is not well on either side; no plugin is run. `missing`: Sensu has an event and there is no
/// alert. `unsent`: the alert fires on Prometheus and no Alertmanager has it. `differs`: the status is another. `extra`: an
/// alert without an event. `pending`: the alert waits for its `for`; that, and `agrees`, is no disagreement.
///
/// Both sides move: look again before you judge what began just now. Sensu knows its own data centre alone: name its
/// clusters by --cluster. Ends with code 1 where something disagrees.
#[derive(Debug, Clone, Args)]
#[command(after_help = EXAMPLES)]
pub struct EventsArgs {
    /// Where Sensu's API is; user and password may stand in it
    #[arg(long, value_name = "URL", value_parser = api_url)]
    pub sensu_api: Url,
    /// The file that holds the password of the user in the URL
    #[arg(long, value_name = "FILE")]
    pub sensu_password_file: Option<PathBuf>,
    /// The label of an alert that is Sensu's client name [default: the cluster's node label, a port cut off]
    #[arg(long, value_name = "LABEL")]
    pub client_label: Option<String>,
    /// The alert that stands for Sensu's keepalive
    #[arg(long, value_name = "ALERT", default_value = "NodeDown")]
    pub down_alert: String,
    /// How to print.
    #[command(flatten)]
    pub list: ListArgs,
}

/// Parses the address of Sensu's API.
pub fn api_url(text: &str) -> Result<Url, String> {
    if !text.contains("://") {
        return Err(format!("no scheme: write http://{text}"));
    }
    let url: Url = text.parse().map_err(|error: url::ParseError| error.to_string())?;
    match url.scheme() {
        "http" | "https" if url.has_host() => Ok(url),
        _ => Err("http://HOST:PORT or https://HOST:PORT is expected".to_owned()),
    }
}

type C = Column<Compared>;

const SHAPE: Shape<Compared> = Shape {
    columns: &[
        C::word("verdict", |row, _| {
            Cell::ranked(row.verdict.word(), row.verdict as u8).tone(tone(row.verdict))
        }),
        C::name("client", |row, _| Cell::text(&*row.client)),
        C::name("check", |row, _| Cell::text(&*row.check)),
        C::word("sensu", |row, _| status(row.event)),
        C::word("alert", |row, _| status(row.alert)),
        C::name("alertname", |row, _| Cell::text(row.alertname.as_deref().unwrap_or_default())).droppable(2),
        C::word("state", |row, _| Cell::text(row.state.unwrap_or_default())),
        C::name("cluster", |row, _| Cell::text(row.cluster.as_ref().map_or("", |name| name.as_str())))
            .droppable(3),
        C::text("output", |row, _| Cell::text(row.output.lines().next().unwrap_or_default())).droppable(1),
    ],
    name: |row| format!("{}/{}", row.client, row.check),
};

fn tone(verdict: Verdict) -> Tone {
    match verdict {
        Verdict::Missing | Verdict::Unsent => Tone::Bad,
        Verdict::Differs | Verdict::Extra => Tone::Warn,
        Verdict::Pending => Tone::Plain,
        Verdict::Agrees => Tone::Dim,
    }
}

fn status(status: Option<Status>) -> Cell<'static> {
    status.map_or_else(
        || Cell::text(""),
        |status| Cell::ranked(status.word(), status.badness()).tone(status.into()),
    )
}

/// Runs the command.
pub async fn run(args: &EventsArgs, session: &mut Session<'_>) -> Result<Exit, AppError> {
    if let Some(file) = &args.sensu_password_file
        && let Err(error) = std::fs::File::open(file)
    {
        return Err(AppError::usage(format!("--sensu-password-file: {}: {error}", file.display())));
    }
    let api = SensuApi::new(&args.sensu_api, args.sensu_password_file.clone(), &session.config.defaults);
    let naming = Naming { client_label: args.client_label.as_deref(), down_alert: &args.down_alert };
    let (events, seen) =
        tokio::join!(api.events(), session.ask_all(async |cluster| seen(cluster, naming).await));
    // Without events every alert would be one too many.
    let events = events.map_err(|error| AppError::new(Exit::Nothing, error.to_string()))?;
    let Answer { value, coverage, mut notes } = seen;
    let compared = compare(&events.value, &value);
    let disagree = compared.iter().filter(|one| one.verdict.is_disagreement()).count();
    notes.push(format!("{} events and alerts, {disagree} disagree", compared.len()));
    let coverage: Coverage = coverage.join(Coverage::of(api.replica(), &Ok(events)));
    let answer = Answer { value: compared, coverage, notes };
    let exit = session.list(&SHAPE, answer, &args.list, "no events and no alerts")?;
    // Of a part nobody knows what the rest would have said.
    Ok(if exit == Exit::Done && disagree > 0 { Exit::Problems } else { exit })
}

async fn seen(cluster: &Cluster, naming: Naming<'_>) -> Answer<Vec<SeenAlert>> {
    let answer = alerts(cluster, Annotations::FirstLine, |_| {}).await;
    answer.map(|alerts| alerts.iter().filter_map(|alert| SeenAlert::of(cluster, alert, naming)).collect())
}
