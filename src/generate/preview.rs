//! A notification held against the mail that Sensu sent of the same check: whether a fact is missing.

use super::template::HEADERS;
use crate::wire::mail::Mail;
use serde::Serialize;

/// What became of one fact of Sensu's mail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// It is the same here.
    Same,
    /// It is here with another value, as it must be of another moment.
    Other,
    /// It is here with another value, which it should not.
    Differs,
    /// It is not here.
    Missing,
}

/// One fact of Sensu's mail.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Comparison {
    /// Its name: `Subject`, a header, or what stands before the colon of a line.
    pub fact: String,
    /// What became of it.
    pub verdict: Verdict,
    /// What Sensu's mail says.
    pub sensu: String,
    /// What ours says.
    pub ours: String,
}

/// What says when and how often, or links to a page of another program; it differs from mail to mail.
const OF_THE_MOMENT: [&str; 5] =
    ["Timestamp", "Occurrences", "Admin GUI", "X-Sensu-Timestamp", "X-Sensu-Occurrences"];
/// What Sensu's mailer puts for a password; ours is masked in another way.
const OMITTED: &str = "<password omitted>";

/// Finds the mail that Sensu sent of this node, check and status: the last one, of any status where there is none of this one.
pub fn counterpart<'a>(mails: &'a [Mail], ours: &Mail) -> Option<&'a Mail> {
    let is_same =
        |mail: &Mail, header: &str| told(mail, header).is_some() && told(mail, header) == told(ours, header);
    let of_check = |mail: &&Mail| is_same(mail, "Host") && is_same(mail, "Check-Name");
    let last =
        |wanted: &dyn Fn(&&Mail) -> bool| mails.iter().rev().find(|mail| of_check(mail) && wanted(mail));
    last(&|mail| is_same(mail, "Status")).or_else(|| last(&|_| true))
}

/// What a mail says by Sensu's headers, or, of a mailer that sets none, in its text.
fn told(mail: &Mail, header: &str) -> Option<String> {
    let by_header = mail.extra(&format!("X-Sensu-{header}")).map(str::to_owned);
    let name = header.replace('-', " ");
    by_header
        .or_else(|| fields(&mail.body).find(|(known, _)| *known == name).map(|(_, value)| value.to_owned()))
}

/// Compares every fact of Sensu's mail with ours, whose alert has the output of its check or has not.
pub fn compare(sensu: &Mail, ours: &Mail, has_output: bool) -> Vec<Comparison> {
    let mut all = vec![one("Subject", &sensu.subject, Some(&ours.subject))];
    for (header, _) in HEADERS {
        let name = format!("X-Sensu-{header}");
        if let Some(value) = sensu.extra(&name) {
            all.push(one(&name, value, ours.extra(&name)));
        }
    }
    for (name, value) in fields(&sensu.body) {
        let known = fields(&ours.body).find(|(other, _)| *other == name).map(|(_, value)| value);
        all.push(one(name, value, known));
    }
    let (sensu, ours) = (output(sensu), output(ours));
    let verdict = match (has_output && !ours.is_empty(), sensu == ours) {
        (false, _) => Verdict::Missing,
        (true, true) => Verdict::Same,
        // Another run prints other numbers.
        (true, false) => Verdict::Other,
    };
    all.push(Comparison { fact: "output".to_owned(), verdict, sensu, ours });
    all
}

/// What stands before the first field.
fn output(mail: &Mail) -> String {
    let is_field = |line: &&str| fields(line).next().is_some();
    let lines: Vec<&str> = mail.body.lines().take_while(|line| !is_field(line)).collect();
    lines.join("\n").trim().to_owned()
}

fn one(fact: &str, sensu: &str, ours: Option<&str>) -> Comparison {
    let verdict = match ours {
        Some(ours) if ours == sensu => Verdict::Same,
        // What Sensu leaves empty tells nothing.
        None if sensu.is_empty() => Verdict::Same,
        None | Some("") => Verdict::Missing,
        Some(_) if OF_THE_MOMENT.contains(&fact) || sensu.contains(OMITTED) => Verdict::Other,
        Some(_) => Verdict::Differs,
    };
    Comparison {
        fact: fact.to_owned(),
        verdict,
        sensu: sensu.to_owned(),
        ours: ours.unwrap_or_default().to_owned(),
    }
}

/// The lines of the form `Check Name:  disk`. A line of the output may look so (`Disk: 97%`): it goes before the first field that
/// every mailer writes, and where none of these is there, shouted words (`CRIT: full`) are taken for an output's.
fn fields(body: &str) -> impl Iterator<Item = (&str, &str)> {
    let field = |line| {
        let (name, value) = str::split_once(line, ':')?;
        let is_word = |word: &str| {
            word.starts_with(|c: char| c.is_ascii_uppercase())
                && word.chars().all(|c| c.is_ascii_alphabetic())
        };
        let is_shouted = name.chars().all(|c| c.is_ascii_uppercase());
        let is_name = name.len() <= 30 && name.split(' ').all(is_word) && !is_shouted;
        is_name.then(|| (name, value.trim()))
    };
    let is_first = |line| field(line).is_some_and(|(name, _)| matches!(name, "Admin GUI" | "Host"));
    let first = body.lines().position(is_first).unwrap_or_default();
    body.lines().skip(first).filter_map(field)
}

#[cfg(test)]
mod tests {
    use super::{Comparison, Verdict, compare, counterpart};
    use crate::wire::mail::Mail;
    use proptest::prelude::*;

    fn mail(status: &str, body: &str) -> Mail {
        let extra = [("Host", "hv-1"), ("Check-Name", "disk"), ("Status", status), ("Timestamp", status)];
        Mail {
            subject: format!("ALERT - hv-1/disk: {status}"),
            date: String::new(),
            extra: extra
                .iter()
                .map(|(name, value)| (format!("X-Sensu-{name}"), (*value).to_owned()))
                .collect(),
            body: body.to_owned(),
        }
    }

    fn bad(all: &[Comparison]) -> Vec<(&str, Verdict)> {
        let is_bad = |one: &&Comparison| matches!(one.verdict, Verdict::Missing | Verdict::Differs);
        all.iter().filter(is_bad).map(|one| (one.fact.as_str(), one.verdict)).collect()
    }

    #[test]
    fn what_is_missing_or_wrong_is_found_and_what_must_differ_is_not() {
        let sensu = mail(
            "CRITICAL",
            "CRIT: 97%\nHost: hv-1\nTimestamp: 1\nAddress:  10.0.0.7\nCommand:  a -p <password omitted>\nPlaybook:  wiki\n",
        );
        let ours =
            mail("CRITICAL", "CRIT: 98%\nHost: hv-1\nTimestamp: 2\nAddress:  10.0.0.8\nCommand:  a -p ***\n");
        assert_eq!(
            bad(&compare(&sensu, &ours, true)),
            [("Address", Verdict::Differs), ("Playbook", Verdict::Missing)]
        );
        assert_eq!(bad(&compare(&sensu, &sensu, true)), []);
        let bare = compare(&sensu, &sensu, false);
        assert_eq!(bad(&bare), [("output", Verdict::Missing)], "the rule's words are no output");
        let silent = mail("CRITICAL", "");
        assert!(bad(&compare(&sensu, &silent, true)).contains(&("output", Verdict::Missing)));
    }

    #[test]
    fn the_mail_of_the_same_check_and_status_is_chosen() {
        let ours = mail("CRITICAL", "Host: hv-1\n");
        let mut other = mail("CRITICAL", "of another node");
        other.extra[0].1 = "hv-2".to_owned();
        let mails =
            [mail("CRITICAL", "first"), mail("CRITICAL", "second"), mail("OK", "third"), other.clone()];
        assert_eq!(counterpart(&mails, &ours).map(|mail| mail.body.as_str()), Some("second"));
        assert_eq!(counterpart(&mails[2..], &ours).map(|mail| mail.body.as_str()), Some("third"));
        assert_eq!(counterpart(&[other], &ours), None);
        // A mailer that sets no headers says it in the text.
        let plain = Mail {
            extra: Vec::new(),
            ..mail("CRITICAL", "x\nHost: hv-1\nCheck Name:  disk\nStatus:  CRITICAL\n")
        };
        assert!(counterpart(&[plain], &ours).is_some());
    }

    proptest! {
        #[test]
        fn a_mail_misses_nothing_of_itself(body in "([A-Z][a-z]{0,5}: [a-z]{1,4}\n|[ -~]{0,20}\n){0,9}") {
            let mail = mail("CRITICAL", &body);
            // Of two lines with one name the first is told.
            let first: Vec<Comparison> = compare(&mail, &mail, true);
            let twice = |one: &Comparison| first.iter().filter(|other| other.fact == one.fact).count() > 1;
            prop_assert!(first.iter().all(|one| one.verdict == Verdict::Same || twice(one) || one.fact == "output"));
        }
    }
}
