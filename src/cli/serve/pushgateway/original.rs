//! Flags that a command line of the original may have and that ours does not need: such a line can stay as it is.

use clap::Args;
use clap::builder::{OsStringValueParser, TypedValueParser};
use std::path::PathBuf;

/// Flags of the original that have another name here, or no meaning.
#[derive(Debug, Clone, Default, Args)]
pub struct OriginalArgs {
    /// As --listen systemd
    #[arg(long = "web.systemd-socket", hide = true)]
    pub systemd_socket: bool,
    /// Where the original has its templates
    #[arg(long = "web.local-assets", value_name = "FOLDER", hide = true, value_parser = may_be_empty())]
    pub local_assets: Option<PathBuf>,
    /// Takes --web.enable-lifecycle back
    #[arg(long = "no-web.enable-lifecycle", hide = true, overrides_with = "lifecycle")]
    pub no_lifecycle: bool,
    /// Takes --web.enable-admin-api back
    #[arg(long = "no-web.enable-admin-api", hide = true, overrides_with = "admin_api")]
    pub no_admin_api: bool,
    /// Takes --push.disable-consistency-check back
    #[arg(long = "no-push.disable-consistency-check", hide = true, overrides_with = "unchecked")]
    pub checked: bool,
    /// Takes --push.enable-utf8-names back
    #[arg(long = "no-push.enable-utf8-names", hide = true, overrides_with = "utf8")]
    pub no_utf8: bool,
}

/// Reads the name of a file or folder; the original takes an empty one for none.
pub fn may_be_empty() -> impl TypedValueParser<Value = PathBuf> {
    OsStringValueParser::new().map(PathBuf::from)
}
