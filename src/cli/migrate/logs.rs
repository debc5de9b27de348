//! `iaasmon migrate logs BEFORE AFTER`: two logs side by side.

use super::list;
use crate::cli::args::ListArgs;
use crate::cli::error::{AppError, Exit};
use crate::cli::render::{Cell, Column, Shape, Tone};
use crate::cli::streams::Streams;
use crate::sensu::migrate::logs::{Compared, Log, Side, Verdict, compare};
use clap::Args;
use flate2::bufread::MultiGzDecoder;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read as _};
use std::path::{Path, PathBuf};

const EXAMPLES: &str = "\
Examples:
  iaasmon migrate logs /var/log/sensu/sensu-client.log.1.gz /var/log/iaasmon/runner.log
  iaasmon migrate logs before.log after.log -o wide      outputs too
  iaasmon migrate logs before.log after.log -o json | jq '.data[] | select(.verdict != \"agrees\")'";

/// A line that is longer is counted and not read.
const LONGEST: u64 = 16 * 1024 * 1024;
const AT_A_TIME: usize = 256 * 1024;

/// Compare a sensu-client's log from before the switch with the runner's from after it
///
/// One line a check. `missing`: it did not run after the switch. `status`: its usual status is another, or one came that
/// never did before. `output`: no output was seen on both sides, all numbers in it left out. `runs`: it ran less often
/// than its interval asks, and than before. `new`: it did not run before, which is no disagreement.
///
/// The logs are read once, line by line, and may be of any size and packed by gzip. Ends with code 1 where a check
/// disagrees.
#[derive(Debug, Clone, Args)]
#[command(after_help = EXAMPLES)]
pub struct LogsArgs {
    /// sensu-client's log
    pub before: PathBuf,
    /// The runner's log
    pub after: PathBuf,
    /// How to print.
    #[command(flatten)]
    pub list: ListArgs,
}

type C = Column<Compared>;

const SHAPE: Shape<Compared> = Shape {
    columns: &[
        C::word("verdict", |row, _| {
            Cell::ranked(row.verdict.word(), row.verdict as u8).tone(tone(row.verdict))
        }),
        C::name("check", |row, _| Cell::text(&*row.check)),
        C::name("source", |row, _| Cell::text(&*row.source)).droppable(3),
        C::number("runs_before", |row, _| Cell::number(row.before.runs as f64)).droppable(2),
        C::number("runs_after", |row, _| Cell::number(row.after.runs as f64)).droppable(2),
        C::number("missed_before", |row, _| Cell::number(row.before.missed as f64)).droppable(1),
        C::number("missed_after", |row, _| Cell::number(row.after.missed as f64)).droppable(1),
        C::word("status_before", |row, _| Cell::text(statuses(&row.before))),
        C::word("status_after", |row, _| Cell::text(statuses(&row.after))),
        C::text("output_before", |row, _| Cell::text(&*row.before.output)).wide(),
        C::text("output_after", |row, _| Cell::text(&*row.after.output)).wide(),
    ],
    name: |row| row.check.clone(),
};

fn tone(verdict: Verdict) -> Tone {
    match verdict {
        Verdict::Missing | Verdict::Status => Tone::Bad,
        Verdict::Output | Verdict::Runs => Tone::Warn,
        Verdict::New => Tone::Plain,
        Verdict::Agrees => Tone::Dim,
    }
}

/// Writes `0:118 2:3`: each status and how often it came.
fn statuses(side: &Side) -> String {
    let each = side.statuses.iter().map(|(status, count)| format!("{status}:{count}"));
    each.collect::<Vec<_>>().join(" ")
}

/// Runs the command.
pub fn run(args: &LogsArgs, streams: &mut Streams<'_>) -> Result<Exit, AppError> {
    let (before, after) = (load(&args.before)?, load(&args.after)?);
    let compared = compare(&before, &after);
    let disagree = compared.iter().filter(|one| one.verdict.is_disagreement()).count();
    let mut notes = vec![format!("{} checks, {disagree} disagree", compared.len())];
    for (log, file) in [(&before, &args.before), (&after, &args.after)] {
        if log.unread > 0 {
            notes.push(format!("{}: {} lines are no JSON, or too long", file.display(), log.unread));
        }
    }
    list(&SHAPE, compared, &notes, &args.list, streams)?;
    Ok(if disagree > 0 { Exit::Problems } else { Exit::Done })
}

fn load(path: &Path) -> Result<Log, AppError> {
    let failed = |error: io::Error| AppError::usage(format!("cannot read {}: {error}", path.display()));
    let file = BufReader::with_capacity(AT_A_TIME, File::open(path).map_err(failed)?);
    let log = unpack(file).and_then(take_in).map_err(failed)?;
    if !log.has_results() {
        return Err(AppError::usage(format!("{} holds no result of any check", path.display()))
            .hint("sensu-client and the runner log results at level info"));
    }
    Ok(log)
}

/// Reads through gzip, as logrotate packs old logs, where the content is so packed.
fn unpack(mut file: impl BufRead + 'static) -> io::Result<Box<dyn BufRead>> {
    if file.fill_buf()?.starts_with(&[0x1f, 0x8b]) {
        return Ok(Box::new(BufReader::with_capacity(AT_A_TIME, MultiGzDecoder::new(file))));
    }
    Ok(Box::new(file))
}

/// Reads lines up to the longest that is allowed; of longer ones the rest is passed over.
fn take_in(mut file: impl BufRead) -> io::Result<Log> {
    let mut log = Log::default();
    let mut line = Vec::new();
    loop {
        line.clear();
        if file.by_ref().take(LONGEST).read_until(b'\n', &mut line)? == 0 {
            return Ok(log);
        }
        if line.ends_with(b"\n") || (line.len() as u64) < LONGEST {
            log.line(line.trim_ascii_end());
        } else {
            log.unread += 1;
            file.skip_until(b'\n')?;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;

    const RESULT: &str = r#"{"message":"publishing check result","payload":{"client":"n","check":{"name":"a","status":0,"output":""}}}"#;

    #[test]
    fn a_packed_log_is_read_and_a_broken_one_is_an_error() {
        let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        packer.write_all(format!("{RESULT}\n").as_bytes()).expect("memory");
        let packed = packer.finish().expect("memory");
        let read = |bytes: Vec<u8>| unpack(io::Cursor::new(bytes)).and_then(take_in);
        assert!(read(packed.clone()).expect("whole").has_results());
        let twice = read([packed.clone(), packed.clone()].concat()).expect("two members");
        assert_eq!(twice.unread, 0);
        assert!(read(packed[..packed.len() - 9].to_vec()).is_err());
    }

    #[test]
    fn a_line_without_end_is_read_and_one_of_any_length_is_passed() {
        let long = std::io::repeat(b'x').take(LONGEST * 2);
        let text = long.chain(&b"\n"[..]).chain(RESULT.as_bytes());
        let log = take_in(BufReader::new(text)).expect("memory");
        assert!(log.has_results());
        assert_eq!(log.unread, 1);
    }
}
