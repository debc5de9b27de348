//! Where `generate` commands read Sensu's definitions.

use crate::cli::error::AppError;
use crate::generate::sensu::{SensuCheck, checks, left_out};
use crate::model::text::line;
use crate::sensu::definitions::{Notice, Settings, Sources, load};
use clap::Args;
use std::io::Write;
use std::path::PathBuf;

/// Where Sensu's definitions are.
#[derive(Debug, Clone, Args)]
pub struct SensuArgs {
    /// Take what Sensu's definitions in this folder say of alerting [can be repeated; read as `serve runner` reads it]
    #[arg(long = "sensu", value_name = "DIR")]
    pub folders: Vec<PathBuf>,
}

impl SensuArgs {
    /// Returns the flags as they were given.
    pub fn flags(&self) -> impl Iterator<Item = &str> {
        self.folders.iter().filter_map(|folder| folder.to_str()).flat_map(|folder| ["--sensu", folder])
    }

    /// Returns how every check alerted; none where no folder is named. What is passed over is told.
    ///
    /// # Errors
    /// Every problem of the definitions.
    pub fn checks(&self, err: &mut dyn Write) -> Result<Vec<SensuCheck>, AppError> {
        Ok(self.settings(err)?.as_ref().map(checks).unwrap_or_default())
    }

    /// As [`SensuArgs::checks`]; what of alerting no rule says is told too.
    ///
    /// # Errors
    /// Every problem of the definitions.
    pub fn checks_with_notes(&self, err: &mut dyn Write) -> Result<Vec<SensuCheck>, AppError> {
        let Some(settings) = self.settings(err)? else { return Ok(Vec::new()) };
        for note in left_out(&settings) {
            writeln!(err, "note: {}", line(&note))?;
        }
        Ok(checks(&settings))
    }

    fn settings(&self, err: &mut dyn Write) -> Result<Option<Settings>, AppError> {
        if self.folders.is_empty() {
            return Ok(None);
        }
        // The client is nobody: what is written is the same on each host.
        let sources = Sources {
            folders: self.folders.clone(),
            hostname: "nobody".to_owned(),
            address: "unknown".to_owned(),
            ..Sources::default()
        };
        let mut notices = Vec::new();
        let settings = load(&sources, &mut notices).map_err(|refused| {
            let told = AppError::usage("--sensu: the definitions are not valid");
            refused.lines().into_iter().fold(told, AppError::hint)
        })?;
        for what in notices.iter().filter_map(Notice::passed_over) {
            writeln!(err, "warning: {}", line(&what))?;
        }
        Ok(Some(settings))
    }
}
