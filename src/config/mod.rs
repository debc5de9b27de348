//! Configuration: TOML text to validated types, every problem at once with its place.

mod valid;

pub use valid::{Access, Auth, Cluster, Color, Config, ConfirmAbove, Defaults, SilencePolicy, Tls, Ui};
