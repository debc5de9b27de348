//! Configuration: TOML text to validated types, every problem at once with its place.
//!
//! A file is read into a layer (`read`, `layer`, `value`: each value parsed where it stands), layers are laid over
//! each other (`load`), and the whole is checked and completed (`check`). Nothing stops at the first problem.

mod check;
mod enrich;
pub mod env;
mod files;
mod generate;
mod keys;
mod layer;
mod load;
pub mod origin;
mod problem;
mod read;
mod show;
mod valid;
mod value;
pub mod web;

pub use env::Env;
pub use files::reason;
pub use generate::{Generate, Grouping, Mail, Receiver, Slack, mail_address};
pub use load::{Flag, Loaded, SYSTEM_FILE, load, load_if_there, load_with, parse};
pub use problem::{ConfigErrors, Problem};
pub use show::{EXAMPLE, to_json, to_toml};
pub use valid::{
    Access, Auth, Cluster, Color, Config, ConfirmAbove, Defaults, Enrich, SilencePolicy, Tls, Ui,
};
pub use value::{RESERVED_LABELS, Wrong, detail_url, url as server_url};
