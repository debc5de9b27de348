//! The command line that does the same as what is about to be done: shown before every write.

use crate::fleet::silence::{LogicalSilence, OpId};
use crate::model::cluster::ClusterName;
use crate::tui::state::editor::{Editor, Mode, Where};
use std::path::Path;

/// Returns a word as a shell takes it. Blanks, `~` (bash expands it after `=` too) and all else but the plainest
/// characters are quoted.
pub fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-./:,@%+=".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', "'\\''"))
}

/// Returns an option with its value; a value that begins with `-` must not be taken for an option.
fn option(name: &str, value: &str) -> String {
    let between = if value.starts_with('-') { '=' } else { ' ' };
    format!("{name}{between}{}", quoted(value))
}

/// Returns a command, or several joined by `&&`, as it is copied: with the configuration that the screens were
/// started with, where that was named. What is shown beside a write leaves it out, for its length.
pub fn copied(command: &str, config_file: Option<&Path>) -> String {
    let Some(file) = config_file else { return command.to_owned() };
    let program = format!("iaasmon --config {} ", quoted(&file.to_string_lossy()));
    let with = |one: &str| one.strip_prefix("iaasmon ").map_or(one.to_owned(), |rest| program.clone() + rest);
    // A text of others with blanks and `&` in it is quoted: where nothing is, ` && ` is ours.
    if command.contains('\'') {
        return with(command);
    }
    command.split(" && ").map(with).collect::<Vec<_>>().join(" && ")
}

/// Returns the command that ends these silences.
pub fn expire<'a>(silences: impl Iterator<Item = &'a LogicalSilence>) -> String {
    let ids: Vec<String> = silences.map(|silence| quoted(&silence.id)).collect();
    format!("iaasmon silence expire {}", ids.join(" "))
}

/// Returns the command that finishes (`resume`) or takes back (`undo`) operations.
pub fn operations(verb: &str, ops: &[OpId]) -> String {
    let commands: Vec<String> = ops.iter().map(|op| format!("iaasmon silence {verb} {op}")).collect();
    commands.join(" && ")
}

impl Editor {
    /// Returns the command line that does the same.
    pub fn command(&self) -> String {
        let mut words = match &self.mode {
            Mode::New | Mode::Ack => return self.add_command(),
            Mode::Extend(silence) => {
                let length = quoted(self.texts.duration.value().trim());
                return format!("iaasmon silence extend {} {length}", quoted(&silence.id));
            }
            Mode::Edit(silence) => vec!["iaasmon silence edit".to_owned(), quoted(&silence.id)],
        };
        if self.changed(|f| &f.matchers) {
            words.extend(self.matcher_words());
        }
        if let Some(end) = self.end {
            words.push(option("--end", &crate::model::time::rfc3339(end)));
        } else if self.changed(|f| &f.duration) {
            words.push(option("--duration", self.texts.duration.value().trim()));
        }
        if self.changed(|f| &f.comment) {
            words.push(option("--comment", self.texts.comment.value().trim()));
        }
        if self.changed(|f| &f.author) {
            words.push(option("--author", self.texts.author.value().trim()));
        }
        words.join(" ")
    }

    fn add_command(&self) -> String {
        let mut words = vec!["iaasmon silence add".to_owned()];
        words.extend(self.matcher_words());
        words.extend(self.target_words());
        let ack = self.mode == Mode::Ack && self.texts.comment.value().trim().starts_with("ACK!");
        if ack {
            words.push("--ack".to_owned());
        }
        // What the command would take by itself is left out: a short line is read.
        if !ack || self.changed(|f| &f.duration) {
            words.push(option("--duration", self.texts.duration.value().trim()));
        }
        let comment = self.texts.comment.value().trim();
        if !comment.is_empty() && (!ack || self.changed(|f| &f.comment) || self.changed(|f| &f.author)) {
            words.push(option("--comment", comment));
        }
        if self.changed(|f| &f.author) {
            words.push(option("--author", self.texts.author.value().trim()));
        }
        words.join(" ")
    }

    fn matcher_words(&self) -> Vec<String> {
        match &self.draft {
            Ok(draft) => draft.matchers.iter().map(|m| quoted(&m.to_string())).collect(),
            Err(_) => vec![quoted(self.texts.matchers.value().trim())],
        }
    }

    fn target_words(&self) -> Vec<String> {
        let named = |names: &[ClusterName]| -> Vec<String> {
            names.iter().map(|name| option("--cluster", name.as_str())).collect()
        };
        match self.target {
            Where::Selected => named(&self.selected),
            Where::Choose => named(&self.chosen_names()),
            Where::All if !self.narrowed => vec!["--all-clusters".to_owned()],
            Where::Matching if !self.narrowed => Vec::new(),
            // The screens show a part of the fleet: the command must be told which.
            Where::All => named(&self.clusters),
            Where::Matching => {
                let written = self.preview.iter().flat_map(|p| p.written()).map(|c| c.cluster.clone());
                named(&written.collect::<Vec<_>>())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copied_command_names_the_configuration_that_was_named() {
        let file = Some(Path::new("/tmp/my demo/config.toml"));
        let with = "iaasmon --config '/tmp/my demo/config.toml' ";
        assert_eq!(copied("iaasmon status", None), "iaasmon status");
        assert_eq!(copied("iaasmon status", file), format!("{with}status"));
        let both = operations("undo", &[OpId::new(Default::default()); 2]);
        assert_eq!(copied(&both, file).matches(with).count(), 2, "{}", copied(&both, file));
        let text = "iaasmon silence add a=b --comment 'x && iaasmon y'";
        assert_eq!(copied(text, file), text.replacen("iaasmon ", with, 1));
    }
}
