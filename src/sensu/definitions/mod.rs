//! Definitions: read from files, merged, completed and validated as sensu-settings 10.17 does.

mod files;
mod loaded;
mod merge;
mod sources;

pub use loaded::LoadedFiles;
pub use merge::{deep_diff, deep_merge};
pub use sources::Sources;

use super::level::Level;
use super::redact::{redact, redact_also};
use super::schedule;
use super::validate;
use crate::wire::sensu_json::{Object, Value, field, set};
use std::fmt;
use std::path::{Path, PathBuf};

/// A line for the log that loading gives rise to, in the original's words.
#[derive(Debug, Clone, PartialEq)]
pub struct Notice {
    /// Its level.
    pub level: Level,
    /// Its message.
    pub message: String,
    /// Its further keys.
    pub fields: Object,
}

impl Notice {
    fn warn(message: &str, fields: Object) -> Self {
        Self { level: Level::Warn, message: message.to_owned(), fields }
    }

    fn on_file(message: &str, file: &Path) -> Self {
        let mut fields = Object::new();
        set(&mut fields, "file", Value::text(file.as_os_str().as_encoded_bytes()));
        Self::warn(message, fields)
    }

    /// Returns what people should hear of loading: which file or folder was passed over.
    pub fn passed_over(&self) -> Option<String> {
        let place = ["file", "directory"].iter().find_map(|name| field(&self.fields, name)?.as_str())?;
        files::UNREAD.contains(&&*self.message).then(|| format!("{place}: {}", self.message))
    }
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq)]
pub struct Problem {
    /// The original's words for it.
    pub message: String,
    /// What it is about: `object`, or `file` and `error`, or `directory`; secrets masked.
    pub about: Object,
    /// What people are told, where the original's words would lead them astray.
    pub plain: Option<&'static str>,
}

impl Problem {
    pub(super) fn new(message: &str, about: Object) -> Self {
        Self { message: message.to_owned(), about, plain: None }
    }

    fn plainly(&self) -> &str {
        self.plain.unwrap_or(&self.message)
    }
}

/// Why definitions cannot be used: everything that is wrong with them.
#[derive(Debug, Clone, PartialEq)]
pub struct Refused {
    problems: Vec<Problem>,
}

impl Refused {
    pub(super) fn one(problem: Problem) -> Self {
        Self { problems: vec![problem] }
    }

    /// Returns a fatal line on each problem, as the original logs them.
    pub fn notices(&self) -> Vec<Notice> {
        let fatal = |problem: &Problem| Notice {
            level: Level::Fatal,
            message: problem.message.clone(),
            fields: problem.about.clone(),
        };
        self.problems.iter().map(fatal).collect()
    }

    /// Returns a line for people on each problem: what it is about, then what is wrong.
    pub fn lines(&self) -> Vec<String> {
        self.problems.iter().map(Problem::to_string).collect()
    }

    /// Returns `{"errors":[{"object":...,"message":...}]}`, which `--validate_config` prints.
    pub fn to_value(&self) -> Value {
        let error = |problem: &Problem| {
            let mut error = problem.about.clone();
            set(&mut error, "message", problem.plainly());
            Value::Object(error)
        };
        let mut all = Object::new();
        set(&mut all, "errors", Value::Array(self.problems.iter().map(error).collect()));
        Value::Object(all)
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = |name| field(&self.about, name).and_then(Value::as_str);
        let name = field(&self.about, "object").and_then(Value::as_object).and_then(|o| field(o, "name"));
        let place = text("file").or(text("directory")).or(name.and_then(Value::as_str));
        match place {
            Some(place) => write!(f, "{place}: {}", self.plainly())?,
            None => f.write_str(self.plainly())?,
        }
        text("error").map_or(Ok(()), |error| write!(f, ": {error}"))
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.lines().join("; "))
    }
}

impl std::error::Error for Refused {}

/// Definitions that are valid.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    root: Object,
    checks: Vec<(String, Object)>,
    files: Vec<PathBuf>,
    unread: Vec<PathBuf>,
}

/// Loads, merges, completes and validates. What is worth a line in the log is added to `notices` in the original's order.
///
/// # Errors
/// Every problem there is.
pub fn load(sources: &Sources, notices: &mut Vec<Notice>) -> Result<Settings, Refused> {
    let loaded = files::load(sources, notices)?;
    let mut settings = Settings::new(loaded.root)?;
    (settings.files, settings.unread) = (loaded.files, loaded.unread);
    notices.extend(settings.checks().filter_map(|(_, check)| not_scheduled(check, &settings)));
    Ok(settings)
}

/// A check that this client would have run now and then says so: nobody else may run it any more.
fn not_scheduled(check: &Object, settings: &Settings) -> Option<Notice> {
    let shared = schedule::shared(check, settings);
    let first = shared.first()?;
    let message =
        format!("not scheduled: {first} was for one client at a time, make it standalone on one of them");
    let mut fields = Object::new();
    set(&mut fields, "check", redact(&Value::Object(check.clone())));
    Some(Notice::warn(&message, fields))
}

impl Settings {
    /// Validates what was merged.
    pub(super) fn new(root: Object) -> Result<Self, Refused> {
        let checks = named_checks(&root);
        let problems = validate::settings(&root, &checks);
        if !problems.is_empty() {
            return Err(Refused { problems });
        }
        let checks = checks.into_iter().filter_map(|(name, check)| match check {
            Value::Object(check) => Some((String::from_utf8_lossy(&name).into_owned(), check)),
            _ => None,
        });
        Ok(Self { checks: checks.collect(), root, files: Vec::new(), unread: Vec::new() })
    }

    /// Returns everything that was defined.
    pub fn root(&self) -> &Object {
        &self.root
    }

    /// Returns everything that was defined, as `-P` prints it: secrets masked, and what the client's `redact` names.
    pub fn redacted(&self) -> Value {
        let own = field(self.client(), "redact").and_then(Value::as_array).unwrap_or_default();
        let own: Vec<&str> = own.iter().filter_map(Value::as_str).collect();
        redact_also(&Value::Object(self.root.clone()), &own)
    }

    /// Returns the files that were read, in order.
    pub fn files(&self) -> &[PathBuf] {
        &self.files
    }

    /// Returns the files and folders that were passed over because they could not be read.
    pub fn unread(&self) -> &[PathBuf] {
        &self.unread
    }

    /// Returns the client.
    pub fn client(&self) -> &Object {
        static NONE: std::sync::LazyLock<Object> = std::sync::LazyLock::new(Object::new);
        field(&self.root, "client").and_then(Value::as_object).unwrap_or(&NONE)
    }

    /// Returns the client's name.
    pub fn client_name(&self) -> &str {
        field(self.client(), "name").and_then(Value::as_str).unwrap_or_default()
    }

    /// Returns what the client subscribes to, `client:NAME` included.
    pub fn subscriptions(&self) -> impl Iterator<Item = &str> {
        let list = field(self.client(), "subscriptions").and_then(Value::as_array);
        list.unwrap_or_default().iter().filter_map(Value::as_str)
    }

    /// Returns all checks with their keys, in order of definition; each has its `name`.
    pub fn checks(&self) -> impl Iterator<Item = (&str, &Object)> {
        self.checks.iter().map(|(name, check)| (name.as_str(), check))
    }

    /// Returns the check at a place of [`Settings::checks`].
    pub fn check_at(&self, place: usize) -> Option<&Object> {
        self.checks.get(place).map(|(_, check)| check)
    }

    /// Returns the check that is defined under this key.
    pub fn check(&self, name: &str) -> Option<&Object> {
        self.checks().find_map(|(known, check)| (known == name).then_some(check))
    }

    /// Returns how many commands may run at a time.
    pub fn spawn_limit(&self) -> usize {
        let sensu = field(&self.root, "sensu").and_then(Value::as_object);
        let spawn = sensu.and_then(|sensu| field(sensu, "spawn")).and_then(Value::as_object);
        let limit = spawn.and_then(|spawn| field(spawn, "limit")).and_then(Value::as_i64);
        limit.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(sources::SPAWN_LIMIT)
    }
}

/// The checks with their `name` appended, where the definition does not have one of its own (loader.rb:256-260).
fn named_checks(root: &Object) -> Vec<(Box<[u8]>, Value)> {
    let Some(checks) = field(root, "checks").and_then(Value::as_object) else { return Vec::new() };
    let named = checks.iter().map(|(name, check)| {
        let mut check = check.clone();
        if let Value::Object(fields) = &mut check
            && field(fields, "name").is_none()
        {
            set(fields, "name", Value::String(name.clone()));
        }
        (name.clone(), check)
    });
    named.collect()
}

#[cfg(test)]
mod tests;
