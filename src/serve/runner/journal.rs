//! The runner's log: sensu-client's own lines, and the newest result of every check kept while the disk takes none.

use super::fit;
use crate::sensu::engine::Event;
use crate::sensu::level::Level;
use crate::sys::clock;
use crate::sys::logfile::LogFile;
use crate::wire::sensu_json::{Object, Value, field};
use crate::wire::sensu_log::{LONGEST_LINE, SCHEDULED, write_line};
use indexmap::IndexMap;
use std::io::{self, Write as _};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// How many bytes of results are kept while the disk is full. Fifty checks with the largest output come to less.
const MOST_KEPT: usize = 128 * 1024 * 1024;

/// Where lines go.
#[derive(Debug)]
pub enum Output {
    /// A file.
    File(LogFile),
    /// Standard output, as for the original without `-l`.
    Stdout,
}

/// The log of one runner.
#[derive(Debug)]
pub struct Journal {
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    output: Output,
    level: Level,
    /// The level to go back to when debug is switched off again.
    before_debug: Level,
    /// The newest line of each check that could not be written, the oldest check first.
    kept: IndexMap<Vec<u8>, Vec<u8>>,
    kept_bytes: usize,
    /// The newest list of what is scheduled, where it could not be written: a reader knows by it which checks are gone.
    scheduled: Option<Vec<u8>>,
    counts: Written,
}

/// What became of the lines.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Written {
    /// Results that stand in the log.
    pub results: u64,
    /// Results that were replaced by a newer one, or given up for want of memory, before the disk took them.
    pub lost: u64,
    /// Other lines that the disk did not take.
    pub lines_lost: u64,
    /// Results that wait for the disk now.
    pub waiting: usize,
    /// Why the last write failed, while it has not been made good.
    pub trouble: Option<String>,
}

impl Journal {
    /// Builds the log.
    pub fn new(output: Output, level: Level) -> Self {
        let inner = Inner {
            output,
            level,
            before_debug: level,
            kept: IndexMap::new(),
            kept_bytes: 0,
            scheduled: None,
            counts: Written::default(),
        };
        Self { inner: Mutex::new(inner) }
    }

    /// Writes what the engine tells.
    pub fn take(&self, event: Event) {
        match event {
            Event::Log(level, message, fields) => {
                let fields: Vec<(&str, &Value)> = fields.iter().map(|(name, value)| (*name, value)).collect();
                self.line(level, message, &fields);
            }
            Event::Result(payload) => self.result(payload),
        }
    }

    /// Writes a line that is no result; the disk may lose it (sensu-logger, stream.rb:149-154).
    pub fn line(&self, level: Level, message: &str, fields: &[(&str, &Value)]) {
        let mut inner = self.inner();
        if level < inner.level {
            return;
        }
        let mut line = Vec::new();
        write_line(&mut line, &clock::local(), level.word(), message, fields);
        if !inner.write(&line) {
            inner.counts.lines_lost += 1;
        }
    }

    /// Writes which checks are scheduled, whatever the level and as soon as the disk takes it.
    pub fn scheduled(&self, checks: &Value) {
        let mut inner = self.inner();
        let mut line = Vec::new();
        write_line(&mut line, &clock::local(), Level::Info.word(), SCHEDULED, &[("checks", checks)]);
        inner.scheduled = Some(line);
        inner.flush();
    }

    /// Writes a result, whatever the level: without it the check would seem not to have run.
    fn result(&self, payload: Object) {
        let key = key(&payload);
        let line = fit::line(payload, &clock::local(), LONGEST_LINE);
        let mut inner = self.inner();
        // An older result must not come after a newer one.
        inner.flush();
        if inner.is_flushed() && inner.write_result(&line) {
            return;
        }
        inner.keep(key, line);
    }

    /// Tries again to write what the disk did not take. Call it every second.
    pub fn retry(&self) {
        self.inner().flush();
    }

    /// Opens the path of the log again (USR2).
    ///
    /// # Errors
    /// When the file cannot be opened; the next line tries again.
    pub fn reopen(&self) -> io::Result<()> {
        match &mut self.inner().output {
            Output::File(file) => file.reopen(clock::now()),
            Output::Stdout => Ok(()),
        }
    }

    /// Switches debug on, or back to what it was (TRAP); returns whether it is on.
    pub fn toggle_debug(&self) -> bool {
        let mut inner = self.inner();
        if inner.level == Level::Debug {
            inner.level = inner.before_debug;
        } else {
            inner.before_debug = inner.level;
            inner.level = Level::Debug;
        }
        inner.level == Level::Debug
    }

    /// Whether lines of level debug are written.
    pub fn is_debug(&self) -> bool {
        self.inner().level == Level::Debug
    }

    /// Returns what became of the lines so far.
    pub fn written(&self) -> Written {
        let inner = self.inner();
        Written { waiting: inner.kept.len(), ..inner.counts.clone() }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn write_result(&mut self, line: &[u8]) -> bool {
        let written = self.write(line);
        self.counts.results += u64::from(written);
        written
    }

    fn write(&mut self, line: &[u8]) -> bool {
        match self.output.write(line) {
            Ok(()) => {
                self.counts.trouble = None;
                true
            }
            Err(error) => {
                self.counts.trouble = Some(error.to_string());
                false
            }
        }
    }

    fn flush(&mut self) {
        while let Some((key, line)) = self.kept.shift_remove_index(0) {
            if !self.write_result(&line) {
                self.kept.shift_insert(0, key, line);
                return;
            }
            self.kept_bytes -= line.len();
        }
        // After the results: one of a check that went meanwhile must not bring it back.
        if let Some(line) = self.scheduled.take()
            && !self.write(&line)
        {
            self.scheduled = Some(line);
        }
    }

    fn is_flushed(&self) -> bool {
        self.kept.is_empty() && self.scheduled.is_none()
    }

    fn keep(&mut self, key: Vec<u8>, line: Vec<u8>) {
        self.kept_bytes += line.len();
        if let Some(older) = self.kept.shift_remove(&key) {
            self.kept_bytes -= older.len();
            self.counts.lost += 1;
        }
        self.kept.insert(key, line);
        while self.kept_bytes > MOST_KEPT {
            let Some((_, oldest)) = self.kept.shift_remove_index(0) else { return };
            self.kept_bytes -= oldest.len();
            self.counts.lost += 1;
        }
    }
}

impl Output {
    fn write(&mut self, line: &[u8]) -> io::Result<()> {
        match self {
            Self::File(file) => file.append(line, clock::now()),
            Self::Stdout => {
                let mut out = io::stdout().lock();
                out.write_all(line)?;
                out.flush()
            }
        }
    }
}

/// What a result is about: the host and the check.
fn key(payload: &Object) -> Vec<u8> {
    let check = field(payload, "check").and_then(Value::as_object);
    let text =
        |name| check.and_then(|check| field(check, name)).and_then(Value::as_bytes).unwrap_or_default();
    [text("source"), text("name")].join(&b':')
}

#[cfg(test)]
mod tests {
    use super::{Journal, Output};
    use crate::sensu::engine::Event;
    use crate::sensu::level::Level;
    use crate::sys::clock;
    use crate::sys::logfile::{LogFile, Rotation};
    use crate::wire::sensu_json::{Object, Value, set};
    use crate::wire::sensu_log::{Line, read};
    use std::path::Path;

    fn result(name: &str, output: &str) -> Event {
        let mut check = Object::new();
        set(&mut check, "name", name);
        set(&mut check, "output", output);
        let mut payload = Object::new();
        set(&mut payload, "client", "c");
        set(&mut payload, "check", check);
        Event::Result(payload)
    }

    fn journal(path: &Path) -> Journal {
        let file = LogFile::open(path, Rotation::default(), clock::now()).expect("opened");
        Journal::new(Output::File(file), Level::Info)
    }

    #[test]
    fn while_the_disk_is_full_the_newest_result_of_every_check_is_kept() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("log");
        std::os::unix::fs::symlink("/dev/full", &path).expect("linked");
        let journal = journal(&path);
        for (name, output) in [("a", "1"), ("b", "1"), ("a", "2")] {
            journal.take(result(name, output));
        }
        for names in ["old", "new"] {
            journal.scheduled(&Value::Array(vec![Value::from(names)]));
        }
        let written = journal.written();
        assert_eq!((written.results, written.waiting, written.lost), (0, 2, 1));
        assert!(written.trouble.as_deref().is_some_and(|why| why.contains("No space left")), "{written:?}");
        // There is room again.
        std::fs::remove_file(&path).expect("removed");
        journal.reopen().expect("opened");
        journal.take(result("c", "1"));
        let text = std::fs::read(&path).expect("the log");
        let lines = text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).map(read);
        let told: Vec<String> = lines
            .map(|line| match line {
                Line::Result(result) => format!("{}={}", result.check.to_text(), result.output.to_text()),
                Line::Scheduled(names) => names.iter().map(|name| name.to_text().into_owned()).collect(),
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(told, ["b=1", "a=2", "new", "c=1"]);
        assert_eq!((journal.written().waiting, journal.written().trouble), (0, None));
    }

    #[test]
    fn a_line_that_is_written_says_that_the_trouble_is_over() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("log");
        std::os::unix::fs::symlink("/dev/full", &path).expect("linked");
        let journal = journal(&path);
        journal.line(Level::Info, "lost", &[]);
        assert_eq!(journal.written().lines_lost, 1);
        assert!(journal.written().trouble.is_some());
        std::fs::remove_file(&path).expect("removed");
        journal.reopen().expect("opened");
        journal.line(Level::Info, "written", &[]);
        assert_eq!((journal.written().lines_lost, journal.written().trouble), (1, None));
    }

    #[test]
    fn lines_below_the_level_are_left_out_but_results_never() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("log");
        let file = LogFile::open(&path, Rotation::default(), clock::now()).expect("opened");
        let journal = Journal::new(Output::File(file), Level::Error);
        journal.line(Level::Warn, "left out", &[]);
        journal.take(result("a", "1"));
        assert!(journal.toggle_debug());
        journal.line(Level::Debug, "seen", &[("n", &Value::from(1))]);
        assert!(!journal.toggle_debug());
        journal.line(Level::Warn, "left out", &[]);
        let text = std::fs::read_to_string(&path).expect("the log");
        assert_eq!(text.lines().count(), 2, "{text}");
        assert!(text.ends_with("\"message\":\"seen\",\"n\":1}\n"), "{text}");
    }
}
