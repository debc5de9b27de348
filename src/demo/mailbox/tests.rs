use super::shelf::{KEPT, Shelf};
use super::{MAX_MESSAGE, smtp};
use proptest::prelude::*;
use std::path::Path;
use std::sync::Arc;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

/// Says all of `words` to a mailbox that keeps its mails in `folder`, and returns what it answered.
fn talk(folder: &Path, words: &[u8]) -> String {
    let shelf = Arc::new(Shelf::make(folder.to_owned(), "eml").unwrap());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (ours, theirs) = tokio::io::duplex(4096);
    let (mut answers, mut voice) = tokio::io::split(ours);
    let mut said = String::new();
    let client = async {
        // A mailbox that has said goodbye hears nothing any more.
        let _ = voice.write_all(words).await;
        let _ = voice.shutdown().await;
    };
    let listening = async {
        let _ = answers.read_to_string(&mut said).await;
    };
    let server = async {
        // A client that is gone is no error of ours.
        let _ = smtp::converse(theirs, &shelf).await;
    };
    runtime.block_on(async { tokio::join!(client, listening, server) });
    said
}

fn codes(answers: &str) -> Vec<&str> {
    answers.lines().filter(|line| line.as_bytes().get(3) == Some(&b' ')).map(|line| &line[..3]).collect()
}

fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap();
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

const ENVELOPE: &str =
    "EHLO localhost\r\nMAIL FROM:<a@example.net> BODY=8BITMIME\r\nRCPT TO:<b@example.net>\r\nDATA\r\n";

#[test]
fn a_mail_is_kept_as_it_was_before_its_dots_were_doubled() {
    let folder = tempfile::tempdir().unwrap();
    let words = format!("{ENVELOPE}Subject: x\r\n\r\nfüll\r\n..hidden\r\n...\r\n.\r\nquit\r\n");
    assert_eq!(
        codes(&talk(folder.path(), words.as_bytes())),
        ["220", "250", "250", "250", "354", "250", "221"]
    );
    assert_eq!(names(folder.path()), ["0001.eml"]);
    let mail = std::fs::read_to_string(folder.path().join("0001.eml")).unwrap();
    assert_eq!(mail, "Subject: x\n\nfüll\n.hidden\n..\n");
}

#[test]
fn one_connection_may_bring_several_mails_and_change_its_mind() {
    let folder = tempfile::tempdir().unwrap();
    let words = format!(
        "{ENVELOPE}one\r\n.\r\nmail from:<>\r\nrset\r\nnoop\r\nMAIL FROM:<>\r\nRCPT TO:<b>\r\nDATA\r\ntwo\r\n.\r\n"
    );
    talk(folder.path(), words.as_bytes());
    let two = std::fs::read_to_string(folder.path().join("0002.eml")).unwrap();
    assert_eq!(two, "two\n");
}

#[test]
fn what_comes_out_of_turn_is_refused_and_what_is_unfinished_is_not_kept() {
    let folder = tempfile::tempdir().unwrap();
    let answers =
        talk(folder.path(), b"DATA\r\nMAIL FROM:<a>\r\nHELO x\r\nRCPT TO:<b>\r\nSTARTTLS\r\n\xff\r\n");
    assert_eq!(codes(&answers), ["220", "503", "503", "250", "503", "502", "502"]);
    talk(folder.path(), format!("{ENVELOPE}half of it\r\n").as_bytes());
    assert_eq!(names(folder.path()), [""; 0]);
}

#[test]
fn lines_and_mails_have_a_bound_and_the_next_one_is_heard() {
    let folder = tempfile::tempdir().unwrap();
    let long = "x".repeat(100_000);
    let mut words = format!("{long}\r\n{ENVELOPE}{long}\r\n.\r\n");
    words += &format!("{}{}.\r\n", &ENVELOPE, format!("{}\r\n", &long[..1000]).repeat(MAX_MESSAGE / 1000));
    words += &format!("{ENVELOPE}small\r\n.\r\n");
    let answers = talk(folder.path(), words.as_bytes());
    let of_data = |code: &&str| !["250", "354"].contains(code);
    assert_eq!(codes(&answers).into_iter().filter(of_data).collect::<Vec<_>>(), ["220", "500", "552", "552"]);
    assert_eq!(std::fs::read_to_string(folder.path().join("0001.eml")).unwrap(), "small\n");
}

#[test]
fn the_newest_are_kept_and_no_half_of_one() {
    let folder = tempfile::tempdir().unwrap();
    let shelf = Shelf::make(folder.path().to_owned(), "json").unwrap();
    (0..KEPT + 5).for_each(|number| shelf.put(number.to_string().as_bytes()).unwrap());
    let names = names(folder.path());
    assert_eq!((names.len() as u64, names[0].as_str()), (KEPT, "0006.json"));
    assert_eq!(std::fs::read_to_string(folder.path().join("0006.json")).unwrap(), "5");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn no_words_are_too_strange(bytes in prop::collection::vec(any::<u8>(), 0..300), cut in 0..ENVELOPE.len()) {
        let folder = tempfile::tempdir().unwrap();
        talk(folder.path(), &[&ENVELOPE.as_bytes()[..cut], &bytes, b"\r\n", ENVELOPE.as_bytes(), &bytes].concat());
    }
}
