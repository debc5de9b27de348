//! Finding the files, reading them, and laying flag over environment over file.

use super::check::check;
use super::env::{Env, OVERRIDES};
use super::files::{Paths, read_bounded, reason};
use super::layer::Layer;
use super::origin::{Origin, Origins, Place};
use super::problem::{ConfigErrors, Problem};
use super::read::{Document, problem_of};
use super::valid::Config;
use std::path::{Path, PathBuf};

/// The file for every user of a machine.
pub const SYSTEM_FILE: &str = "/etc/iaasmon/config.toml";

/// A value given by a flag.
#[derive(Debug, Clone)]
pub struct Flag {
    /// The flag's name, with its dashes.
    pub name: &'static str,
    /// The key that it sets; one of those in [`OVERRIDES`].
    pub key: &'static str,
    /// What was given.
    pub value: String,
}

/// A configuration with what `config check` and `config show` say about it.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// The configuration.
    pub config: Config,
    /// Where each value came from.
    pub origins: Origins,
    /// What works but is probably not meant.
    pub warnings: Vec<Problem>,
    /// Files that are named and cannot be used (a token, a certificate): requests that need one fail, each with
    /// the reason. A file that is mended meanwhile is used, a rotated token among them.
    pub unusable: Vec<Problem>,
}

impl Loaded {
    /// Takes a file that cannot be used for what it is where the configuration itself is looked at: an error.
    pub fn with_files(self) -> Result<Self, ConfigErrors> {
        match ConfigErrors::of(self.unusable.clone()) {
            Some(errors) => Err(errors),
            None => Ok(self),
        }
    }
}

/// What is wrong: with the text, and with the files that it names.
#[derive(Debug, Default)]
struct Faults {
    problems: Vec<Problem>,
    unusable: Vec<Problem>,
}

/// Loads the configuration.
///
/// The file named by `explicit` or `$IAASMON_CONFIG` is read alone. Without either the user's file is laid over
/// the system's; one of the two is enough.
pub fn load(explicit: Option<&Path>, env: &Env) -> Result<Config, ConfigErrors> {
    load_with(explicit, &[], env).map(|loaded| loaded.config)
}

/// As [`load`]; `None` where no file is named and none of the usual ones is there.
pub fn load_if_there(explicit: Option<&Path>, env: &Env) -> Result<Option<Config>, ConfigErrors> {
    let is_named = explicit.is_some() || env.get("IAASMON_CONFIG").is_some();
    match is_named || usual(env).iter().any(|file| is_there(file)) {
        true => load(explicit, env).map(Some),
        false => Ok(None),
    }
}

/// Loads the configuration with values given by flags, and says where everything came from.
pub fn load_with(explicit: Option<&Path>, flags: &[Flag], env: &Env) -> Result<Loaded, ConfigErrors> {
    let named = explicit.map(Path::to_path_buf).or_else(|| env.get("IAASMON_CONFIG").map(PathBuf::from));
    match named {
        Some(file) => load_files(&[file], flags, env),
        None => load_usual(&usual(env), flags, env),
    }
}

/// Returns the files that are read where none is named, the strongest first.
fn usual(env: &Env) -> Vec<PathBuf> {
    env.user_file().into_iter().chain([SYSTEM_FILE.into()]).collect()
}

/// A file that is there but cannot be reached counts as there: the reason must be seen.
fn is_there(file: &Path) -> bool {
    file.try_exists().unwrap_or(true)
}

/// Loads those of `usual` that exist, the strongest first.
fn load_usual(usual: &[PathBuf], flags: &[Flag], env: &Env) -> Result<Loaded, ConfigErrors> {
    let found: Vec<PathBuf> = usual.iter().filter(|file| is_there(file)).cloned().collect();
    if found.is_empty() {
        let places: Vec<String> = usual.iter().map(|file| file.display().to_string()).collect();
        let problem = Problem::general("no configuration found")
            .hint(format!("looked for {}", places.join(" and ")))
            .hint("`iaasmon config init` writes an example to begin with")
            .hint("`iaasmon demo` starts a fleet to try things on");
        return Err(ConfigErrors::of(vec![problem]).expect("one problem"));
    }
    load_files(&found, flags, env)
}

/// Loads `files`, the strongest first.
fn load_files(files: &[PathBuf], flags: &[Flag], env: &Env) -> Result<Loaded, ConfigErrors> {
    let mut faults = Faults::default();
    let mut merged = Layer::default();
    for file in files {
        match read_text(file) {
            Ok(text) => {
                let layer = read_layer(&text, file, env, &mut faults);
                merged = merged.over(layer);
            }
            Err(problem) => {
                merged.flawed = true;
                faults.problems.push(problem);
            }
        }
    }
    finish(merged, files, flags, env, faults)
}

/// Parses one text as if it stood in `file`.
pub fn parse(text: &str, file: &Path, env: &Env) -> Result<Loaded, ConfigErrors> {
    let mut faults = Faults::default();
    let layer = read_layer(text, file, env, &mut faults);
    finish(layer, &[file.to_path_buf()], &[], env, faults)
}

fn read_layer(text: &str, file: &Path, env: &Env, faults: &mut Faults) -> Layer {
    // Absolute, so that what `config show` prints is right in every folder.
    let base = std::path::absolute(file).ok().and_then(|file| file.parent().map(Path::to_path_buf));
    let paths = Paths { base: base.unwrap_or_default(), home: env.home() };
    let document = Document::new(file, text);
    let layer = Layer::read(&document, &paths);
    let (problems, unusable) = document.into_problems();
    faults.problems.extend(problems);
    faults.unusable.extend(unusable);
    layer
}

fn read_text(file: &Path) -> Result<String, Problem> {
    let bytes = read_bounded(file)
        .map_err(|why| Problem::general(format!("{}: cannot read: {}", file.display(), reason(&why))))?;
    String::from_utf8(bytes).map_err(|why| {
        let good = &why.as_bytes()[..why.utf8_error().valid_up_to()];
        let text = String::from_utf8_lossy(good);
        let line = text.matches('\n').count() + 1;
        let column = text.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        Problem::at(&Origin::File(Place { file: file.into(), line, column }), "not UTF-8")
    })
}

/// Lays environment and flags over the files and checks the whole.
fn finish(
    files: Layer,
    source: &[PathBuf],
    flags: &[Flag],
    env: &Env,
    faults: Faults,
) -> Result<Loaded, ConfigErrors> {
    let from_flags = flags.iter().map(|flag| (flag.key, Origin::Flag(flag.name), flag.value.clone()));
    let from_env = OVERRIDES.iter().filter_map(|(name, key)| {
        Some((*key, Origin::Env(name), env.get(name)?.to_string_lossy().into_owned()))
    });
    let Faults { mut problems, unusable } = faults;
    let mut merged = files;
    // The later wins, so flags come last.
    for (key, origin, text) in from_env.chain(from_flags) {
        if let Err(wrong) = merged.set(key, &text, origin.clone()) {
            problems.push(problem_of(key, &origin, wrong));
        }
    }
    let mut checked = check(merged);
    problems.append(&mut checked.problems);
    checked.config.source = source.to_vec();
    if problems.is_empty() {
        let (config, origins, warnings) = (checked.config, checked.origins, checked.warnings);
        return Ok(Loaded { config, origins, warnings, unusable });
    }
    // Who mends the text wants to hear of the files in the same run.
    problems.extend(unusable);
    Err(ConfigErrors::of(problems).expect("there are some"))
}

#[cfg(test)]
mod tests;
