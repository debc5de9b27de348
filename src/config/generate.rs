//! `[generate]`: who is told, how often, and in which words; what `iaasmon generate alertmanager` writes.

use super::check::{Checked, values};
use super::files::Paths;
use super::keys;
use super::origin::{At, List, Origin};
use super::problem::Problem;
use super::read::Table;
use super::show::{Entries, Section, text};
use super::valid::Config;
use super::value::{self, Wrong, quote};
use crate::model::matcher::Matcher;
use crate::model::notice::parse_notice;
use crate::model::time::format_duration;
use std::path::PathBuf;
use std::time::Duration;
use toml::Value;
use url::Url;

/// What a mail's subject says: the same as that of Sensu's mailer, so that filters of mails go on working.
const SUBJECT: &str = "{action} - {client}/{check}: {status}";
/// What a mail says: the fields of Sensu's mailer (sensu-plugins-mailer, `build_body`) in its order, then what is new.
const BODY: &str = "\
{output}
Admin GUI: {gui}
Host: {client}
Timestamp: {issued}
Address:  {address}
Check Name:  {check}
Command:  {command}
Status:  {status}
Occurrences:  {occurrences}
Playbook:  {playbook}
Silence:  {silence}
";

/// Who is told, how often, and in which words.
#[derive(Debug, Clone)]
pub struct Generate {
    /// Which alerts come in one message.
    pub group_by: Grouping,
    /// How long the first message of a group waits for others, and for the outputs of its checks.
    pub group_wait: Duration,
    /// How soon a group that has changed is told of again.
    pub group_interval: Duration,
    /// How often what goes on is told again.
    pub repeat_interval: Duration,
    /// Mails.
    pub mail: Mail,
    /// Slack.
    pub slack: Slack,
    /// Who is told of what; whom none of them is for goes to `mail.to` and `slack.channel`.
    pub receivers: Vec<Receiver>,
}

/// Which alerts come in one message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Grouping {
    /// One message for each node and check, as Sensu sent.
    Check,
    /// One for each node.
    Node,
    /// One for each alert rule.
    Rule,
}

impl Grouping {
    const ALL: [Self; 3] = [Self::Check, Self::Node, Self::Rule];

    /// Returns the labels that the alerts of a message have in common.
    pub fn labels<'a>(self, node_label: &'a str, check_label: &'a str) -> Vec<&'a str> {
        match self {
            // A check about another host is that host's.
            Self::Check => vec![node_label, check_label, "source"],
            Self::Node => vec![node_label],
            Self::Rule => vec!["alertname"],
        }
    }

    /// Returns the word of the configuration file.
    pub fn word(self) -> &'static str {
        match self {
            Self::Check => "check",
            Self::Node => "node",
            Self::Rule => "rule",
        }
    }
}

/// Mails.
#[derive(Debug, Clone)]
pub struct Mail {
    /// The server that takes them, `host:port`.
    pub smarthost: Option<String>,
    /// Who they are from.
    pub from: Option<String>,
    /// Who gets them, unless a receiver says otherwise.
    pub to: Vec<String>,
    /// Where answers go.
    pub reply_to: Option<String>,
    /// The user at the server.
    pub user: Option<String>,
    /// Where the user's password stands on the Alertmanager's machine.
    pub password_file: Option<PathBuf>,
    /// Whether the server must speak TLS.
    pub tls: bool,
    /// The subject, with `{places}`; validated.
    pub subject: String,
    /// The text, with `{places}`; validated.
    pub body: String,
    /// Whether there is an HTML part beside the text.
    pub html: bool,
    /// What `{gui}` names; otherwise the Alertmanager.
    pub gui: Option<Url>,
}

/// Slack.
#[derive(Debug, Clone, Default)]
pub struct Slack {
    /// Where the webhook's address stands on the Alertmanager's machine.
    pub webhook_file: Option<PathBuf>,
    /// The channel, unless a receiver says otherwise.
    pub channel: Option<String>,
}

/// Somebody who is told of some alerts.
#[derive(Debug, Clone)]
pub struct Receiver {
    /// Its name.
    pub name: String,
    /// The alerts; several receivers may be told of one.
    pub matchers: Vec<Matcher>,
    /// Who gets mails.
    pub mail_to: Vec<String>,
    /// The channel of Slack.
    pub slack_channel: Option<String>,
    /// Webhooks in Alertmanager's own format.
    pub webhook: Vec<Url>,
}

impl Default for Generate {
    fn default() -> Self {
        Self {
            group_by: Grouping::Check,
            // Sensu waited for nobody. A detail that is late comes within the proxy's time for a fetch, which is 5 s.
            group_wait: Duration::from_secs(10),
            // At 20,000 groups this takes an Alertmanager 0.25 a twentieth of a core, and 450 MB (measured).
            group_interval: Duration::from_secs(60),
            // Sensu's handlers told again after `refresh`, 1800 s by default.
            repeat_interval: Duration::from_secs(30 * 60),
            mail: Mail::default(),
            slack: Slack::default(),
            receivers: Vec::new(),
        }
    }
}

impl Default for Mail {
    fn default() -> Self {
        Self {
            smarthost: None,
            from: None,
            to: Vec::new(),
            reply_to: None,
            user: None,
            password_file: None,
            tls: true,
            subject: SUBJECT.to_owned(),
            body: BODY.to_owned(),
            html: true,
            gui: None,
        }
    }
}

/// What one source says of it.
#[derive(Debug, Default)]
pub struct GenerateLayer {
    group_by: Option<At<Grouping>>,
    group_wait: Option<At<Duration>>,
    group_interval: Option<At<Duration>>,
    repeat_interval: Option<At<Duration>>,
    mail: MailLayer,
    webhook_file: Option<At<PathBuf>>,
    channel: Option<At<String>>,
    receivers: Vec<ReceiverLayer>,
}

#[derive(Debug, Default)]
struct MailLayer {
    smarthost: Option<At<String>>,
    from: Option<At<String>>,
    to: Option<At<List<String>>>,
    reply_to: Option<At<String>>,
    user: Option<At<String>>,
    password_file: Option<At<PathBuf>>,
    tls: Option<At<bool>>,
    subject: Option<At<String>>,
    body: Option<At<String>>,
    html: Option<At<bool>>,
    gui: Option<At<Url>>,
}

#[derive(Debug)]
struct ReceiverLayer {
    origin: Origin,
    /// Whether anything is wrong with it: then what is missing may be what was wrong.
    flawed: bool,
    name: Option<At<String>>,
    matchers: Option<At<List<Matcher>>>,
    mail_to: Option<At<List<String>>>,
    slack_channel: Option<At<String>>,
    webhook: Option<At<List<Url>>>,
}

impl GenerateLayer {
    /// Reads a file's `[generate]`.
    pub fn read(root: &Table<'_>, paths: &Paths) -> Self {
        let Some(table) = root.table("generate", &keys::GENERATE) else { return Self::default() };
        let slack = table.table("slack", &keys::SLACK);
        // The file is on another machine: that it is not here says nothing.
        let webhook_file =
            slack.as_ref().and_then(|slack| slack.text("webhook_file", |text| paths.resolve(text)));
        Self {
            group_by: table.text("group_by", |text| value::one_of(text, &Grouping::ALL, Grouping::word)),
            group_wait: table.text("group_wait", value::timeout),
            group_interval: table.text("group_interval", value::timeout),
            repeat_interval: table.text("repeat_interval", value::timeout),
            mail: table
                .table("mail", &keys::MAIL)
                .map(|mail| MailLayer::read(&mail, paths))
                .unwrap_or_default(),
            webhook_file,
            channel: slack.as_ref().and_then(|slack| slack.text("channel", plain)),
            receivers: table
                .tables("receiver", &keys::RECEIVER)
                .map(|table| ReceiverLayer::read(&table))
                .collect(),
        }
    }

    /// Lays this layer over a weaker one.
    pub fn over(self, lower: Self) -> Self {
        Self {
            group_by: self.group_by.or(lower.group_by),
            group_wait: self.group_wait.or(lower.group_wait),
            group_interval: self.group_interval.or(lower.group_interval),
            repeat_interval: self.repeat_interval.or(lower.repeat_interval),
            mail: self.mail.over(lower.mail),
            webhook_file: self.webhook_file.or(lower.webhook_file),
            channel: self.channel.or(lower.channel),
            // As with rules: those of two files cannot be mixed.
            receivers: if self.receivers.is_empty() { lower.receivers } else { self.receivers },
        }
    }
}

impl MailLayer {
    fn read(table: &Table<'_>, paths: &Paths) -> Self {
        Self {
            smarthost: table.text("smarthost", smarthost),
            from: table.text("from", mail_address),
            to: table.list("to", mail_address),
            reply_to: table.text("reply_to", mail_address),
            user: table.text("user", value::word),
            password_file: table.text("password_file", |text| paths.resolve(text)),
            tls: table.switch("tls"),
            subject: table.text("subject", subject),
            body: table.text("body", notice),
            html: table.switch("html"),
            gui: table.text("gui", value::url),
        }
    }

    fn over(self, lower: Self) -> Self {
        Self {
            smarthost: self.smarthost.or(lower.smarthost),
            from: self.from.or(lower.from),
            to: self.to.or(lower.to),
            reply_to: self.reply_to.or(lower.reply_to),
            user: self.user.or(lower.user),
            password_file: self.password_file.or(lower.password_file),
            tls: self.tls.or(lower.tls),
            subject: self.subject.or(lower.subject),
            body: self.body.or(lower.body),
            html: self.html.or(lower.html),
            gui: self.gui.or(lower.gui),
        }
    }
}

impl ReceiverLayer {
    fn read(table: &Table<'_>) -> Self {
        let layer = Self {
            origin: table.origin.clone(),
            flawed: false,
            name: table.text("name", plain),
            matchers: table.list("match", super::enrich::matcher),
            mail_to: table.list("mail_to", mail_address),
            slack_channel: table.text("slack_channel", plain),
            webhook: table.list("webhook", value::url),
        };
        Self { flawed: table.is_flawed(), ..layer }
    }
}

/// Parses a word that Alertmanager would expand as a template.
fn plain(text: &str) -> Result<String, Wrong> {
    match text.contains("{{") {
        true => Err(Wrong::new(format!("Alertmanager would take {{{{ for a template in {}", quote(text)))),
        false => value::word(text),
    }
}

/// Parses an address of mail, with or without a name.
pub fn mail_address(text: &str) -> Result<String, Wrong> {
    let is_address = text.split_once('@').is_some_and(|(user, host)| !user.is_empty() && !host.is_empty());
    match is_address {
        true => plain(text),
        false => Err(Wrong::new(format!("no address of mail: {}", quote(text)))
            .hint("write it like \"oncall@example.com\"")),
    }
}

/// Parses words with places.
fn notice(text: &str) -> Result<String, Wrong> {
    match parse_notice(text) {
        Ok(_) => Ok(text.to_owned()),
        Err(error) => Err(Wrong::new(error.message).hint(error.hint)),
    }
}

fn subject(text: &str) -> Result<String, Wrong> {
    notice(&value::word(text)?)
}

fn smarthost(text: &str) -> Result<String, Wrong> {
    let port =
        text.rsplit_once(':').filter(|(host, _)| !host.is_empty()).map(|(_, port)| port.parse::<u16>());
    match port {
        Some(Ok(1..)) => value::word(text),
        _ => Err(Wrong::new(format!("no host and port: {}", quote(text)))
            .hint("write it like \"mail.example.com:25\"")),
    }
}

impl Checked {
    /// Takes `[generate]` over.
    pub(super) fn generate(&mut self, layer: GenerateLayer) {
        let mut all = Generate::default();
        self.take("generate.group_by", &mut all.group_by, layer.group_by);
        self.take("generate.group_wait", &mut all.group_wait, layer.group_wait);
        self.take("generate.group_interval", &mut all.group_interval, layer.group_interval);
        self.take("generate.repeat_interval", &mut all.repeat_interval, layer.repeat_interval);
        all.mail = self.mail(layer.mail);
        self.take_some("generate.slack.webhook_file", &mut all.slack.webhook_file, layer.webhook_file);
        self.take_some("generate.slack.channel", &mut all.slack.channel, layer.channel);
        for (number, receiver) in layer.receivers.into_iter().enumerate() {
            if let Some(receiver) = self.receiver(number, receiver, &all.receivers) {
                all.receivers.push(receiver);
            }
        }
        self.config.generate = all;
    }

    fn mail(&mut self, layer: MailLayer) -> Mail {
        let mut mail = Mail::default();
        self.take_some("generate.mail.smarthost", &mut mail.smarthost, layer.smarthost);
        self.take_some("generate.mail.from", &mut mail.from, layer.from);
        self.take("generate.mail.to", &mut mail.to, layer.to.map(values));
        self.take_some("generate.mail.reply_to", &mut mail.reply_to, layer.reply_to);
        self.take_some("generate.mail.user", &mut mail.user, layer.user);
        self.take_some("generate.mail.password_file", &mut mail.password_file, layer.password_file);
        self.take("generate.mail.tls", &mut mail.tls, layer.tls);
        self.take("generate.mail.subject", &mut mail.subject, layer.subject);
        self.take("generate.mail.body", &mut mail.body, layer.body);
        self.take("generate.mail.html", &mut mail.html, layer.html);
        self.take_some("generate.mail.gui", &mut mail.gui, layer.gui);
        mail
    }

    /// Takes a receiver over, whose name must be there and another than those `before`.
    fn receiver(&mut self, number: usize, layer: ReceiverLayer, before: &[Receiver]) -> Option<Receiver> {
        let path = |key: &str| format!("generate.receiver.{number}.{key}");
        let Some(name) = layer.name else {
            if !layer.flawed {
                let problem = Problem::at(&layer.origin, "a receiver without a name");
                self.problems.push(problem.hint("name = \"storage\""));
            }
            return None;
        };
        let message = if [Receiver::DEFAULT, Receiver::NOBODY].contains(&name.value.as_str()) {
            Some(format!("{} is the name of a receiver that is always written", quote(&name.value)))
        } else if before.iter().any(|other| other.name == name.value) {
            Some(format!("a second receiver named {}", quote(&name.value)))
        } else {
            None
        };
        if let Some(message) = message {
            self.problems.push(Problem::at(&name.origin, message));
            return None;
        }
        let mut all = Receiver {
            name: name.value,
            matchers: Vec::new(),
            mail_to: Vec::new(),
            slack_channel: None,
            webhook: Vec::new(),
        };
        self.origins.insert(path("name"), name.origin);
        self.take(&path("match"), &mut all.matchers, layer.matchers.map(values));
        self.take(&path("mail_to"), &mut all.mail_to, layer.mail_to.map(values));
        self.take_some(&path("slack_channel"), &mut all.slack_channel, layer.slack_channel);
        self.take(&path("webhook"), &mut all.webhook, layer.webhook.map(values));
        let is_told = !all.mail_to.is_empty() || all.slack_channel.is_some() || !all.webhook.is_empty();
        if !is_told && !layer.flawed {
            let message = format!("receiver {} is told in no way", quote(&all.name));
            self.problems
                .push(Problem::at(&layer.origin, message).hint("set mail_to, slack_channel or webhook"));
        }
        if all.matchers.is_empty() && !layer.flawed {
            let message = format!("receiver {} is for no alerts", quote(&all.name));
            let hint = "match = ['team=\"storage\"']; what is for everybody belongs in [generate.mail]";
            self.problems.push(Problem::at(&layer.origin, message).hint(hint));
        }
        Some(all)
    }
}

impl Receiver {
    /// The name of the one for what no other is for.
    pub const DEFAULT: &'static str = "default";
    /// The name of the one that is told of what nobody wants to hear.
    pub const NOBODY: &'static str = "nobody";
}

/// Returns the sections that `config show` prints.
pub(super) fn sections(config: &Config) -> Vec<Section> {
    let Generate { mail, slack, .. } = &config.generate;
    let list = |items: &[String]| Value::Array(items.iter().map(|item| text(item)).collect());
    let duration = |duration| Value::from(format_duration(duration));
    let mut entries: Entries = vec![
        ("group_by", text(config.generate.group_by.word())),
        ("group_wait", duration(config.generate.group_wait)),
        ("group_interval", duration(config.generate.group_interval)),
        ("repeat_interval", duration(config.generate.repeat_interval)),
    ];
    let mut all = vec![Section::new("[generate]", "generate", entries)];
    let path = |path: &Option<PathBuf>| path.as_ref().map(|path| text(&path.to_string_lossy()));
    let word = |word: &Option<String>| word.as_deref().map(text);
    let some = |entries: Vec<(&'static str, Option<Value>)>| -> Entries {
        entries.into_iter().filter_map(|(key, value)| Some((key, value?))).collect()
    };
    entries = some(vec![
        ("smarthost", word(&mail.smarthost)),
        ("from", word(&mail.from)),
        ("to", Some(list(&mail.to))),
        ("reply_to", word(&mail.reply_to)),
        ("user", word(&mail.user)),
        ("password_file", path(&mail.password_file)),
        ("tls", Some(mail.tls.into())),
        ("subject", Some(text(&mail.subject))),
        ("body", Some(text(&mail.body))),
        ("html", Some(mail.html.into())),
        ("gui", mail.gui.as_ref().map(|gui| text(gui.as_str()))),
    ]);
    all.push(Section::new("[generate.mail]", "generate.mail", entries));
    entries = some(vec![("webhook_file", path(&slack.webhook_file)), ("channel", word(&slack.channel))]);
    if !entries.is_empty() {
        all.push(Section::new("[generate.slack]", "generate.slack", entries));
    }
    for (number, receiver) in config.generate.receivers.iter().enumerate() {
        let matchers: Vec<String> = receiver.matchers.iter().map(ToString::to_string).collect();
        let webhook: Vec<String> = receiver.webhook.iter().map(ToString::to_string).collect();
        let entries = some(vec![
            ("name", Some(text(&receiver.name))),
            ("match", Some(list(&matchers))),
            ("mail_to", Some(list(&receiver.mail_to))),
            ("slack_channel", word(&receiver.slack_channel)),
            ("webhook", Some(list(&webhook))),
        ]);
        all.push(Section::new("[[generate.receiver]]", &format!("generate.receiver.{number}"), entries));
    }
    all
}
