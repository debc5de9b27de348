//! Bytes of foreign formats to and from the model: one file a format, no I/O.

pub mod am_message;
pub mod am_post;
pub mod am_v2;
pub mod detail;
pub mod elements;
pub mod exposition;
pub mod file_sd;
pub mod go;
pub mod mail;
pub mod prom_config;
pub mod prom_json;
pub mod push_groups;
pub mod push_line;
pub mod push_path;
mod seed;
pub mod sensu_api;
pub mod sensu_json;
pub mod sensu_log;
pub mod sensu_socket;
pub mod x509;

/// Why bytes are not what they should be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WireError {
    /// The text is not the JSON that this endpoint answers with.
    #[error("not the expected JSON: {0}")]
    Json(String),
    /// The server answered properly that it could not answer.
    #[error("{kind}: {message}")]
    Api {
        /// The server's own class of error (`bad_data`, `timeout`, ...).
        kind: String,
        /// Its words.
        message: String,
    },
}

impl From<serde_json::Error> for WireError {
    fn from(error: serde_json::Error) -> Self {
        Self::Json(error.to_string())
    }
}
