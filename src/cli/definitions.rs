//! Where Sensu's definitions are and what surrounds the checks: the flags that runner, pusher and `run-check` share.

use crate::sensu::definitions::Sources;
use crate::sensu::engine::Bounds;
use crate::sys::child::{RunAs, Surroundings};
use clap::{Args, ValueEnum};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::error::AppError;
use crate::config::Env;
use crate::model::time::parse_duration;

/// The hidden command that becomes the user of a check.
pub const RUN_AS: &str = "check-as";
/// Where the packaged client looks.
const PACKAGED_FILE: &str = "/etc/sensu/config.json";
const PACKAGED_FOLDER: &str = "/etc/sensu/conf.d";

/// Where the definitions are; sensu-client's own flags.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Definitions")]
pub struct DefinitionArgs {
    /// Read this file of definitions [default: /etc/sensu/config.json, where it exists]
    #[arg(short = 'c', value_name = "FILE")]
    pub file: Option<PathBuf>,
    /// Read all .json files below these folders, in order of name [default: /etc/sensu/conf.d, where it exists]
    #[arg(short = 'd', long = "config_dir", value_name = "DIR[,DIR]", value_delimiter = ',')]
    pub folders: Vec<PathBuf>,
}

/// What surrounds every check; bare plugin names depend on it.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Environment of the checks")]
pub struct SurroundingArgs {
    /// Begin with what Sensu's packages set, or with our own environment
    #[arg(long, value_name = "PRESET", value_enum, default_value_t)]
    pub environment: Preset,
    /// The PATH of the checks
    #[arg(long, value_name = "PATH")]
    pub check_path: Option<OsString>,
    /// The folder that checks start in
    #[arg(long, value_name = "DIR")]
    pub check_dir: Option<PathBuf>,
    /// The user that checks run as; only root can say so. Keep log and pid file where this user cannot write
    #[arg(long, value_name = "USER", value_parser = parse_user)]
    pub check_user: Option<RunAs>,
    /// Another variable of the checks [can be repeated]
    #[arg(long = "check-env", value_name = "NAME=VALUE", value_parser = parse_variable)]
    pub variables: Vec<(OsString, OsString)>,
    /// How long a check without a timeout may run
    #[arg(long, value_name = "DURATION", default_value = "1h", value_parser = parse_max_runtime)]
    pub max_runtime: Duration,
    /// How many bytes of a check's output are kept
    #[arg(long, value_name = "BYTES", default_value_t = Bounds::default().max_output)]
    pub max_output: usize,
}

/// Where the environment of the checks begins.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum Preset {
    /// Our own environment and folder
    #[default]
    Own,
    /// As sensu-service: user sensu, folder /opt/sensu, its Ruby first in PATH, its plugins and handlers last
    Sensu,
}

fn parse_max_runtime(text: &str) -> Result<Duration, String> {
    match parse_duration(text) {
        Ok(Duration::ZERO) => Err("every check would be ended as soon as it begins".to_owned()),
        parsed => parsed.map_err(|error| error.to_string()),
    }
}

fn parse_variable(text: &str) -> Result<(OsString, OsString), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.into(), value.into())),
        _ => Err("NAME=VALUE is expected".to_owned()),
    }
}

fn parse_user(name: &str) -> Result<RunAs, String> {
    RunAs::named(name, RUN_AS)
}

impl DefinitionArgs {
    /// Returns where to load from. `global` is what `--config` named: for these commands it is sensu-client's own flag.
    pub fn sources(&self, global: Option<&Path>, env: &Env) -> Sources {
        let exists = |path: &str| Path::new(path).exists().then(|| PathBuf::from(path));
        let named = self.file.clone().or_else(|| global.map(Path::to_owned));
        let folders = if self.folders.is_empty() {
            exists(PACKAGED_FOLDER).into_iter().collect()
        } else {
            self.folders.clone()
        };
        Sources::on_this_host(named.or_else(|| exists(PACKAGED_FILE)), folders, |name| {
            env.get(name)?.to_str()
        })
    }
}

impl SurroundingArgs {
    /// Returns folder, environment and user of the checks.
    ///
    /// # Errors
    /// A folder that is none, a user that we may not become, and what the preset asks for and this machine has not: checks
    /// that ran as root by mistake might do anything.
    pub fn around(&self, env: &Env) -> Result<Surroundings, AppError> {
        if self.check_user.is_some() && !nix::unistd::geteuid().is_root() {
            return Err(AppError::usage("--check-user: only root can run checks as another user"));
        }
        if let Some(folder) = self.check_dir.as_ref().filter(|folder| !folder.is_dir()) {
            return Err(AppError::usage(format!("--check-dir: {} is no folder", folder.display())));
        }
        let mut around = Surroundings {
            folder: self.check_dir.clone(),
            variables: Vec::new(),
            user: self.check_user.clone(),
        };
        if self.environment == Preset::Sensu {
            self.as_packaged(&mut around, env)?;
        }
        around.variables.extend(self.check_path.clone().map(|path| ("PATH".into(), path)));
        around.variables.extend(self.variables.iter().cloned());
        Ok(around)
    }

    /// As sensu-omnibus, files/sensu-gem/bin/sensu-service, with EMBEDDED_RUBY=true as packaged.
    fn as_packaged(&self, around: &mut Surroundings, env: &Env) -> Result<(), AppError> {
        let ours = env
            .get("PATH")
            .unwrap_or("/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin".as_ref());
        let mut path = OsString::from("/opt/sensu/embedded/bin:");
        path.push(ours);
        path.push(":/etc/sensu/plugins:/etc/sensu/handlers");
        around.variables.push(("PATH".into(), path));
        around.variables.push(("GEM_PATH".into(), "/opt/sensu/embedded/lib/ruby/gems/2.4.0".into()));
        if around.folder.is_none() {
            let folder = PathBuf::from("/opt/sensu");
            if !folder.is_dir() {
                return Err(AppError::usage("--environment sensu: there is no folder /opt/sensu")
                    .hint("--check-dir DIR names the folder that checks start in"));
            }
            around.folder = Some(folder);
        }
        if around.user.is_none() && nix::unistd::geteuid().is_root() {
            around.user = Some(parse_user("sensu").map_err(|why| {
                AppError::usage(format!("--environment sensu: {why}"))
                    .hint("--check-user USER names the user that checks run as, and may be root")
            })?);
        }
        Ok(())
    }

    /// Returns the folder of the file that tells checks which definitions were loaded (loader.rb:442-450).
    pub fn loaded_folder(env: &Env) -> PathBuf {
        let named = env.get("SENSU_LOADED_TEMPFILE_DIR").or_else(|| env.get("TMPDIR"));
        named.map_or_else(|| PathBuf::from("/tmp"), PathBuf::from)
    }

    /// Returns what bounds every check.
    pub fn bounds(&self) -> Bounds {
        Bounds { max_runtime: self.max_runtime, max_output: self.max_output }
    }
}
