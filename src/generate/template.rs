//! The words of a notification as templates of Alertmanager (Go's text/template): each place becomes a variable.
//!
//! Alertmanager's templates have no function that makes a map, so a template cannot be called with an alert and the message that
//! it is in: the facts of an alert are variables that are set within the loop over the alerts.

use crate::config::Mail;
use crate::model::notice::{Fact, Piece, parse_notice};
use std::collections::BTreeSet;
use std::fmt::Write as _;

/// What the words are made from.
#[derive(Debug, Clone, Copy)]
pub struct Names<'a> {
    /// The label of a node.
    pub node: &'a str,
    /// The label of a check.
    pub check: &'a str,
    /// Where people look at alerts; otherwise the Alertmanager.
    pub gui: Option<&'a str>,
}

/// The headers that Sensu's mailer sets behind `X-Sensu-` (sensu-plugins-mailer, `handle`): filters of mails know them.
pub const HEADERS: [(&str, &str); 6] = [
    ("Host", "{client}"),
    ("Timestamp", "{issued}"),
    ("Address", "{address}"),
    ("Check-Name", "{check}"),
    ("Status", "{status}"),
    ("Occurrences", "{occurrences}"),
];

/// What Sensu's Slack handler says (sensu-plugins-slack, `build_description`) but for the client's subscriptions, and what to do.
const SLACK: &str = "\
{client}/{check}: {output} : {address}
Playbook: {playbook}
Silence: {silence}
";

/// The title of Sensu's Slack handler. What was pushed is at no address: it has its client there.
const TITLE: &str = "{{ or $address $client }} - {{ $status }}";
/// The colours of Sensu's Slack handler.
const COLORS: &str = r##"{{ if eq $status "OK" }}#36a64f{{ else if eq $status "WARNING" }}#FFCC00{{ else if eq $status "CRITICAL" }}#FF0000{{ else }}#6600CC{{ end }}"##;

/// Writes the templates: `iaasmon.subject`, `iaasmon.text`, `iaasmon.html`, `iaasmon.header.*` and `iaasmon.slack.*`.
pub fn templates(mail: &Mail, names: Names<'_>) -> String {
    let mut text = String::new();
    let mut define = |name: &str, body: String| {
        let _ = write!(text, "\n{{{{ define \"iaasmon.{name}\" -}}}}\n{body}{{{{- end }}}}\n");
    };
    define("subject", names.first(&mail.subject, COUNT));
    define("text", names.each(&mail.body, Form::Text));
    define("html", names.each(&mail.body, Form::Html));
    for (name, words) in HEADERS {
        define(&format!("header.{}", name.to_lowercase()), names.first(words, ""));
    }
    define("slack.title", names.first_of(&pieces("{address}{client}{status}"), &(TITLE.to_owned() + COUNT)));
    define("slack.text", names.each(SLACK, Form::Slack));
    define("slack.link", names.first("{gui}", ""));
    define("slack.color", names.colors());
    text
}

/// A message of several alerts says so behind its subject.
const COUNT: &str = r#"{{ if $others }} (and others, {{ len $alerts }} in all){{ end }}"#;
/// Between the alerts of a message.
const GAP: &str = r#"{{ if $count }}{{ "\n----\n" }}{{ end }}{{ $count = 1 -}}"#;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Text,
    Html,
    Slack,
}

impl Names<'_> {
    /// Words about the first alert of a message: one that fires, if there is any.
    fn first(self, words: &str, after: &str) -> String {
        self.first_of(&pieces(words), &(line(&pieces(words), Form::Text) + after))
    }

    /// The same for the colour, which is no words.
    fn colors(self) -> String {
        self.first_of(&[Piece::Fact(Fact::Status)], COLORS)
    }

    fn first_of(self, used: &[Piece<'_>], body: &str) -> String {
        let facts = self.variables(used);
        let others = match body.contains("$others") {
            true => format!(
                "  {{{{ $others := false }}}}{{{{ range $alerts }}}}{{{{ if not {} }}}}{{{{ $others = true }}}}{{{{ end }}}}{{{{ end -}}}}\n",
                self.is_same()
            ),
            false => String::new(),
        };
        format!(
            "{{{{ $alerts := .Alerts.Firing }}}}{{{{ if not $alerts }}}}{{{{ $alerts = .Alerts.Resolved }}}}{{{{ end -}}}}\n\
             {{{{ range $number, $alert := $alerts }}}}{{{{ if eq $number 0 -}}}}\n{others}{facts}{body}\n\
             {{{{- end }}}}{{{{ end }}}}\n"
        )
    }

    /// Whether an alert is of the same check as `$alert`.
    fn is_same(self) -> String {
        let same = [self.node, self.check, "source"]
            .map(|name| format!("(eq (index .Labels {name:?}) (index $alert.Labels {name:?}))"));
        // What was pushed has no node, and what tells its groups apart is any label.
        let rest =
            |labels: &str| format!(r#"(printf "%v" ({labels}.Remove (stringSlice "alertname" "severity")))"#);
        let (own, other) = (rest(".Labels"), rest("$alert.Labels"));
        format!("(and {} (or (index .Labels {:?}) (eq {own} {other})))", same.join(" "), self.node)
    }

    /// Words about every alert of a message.
    fn each(self, words: &str, form: Form) -> String {
        let pieces = pieces(words);
        let facts = self.variables(&pieces);
        let goes_on = self.goes_on();
        let body = body(&pieces, form);
        let body = match form {
            Form::Text | Form::Slack => format!("{GAP}\n{body}"),
            Form::Html => format!("<pre>\n{body}</pre>\n"),
        };
        format!(
            "{{{{ $count := 0 -}}}}\n\
             {{{{ range .Alerts -}}}}\n{goes_on}{{{{ if not $goes_on -}}}}\n{facts}{body}{{{{ end }}}}{{{{ end -}}}}\n"
        )
    }

    /// Sets `$goes_on`: a check that is worse or better now and still bad has one alert that ended and one that fires, and one that
    /// was worse before it became well has two that ended. Sensu told of the last only.
    fn goes_on(self) -> String {
        let (same, check) = (self.is_same(), self.check);
        format!(
            "{{{{ $goes_on := false }}}}{{{{ $alert := . }}}}{{{{ if and (eq .Status \"resolved\") (index .Labels {check:?}) -}}}}\n\
             {{{{ range $.Alerts.Firing }}}}{{{{ if {same} }}}}{{{{ $goes_on = true }}}}{{{{ end }}}}{{{{ end -}}}}\n\
             {{{{ range $.Alerts.Resolved }}}}{{{{ if and {same} (.EndsAt.After $alert.EndsAt) }}}}{{{{ $goes_on = true }}}}{{{{ end }}}}{{{{ end }}}}{{{{ end -}}}}\n"
        )
    }

    /// Sets the variables of these places, each on a line, with those that they are made from.
    fn variables(self, used: &[Piece<'_>]) -> String {
        let mut wanted: BTreeSet<Fact> = used
            .iter()
            .filter_map(|piece| if let Piece::Fact(fact) = piece { Some(*fact) } else { None })
            .collect();
        let makes_filter =
            wanted.contains(&Fact::Silence) || (wanted.contains(&Fact::Gui) && self.gui.is_none());
        if wanted.contains(&Fact::Output) {
            wanted.insert(Fact::Summary);
        }
        let mut text = format!("  {{{{ $node := index .Labels {:?} -}}}}\n", self.node);
        if makes_filter {
            text += &self.group();
            let _ = writeln!(
                text,
                "  {{{{ $filter := {} | urlquery | reReplaceAll \"[+]\" \"%20\" -}}}}",
                self.filter()
            );
        }
        // Summary goes before Output, which is made from it.
        let order = |fact: &&Fact| if **fact == Fact::Summary { 0 } else { 1 };
        let mut wanted: Vec<&Fact> = wanted.iter().collect();
        wanted.sort_by_key(order);
        for fact in wanted {
            let _ = writeln!(text, "  {{{{ ${} := {} -}}}}", fact.name(), self.expression(*fact));
        }
        text
    }

    /// The matchers of an alert's silence: no wider than the alert. A check is silenced in every severity, a rule by its name.
    fn filter(self) -> String {
        let Self { node, check, .. } = self;
        let optional = |name: &str| {
            format!(
                r#"(or (and (index .Labels {name:?}) (printf ",{name}=%q" (index .Labels {name:?}))) "")"#
            )
        };
        let what = format!(
            r#"(or (and (index .Labels {check:?}) (printf "{check}=%q" (index .Labels {check:?}))) (printf "alertname=%q" .Labels.alertname))"#
        );
        let [node, source, peer] = [node, "source", "peer"].map(optional);
        format!(r#"(printf "{{%s%s%s%s%s}}" {what} {node} {source} {peer} $group)"#)
    }

    /// Sets `$group`: the matchers of all other labels of what has no node, its job among them.
    fn group(self) -> String {
        let named = ["alertname", "severity", self.check, "source", "peer"].map(|name| format!("{name:?}"));
        format!(
            "  {{{{ $group := \"\" }}}}{{{{ if not $node }}}}{{{{ range (.Labels.Remove (stringSlice {})).SortedPairs -}}}}\n\
             \x20 {{{{ $group = printf \"%s,%s=%q\" $group .Name .Value }}}}{{{{ end }}}}{{{{ end -}}}}\n",
            named.join(" ")
        )
    }

    fn expression(self, fact: Fact) -> String {
        let annotation = |name: &str| format!(".Annotations.{name}");
        match fact {
            Fact::Action => r#"or (and (eq .Status "resolved") "RESOLVED") "ALERT""#.to_owned(),
            // A result about another host is that host's, as it was in Sensu. A rule that is about no node is its job's.
            Fact::Client => {
                r#"or .Labels.source .Annotations.check_client .Labels.client (reReplaceAll ":[0-9]+$" "" $node) .Labels.peer .Labels.job "-""#.to_owned()
            }
            // What keepalives told is told by the scrape now; who filters mails knows the old name.
            Fact::Check => format!(
                r#"or (index .Labels {:?}) (and (match "^(NodeDown|RunnerStale)$" .Labels.alertname) "keepalive") .Labels.alertname"#,
                self.check
            ),
            Fact::Status => r#"or (and (eq .Status "resolved") "OK") (and (eq .Labels.severity "warning") "WARNING") (and (eq .Labels.severity "critical") "CRITICAL") "UNKNOWN""#.to_owned(),
            Fact::Summary => "or .Annotations.summary .Annotations.description .Labels.alertname".to_owned(),
            Fact::Output => OUTPUT.to_owned(),
            Fact::Issued => OF_RUBY.replace("{at}", "(or .Annotations.check_issued .Annotations.check_executed (.StartsAt.UTC.Format \"2006-01-02T15:04:05Z\"))"),
            Fact::Executed => annotation("check_executed"),
            Fact::Duration => annotation("check_duration"),
            Fact::Address => r#"or .Annotations.check_address (reReplaceAll ":[0-9]+$" "" $node)"#.to_owned(),
            Fact::Command => annotation("check_command"),
            Fact::Occurrences => annotation("check_occurrences"),
            Fact::Handlers => annotation("check_handlers"),
            Fact::LastOk => annotation("check_last_ok"),
            Fact::History => annotation("check_history"),
            Fact::Playbook => "or .Annotations.playbook .Annotations.runbook_url .Annotations.runbook".to_owned(),
            Fact::Severity => "or .Labels.severity \"none\"".to_owned(),
            Fact::Url => annotation("check_url"),
            Fact::Gui => match self.gui {
                Some(gui) => format!("{gui:?}"),
                None => r#"printf "%s/#/alerts?filter=%s" $.ExternalURL $filter"#.to_owned(),
            },
            Fact::Silence => r#"printf "%s/#/silences/new?filter=%s" $.ExternalURL $filter"#.to_owned(),
        }
    }
}

/// What the check printed, without the empty lines at its end, and how far it can be trusted; the rule's words where there is none.
const OUTPUT: &str = r#"(printf "%s%s%s" (or (reReplaceAll "\\s+$" "" .Annotations.check_output) $summary) (or (and .Annotations.check_output_error (printf "\n(%s)" .Annotations.check_output_error)) "") (or (and (eq .Status "resolved") .Annotations.check_output "\n(this was its output while it failed)") ""))"#;

/// A time as Ruby prints it: `2026-11-23 06:22:40 +0000`.
const OF_RUBY: &str = r#"reReplaceAll "T([0-9:]+)([.][0-9]+)?Z$" " $1 +0000" {at}"#;

/// Words that the configuration has checked.
fn pieces(words: &str) -> Vec<Piece<'_>> {
    parse_notice(words).unwrap_or_else(|_| vec![Piece::Text(words)])
}

/// Several lines; one whose places are all empty is left out, as Sensu's mailer leaves out a playbook that is not there.
fn body(pieces: &[Piece<'_>], form: Form) -> String {
    let mut text = String::new();
    for pieces in lines(pieces) {
        let places: Vec<String> = pieces.iter().filter_map(place).collect();
        let words = line(&pieces, form);
        let _ = match &places[..] {
            [] => writeln!(text, "{}{{{{ \"\\n\" -}}}}", kept(&words)),
            [one] => writeln!(text, "{{{{ if {one} }}}}{words}{{{{ \"\\n\" }}}}{{{{ end -}}}}"),
            several => {
                writeln!(text, "{{{{ if or {} }}}}{words}{{{{ \"\\n\" }}}}{{{{ end -}}}}", several.join(" "))
            }
        };
    }
    text
}

/// Splits pieces at the ends of lines; the end of the last line begins none.
fn lines<'a>(pieces: &[Piece<'a>]) -> Vec<Vec<Piece<'a>>> {
    let text = |part: &'a str| (!part.is_empty()).then_some(Piece::Text(part));
    let mut lines = Vec::new();
    let mut line = Vec::new();
    for piece in pieces {
        let Piece::Text(words) = piece else {
            line.push(piece.clone());
            continue;
        };
        let mut parts = words.split('\n');
        line.extend(parts.next().and_then(text));
        for part in parts {
            lines.push(std::mem::take(&mut line));
            line.extend(text(part));
        }
    }
    if !line.is_empty() {
        lines.push(line);
    }
    lines
}

/// One line.
fn line(pieces: &[Piece<'_>], form: Form) -> String {
    let one = |piece: &Piece<'_>| match (piece, form) {
        (Piece::Text(text), Form::Text | Form::Slack) => text.replace('{', "{{ \"{\" }}"),
        (Piece::Text(text), Form::Html) => {
            text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('{', "{{ \"{\" }}")
        }
        (Piece::Fact(Fact::Gui | Fact::Silence | Fact::Url | Fact::Playbook), Form::Html) => {
            let place = place(piece).unwrap_or_default();
            format!(
                r#"{{{{ if match "^https?://" {place} }}}}<a href="{{{{ {place} }}}}">{{{{ {place} }}}}</a>{{{{ else }}}}{{{{ {place} }}}}{{{{ end }}}}"#
            )
        }
        // What a node says could call a whole channel otherwise: <!channel>.
        (_, Form::Slack) => format!(
            r#"{{{{ {} | reReplaceAll "&" "&amp;" | reReplaceAll "<" "&lt;" | reReplaceAll ">" "&gt;" }}}}"#,
            place(piece).unwrap_or_default()
        ),
        _ => format!("{{{{ {} }}}}", place(piece).unwrap_or_default()),
    };
    pieces.iter().map(one).collect()
}

/// What a place is in a template.
fn place(piece: &Piece<'_>) -> Option<String> {
    match piece {
        Piece::Text(_) => None,
        Piece::Fact(fact) => Some(format!("${}", fact.name())),
        Piece::Label(name) => Some(format!("(index .Labels {name:?})")),
        Piece::Annotation(name) => Some(format!("(index .Annotations {name:?})")),
    }
}

/// Keeps the spaces at a line's beginning, which the line before it trims.
fn kept(words: &str) -> String {
    let inner = words.trim_start();
    match words.len() - inner.len() {
        0 => words.to_owned(),
        spaces => format!("{{{{ {:?} }}}}{inner}", &words[..spaces]),
    }
}
