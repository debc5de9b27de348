//! Alertmanager's configuration: who is told of what, as often as Sensu did.

use super::template::HEADERS;
use super::{any_of, quoted};
use crate::config::{Generate, Grouping, Receiver};
use crate::model::matcher::Matcher;
use crate::model::time::format_duration;
use std::fmt::Write as _;
use std::time::Duration;

/// The name of the file of templates.
pub const TEMPLATES: &str = "iaasmon.tmpl";

/// What is written.
#[derive(Debug, Clone)]
pub struct Options<'a> {
    /// What the configuration says.
    pub generate: &'a Generate,
    /// The label of a node.
    pub node_label: &'a str,
    /// The label of a check.
    pub check_label: &'a str,
    /// Checks whose `refresh` is another than `repeat_interval`, by that.
    pub refresh: Vec<(Duration, Vec<String>)>,
    /// Whom everything goes to instead, for a time in which Sensu still tells the others.
    pub shadow: Option<Shadow<'a>>,
}

/// Whom everything goes to.
#[derive(Debug, Clone, Copy)]
pub enum Shadow<'a> {
    /// An address of mail.
    Mail(&'a str),
    /// A webhook.
    Webhook(&'a str),
}

/// What somebody is told by.
struct Ways<'a> {
    mail_to: &'a [String],
    slack_channel: Option<&'a str>,
    webhook: Vec<&'a str>,
}

/// Writes the configuration.
pub fn alertmanager(options: &Options<'_>) -> String {
    let mut text = String::new();
    text += &global(options.generate);
    let _ = writeln!(text, "templates: [{TEMPLATES}]");
    text += &route(options);
    text += &inhibition(options);
    text += "receivers:\n";
    let default = Ways {
        mail_to: &options.generate.mail.to,
        slack_channel: options.generate.slack.channel.as_deref(),
        webhook: Vec::new(),
    };
    receiver(&mut text, options, Receiver::DEFAULT, default);
    for one in &options.generate.receivers {
        let ways = Ways {
            mail_to: &one.mail_to,
            slack_channel: one.slack_channel.as_deref(),
            webhook: one.webhook.iter().map(url::Url::as_str).collect(),
        };
        receiver(&mut text, options, &one.name, ways);
    }
    let _ = writeln!(text, "  - name: {}", quoted(Receiver::NOBODY));
    text
}

fn global(generate: &Generate) -> String {
    let mail = &generate.mail;
    let mut text = String::from("global:\n");
    let mut set = |key: &str, value: Option<String>| {
        if let Some(value) = value {
            let _ = writeln!(text, "  {key}: {value}");
        }
    };
    let word = |word: &Option<String>| word.as_deref().map(quoted);
    let path = |path: &Option<std::path::PathBuf>| path.as_ref().map(|path| quoted(&path.to_string_lossy()));
    set("smtp_smarthost", word(&mail.smarthost));
    set("smtp_from", word(&mail.from));
    set("smtp_require_tls", mail.smarthost.is_some().then(|| mail.tls.to_string()));
    set("smtp_auth_username", word(&mail.user));
    set("smtp_auth_password_file", path(&mail.password_file));
    set("slack_api_url_file", path(&generate.slack.webhook_file));
    set("resolve_timeout", Some("5m".to_owned()));
    text
}

fn route(options: &Options<'_>) -> String {
    let Generate { group_by, group_wait, group_interval, repeat_interval, receivers, .. } = options.generate;
    // NodeDown and RunnerStale of a node share a message, as they did in Sensu: both are the keepalive.
    let labels = group_by.labels(options.node_label, options.check_label);
    let labels: Vec<String> = labels.into_iter().map(quoted).collect();
    let mut text = String::from("route:\n");
    let _ = writeln!(text, "  receiver: {}", quoted(Receiver::DEFAULT));
    let _ = writeln!(text, "  group_by: [{}]", labels.join(", "));
    text += "  # The outputs of slow nodes come within it; an annotation that changes later is never told.\n";
    let _ = writeln!(text, "  group_wait: {}", format_duration(*group_wait));
    let _ = writeln!(text, "  group_interval: {}", format_duration(*group_interval));
    let _ = writeln!(text, "  repeat_interval: {}", format_duration(*repeat_interval));
    text += "  routes:\n";
    text += "    # It always fires; peers look at whether it passes.\n";
    let _ = writeln!(
        text,
        "    - matchers: ['alertname=\"Watchdog\"']\n      receiver: {}",
        quoted(Receiver::NOBODY)
    );
    if *group_by != Grouping::Rule {
        let (node, check) = (options.node_label, options.check_label);
        text += "    # What is of no node is no one message. A check that was pushed is one, however bad it is.\n";
        let no_node = format!("{node}=\"\"");
        for (matchers, by) in [
            (vec![no_node.clone(), format!("{check}!=\"\"")], vec!["job", check, "source"]),
            (vec![no_node], vec!["alertname", "job", "peer", "source"]),
        ] {
            let matchers: Vec<String> = matchers.iter().map(|matcher| quoted(matcher)).collect();
            let by: Vec<String> = by.into_iter().map(quoted).collect();
            let _ = writeln!(text, "    - matchers: [{}]", matchers.join(", "));
            let _ = writeln!(text, "      group_by: [{}]", by.join(", "));
            if !receivers.is_empty() {
                text += "      routes:\n";
                text += &receivers_at(receivers, "        ");
            }
        }
    }
    let receivers = receivers_at(receivers, "    ");
    for (refresh, checks) in &options.refresh {
        // Outside of the receivers, so that it holds for each of them, and for whom none of them is for.
        let _ = writeln!(text, "    - matchers: [{}]", of_checks(options, checks));
        let _ = writeln!(text, "      repeat_interval: {}", format_duration(*refresh));
        if !receivers.is_empty() {
            text += "      routes:\n";
            text += &receivers_at(&options.generate.receivers, "        ");
        }
    }
    text + &receivers
}

/// The routes to all receivers; an alert may be for several.
fn receivers_at(receivers: &[Receiver], indent: &str) -> String {
    let mut text = String::new();
    for receiver in receivers {
        let _ = writeln!(text, "{indent}- matchers: [{}]", matchers(&receiver.matchers));
        let _ = writeln!(text, "{indent}  receiver: {}", quoted(&receiver.name));
        let _ = writeln!(text, "{indent}  continue: true");
    }
    text
}

fn of_checks(options: &Options<'_>, checks: &[String]) -> String {
    quoted(&format!("{}=~{}", options.check_label, quoted(&any_of(checks))))
}

fn matchers(matchers: &[Matcher]) -> String {
    matchers.iter().map(|matcher| quoted(&matcher.to_string())).collect::<Vec<_>>().join(", ")
}

/// What keeps quiet while something else says the same or more.
fn inhibition(options: &Options<'_>) -> String {
    let Options { node_label, check_label, .. } = options;
    let (node, check) = (quoted(node_label), quoted(check_label));
    let of_a_node = quoted(&format!("{node_label}!=\"\""));
    format!(
        "inhibit_rules:\n\
         \x20 # A check that gets worse is no check that is well again: the end of its warning is not told. Of what has no node\n\
         \x20 # the templates see to it: what tells its groups apart is not known here, and one must not hide another.\n\
         \x20 - source_matchers: ['alertname=\"CheckCritical\"', {of_a_node}]\n\
         \x20   target_matchers: ['alertname=~\"CheckWarning|CheckUnknown\"']\n\
         \x20   equal: [{node}, {check}, \"source\", \"job\"]\n\
         \x20 # A node that is gone, or runs nothing, is one message and not fifty.\n\
         \x20 - source_matchers: ['alertname=~\"NodeDown|RunnerStale\"']\n\
         \x20   target_matchers: ['alertname=~\"CheckWarning|CheckCritical|CheckUnknown\"']\n\
         \x20   equal: [{node}]\n"
    )
}

fn receiver(text: &mut String, options: &Options<'_>, name: &str, ways: Ways<'_>) {
    let _ = writeln!(text, "  - name: {}", quoted(name));
    let mail_to: Vec<&str> = match options.shadow {
        None => ways.mail_to.iter().map(String::as_str).collect(),
        Some(Shadow::Mail(to)) => vec![to],
        Some(Shadow::Webhook(_)) => Vec::new(),
    };
    let webhook = match options.shadow {
        None => ways.webhook,
        Some(Shadow::Webhook(url)) => vec![url],
        Some(Shadow::Mail(_)) => Vec::new(),
    };
    if !mail_to.is_empty() {
        mails(text, options.generate, name, &mail_to.join(", "));
    }
    if let (Some(channel), None) = (ways.slack_channel, options.shadow) {
        slack(text, channel);
    }
    for (number, url) in webhook.iter().enumerate() {
        if number == 0 {
            *text += "    webhook_configs:\n";
        }
        let _ = writeln!(text, "      - url: {}\n        send_resolved: true", quoted(url));
    }
}

fn mails(text: &mut String, generate: &Generate, name: &str, to: &str) {
    let template = |name: &str| quoted(&format!("{{{{ template \"iaasmon.{name}\" . }}}}"));
    let _ = writeln!(text, "    email_configs:\n      - to: {}\n        send_resolved: true", quoted(to));
    let _ = writeln!(text, "        text: {}", template("text"));
    let html = if generate.mail.html { template("html") } else { quoted("") };
    let _ = writeln!(text, "        html: {html}\n        headers:");
    let _ = writeln!(text, "          Subject: {}", template("subject"));
    if let Some(reply_to) = &generate.mail.reply_to {
        let _ = writeln!(text, "          Reply-To: {}", quoted(reply_to));
    }
    for (header, _) in HEADERS {
        let _ = writeln!(
            text,
            "          X-Sensu-{header}: {}",
            template(&format!("header.{}", header.to_lowercase()))
        );
    }
    let _ = writeln!(text, "          X-Iaasmon-Receiver: {}", quoted(name));
}

fn slack(text: &mut String, channel: &str) {
    let template = |name: &str| quoted(&format!("{{{{ template \"iaasmon.slack.{name}\" . }}}}"));
    let _ = writeln!(
        text,
        "    slack_configs:\n      - channel: {}\n        send_resolved: true",
        quoted(channel)
    );
    for (key, name) in [
        ("title", "title"),
        ("title_link", "link"),
        ("text", "text"),
        ("color", "color"),
        ("fallback", "text"),
    ] {
        let _ = writeln!(text, "        {key}: {}", template(name));
    }
}
