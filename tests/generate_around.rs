//! `iaasmon generate systemd | kubernetes | logrotate`, held against the tools that read what they write.

#![allow(clippy::unwrap_used, reason = "in a test a panic is a failure")]

#[path = "generate_around/deployed.rs"]
mod deployed;
#[path = "generate_around/kubernetes.rs"]
mod kubernetes;
#[path = "generate_around/logrotate.rs"]
mod logrotate;
mod support;
#[path = "generate_around/systemd.rs"]
mod systemd;
#[path = "runner/world.rs"]
#[allow(dead_code, reason = "the rest of it belongs to the runner's own tests")]
mod world;

use clap::{CommandFactory, Parser as _};
use iaasmon::cli::args::{Cli, ServiceCli};
use iaasmon::demo::servers::cache_folder;
use std::path::{Path, PathBuf};
use std::process::Command;
use support::{Outcome, command, iaasmon, run};

/// Finds a program as `scripts/servers WHAT` does: in `PATH`, where it is installed, in the cache.
fn tool(program: &str, what: &str, kept: &str) -> PathBuf {
    let folder = |name| std::env::var_os(name).map(PathBuf::from);
    let cache = cache_folder(folder("IAASMON_SERVER_CACHE"), folder("XDG_CACHE_HOME"), folder("HOME"));
    let cache = cache.as_deref().and_then(|bin| bin.ancestors().nth(2)).map(|all| all.join(what).join(kept));
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain(["/usr/sbin".into()]).chain(cache);
    let mut files = folders.map(|folder| folder.join(program));
    files.find(|file| file.is_file()).unwrap_or_else(|| {
        panic!(
            "{program} is missing: run `scripts/servers {what}`, which fetches a private copy without root"
        )
    })
}

/// Runs a program to its end and returns whether it was content, with all that it said.
fn said(command: &mut Command) -> (bool, String) {
    let output = command.output().unwrap();
    let said = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    (output.status.success(), said.concat())
}

/// What a command writes, which must succeed.
fn written(args: &[&str]) -> String {
    let outcome = iaasmon(args);
    assert_eq!(outcome.code, Some(0), "{args:?}: {}", outcome.stderr);
    outcome.stdout
}

/// As [`iaasmon`], with a configuration of its own.
fn with_configuration(text: &str, args: &[&str]) -> Outcome {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("config.toml");
    std::fs::write(&file, text).unwrap();
    run(command().arg("--config").arg(&file).args(args), b"")
}

/// Whether the program takes these arguments, the first being its name.
fn is_taken(words: &[String]) {
    let is_service = words.get(1).is_some_and(|word| word == "serve");
    let refused = match is_service {
        true => ServiceCli::try_parse_from(words).err(),
        false => Cli::command().try_get_matches_from(words).err(),
    };
    assert!(refused.is_none(), "{words:?}: {}", refused.unwrap());
}

/// The files below a folder, by their paths inside it.
fn files_of(folder: &Path) -> std::collections::BTreeMap<String, String> {
    let mut found = std::collections::BTreeMap::new();
    let mut open = vec![folder.to_owned()];
    while let Some(next) = open.pop() {
        for entry in std::fs::read_dir(&next).unwrap().map(Result::unwrap) {
            match entry.path().is_dir() {
                true => open.push(entry.path()),
                false => {
                    let name = entry.path().strip_prefix(folder).unwrap().display().to_string();
                    found.insert(name, std::fs::read_to_string(entry.path()).unwrap());
                }
            }
        }
    }
    found
}
