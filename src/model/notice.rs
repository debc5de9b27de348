//! The words of a notification: text with places for the facts of an alert, `{action} - {client}/{check}: {status}`.

use super::nearest::nearest;

/// A fact of an alert that a notification can tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fact {
    /// `ALERT` or `RESOLVED`.
    Action,
    /// The node, by the name that its checks have it under.
    Client,
    /// The check.
    Check,
    /// `OK`, `WARNING`, `CRITICAL` or `UNKNOWN`.
    Status,
    /// What the check printed.
    Output,
    /// The rule's own words.
    Summary,
    /// When the check was due, as Ruby prints a time.
    Issued,
    /// When it ran.
    Executed,
    /// For how many seconds.
    Duration,
    /// The node's address.
    Address,
    /// The command.
    Command,
    /// How many results in a row were of this status.
    Occurrences,
    /// Sensu's handlers of the check.
    Handlers,
    /// When it was last well.
    LastOk,
    /// Its newest statuses, the oldest first.
    History,
    /// What to do: the check's `playbook` or the rule's `runbook_url`.
    Playbook,
    /// The alert's own severity.
    Severity,
    /// Where the check's detail is.
    Url,
    /// Where the alert is looked at by people.
    Gui,
    /// Where it is silenced.
    Silence,
}

impl Fact {
    /// Every fact and its name.
    pub const ALL: [(Self, &'static str); 20] = [
        (Self::Action, "action"),
        (Self::Client, "client"),
        (Self::Check, "check"),
        (Self::Status, "status"),
        (Self::Output, "output"),
        (Self::Summary, "summary"),
        (Self::Issued, "issued"),
        (Self::Executed, "executed"),
        (Self::Duration, "duration"),
        (Self::Address, "address"),
        (Self::Command, "command"),
        (Self::Occurrences, "occurrences"),
        (Self::Handlers, "handlers"),
        (Self::LastOk, "last_ok"),
        (Self::History, "history"),
        (Self::Playbook, "playbook"),
        (Self::Severity, "severity"),
        (Self::Url, "url"),
        (Self::Gui, "gui"),
        (Self::Silence, "silence"),
    ];

    /// Returns its name.
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(fact, _)| *fact == self).map_or("", |(_, name)| name)
    }
}

/// A piece of the words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece<'a> {
    /// As it is.
    Text(&'a str),
    /// A fact of the alert.
    Fact(Fact),
    /// A label of the alert: `{label.team}`.
    Label(&'a str),
    /// An annotation of the alert: `{annotation.team}`.
    Annotation(&'a str),
}

/// Why words cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoticeError {
    /// What is wrong.
    pub message: String,
    /// What to write instead.
    pub hint: String,
}

/// Splits words into their pieces. Braces that are no place are written twice.
pub fn parse_notice(text: &str) -> Result<Vec<Piece<'_>>, NoticeError> {
    let wrong = |message: String| NoticeError {
        message,
        hint: format!("places are {}; a brace itself is written twice", places()),
    };
    let mut pieces = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find(['{', '}']) {
        let (before, brace) = rest.split_at(at);
        if let Some(after) = brace.strip_prefix("{{").or(brace.strip_prefix("}}")) {
            pieces.push(Piece::Text(&rest[..=at]));
            rest = after;
            continue;
        }
        pieces.push(Piece::Text(before));
        let Some((name, after)) = brace.strip_prefix('{').and_then(|inner| inner.split_once('}')) else {
            return Err(wrong("a brace without its other half".to_owned()));
        };
        pieces.push(place(name).ok_or_else(|| {
            let known: Vec<&str> = Fact::ALL.iter().map(|(_, name)| *name).collect();
            let unknown = format!("no such place: {{{name}}}");
            match nearest(name, &known) {
                Some(near) => NoticeError { message: unknown, hint: format!("did you mean {{{near}}}?") },
                None => wrong(unknown),
            }
        })?);
        rest = after;
    }
    pieces.push(Piece::Text(rest));
    pieces.retain(|piece| *piece != Piece::Text(""));
    Ok(pieces)
}

fn place(name: &str) -> Option<Piece<'_>> {
    let is_label = |name: &&str| {
        let inner = |c: char| c.is_ascii_alphanumeric() || c == '_';
        !name.is_empty() && !name.starts_with(|c: char| c.is_ascii_digit()) && name.chars().all(inner)
    };
    if let Some(label) = name.strip_prefix("label.") {
        return Some(label).filter(is_label).map(Piece::Label);
    }
    if let Some(annotation) = name.strip_prefix("annotation.") {
        return Some(annotation).filter(is_label).map(Piece::Annotation);
    }
    Fact::ALL.iter().find(|(_, known)| *known == name).map(|(fact, _)| Piece::Fact(*fact))
}

fn places() -> String {
    let names: Vec<String> = Fact::ALL.iter().map(|(_, name)| format!("{{{name}}}")).collect();
    names.join(", ") + ", {label.NAME} and {annotation.NAME}"
}

#[cfg(test)]
mod tests {
    use super::{Fact, Piece, parse_notice};
    use proptest::prelude::*;

    #[test]
    fn places_are_found_between_words() {
        let pieces = parse_notice("{action} - {label.team}: {{x}}").unwrap();
        let expected = [
            Piece::Fact(Fact::Action),
            Piece::Text(" - "),
            Piece::Label("team"),
            Piece::Text(": {"),
            Piece::Text("x}"),
        ];
        assert_eq!(pieces, expected);
    }

    #[test]
    fn a_place_that_is_not_known_is_told_with_the_nearest() {
        let error = |text| parse_notice(text).unwrap_err();
        assert_eq!(error("{statsu}").message, "no such place: {statsu}");
        assert_eq!(error("{statsu}").hint, "did you mean {status}?");
        assert!(error("{zebra}").hint.starts_with("places are {action}, "));
        assert_eq!(error("{status").message, "a brace without its other half");
        assert_eq!(error("status}").message, "a brace without its other half");
        assert_eq!(error("{label.7}").message, "no such place: {label.7}");
    }

    proptest! {
        #[test]
        fn text_without_places_is_kept(text in "\\PC*") {
            let written = text.replace('{', "{{").replace('}', "}}");
            let pieces = parse_notice(&written).unwrap();
            let read: String =
                pieces.iter().map(|piece| if let Piece::Text(text) = piece { text } else { "?" }).collect();
            prop_assert_eq!(read, text);
        }
    }
}
