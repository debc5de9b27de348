//! The environment as a value, taken once at start, so that nothing reads it later and tests need not set it.

use super::valid::SilencePolicy;
use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::path::PathBuf;

/// The variables that change the configuration, each with the key that it sets.
///
/// They win over every file and lose against flags. A cluster's own `timeout` stays what it is: the variable
/// replaces the default that clusters inherit.
pub const OVERRIDES: [(&str, &str); 8] = [
    ("IAASMON_TIMEOUT", "defaults.timeout"),
    ("IAASMON_MAX_BODY", "defaults.max_body"),
    ("IAASMON_NODE_LABEL", "defaults.node_label"),
    ("IAASMON_CHECK_LABEL", "defaults.check_label"),
    ("IAASMON_AUTHOR", "policy.silence.author"),
    ("IAASMON_THEME", "ui.theme"),
    ("IAASMON_COLOR", "ui.color"),
    ("IAASMON_REFRESH", "ui.refresh"),
];

/// The environment's variables. It has no `Debug`: variables hold secrets of other programs.
#[derive(Clone, Default)]
pub struct Env(BTreeMap<OsString, OsString>);

impl Env {
    /// Takes the variables of this process.
    pub fn of_process() -> Self {
        Self(std::env::vars_os().collect())
    }

    /// Returns a variable; an empty one counts as unset.
    pub fn get(&self, name: &str) -> Option<&OsStr> {
        self.0.get(OsStr::new(name)).map(OsString::as_os_str).filter(|value| !value.is_empty())
    }

    /// Returns the user's home folder.
    pub fn home(&self) -> Option<PathBuf> {
        self.get("HOME").map(PathBuf::from)
    }

    /// Returns the user's configuration file: `$XDG_CONFIG_HOME/iaasmon/config.toml`, by default below `~/.config`.
    pub fn user_file(&self) -> Option<PathBuf> {
        // The XDG specification has relative paths ignored.
        let base = self.get("XDG_CONFIG_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
        let base = base.or_else(|| self.home().map(|home| home.join(".config")))?;
        Some(base.join("iaasmon/config.toml"))
    }

    /// Returns the folder of what outlives the program: `$XDG_STATE_HOME/iaasmon`, by default below `~/.local/state`;
    /// none without a home.
    pub fn state_folder(&self) -> Option<PathBuf> {
        let base = self.get("XDG_STATE_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
        let base = base.or_else(|| self.home().map(|home| home.join(".local/state")))?;
        Some(base.join("iaasmon"))
    }

    /// Returns where operations' journals are kept that `policy` puts nowhere else; none without a home.
    pub fn journals(&self, policy: &SilencePolicy) -> Option<PathBuf> {
        policy.journals.clone().or_else(|| Some(self.state_folder()?.join("operations")))
    }

    /// Returns who logged in. Behind sudo the person counts, not root.
    pub fn login(&self) -> Option<String> {
        let name = |variable: &str| self.get(variable)?.to_str().map(str::to_owned);
        let account =
            || nix::unistd::User::from_uid(nix::unistd::getuid()).ok().flatten().map(|user| user.name);
        name("SUDO_USER").or_else(|| name("USER")).or_else(account)
    }
}

impl<N: Into<OsString>, V: Into<OsString>> FromIterator<(N, V)> for Env {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(pairs: I) -> Self {
        Self(pairs.into_iter().map(|(name, value)| (name.into(), value.into())).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_users_file_follows_xdg() {
        let file = |pairs: &[(&str, &str)]| pairs.iter().copied().collect::<Env>().user_file();
        let path = |text: &str| Some(PathBuf::from(text));
        assert_eq!(file(&[("HOME", "/h")]), path("/h/.config/iaasmon/config.toml"));
        assert_eq!(file(&[("HOME", "/h"), ("XDG_CONFIG_HOME", "/x")]), path("/x/iaasmon/config.toml"));
        assert_eq!(
            file(&[("HOME", "/h"), ("XDG_CONFIG_HOME", "x")]),
            path("/h/.config/iaasmon/config.toml"),
            "relative"
        );
        assert_eq!(
            file(&[("HOME", "/h"), ("XDG_CONFIG_HOME", "")]),
            path("/h/.config/iaasmon/config.toml"),
            "empty"
        );
        assert_eq!(file(&[]), None);
        let state = |pairs: &[(&str, &str)]| pairs.iter().copied().collect::<Env>().state_folder();
        assert_eq!(state(&[("HOME", "/h"), ("XDG_STATE_HOME", "s")]), path("/h/.local/state/iaasmon"));
        assert_eq!(state(&[("XDG_STATE_HOME", "/s")]), path("/s/iaasmon"));
    }
}
