//! `iaasmon notify-preview`: the mail and the Slack message that Alertmanager would send, before it does.

use super::alert::{one_alert, parse_prefix};
use super::error::{AppError, Exit};
use super::generate::alertmanager::{labels, words};
use super::input::read_bounded;
use super::render::{Document, write_json};
use super::session::Session;
use crate::config::{Cluster, Receiver};
use crate::fleet::Coverage;
use crate::generate::alertmanager::TEMPLATES;
use crate::generate::preview::{Comparison, Verdict, compare, counterpart};
use crate::generate::template::HEADERS;
use crate::model::cluster::ClusterName;
use crate::model::text::{block, line};
use crate::wire::am_message::{MessageAlert, decode_alert_file, message};
use crate::wire::mail::{Mail, decode_mails};
use clap::{ArgGroup, Args, ValueEnum};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::process::Command;
use ulid::Ulid;

const EXAMPLES: &str = "\
Examples:
  iaasmon notify-preview 5a0c                           of an alert that fires; `iaasmon alerts -o wide` shows fingerprints
  iaasmon notify-preview --file alert.json              an alert of the API, or the message of a webhook
  iaasmon notify-preview 5a0c --compare sensu.mbox      what Sensu's mail told and this one does not: exit code 1
  iaasmon notify-preview 5a0c --templates /etc/alertmanager/iaasmon.tmpl";

/// The largest file of alerts or mails that is read.
const MOST_MIB: u64 = 64;
/// A template that takes longer comes to no end.
const RENDERED_WITHIN: Duration = Duration::from_secs(30);
/// What is rendered beside subject, text and headers.
const SLACK: [&str; 4] = ["title", "text", "color", "link"];

/// Show the mail and the Slack message that Alertmanager would send of an alert
///
/// Rendered by `amtool template render` with the words of the configuration, as `iaasmon generate alertmanager` writes them. With
/// --compare it is held against the mails that Sensu sent: a fact that is missing or differs ends with exit code 1.
#[derive(Debug, Clone, Args)]
#[command(after_help = EXAMPLES, group = ArgGroup::new("alert").required(true))]
pub struct NotifyPreviewArgs {
    /// The alert's fingerprint, or its beginning (4 digits at least)
    #[arg(value_parser = parse_prefix, group = "alert")]
    pub fingerprint: Option<String>,
    /// Read alerts from this file: JSON of Alertmanager's API, or of its webhooks
    #[arg(long, value_name = "FILE", group = "alert")]
    pub file: Option<PathBuf>,
    /// Use these templates instead of those that would be generated
    #[arg(long, value_name = "FILE")]
    pub templates: Option<PathBuf>,
    /// Hold the mail against those in this file, one mail or an mbox
    #[arg(long, value_name = "FILE")]
    pub compare: Option<PathBuf>,
    /// Where amtool is
    #[arg(long, value_name = "PATH", default_value = "amtool")]
    pub amtool: PathBuf,
    /// How to print
    #[arg(short, long, value_enum, default_value_t, value_name = "FORMAT")]
    pub output: Format,
}

/// How it can be printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum Format {
    /// A page for people
    #[default]
    Table,
    /// A document for programs
    Json,
}

/// What Alertmanager would send.
struct Rendered {
    mail: Mail,
    html: String,
    slack: Vec<(&'static str, String)>,
}

/// Runs the command.
pub async fn run(args: &NotifyPreviewArgs, session: &mut Session<'_>) -> Result<Exit, AppError> {
    let mails = args.compare.as_deref().map(read_mails).transpose()?;
    let Asked { alerts, cluster, answered } = asked(args, session).await?;
    let (config, cluster) = (&session.config, cluster.as_ref());
    let (node_label, check_label) = labels(config, cluster);
    let group_by = config.generate.group_by.labels(node_label, check_label);
    let url = cluster.and_then(|cluster| cluster.alertmanager.first());
    let url = url.map_or_else(|| "http://alertmanager:9093".to_owned(), ToString::to_string);
    let data = message(&alerts, &group_by, Receiver::DEFAULT, &url);
    let templates = match &args.templates {
        Some(_) => String::new(),
        None => words(config, cluster, "iaasmon notify-preview"),
    };
    let rendered = render(args, &templates, &data).await?;
    let has_output = alerts
        .iter()
        .any(|alert| alert.annotations.get("check_output").is_some_and(|output| !output.is_empty()));
    let compared = match &mails {
        Some(mails) => Some(held_against(mails, &rendered.mail, has_output)?),
        None => None,
    };
    print(args.output, &rendered, compared.as_ref(), &answered, session)?;
    let exit = session.tell(&answered.0, &answered.1)?;
    let bad = |one: &Comparison| matches!(one.verdict, Verdict::Missing | Verdict::Differs);
    let lacks = compared.is_some_and(|(_, all)| all.iter().any(bad));
    Ok(if lacks { Exit::Problems } else { exit })
}

/// Finds Sensu's mail of the same check, and compares.
fn held_against<'a>(
    mails: &'a [Mail],
    ours: &Mail,
    has_output: bool,
) -> Result<(&'a Mail, Vec<Comparison>), AppError> {
    let sensu = counterpart(mails, ours).ok_or_else(|| {
        let (count, of) = (mails.len(), line(&ours.subject));
        AppError::usage(format!("--compare: none of {count} mails is about this check: {of}")).hint(
            "mails are found by X-Sensu-Host and X-Sensu-Check-Name, or the lines Host: and Check Name:",
        )
    })?;
    Ok((sensu, compare(sensu, ours, has_output)))
}

/// What is told of, by whom, and who answered for it.
struct Asked {
    alerts: Vec<MessageAlert>,
    cluster: Option<Cluster>,
    answered: (Coverage, Vec<String>),
}

/// Reads the alerts, or asks for the one that fires.
async fn asked(args: &NotifyPreviewArgs, session: &mut Session<'_>) -> Result<Asked, AppError> {
    // Of a file the first of the clusters would tell that --cluster leaves.
    let of = |name: Option<&ClusterName>, session: &Session<'_>| {
        let clusters = session.config.clusters.iter();
        let is_it = |cluster: &&Cluster| match name {
            Some(name) => cluster.name == *name,
            None => session.fleet.cluster(&cluster.name).is_some(),
        };
        clusters.clone().find(is_it).cloned()
    };
    if let Some(file) = &args.file {
        let failed = |why: String| AppError::usage(format!("--file: {}: {why}", file.display()));
        let bytes = read_bounded(file, MOST_MIB).map_err(|error| failed(error.to_string()))?;
        let text = String::from_utf8(bytes).map_err(|error| failed(error.to_string()))?;
        let alerts = decode_alert_file(&text, session.now).map_err(|error| failed(error.to_string()))?;
        return Ok(Asked { alerts, cluster: of(None, session), answered: Default::default() });
    }
    let answer = one_alert(args.fingerprint.as_deref().unwrap_or_default(), session).await?;
    let alert = &answer.value[0].alert;
    let one = MessageAlert::new(&alert.labels, &alert.annotations, alert.since, &alert.generator_url);
    let cluster = of(Some(&alert.cluster), session);
    Ok(Asked { alerts: vec![one], cluster, answered: (answer.coverage, answer.notes) })
}

/// Renders everything; amtool is asked twice, for text and for HTML.
async fn render(args: &NotifyPreviewArgs, templates: &str, data: &Value) -> Result<Rendered, AppError> {
    let folder = Scratch::new()?;
    let templates = match &args.templates {
        Some(file) => file.clone(),
        None => folder.write(TEMPLATES, templates)?,
    };
    let data = folder.write("data.json", &data.to_string())?;
    // What a script printed may hold any other mark.
    let mark = format!("\n=={}==\n", Ulid::generate());
    let headers = HEADERS.map(|(name, _)| format!("header.{}", name.to_lowercase()));
    let names: Vec<String> = ["subject".to_owned(), "text".to_owned()]
        .into_iter()
        .chain(headers)
        .chain(SLACK.map(|name| format!("slack.{name}")))
        .collect();
    let whole: Vec<String> =
        names.iter().map(|name| format!("{{{{ template \"iaasmon.{name}\" . }}}}")).collect();
    let text = amtool(&args.amtool, &templates, &data, &whole.join(&mark), "text").await?;
    let parts: Vec<&str> = text.split(mark.as_str()).collect();
    let part = |name: &str| {
        let at = names.iter().position(|known| known == name);
        at.and_then(|at| parts.get(at)).map_or_else(String::new, |part| (*part).to_owned())
    };
    let html = amtool(&args.amtool, &templates, &data, "{{ template \"iaasmon.html\" . }}", "html").await?;
    let extra = HEADERS
        .map(|(name, _)| (format!("X-Sensu-{name}"), part(&format!("header.{}", name.to_lowercase()))));
    Ok(Rendered {
        mail: Mail { subject: part("subject"), date: String::new(), extra: extra.into(), body: part("text") },
        html,
        slack: SLACK.map(|name| (name, part(&format!("slack.{name}")))).into(),
    })
}

async fn amtool(
    program: &Path,
    templates: &Path,
    data: &Path,
    text: &str,
    kind: &str,
) -> Result<String, AppError> {
    let flag = |name: &str, value: &std::ffi::OsStr| {
        let mut flag = std::ffi::OsString::from(format!("--template.{name}="));
        flag.push(value);
        flag
    };
    let rendering = Command::new(program)
        .kill_on_drop(true)
        .args(["template", "render"])
        .arg(flag("glob", templates.as_os_str()))
        .arg(flag("data", data.as_os_str()))
        .arg(flag("text", text.as_ref()))
        .arg(flag("type", kind.as_ref()))
        .output();
    let output = tokio::time::timeout(RENDERED_WITHIN, rendering).await.map_err(|_| {
        AppError::usage(format!("amtool did not render the templates within {RENDERED_WITHIN:?}"))
    })?;
    let output = output.map_err(|error| {
        AppError::usage(format!("{}: {error}", program.display()))
            .hint("amtool comes with Alertmanager (apt-get install prometheus-alertmanager); --amtool PATH says where it is")
    })?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(AppError::usage(format!("amtool cannot render the templates: {}", line(said.trim()))));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

fn read_mails(file: &Path) -> Result<Vec<Mail>, AppError> {
    let failed = |why: String| AppError::usage(format!("--compare: {}: {why}", file.display()));
    let mails = decode_mails(&read_bounded(file, MOST_MIB).map_err(|error| failed(error.to_string()))?);
    if mails.is_empty() {
        return Err(failed("no mail is in it".to_owned()).hint("one message with its headers, or an mbox"));
    }
    Ok(mails)
}

fn print(
    format: Format,
    rendered: &Rendered,
    compared: Option<&(&Mail, Vec<Comparison>)>,
    (coverage, notes): &(Coverage, Vec<String>),
    session: &mut Session<'_>,
) -> Result<(), AppError> {
    let out = &mut *session.streams.out;
    if format == Format::Json {
        let headers: serde_json::Map<_, _> =
            rendered.mail.extra.iter().map(|(name, value)| (name.clone(), json!(value))).collect();
        let slack: serde_json::Map<_, _> =
            rendered.slack.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect();
        let mail = json!({
            "subject": rendered.mail.subject, "headers": headers, "text": rendered.mail.body, "html": rendered.html,
        });
        let compared = compared.map(|(_, all)| all);
        let data = json!({ "mail": mail, "slack": slack, "compared": compared });
        return Ok(write_json(&Document::new(&data, coverage, notes), out)?);
    }
    writeln!(out, "Subject: {}", line(&rendered.mail.subject))?;
    for (name, value) in &rendered.mail.extra {
        writeln!(out, "{name}: {}", line(value))?;
    }
    writeln!(out, "\n{}", block(&rendered.mail.body))?;
    writeln!(out, "Slack")?;
    for (name, value) in &rendered.slack {
        writeln!(out, "  {name}: {}", block(value.trim_end()).replace('\n', "\n    "))?;
    }
    if let Some((sensu, all)) = compared {
        let of = if sensu.date.is_empty() { String::new() } else { format!(" of {}", line(&sensu.date)) };
        writeln!(out, "\nCompared with Sensu's mail{of}: {}", line(&sensu.subject))?;
        for one in all {
            writeln!(out, "  {}", told(one))?;
        }
    }
    Ok(())
}

fn told(one: &Comparison) -> String {
    let Comparison { fact, sensu, ours, .. } = one;
    match one.verdict {
        Verdict::Same => format!("same     {}", line(fact)),
        Verdict::Other => format!("other    {}: {}, here {}", line(fact), line(sensu), line(ours)),
        Verdict::Differs => format!("DIFFERS  {}: {}, here {}", line(fact), line(sensu), line(ours)),
        Verdict::Missing => format!("MISSING  {}: {}", line(fact), line(sensu)),
    }
}

/// A folder of ours that goes when it is no longer needed.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> std::io::Result<Self> {
        let path = std::env::temp_dir().join(format!("iaasmon-preview-{}", Ulid::generate()));
        // Outputs of checks are nobody else's to read.
        std::os::unix::fs::DirBuilderExt::mode(&mut std::fs::DirBuilder::new(), 0o700).create(&path)?;
        Ok(Self(path))
    }

    fn write(&self, name: &str, text: &str) -> std::io::Result<PathBuf> {
        let path = self.0.join(name);
        std::fs::write(&path, text)?;
        Ok(path)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // Nothing is lost where it stays: it is in the folder for what is temporary.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
