//! Where generated files go: to stdout, into a folder, or beside what is deployed to be compared.

use crate::cli::error::{AppError, Exit};
use crate::generate::File;
use clap::Args;
use std::io::Write;
use std::path::{Path, PathBuf};

/// What every `generate` command takes.
#[derive(Debug, Clone, Args)]
pub struct OutputArgs {
    /// Write into this folder, which is made where it is missing [default: to stdout, several files with headings between them]
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Compare with this file, or the files of this folder, instead of writing; exit code 1 where one differs
    #[arg(long, value_name = "PATH", conflicts_with = "out")]
    pub check: Option<PathBuf>,
}

impl OutputArgs {
    /// Writes the files, or compares them with what is deployed.
    pub fn put(&self, files: &[File], out: &mut dyn Write, err: &mut dyn Write) -> Result<Exit, AppError> {
        match (&self.check, &self.out) {
            (Some(deployed), _) => compare(deployed, files, err),
            (None, Some(folder)) => write(folder, files, err),
            (None, None) => print(files, out),
        }
    }
}

/// Several files are told apart as `tail` does it.
fn print(files: &[File], out: &mut dyn Write) -> Result<Exit, AppError> {
    for (number, file) in files.iter().enumerate() {
        if files.len() > 1 {
            let gap = if number == 0 { "" } else { "\n" };
            writeln!(out, "{gap}==> {} <==", file.name)?;
        }
        out.write_all(file.text.as_bytes())?;
    }
    Ok(Exit::Done)
}

fn write(folder: &Path, files: &[File], err: &mut dyn Write) -> Result<Exit, AppError> {
    let failed =
        |path: &Path, error: std::io::Error| AppError::usage(format!("--out: {}: {error}", path.display()));
    std::fs::create_dir_all(folder).map_err(|error| failed(folder, error))?;
    for file in files {
        let path = folder.join(&file.name);
        // A server that reads it meanwhile finds the old file or the new one, and not half of it.
        let mut aside = tempfile(folder, &file.name).map_err(|error| failed(&path, error))?;
        aside.1.write_all(file.text.as_bytes()).map_err(|error| failed(&path, error))?;
        std::fs::rename(&aside.0, &path).map_err(|error| failed(&path, error))?;
        writeln!(err, "wrote {}", path.display())?;
    }
    Ok(Exit::Done)
}

fn tempfile(folder: &Path, name: &str) -> std::io::Result<(PathBuf, std::fs::File)> {
    let path = folder.join(format!(".{name}.new"));
    // What a run left that was killed is ours to replace; a link that somebody has put there is not followed.
    match std::fs::remove_file(&path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let file = std::fs::File::create_new(&path)?;
    Ok((path, file))
}

/// Compares what is deployed with what would be written.
fn compare(deployed: &Path, files: &[File], err: &mut dyn Write) -> Result<Exit, AppError> {
    let is_folder = deployed.is_dir();
    // Of several a file is one, by its name.
    let is_it = |file: &&File| deployed.file_name().is_some_and(|name| *name == *file.name);
    let wanted: Vec<&File> =
        files.iter().filter(|file| is_folder || files.len() == 1 || is_it(file)).collect();
    if wanted.is_empty() {
        let names: Vec<&str> = files.iter().map(|file| file.name.as_str()).collect();
        return Err(AppError::usage(format!("--check: {} is no folder", deployed.display()))
            .hint(format!("name the folder of {}, or one of them", names.join(" and "))));
    }
    let mut exit = Exit::Done;
    for file in wanted {
        let path = if is_folder { deployed.join(&file.name) } else { deployed.to_owned() };
        let same = match std::fs::read_to_string(&path) {
            Ok(is) => is_same(&path, &is, &file.text, err)?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                writeln!(err, "{}: is missing", path.display())?;
                false
            }
            Err(error) => return Err(AppError::usage(format!("--check: {}: {error}", path.display()))),
        };
        if !same {
            exit = Exit::Problems;
        }
    }
    Ok(exit)
}

/// Reports whether two texts are the same, but for the first line, which says which version wrote it; tells the first line that
/// differs.
fn is_same(path: &Path, is: &str, should: &str, err: &mut dyn Write) -> Result<bool, AppError> {
    let body = |text: &str| text.split('\n').skip(1).map(str::to_owned).collect::<Vec<_>>();
    let (is, should) = (body(is), body(should));
    let longest = is.len().max(should.len());
    let mut differ = (0..longest).filter(|at| is.get(*at) != should.get(*at));
    let Some(at) = differ.next() else { return Ok(true) };
    let shown = |lines: &[String]| match lines.get(at) {
        // With its quotes: it may differ in spaces alone.
        Some(line) => format!("{line:?}"),
        None => "(the end)".to_owned(),
    };
    let more = match differ.count() {
        0 => String::new(),
        more => format!(", as do {more} more lines"),
    };
    writeln!(err, "{}:{}: differs from what would be written now{more}", path.display(), at + 2)?;
    writeln!(err, "  is:       {}\n  would be: {}", shown(&is), shown(&should))?;
    Ok(false)
}
