//! Whatever happens to the log, in whatever order: every line is read once.

use std::fs;

use proptest::collection::vec;
use proptest::prelude::*;

use super::super::Tail;
use super::{Logs, lines, restart};

#[derive(Debug, Clone)]
enum Step {
    Append(u8),
    /// A line in two writes, with what follows in between.
    AppendPart,
    EndPart,
    Rename,
    CopyTruncate,
    DeleteAndRecreate,
    Read,
    ReadSome(u8),
    Restart,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => (1..5u8).prop_map(Step::Append),
        1 => Just(Step::AppendPart),
        1 => Just(Step::EndPart),
        2 => Just(Step::Rename),
        1 => Just(Step::CopyTruncate),
        1 => Just(Step::DeleteAndRecreate),
        2 => Just(Step::Read),
        2 => (1..200u8).prop_map(Step::ReadSome),
        2 => Just(Step::Restart),
    ];
    vec(step, 1..40)
}

/// A writer that rotates as logrotate does, and what it wrote.
struct World {
    logs: Logs,
    tail: Tail,
    written: Vec<String>,
    read: Vec<String>,
    part: Option<String>,
}

impl World {
    fn new() -> World {
        let logs = Logs::new();
        let tail = Tail::open(logs.log(), None);
        World { logs, tail, written: Vec::new(), read: Vec::new(), part: None }
    }

    /// Lines differ, as those of a log with microseconds do; their lengths vary around the 1 KiB that is hashed.
    fn next_line(&self) -> String {
        let number = self.written.len();
        format!("{number}:{}", "x".repeat(number * 397 % 1500))
    }

    fn append(&mut self, count: u8) {
        self.end_part();
        for _ in 0..count {
            let line = self.next_line();
            self.logs.append(format!("{line}\n"));
            self.written.push(line);
        }
    }

    fn append_part(&mut self) {
        self.end_part();
        let line = self.next_line();
        self.logs.append(&line);
        self.written.push(line.clone());
        self.part = Some(line);
    }

    fn end_part(&mut self) {
        if self.part.take().is_some() {
            self.logs.append("\n");
        }
    }

    /// Moves `log.1` to `log.2` and so on.
    fn shift(&self) {
        for number in (1..60).rev() {
            let from = self.logs.path(&format!("sensu-client.log.{number}"));
            if from.exists() {
                fs::rename(from, self.logs.path(&format!("sensu-client.log.{}", number + 1)))
                    .expect("renamed");
            }
        }
    }

    fn step(&mut self, step: &Step) {
        match step {
            Step::Append(count) => self.append(*count),
            Step::AppendPart => self.append_part(),
            Step::EndPart => self.end_part(),
            Step::Rename => {
                self.end_part();
                if self.logs.log().exists() {
                    self.shift();
                    self.logs.rotate("sensu-client.log.1");
                    self.logs.append("");
                }
            }
            Step::CopyTruncate => {
                self.end_part();
                if self.logs.log().exists() {
                    self.shift();
                    self.logs.copy_truncate("sensu-client.log.1");
                }
            }
            // Unread lines of a deleted file are gone, and so is the memory of it after a restart.
            Step::DeleteAndRecreate => {
                self.end_part();
                self.drain();
                fs::remove_file(self.logs.log()).ok();
                self.append(1);
                self.drain();
            }
            Step::Read => self.drain(),
            Step::ReadSome(budget) => {
                let read = &mut self.read;
                let mut each = |line: super::super::Line<'_>| {
                    read.push(String::from_utf8_lossy(line.bytes).into_owned())
                };
                self.tail.read(usize::from(*budget), &mut each).expect("readable");
            }
            Step::Restart => self.tail = restart(&self.tail),
        }
    }

    fn drain(&mut self) {
        self.read.extend(lines(&mut self.tail));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn every_line_is_read_once(steps in steps()) {
        let mut world = World::new();
        // The first line is read before anything happens: until then nothing tells the log from another.
        world.append(1);
        world.drain();
        for step in &steps {
            world.step(step);
        }
        world.append(1);
        world.drain();
        prop_assert_eq!(&world.read, &world.written);
    }
}
