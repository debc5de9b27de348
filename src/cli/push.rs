//! `iaasmon push`: the result of one command, or metrics as text, to the pushgateways; for cron and CI.

mod deliver;
mod ending;
mod job;

use super::args::GlobalArgs;
use super::error::{AppError, Exit};
use super::gateways::{Around, GatewayArgs};
use super::input;
use super::render::{Document, write_json};
use crate::config::Env;
use crate::fleet::Coverage;
use crate::model::group::PushedCheck;
use crate::model::names::Names;
use crate::model::text::{block, line};
use crate::model::time::{format_duration, parse_duration};
use crate::net::{PushgatewayClient, TTL};
use crate::wire::exposition::parse::parse;
use clap::{Args, ValueEnum};
use deliver::{Delivered, Payload};
use ending::Ending;
use job::Job;
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::future::pending;
use std::io::{self, IsTerminal as _, Read as _, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

const EXAMPLES: &str = "\
Examples:
  iaasmon push --job backup --grouping db=main --gateway http://push:9091 -- /usr/local/bin/backup.sh --full
  iaasmon push --job backup --interval 1d --timeout 6h --cluster prod-east -- backup.sh     UNKNOWN when it stops running
  iaasmon push --job edge --check vpn --plugin -- /usr/lib/nagios/plugins/check_ping -H 10.0.0.1 -w 100,5% -c 500,20%
  iaasmon push --job backup --from-textfile /var/tmp/backup.prom --replace
  iaasmon push --job backup --dry-run -- backup.sh          which request would be sent; nothing is run

Exit codes:
  the command's own: 128 and the number of the signal that ended it, 127 where there is no such command, 126 where it cannot be run;
  124 where --timeout ended it, 1 where it ended with 0 and its output could not be written; with --strict 3 where a push failed;
  with --from-textfile 0 all gateways took it, 3 some did, or it was refused, 4 none took it;
  2 wrong usage, nothing was run";

/// How much text is pushed at most, as much as a gateway takes.
const MOST_TEXT_MIB: u64 = 64;

/// Run a command and push what came of it, or push metrics from a file
///
/// The command runs as it would without iaasmon, with its own exit code, standard output and standard error. Its result, with its
/// output and how long it took, becomes a check of the job's group on every gateway. A job that does not end with 0 is CRITICAL;
/// with --plugin the exit code is the status, 0 to 3 as plugins have it. Whatever is wrong with gateways or configuration, the
/// command is run: that is told on standard error. It has ended when it has ended itself: what it leaves in the background runs on.
/// TERM, INT and HUP are passed on to it, but for those that are ignored from the start, as by nohup; a second one, a second later
/// or more, ends it. Secrets are masked before they are sent.
#[derive(Debug, Clone, Args)]
#[command(after_help = EXAMPLES)]
pub struct PushArgs {
    /// The job, which names the group
    #[arg(long, value_name = "NAME", value_parser = clap::builder::NonEmptyStringValueParser::new())]
    pub job: String,
    /// Where to.
    #[command(flatten)]
    pub gateways: GatewayArgs,
    /// The name of the check [default: the job's]
    #[arg(long, value_name = "NAME", value_parser = parse_check, conflicts_with = "textfile")]
    pub check: Option<String>,
    /// The host that the result is about, if it is about one
    #[arg(long, value_name = "HOST", conflicts_with = "textfile")]
    pub source: Option<String>,
    /// How often the job runs: three times as long without a result and the check is UNKNOWN
    #[arg(long, value_name = "DURATION", value_parser = parse_duration, conflicts_with = "textfile")]
    pub interval: Option<Duration>,
    /// Have the gateways forget the whole group after so long without a push (X-Iaasmon-TTL); 0s is never
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    pub ttl: Option<Duration>,
    /// How long the command may run; it is ended with all that it began, and CRITICAL [default: as long as it likes]
    #[arg(long, value_name = "DURATION", value_parser = parse_limit)]
    pub timeout: Option<Duration>,
    /// How long a gateway that does not take the push is asked again
    #[arg(long, value_name = "DURATION", default_value = "10s", value_parser = parse_duration)]
    pub patience: Duration,
    /// The exit code is the status: 0 OK, 1 WARNING, 2 CRITICAL, any other UNKNOWN
    #[arg(long, conflicts_with = "textfile")]
    pub plugin: bool,
    /// How many bytes of the output are pushed: a quarter of the beginning, the rest of the end
    #[arg(long, value_name = "BYTES", default_value_t = 60 * 1024, value_parser = clap::value_parser!(u32).range(..=4 * 1024 * 1024))]
    pub max_output: u32,
    /// Do not copy the command's output
    #[arg(short, long)]
    pub quiet: bool,
    /// End with 3 where a gateway did not take the push, whatever the command's exit code
    #[arg(long, conflicts_with = "textfile")]
    pub strict: bool,
    /// Show what would be sent; nothing is run or sent
    #[arg(long)]
    pub dry_run: bool,
    /// Push metrics from this file, text 0.0.4, instead of running a command; - is standard input
    #[arg(long = "from-textfile", id = "textfile", value_name = "FILE")]
    pub textfile: Option<PathBuf>,
    /// Put them in the place of all that the group has, not only of metrics of the same name
    #[arg(long, requires = "textfile")]
    pub replace: bool,
    /// How to print what became of it
    #[arg(short, long, value_enum, default_value_t, value_name = "FORMAT")]
    pub output: Format,
    /// The command and its arguments
    #[arg(
        last = true,
        value_name = "COMMAND",
        required_unless_present = "textfile",
        conflicts_with = "textfile"
    )]
    pub command: Vec<OsString>,
}

/// How what became of it is printed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// Nothing but what went wrong, beside the command's own output
    #[default]
    Table,
    /// A document for programs, and the command's output nowhere else
    Json,
}

fn parse_check(text: &str) -> Result<String, String> {
    match text {
        "" | "." | ".." => Err("such a name cannot stand in a path".to_owned()),
        name => Ok(name.to_owned()),
    }
}

fn parse_limit(text: &str) -> Result<Duration, String> {
    match parse_duration(text) {
        Ok(Duration::ZERO) => Err("the command would be ended as soon as it begins".to_owned()),
        parsed => parsed.map_err(|error| error.to_string()),
    }
}

/// What `-o json` prints.
#[derive(Debug, Serialize)]
struct Report<'a> {
    job: &'a str,
    grouping: BTreeMap<String, String>,
    check: Option<&'a str>,
    source: Option<&'a str>,
    exit_code: Option<u8>,
    detail: Option<&'a Value>,
    gateways: &'a [Delivered],
}

/// Runs the command, and returns the exit code.
pub fn run(
    args: &PushArgs,
    global: &GlobalArgs,
    env: &Env,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> Result<u8, AppError> {
    // --timeout is the command's here.
    let around = Around { config: global.config.as_deref(), clusters: &global.cluster, timeout: None, env };
    let clients = args.gateways.clients(around);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let done = runtime.block_on(async {
        match &args.textfile {
            Some(file) => args.push_text(&clients?, file, out, err).await,
            None if args.dry_run => args.show_result(&clients?, out, err),
            None => args.run_command(clients, out, err).await,
        }
    });
    // Whoever reads our output may be stuck: that is no reason to wait for ever.
    runtime.shutdown_background();
    done
}

impl PushArgs {
    fn check(&self) -> PushedCheck {
        let check = self.check.as_deref().unwrap_or(&self.job);
        let source = self.source.as_deref().filter(|source| !source.is_empty()).map(Into::into);
        PushedCheck { group: self.gateways.group(&self.job), check: check.into(), source }
    }

    async fn run_command(
        &self,
        clients: Result<Vec<PushgatewayClient>, AppError>,
        out: &mut dyn Write,
        err: &mut dyn Write,
    ) -> Result<u8, AppError> {
        if let Err(error) = &clients {
            // The job matters more than that somebody hears of it.
            let _ = error.write(err);
        }
        let mut ending = Ending::hear()?;
        let job = Job {
            command: &self.command,
            limit: self.timeout,
            keep: self.max_output as usize,
            copy: !self.quiet && self.output != Format::Json,
            is_plugin: self.plugin,
        };
        let Some(ran) = job.run(&mut ending).await? else {
            let _ = writeln!(err, "error: ended by a second signal, nothing was pushed");
            return Ok(ending.exit_code());
        };
        for reason in &ran.reasons {
            // Nobody may listen.
            let _ = writeln!(err, "error: {}", line(reason));
        }
        let mut detail = job.detail(&ran);
        self.complete(&mut detail);
        let clients = clients.ok().unwrap_or_default();
        let (check, body) = (self.check(), detail.to_string().into_bytes());
        let result = Payload::Result(&check, &body);
        let delivered = deliver::all(&clients, result, self.ttl, self.patience, ending.over()).await;
        let failed = clients.is_empty() || delivered.iter().any(|one| !one.is_accepted());
        let code = if self.strict && failed { Exit::Partial.code() } else { ran.exit };
        match self.tell(&delivered, Some((ran.exit, &detail)), out, err) {
            Err(error) if code == Exit::Done.code() => Err(error),
            // What it ended with is told, whoever listens.
            _ => Ok(code),
        }
    }

    /// Adds what only the command line knows.
    fn complete(&self, detail: &mut Value) {
        if let (Some(interval), Some(detail)) = (self.interval, detail.as_object_mut()) {
            let whole = (interval.subsec_nanos() == 0).then(|| Value::from(interval.as_secs()));
            let seconds = whole.unwrap_or_else(|| interval.as_secs_f64().into());
            detail.insert("interval".to_owned(), seconds);
        }
    }

    fn show_result(
        &self,
        clients: &[PushgatewayClient],
        out: &mut dyn Write,
        err: &mut dyn Write,
    ) -> Result<u8, AppError> {
        let mut detail = job::detail_before(&self.command);
        self.complete(&mut detail);
        if self.output == Format::Json {
            self.report(&deliver::unsent(clients), Some((None, &detail)), out)?;
        } else {
            for client in clients {
                let url = client.result_url(&self.check()).map(String::from).unwrap_or_default();
                self.show_request(("PUT", &url), out)?;
                let detail = serde_json::to_string_pretty(&detail).map_err(io::Error::from)?;
                show(format!("{detail}\n").as_bytes(), io::stdout().is_terminal(), out)?;
            }
        }
        writeln!(
            err,
            "dry run: nothing was run or sent; status, output, executed and duration come of the run"
        )?;
        Ok(Exit::Done.code())
    }

    async fn push_text(
        &self,
        clients: &[PushgatewayClient],
        file: &Path,
        out: &mut dyn Write,
        err: &mut dyn Write,
    ) -> Result<u8, AppError> {
        let text = read_text(file)?;
        let group = self.gateways.group(&self.job);
        if self.dry_run && self.output == Format::Json {
            self.report(&deliver::unsent(clients), None, out)?;
        } else if self.dry_run {
            for client in clients {
                let method = if self.replace { "PUT" } else { "POST" };
                self.show_request((method, client.metrics_url(&group).as_str()), out)?;
                show(&text, io::stdout().is_terminal(), out)?;
            }
        }
        if self.dry_run {
            writeln!(err, "dry run: nothing was sent")?;
            return Ok(Exit::Done.code());
        }
        let metrics = Payload::Metrics { group: &group, text: &text, replace: self.replace };
        let delivered = deliver::all(clients, metrics, self.ttl, self.patience, pending()).await;
        self.tell(&delivered, None, out, err)?;
        Ok(deliver::exit(&delivered).code())
    }

    fn show_request(&self, (method, url): (&str, &str), out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "{method} {}", line(url))?;
        match self.ttl {
            Some(ttl) => writeln!(out, "{TTL}: {}", format_duration(ttl)),
            None => Ok(()),
        }
    }

    /// Says what went wrong, and with `-o json` everything.
    fn tell(
        &self,
        delivered: &[Delivered],
        ran: Option<(u8, &Value)>,
        out: &mut dyn Write,
        err: &mut dyn Write,
    ) -> Result<(), AppError> {
        for one in delivered.iter().filter(|one| !one.is_accepted()) {
            let _ = writeln!(err, "error: {}", line(&one.to_string()));
        }
        match self.output {
            Format::Json => self.report(delivered, ran.map(|(exit, detail)| (Some(exit), detail)), out),
            _ => Ok(()),
        }
    }

    fn report(
        &self,
        gateways: &[Delivered],
        ran: Option<(Option<u8>, &Value)>,
        out: &mut dyn Write,
    ) -> Result<(), AppError> {
        let named = self.check.as_deref().unwrap_or(&self.job);
        let report = Report {
            job: &self.job,
            grouping: self.gateways.labels(),
            check: ran.map(|_| named),
            source: self.source.as_deref(),
            exit_code: ran.and_then(|(exit, _)| exit),
            detail: ran.map(|(_, detail)| detail),
            gateways,
        };
        Ok(write_json(&Document::new(report, &Coverage::default(), &[]), out)?)
    }
}

/// Shows what would be sent, byte by byte but for people's terminals: a file of metrics is anybody's text.
fn show(text: &[u8], is_terminal: bool, out: &mut dyn Write) -> io::Result<()> {
    if !is_terminal {
        return out.write_all(text);
    }
    text.split_inclusive(|byte| *byte == b'\n').try_for_each(|text| {
        let text = String::from_utf8_lossy(text);
        out.write_all(block(&text).as_bytes())
    })
}

/// Reads metrics, and says what is wrong with them before anybody is asked.
fn read_text(file: &Path) -> Result<Vec<u8>, AppError> {
    let unread = |error: io::Error| AppError::usage(format!("{}: {error}", file.display()));
    let mut text = match file.to_str() {
        Some("-") => {
            let mut text = Vec::new();
            let most = MOST_TEXT_MIB << 20;
            io::stdin().lock().take(most + 1).read_to_end(&mut text).map_err(unread)?;
            if text.len() as u64 > most {
                return Err(AppError::usage(format!("-: it is larger than {MOST_TEXT_MIB} MiB")));
            }
            text
        }
        _ => input::read_bounded(file, MOST_TEXT_MIB).map_err(unread)?,
    };
    // The format wants an end of the last line, which is easily forgotten.
    if !text.is_empty() && !text.ends_with(b"\n") {
        text.push(b'\n');
    }
    // Which names it takes is the gateway's to say.
    parse(&text, Names::Utf8).map_err(|error| AppError::usage(format!("{}: {error}", file.display())))?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::show;

    #[test]
    fn what_would_be_sent_is_shown_to_the_byte_and_to_a_terminal_safely() {
        let text = b"a{b=\"\x1b]52;c;ZXZpbA==\x07\xe2\x80\xae\"} 1\n\tc 2\xff\n";
        let shown = |is_terminal| {
            let mut out = Vec::new();
            show(text, is_terminal, &mut out).expect("memory");
            out
        };
        assert_eq!(shown(false), text);
        assert_eq!(String::from_utf8_lossy(&shown(true)), "a{b=\"\"} 1\n        c 2\u{fffd}\n");
    }
}
