//! A real SMTP server (aiosmtpd) and the mailbox that it fills.

use super::service::{Place, Running};
use super::{SOON, await_until, server_cache};
use iaasmon::wire::mail::{Mail, decode_mails};
use std::net::TcpStream;
use std::process::Command;

/// A server that takes every mail.
pub struct Smtp {
    pub place: Place,
    _running: Running,
}

impl Smtp {
    /// Starts it and waits until it takes connections.
    pub fn start() -> Self {
        let folders =
            [Some("/usr/lib/python3/dist-packages".into()), server_cache().map(|cache| cache.join("python"))];
        let modules = folders.into_iter().flatten().find(|folder| folder.join("aiosmtpd").is_dir()).expect(
            "aiosmtpd is missing: run `apt-get install python3-aiosmtpd`, or `scripts/servers smtp` for a private copy without root",
        );
        let place = Place::new();
        let mut serve = Command::new("python3");
        serve.env("PYTHONPATH", modules).args(["-m", "aiosmtpd", "-n", "-l", &place.address]);
        serve.args(["-c", "aiosmtpd.handlers.Mailbox", &place.arg("mails")]);
        let running = place.spawn(&mut serve);
        let answers = || TcpStream::connect(&place.address).is_ok();
        assert!(await_until(SOON, answers), "no SMTP server: {}", place.said());
        Self { place, _running: running }
    }

    /// Returns all mails so far, in the order in which they came.
    pub fn mails(&self) -> Vec<Mail> {
        let entries = std::fs::read_dir(self.place.path("mails/new")).into_iter().flatten();
        let mut files: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
        // A name of a maildir begins with the time; within a second a counter follows it.
        files.sort_by_key(|file| std::fs::metadata(file).unwrap().modified().unwrap());
        let mail = |file: &std::path::PathBuf| decode_mails(&std::fs::read(file).unwrap()).remove(0);
        files.iter().map(mail).collect()
    }

    /// Waits for the first mail with this subject.
    pub fn await_mail(&self, subject: &str) -> Mail {
        let mut found = None;
        let mut is_there = || {
            found = self.mails().into_iter().find(|mail| mail.subject == subject);
            found.is_some()
        };
        assert!(await_until(SOON, &mut is_there), "no {subject:?} in {:#?}", self.mails());
        found.unwrap()
    }
}
