//! `iaasmon generate alertmanager`.

use super::command_line::command_line;
use super::output::OutputArgs;
use super::region::named;
use super::sensu::SensuArgs;
use crate::cli::error::AppError;
use crate::config::{Cluster, Config, mail_address, server_url};
use crate::generate::alertmanager::{Options, Shadow, TEMPLATES, alertmanager};
use crate::generate::sensu::SensuCheck;
use crate::generate::template::{Names, templates};
use crate::generate::{File, header};
use clap::Args;
use std::collections::BTreeMap;
use std::io::Write;
use std::time::Duration;

const EXAMPLES: &str = "\
Examples:
  iaasmon generate alertmanager --out /etc/alertmanager && amtool check-config /etc/alertmanager/alertmanager.yml
  iaasmon generate alertmanager --shadow me@example.com --out /tmp/shadow     while Sensu still tells the others
  iaasmon generate alertmanager --check /etc/alertmanager      is what is deployed what would be written now

Who is told, how often and in which words stands in [generate] of the configuration; `iaasmon config init` shows all of it.";

/// Write Alertmanager's configuration and its templates of mails and Slack messages
///
/// Messages are Sensu's: one for each node and check, with the subject, the fields and the headers of Sensu's mailer. A check that
/// goes from WARNING to CRITICAL is not told as resolved, and a node that is gone mutes its checks.
#[derive(Debug, Clone, Args)]
#[command(after_help = EXAMPLES)]
pub struct AlertmanagerArgs {
    /// Send everything to this address or URL alone, for a time in which Sensu still tells the others
    #[arg(long, value_name = "MAIL|URL")]
    pub shadow: Option<String>,
    /// Where Sensu's definitions are: what goes on is told again after a check's `refresh`.
    #[command(flatten)]
    pub sensu: SensuArgs,
    /// Where it goes.
    #[command(flatten)]
    pub output: OutputArgs,
}

impl AlertmanagerArgs {
    /// Writes the files; what is probably not meant is said on `err`.
    pub fn files(
        &self,
        config: &Config,
        clusters: &[String],
        err: &mut dyn Write,
    ) -> Result<[File; 2], AppError> {
        let cluster = named(config, clusters)?;
        let generate = &config.generate;
        let shadow = self.shadow.as_deref().map(shadow).transpose()?;
        let mails = !generate.mail.to.is_empty()
            || generate.receivers.iter().any(|one| !one.mail_to.is_empty())
            || matches!(shadow, Some(Shadow::Mail(_)));
        if mails && (generate.mail.smarthost.is_none() || generate.mail.from.is_none()) {
            return Err(AppError::usage("mails need a server and a sender").hint(
                "set smarthost = \"mail.example.com:25\" and from = \"...\" in [generate.mail] of the configuration",
            ));
        }
        let slack = generate.slack.channel.is_some()
            || generate.receivers.iter().any(|one| one.slack_channel.is_some());
        if slack && generate.slack.webhook_file.is_none() {
            return Err(AppError::usage("Slack needs the address of its webhook").hint(
                "set webhook_file in [generate.slack]: the file stands on the Alertmanager's machine",
            ));
        }
        if generate.mail.to.is_empty() && generate.slack.channel.is_none() && shadow.is_none() {
            writeln!(err, "warning: alerts that no receiver is for are told to nobody")?;
            writeln!(err, "  hint: set to = [\"...\"] in [generate.mail], or channel in [generate.slack]")?;
        }
        let mut words_of_command = vec!["alertmanager"];
        clusters.iter().for_each(|name| words_of_command.extend(["--cluster", name]));
        self.shadow.iter().for_each(|shadow| words_of_command.extend(["--shadow", shadow]));
        self.sensu.flags().for_each(|flag| words_of_command.push(flag));
        let command = command_line(words_of_command);
        let (node_label, check_label) = labels(config, cluster);
        let options = Options {
            generate,
            node_label,
            check_label,
            refresh: refresh(self.sensu.checks(err)?, generate.repeat_interval),
            shadow,
        };
        Ok([
            File::new("alertmanager.yml", &command, &alertmanager(&options)),
            File { name: TEMPLATES.to_owned(), text: words(config, cluster, &command) },
        ])
    }
}

/// Gathers the checks by how soon they are told again, where that is another time than everybody's.
fn refresh(checks: Vec<SensuCheck>, usual: Duration) -> Vec<(Duration, Vec<String>)> {
    let mut by_time: BTreeMap<Duration, Vec<String>> = BTreeMap::new();
    for check in checks.into_iter().filter(|check| check.alerts) {
        if let Some(refresh) = check.refresh.filter(|refresh| *refresh != usual) {
            by_time.entry(refresh).or_default().push(check.name);
        }
    }
    by_time.into_iter().collect()
}

/// Writes the file of templates of a cluster, as written by `command`.
pub fn words(config: &Config, cluster: Option<&Cluster>, command: &str) -> String {
    let mail = &config.generate.mail;
    let (node, check) = labels(config, cluster);
    let names = Names { node, check, gui: mail.gui.as_ref().map(url::Url::as_str) };
    format!("{{{{/* {} */}}}}\n{}", header(command), templates(mail, names))
}

/// Returns the labels of a node and of a check, as a cluster has them.
pub fn labels<'a>(config: &'a Config, cluster: Option<&'a Cluster>) -> (&'a str, &'a str) {
    match cluster {
        Some(cluster) => (&cluster.node_label, &cluster.check_label),
        None => (&config.defaults.node_label, &config.defaults.check_label),
    }
}

fn shadow(text: &str) -> Result<Shadow<'_>, AppError> {
    let wrong = |why: String| AppError::usage(format!("--shadow: {why}"));
    match text.starts_with("http://") || text.starts_with("https://") {
        true => server_url(text).map(|_| Shadow::Webhook(text)).map_err(|error| wrong(error.message)),
        false => mail_address(text).map(|_| Shadow::Mail(text)).map_err(|error| {
            wrong(error.message)
                .hint("for example --shadow me@example.com or --shadow http://127.0.0.1:8080/")
        }),
    }
}
