//! What can go wrong while a demo is set up.

use std::path::PathBuf;

/// Why a demo could not be started or steered.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    /// A server program is not installed.
    #[error(
        "{program} is not installed: run `apt-get install prometheus prometheus-alertmanager`, or `scripts/servers` for a private copy without root"
    )]
    Missing {
        /// The program looked for.
        program: &'static str,
    },
    /// A program could not be started at all.
    #[error("cannot start {program}: {source}")]
    Spawn {
        /// The program.
        program: String,
        /// The system's reason.
        source: std::io::Error,
    },
    /// A file or folder of the demo could not be written.
    #[error("{path}: {source}")]
    File {
        /// Which one.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// No part of the loopback network is free.
    #[error("no free block of addresses in 127.0.0.0/8: end other demos first")]
    NoBlock,
    /// A server ended, or was not ready in time.
    #[error("{name}: {reason}; its log ends with:\n{log}")]
    NotReady {
        /// The server.
        name: String,
        /// What happened.
        reason: String,
        /// The last lines of its log.
        log: String,
    },
    /// A process could not be signalled.
    #[error("cannot signal {name}: {reason}")]
    Signal {
        /// The server.
        name: String,
        /// The system's reason.
        reason: String,
    },
    /// The options make no sense together.
    #[error("{0}")]
    Options(String),
}

impl DemoError {
    /// Builds the error of a file operation on `path`.
    pub(crate) fn file(path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| Self::File { path, source }
    }
}
