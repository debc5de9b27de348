//! `iaasmon generate targets`.

use super::output::OutputArgs;
use crate::cli::error::{AppError, Exit};
use crate::cli::input::read_bounded;
use crate::cli::migrate::events::api_url;
use crate::config::Config;
use crate::generate::File;
use crate::generate::targets::{Node, from_clients, from_csv, targets};
use crate::model::text::line;
use crate::net::SensuApi;
use crate::sensu::definitions::{Sources, load};
use crate::wire::sensu_api::SensuClient;
use crate::wire::sensu_json::{Value, field};
use clap::Args;
use std::io::Write;
use std::path::{Path, PathBuf};
use url::Url;

/// An inventory larger than this is none.
const MOST_MIB: u64 = 64;

const EXAMPLES: &str = "\
Examples:
  iaasmon generate targets --sensu-api http://sensu.example:4567 --label environment,rack --out /etc/prometheus/targets
  iaasmon generate targets --csv inventory.csv > targets/nodes.json
  iaasmon generate targets --sensu nodes/ --check /etc/prometheus/targets/nodes.json      nodes/web-1/client.json, nodes/web-2.json";

/// Write the nodes for Prometheus (`file_sd_configs`), from Sensu's API, a table, or definitions of clients
///
/// Port 10105 is added where none is given. Nodes of Sensu are scraped at their address and carry the label `client`, Sensu's name
/// of them; clients that send no keepalives run nowhere and are left out. Of a table the column instance, address, host or name
/// is the address, and every other column a label. A node that is listed twice is an error.
#[derive(Debug, Clone, Args)]
#[command(after_help = EXAMPLES)]
#[group(id = "source", required = true, multiple = false, args = ["sensu_api", "csv", "sensu"])]
pub struct TargetsArgs {
    /// Ask Sensu's API for its clients; user and password may stand in the URL
    #[arg(long, value_name = "URL", value_parser = api_url)]
    pub sensu_api: Option<Url>,
    /// The file that holds the password of the user in the URL
    #[arg(long, value_name = "FILE", requires = "sensu_api")]
    pub sensu_password_file: Option<PathBuf>,
    /// Read a table (RFC 4180) whose first row names the columns
    #[arg(long, value_name = "FILE")]
    pub csv: Option<PathBuf>,
    /// Read the definitions of many clients: each folder in this one is a client's, and each .json file
    #[arg(long, value_name = "DIR")]
    pub sensu: Option<PathBuf>,
    /// Make labels of these attributes of Sensu's clients
    #[arg(long, value_name = "ATTRIBUTE[,ATTRIBUTE]", value_delimiter = ',', conflicts_with = "csv")]
    pub label: Vec<String>,
    /// Where it goes.
    #[command(flatten)]
    pub output: OutputArgs,
}

impl TargetsArgs {
    /// Writes the file.
    ///
    /// # Errors
    /// Sources that cannot be read, and everything that is wrong with the nodes that they list.
    pub fn file(&self, config: &Config, err: &mut dyn Write) -> Result<File, AppError> {
        let nodes = self.nodes(config, err)?;
        if nodes.is_empty() {
            return Err(AppError::usage(
                "no node is listed: what would be written takes every node out of monitoring",
            )
            .hint("an inventory that is meant to be empty needs no file: take it out of prometheus.yml"));
        }
        let text = targets(&nodes).map_err(problems)?;
        Ok(File { name: "nodes.json".to_owned(), text })
    }

    fn nodes(&self, config: &Config, err: &mut dyn Write) -> Result<Vec<Node>, AppError> {
        let clusters = config.clusters.iter().map(|cluster| cluster.check_label.as_str());
        let checks: Vec<&str> = clusters.chain([config.defaults.check_label.as_str()]).collect();
        if let Some(file) = &self.csv {
            return from_csv(&read(file)?, &file.display().to_string(), &checks).map_err(problems);
        }
        let clients = match (&self.sensu_api, &self.sensu) {
            (Some(url), _) => self.ask(url, config)?,
            (None, Some(folder)) => definitions(folder)?,
            (None, None) => Vec::new(),
        };
        let without = clients.iter().filter(|(_, client)| !client.keepalives).count();
        if without > 0 {
            writeln!(err, "note: {without} clients send no keepalives and are left out")?;
        }
        let nodes = from_clients(&clients, &self.label, &checks).map_err(problems)?;
        let has = |name: &str| clients.iter().any(|(_, client)| client.attribute(name).is_some());
        for name in self.label.iter().filter(|name| !nodes.is_empty() && !has(name)) {
            writeln!(err, "warning: --label {}: no client has such an attribute", line(name))?;
        }
        Ok(nodes)
    }

    fn ask(&self, url: &Url, config: &Config) -> Result<Vec<(String, SensuClient)>, AppError> {
        let api = SensuApi::new(url, self.sensu_password_file.clone(), &config.defaults);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let clients = runtime
            .block_on(api.clients())
            .map_err(|error| AppError::new(Exit::Nothing, error.to_string()))?;
        let place = |client: SensuClient| (format!("client `{}` of Sensu's API", client.name), client);
        Ok(clients.value.into_iter().map(place).collect())
    }
}

/// Tells everything that is wrong.
fn problems(lines: Vec<String>) -> AppError {
    lines
        .into_iter()
        .fold(AppError::usage("these nodes cannot be scraped as they are listed"), AppError::hint)
}

fn failed(path: &Path, why: impl std::fmt::Display) -> AppError {
    AppError::usage(format!("{}: {why}", path.display()))
}

fn read(path: &Path) -> Result<String, AppError> {
    let bytes = read_bounded(path, MOST_MIB).map_err(|error| failed(path, error))?;
    String::from_utf8(bytes).map_err(|error| {
        let line =
            1 + error.as_bytes()[..error.utf8_error().valid_up_to()].iter().filter(|b| **b == b'\n').count();
        failed(path, format!("line {line} is not UTF-8"))
    })
}

/// Reads each client as a sensu-client on it would: what it does not say of itself is the name of its folder or file.
fn definitions(folder: &Path) -> Result<Vec<(String, SensuClient)>, AppError> {
    let entries = std::fs::read_dir(folder).and_then(|entries| entries.collect::<Result<Vec<_>, _>>());
    let mut paths: Vec<PathBuf> =
        entries.map_err(|error| failed(folder, error))?.iter().map(std::fs::DirEntry::path).collect();
    paths.sort();
    let mut clients = Vec::new();
    for path in paths {
        let is_file = path.extension().is_some_and(|extension| extension == "json");
        let hidden = path.file_name().is_none_or(|name| name.as_encoded_bytes().starts_with(b"."));
        if hidden || !(path.is_dir() || is_file) {
            continue;
        }
        let name = if path.is_dir() { path.file_name() } else { path.file_stem() };
        let mut sources = Sources {
            hostname: name.unwrap_or_default().to_string_lossy().into_owned(),
            address: "unknown".to_owned(),
            ..Sources::default()
        };
        match path.is_dir() {
            true => sources.folders = vec![path.clone()],
            false => sources.file = Some(path.clone()),
        }
        let settings = load(&sources, &mut Vec::new()).map_err(|refused| {
            let told = failed(&path, "the definitions are not valid");
            refused.lines().into_iter().fold(told, AppError::hint)
        })?;
        let unread = settings.unread().first();
        if let Some(unread) = unread {
            return Err(failed(unread, "it cannot be read"));
        }
        if !settings.files().iter().any(|file| defines_a_client(file)) {
            return Err(failed(&path, "there is no definition of a `client` in it"));
        }
        clients.extend(SensuClient::of(settings.client()).map(|client| (path.display().to_string(), client)));
    }
    match clients.is_empty() {
        true => Err(failed(folder, "there is neither a folder nor a .json file of a client in it")),
        false => Ok(clients),
    }
}

/// Reports whether a file that has been loaded says anything of a client: what was loaded has one in any case.
fn defines_a_client(file: &Path) -> bool {
    let read = std::fs::read(file).ok().and_then(|bytes| Value::parse(&bytes).ok());
    let client = read.as_ref().and_then(Value::as_object).and_then(|root| field(root, "client"));
    client.and_then(Value::as_object).is_some()
}
