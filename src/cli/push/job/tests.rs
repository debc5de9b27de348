use super::{Job, Ran, shown, uncut, whole_output};
use crate::model::time::from_epoch;
use crate::sys::child::{Finish, Outcome, Output, Uncopied};
use nix::errno::Errno;
use nix::sys::signal::Signal;
use proptest::prelude::*;
use std::ffi::{OsStr, OsString};
use std::time::Duration;

fn words(words: &[&str]) -> Vec<OsString> {
    words.iter().map(OsString::from).collect()
}

fn job(command: &[OsString], is_plugin: bool) -> Job<'_> {
    Job { command, limit: None, keep: 10, copy: false, is_plugin }
}

/// A command of which so much of an output was kept.
fn finish(outcome: Outcome, text: &[u8], (head, tail): (usize, usize)) -> Finish {
    let head = head.min(text.len());
    Finish {
        outcome,
        output: text[..head].to_vec(),
        tail: text[head.max(text.len().saturating_sub(tail))..].to_vec(),
        output_bytes: text.len() as u64,
        is_held: false,
        uncopied: Vec::new(),
        took: Duration::ZERO,
        lingering: None,
    }
}

#[test]
fn a_detail_says_what_ran_and_what_came_of_it_without_secrets() {
    let command = words(&["backup.sh", "--password=hunter2", "a b", ""]);
    let ran = Ran {
        exit: 7,
        reasons: Vec::new(),
        status: 2,
        output: "token=hunter2hunter2\nfailed\n".to_owned(),
        executed: from_epoch(1_795_414_960.869).expect("a time"),
        took: Duration::from_micros(1_234_567),
    };
    let detail = job(&command, false).detail(&ran);
    assert_eq!(detail["command"], "backup.sh --password=REDACTED 'a b' ''");
    assert_eq!((&detail["status"], &detail["exit_code"]), (&2.into(), &7.into()));
    assert_eq!(detail["executed"], "2026-11-23T06:22:40.869Z");
    assert_eq!(detail["duration"], 1.235);
    assert!(!detail.to_string().contains("hunter2"), "{detail}");
    assert!(detail["client"].as_str().is_some_and(|client| !client.is_empty()));
}

#[test]
fn words_are_shown_as_people_write_them() {
    assert_eq!(shown(OsStr::new("--full")), b"--full");
    assert_eq!(shown(OsStr::new("it's")), br"'it'\''s'");
}

#[test]
fn an_output_that_could_not_be_written_is_a_failure_and_one_that_nobody_reads_is_not() {
    let with = |code, output, errno| {
        let mut ended = finish(Outcome::Exited(code), b"a", (10, 0));
        ended.uncopied.push(Uncopied { output, error: std::io::Error::from_raw_os_error(errno as i32) });
        ended
    };
    let full = with(0, Output::Out, Errno::ENOSPC);
    for (ended, is_plugin, expected) in [
        (&full, false, (1, 2)),
        (&full, true, (1, 2)),
        (&with(3, Output::Out, Errno::ENOSPC), true, (3, 3)),
        (&with(0, Output::Err, Errno::ENOSPC), false, (0, 0)),
        (&with(0, Output::Out, Errno::EPIPE), false, (0, 0)),
        (&with(141, Output::Out, Errno::EPIPE), false, (141, 2)),
    ] {
        let (exit, status, _) = job(&[], is_plugin).judge(ended, None);
        assert_eq!((exit, status), expected, "{ended:?}");
    }
    let (.., reasons) = job(&[], false).judge(&full, None);
    assert_eq!(whole_output(&full, &reasons), "standard output: No space left on device\na");
    let unread = with(141, Output::Out, Errno::EPIPE);
    let (.., reasons) = job(&[], false).judge(&unread, None);
    assert_eq!(whole_output(&unread, &reasons), "a\n(nobody reads its output any more)\n");
}

#[test]
fn a_job_that_took_its_time_over_a_signal_ends_with_its_own_code() {
    for (code, expected) in [(143, "ended by TERM"), (5, "TERM came while it ran")] {
        let ended = finish(Outcome::Exited(code), b"", (10, 0));
        let (exit, status, reasons) = job(&[], false).judge(&ended, Some(Signal::SIGTERM));
        assert_eq!((i32::from(exit), status, reasons), (code, 2, vec![expected.to_owned()]));
    }
}

/// What is pushed of a long output, the secret in it at this place.
fn pushed(before: &str, secret: &str, after: &str, kept: (usize, usize)) -> String {
    let text = [before, secret, after].concat();
    let ended = finish(Outcome::Exited(0), text.as_bytes(), kept);
    let ran = Ran {
        exit: 0,
        reasons: Vec::new(),
        status: 0,
        output: whole_output(&ended, &[]),
        executed: from_epoch(1_795_414_960.0).expect("a time"),
        took: Duration::ZERO,
    };
    job(&[], false).detail(&ran)["output"].as_str().expect("text").to_owned()
}

#[test]
fn half_a_secret_leaves_at_neither_border_of_what_is_left_out() {
    let (lines, long) = ("line after line\n".repeat(400), "word ".repeat(1000));
    for secret in [
        "password=hunterhunter22",
        "password: hunterhunter22",
        "Bearer hunterhunter22",
        "://u:hunterhunter22@h",
    ] {
        for around in [&lines, &long] {
            for cut in 0..=secret.len() {
                let before = around.len() + cut;
                for kept in [(before, 500), (100, around.len() + 1 + secret.len() - cut)] {
                    let output = pushed(around, secret, &format!(" {around}"), kept);
                    assert!(
                        !["hu", "unt", "r2"].iter().any(|part| output.contains(part)),
                        "{secret} {cut}: {output}"
                    );
                    assert!(output.contains("bytes are left out)"), "{output}");
                }
            }
        }
    }
    // Where nothing is missing, nothing is dropped.
    assert_eq!(pushed("a", "b", "c", (1, 2)), "abc");
    assert_eq!(
        pushed("one two\n", "three\n", "four\nfive\n", (10, 8)),
        "one two\n(11 bytes are left out)\nfive\n"
    );
}

proptest! {
    #[test]
    fn an_output_is_told_whole_or_it_is_told_how_much_is_missing(
        text in "[a-c \n]{0,60}", head in 0_usize..30, tail in 0_usize..30,
    ) {
        let ended = finish(Outcome::Exited(0), text.as_bytes(), (head, tail));
        let (begin, end) = uncut(&ended);
        prop_assert!(text.as_bytes().starts_with(begin) && text.as_bytes().ends_with(end));
        let left_out = text.len() - begin.len() - end.len();
        let told = whole_output(&ended, &[]);
        match left_out {
            0 => prop_assert_eq!(told, text),
            _ => prop_assert!(told.contains(&format!("({left_out} bytes are left out)\n")), "{}", told),
        }
    }
}
