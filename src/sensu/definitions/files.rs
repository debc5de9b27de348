//! Reading the files (loader.rb:165-203,381-391).

use super::{Notice, Problem, Refused, Sources, deep_diff, deep_merge};
use crate::sensu::redact::redact;
use crate::wire::sensu_json::{Object, Value, field, set};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

/// Larger than any sane definitions; what never ends is no file.
const MOST: u64 = 64 * 1024 * 1024;

/// The original's words for a file and for a folder that is passed over.
pub(super) const UNREAD: [&str; 2] =
    ["config file does not exist or is not readable", "config directory is not readable"];

pub(super) struct Loaded {
    pub(super) root: Object,
    pub(super) files: Vec<PathBuf>,
    /// The files and folders that are there, or were named, and could not be read.
    pub(super) unread: Vec<PathBuf>,
}

/// Reads everything in order: environment, the file, the folders, what the client adds for itself.
pub(super) fn load(sources: &Sources, notices: &mut Vec<Notice>) -> Result<Loaded, Refused> {
    let mut loaded = Loaded { root: sources.defaults(), files: Vec::new(), unread: Vec::new() };
    if let Some(client) = sources.client() {
        let mut fields = Object::new();
        set(&mut fields, "client", client.clone());
        notices.push(Notice::warn("using sensu client environment variable(s)", fields.clone()));
        deep_merge(&mut loaded.root, fields);
    }
    if let Some(file) = &sources.file {
        loaded.file(file, notices)?;
    }
    for folder in &sources.folders {
        let mut fields = Object::new();
        set(&mut fields, "directory", Value::text(folder.as_os_str().as_encoded_bytes()));
        notices.push(Notice::warn("loading config files from directory", fields.clone()));
        let Ok(found) = collect(folder, &entries) else {
            let problem = Problem::new("insufficient permissions for loading", fields);
            return Err(Refused::one(Problem { plain: not_a_folder(folder), ..problem }));
        };
        for unread in &found.unread {
            let mut about = Object::new();
            set(&mut about, "directory", Value::text(unread.as_os_str().as_encoded_bytes()));
            notices.push(Notice::warn(UNREAD[1], about.clone()));
            notices.push(Notice::warn("ignoring config directory", about));
        }
        loaded.unread.extend(found.unread);
        found.files.iter().try_for_each(|file| loaded.file(file, notices))?;
    }
    override_client(&mut loaded.root, notices);
    Ok(loaded)
}

impl Loaded {
    fn file(&mut self, path: &Path, notices: &mut Vec<Notice>) -> Result<(), Refused> {
        let bytes = match read(path) {
            Ok(bytes) => bytes,
            Err(Unread::Missing) => {
                notices.push(Notice::on_file(UNREAD[0], path));
                notices.push(Notice::on_file("ignoring config file", path));
                self.unread.push(path.to_owned());
                return Ok(());
            }
            Err(Unread::Unfit(why)) => return Err(invalid(path, why)),
        };
        notices.push(Notice::on_file("loading config file", path));
        let text = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&bytes).trim_ascii();
        let read = if text.is_empty() { Ok(Value::Object(Object::new())) } else { Value::parse(&bytes) };
        let read = read.map_err(|error| invalid(path, &error.to_string()))?;
        // A list or a word at the top is passed over in silence, as by the original.
        let Value::Object(read) = read else { return Ok(()) };
        let before = (!self.files.is_empty()).then(|| self.root.clone());
        deep_merge(&mut self.root, read);
        if let Some(before) = before {
            let mut notice = Notice::on_file("config file applied changes", path);
            let changes = redact(&Value::Object(deep_diff(&before, &self.root)));
            set(&mut notice.fields, "changes", changes);
            notices.push(notice);
        }
        self.files.push(path.to_owned());
        Ok(())
    }
}

fn invalid(path: &Path, why: &str) -> Refused {
    let mut about = Object::new();
    set(&mut about, "file", Value::text(path.as_os_str().as_encoded_bytes()));
    set(&mut about, "error", why);
    Refused::one(Problem::new("config file must be valid json", about))
}

/// Says why a folder cannot be listed, where it is not for want of permission as the original's words have it.
fn not_a_folder(path: &Path) -> Option<&'static str> {
    match std::fs::metadata(path) {
        Ok(about) => (!about.is_dir()).then_some("it is no folder"),
        Err(error) => (error.kind() == io::ErrorKind::NotFound).then_some("it does not exist"),
    }
}

enum Unread {
    Missing,
    Unfit(&'static str),
}

fn read(path: &Path) -> Result<Vec<u8>, Unread> {
    let about = std::fs::metadata(path).map_err(|_| Unread::Missing)?;
    // That one has an end, and says that no file is wanted.
    if !about.is_file() && path != Path::new("/dev/null") {
        return Err(Unread::Unfit("it is no regular file"));
    }
    let file = std::fs::File::open(path).map_err(|_| Unread::Missing)?;
    let mut bytes = Vec::new();
    file.take(MOST + 1).read_to_end(&mut bytes).map_err(|_| Unread::Missing)?;
    if bytes.len() as u64 > MOST { Err(Unread::Unfit("it is larger than 64 MiB")) } else { Ok(bytes) }
}

/// What is in a folder.
pub(super) struct Found {
    /// The files, in order.
    pub(super) files: Vec<PathBuf>,
    /// The folders below it that cannot be read, in order.
    pub(super) unread: Vec<PathBuf>,
}

/// The files that `**{,/*/**}/*.json` names: all below the folder and none that is hidden. `entries` lists one folder.
///
/// # Errors
/// The folder itself cannot be read.
pub(super) fn collect(
    folder: &Path,
    entries: &dyn Fn(&Path) -> io::Result<Vec<PathBuf>>,
) -> io::Result<Found> {
    let mut found = Found { files: Vec::new(), unread: Vec::new() };
    // Ruby's ** does not go through links; /*/ does, once: so no link can lead round for ever.
    let mut waiting: Vec<(PathBuf, bool)> = Vec::new();
    let mut listed = entries(folder)?;
    let mut linked = false;
    loop {
        for path in listed {
            let name = path.file_name().unwrap_or_default().as_encoded_bytes();
            if name.starts_with(b".") {
                continue;
            }
            let is_link = path.is_symlink();
            if path.is_dir() {
                if !(is_link && linked) {
                    waiting.push((path, is_link || linked));
                }
            } else if name.ends_with(b".json") {
                found.files.push(path);
            }
        }
        listed = Vec::new();
        let Some((next, through)) = waiting.pop() else { break };
        linked = through;
        match entries(&next) {
            Ok(inside) => listed = inside,
            Err(_) => found.unread.push(next),
        }
    }
    found.files.sort();
    found.unread.sort();
    Ok(found)
}

fn entries(folder: &Path) -> io::Result<Vec<PathBuf>> {
    std::fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect()
}

/// Every client subscribes to itself (loader.rb:210-223).
fn override_client(root: &mut Object, notices: &mut Vec<Notice>) {
    let Some(Value::Object(client)) = root.get_mut(&b"client"[..]) else { return };
    let own = format!("client:{}", field(client, "name").and_then(Value::as_str).unwrap_or_default());
    if field(client, "subscriptions").is_none() {
        set(client, "subscriptions", Value::Array(Vec::new()));
    }
    let mut fields = Object::new();
    let message = match client.get_mut(&b"subscriptions"[..]) {
        Some(Value::Array(subscriptions)) => {
            let own = Value::from(own.as_str());
            if !subscriptions.contains(&own) {
                subscriptions.push(own);
            }
            "applied sensu client overrides"
        }
        _ => {
            set(&mut fields, "reason", "client subscriptions is not an array");
            "unable to apply sensu client overrides"
        }
    };
    set(&mut fields, "client", redact(&Value::Object(client.clone())));
    notices.push(Notice::warn(message, fields));
}
