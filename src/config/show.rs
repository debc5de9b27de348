//! The effective configuration written back, as TOML that loads again or as JSON; secrets as `***`.

use super::origin::Origins;
use super::valid::{Auth, Cluster, Config, Enrich, Tls};
use super::value::format_size;
use crate::model::text::line;
use crate::model::time::format_duration;
use secrecy::{ExposeSecret as _, SecretString};
use std::fmt::Write as _;
use std::path::Path;
use toml::{Table, Value};
use url::Url;

/// The commented file that `config init` writes; it passes the check as it is.
pub const EXAMPLE: &str = include_str!("example.toml");

/// What stands for a secret.
const MASK: &str = "***";

/// Headers that name a tenant and are no secret; seeing them is what finds a wrong tenant.
const OPEN_HEADERS: [&str; 2] = ["x-scope-orgid", "thanos-tenant"];

/// The keys of a table and their values, in the order in which they are read best.
pub(super) type Entries = Vec<(&'static str, Value)>;

/// One table of the output.
pub(super) struct Section {
    /// Its header.
    header: String,
    /// What the origins of its keys begin with.
    path: String,
    /// Its keys.
    entries: Entries,
}

impl Section {
    pub(super) fn new(header: &str, path: &str, entries: Entries) -> Self {
        Self { header: header.to_owned(), path: path.to_owned(), entries }
    }
}

/// Writes `config` as TOML that loads again. With `origins` each line says where its value came from.
pub fn to_toml(config: &Config, origins: Option<&Origins>) -> String {
    let mut text = String::new();
    for section in sections(config) {
        if !text.is_empty() {
            text.push('\n');
        }
        let _ = writeln!(text, "{}", section.header);
        for (key, value) in section.entries {
            let _ = write!(text, "{key} = {value}");
            if let Some(origin) = origins.and_then(|origins| origin_text(origins, &section.path, key)) {
                // A file's name may hold a line break, which would end the comment.
                let _ = write!(text, "  # {}", line(&origin));
            }
            text.push('\n');
        }
    }
    text
}

/// Writes `config` as JSON: `{"v": 1, "data": {...}}` in the shape of the file, with `origins` by key if wanted.
pub fn to_json(config: &Config, origins: Option<&Origins>) -> serde_json::Value {
    let mut data = serde_json::json!({ "cluster": [], "enrich": [] });
    for section in sections(config) {
        let table: Table = section.entries.into_iter().map(|(key, value)| (key.to_owned(), value)).collect();
        let json = serde_json::json!(table);
        match section.path.split_once('.') {
            Some((list @ ("cluster" | "enrich"), _)) => {
                data[list].as_array_mut().expect("built above").push(json);
            }
            Some(("generate", list)) if list.starts_with("receiver.") => {
                data["generate"]["receiver"].as_array_mut().expect("built with the section").push(json);
            }
            Some((outer, inner)) => data[outer][inner] = json,
            None if section.path == "generate" => {
                data["generate"] = json;
                data["generate"]["receiver"] = serde_json::json!([]);
            }
            None => data[&section.path] = json,
        }
    }
    let mut whole = serde_json::json!({ "v": 1, "data": data, "source": config.source });
    if let Some(origins) = origins {
        whole["origins"] = origins
            .iter()
            .map(|(key, origin)| (key.clone(), serde_json::json!(origin.to_string())))
            .collect();
    }
    whole
}

/// Returns the origin of a key; of a small table written on one line, those of its keys.
fn origin_text(origins: &Origins, path: &str, key: &str) -> Option<String> {
    let full = format!("{path}.{key}");
    if let Some(origin) = origins.get(&full) {
        return Some(origin.to_string());
    }
    let inner = format!("{full}.");
    let mut parts: Vec<String> = origins
        .range(inner.clone()..)
        .take_while(|(key, _)| key.starts_with(&inner))
        .map(|(key, origin)| format!("{}: {origin}", &key[inner.len()..]))
        .collect();
    let first = parts.first()?.clone();
    let origin = first.split_once(": ").map_or("", |(_, origin)| origin);
    if parts.iter().all(|part| part.ends_with(&format!(": {origin}"))) {
        parts = vec![origin.to_owned()];
    }
    Some(parts.join(", "))
}

fn sections(config: &Config) -> Vec<Section> {
    let mut sections = vec![defaults(config)];
    sections.extend(config.clusters.iter().map(cluster));
    sections.extend(config.enrich.iter().enumerate().map(enrich));
    sections.extend(super::generate::sections(config));
    sections.push(silence(config));
    sections.push(ui(config));
    sections
}

fn defaults(config: &Config) -> Section {
    let defaults = &config.defaults;
    Section {
        header: "[defaults]".to_owned(),
        path: "defaults".to_owned(),
        entries: vec![
            ("timeout", format_duration(defaults.timeout).into()),
            ("max_body", format_size(defaults.max_body).into()),
            ("node_label", text(&defaults.node_label)),
            ("check_label", text(&defaults.check_label)),
            ("status_metric", text(&defaults.status_metric)),
            ("bad_metric", text(&defaults.bad_metric)),
        ],
    }
}

fn cluster(cluster: &Cluster) -> Section {
    let mut entries = vec![("name", text(cluster.name.as_str()))];
    let labels: Table = cluster.labels.iter().map(|(name, value)| (name.clone(), text(value))).collect();
    let headers: Table =
        cluster.headers.iter().map(|(name, value)| (name.clone(), header(name, value))).collect();
    let mut add = |key: &'static str, value: Value| {
        let empty =
            value.as_table().is_some_and(Table::is_empty) || value.as_array().is_some_and(Vec::is_empty);
        if !empty {
            entries.push((key, value));
        }
    };
    add("labels", Value::Table(labels));
    add("prometheus", urls(&cluster.prometheus));
    add("alertmanager", urls(&cluster.alertmanager));
    add("proxy", urls(&cluster.proxy));
    add("pushgateway", urls(&cluster.pushgateway));
    add("pusher", urls(&cluster.pusher));
    if let Some(template) = &cluster.detail_url {
        add("detail_url", text(template));
    }
    add("drop_labels", Value::Array(cluster.drop_labels.iter().map(|label| text(label)).collect()));
    add("access", text(cluster.access.word()));
    if let Some(login) = &cluster.auth {
        add("auth", auth(login));
    }
    add("tls", tls(&cluster.tls));
    add("headers", Value::Table(headers));
    if let Some(proxy) = &cluster.http_proxy {
        add("http_proxy", text(proxy.as_str()));
    }
    add("timeout", format_duration(cluster.timeout).into());
    add("max_body", format_size(cluster.max_body).into());
    add("node_label", text(&cluster.node_label));
    add("check_label", text(&cluster.check_label));
    add("status_metric", text(&cluster.status_metric));
    add("bad_metric", text(&cluster.bad_metric));
    Section { header: "[[cluster]]".to_owned(), path: format!("cluster.{}", cluster.name), entries }
}

fn enrich((number, rule): (usize, &Enrich)) -> Section {
    let list = |items: &[String]| Value::Array(items.iter().map(|item| text(item)).collect());
    let matchers: Vec<String> = rule.matchers.iter().map(ToString::to_string).collect();
    let mut entries = vec![("match", list(&matchers))];
    if let Some(template) = &rule.detail_url {
        entries.push(("detail_url", text(template)));
    }
    entries.push(("output_limit", format_size(rule.output_limit).into()));
    for (key, items) in [("copy", &rule.copy), ("annotations", &rule.annotations)] {
        if !items.is_empty() {
            entries.push((key, list(items)));
        }
    }
    Section { header: "[[enrich]]".to_owned(), path: format!("enrich.{number}"), entries }
}

fn silence(config: &Config) -> Section {
    let policy = &config.policy;
    let above = &policy.confirm_above;
    let mut entries: Vec<(&'static str, Value)> = vec![("comment_required", policy.comment_required.into())];
    if let Some(pattern) = &policy.comment_pattern {
        entries.push(("comment_pattern", text(pattern.as_str())));
    }
    entries.push(("max_duration", format_duration(policy.max_duration.unwrap_or_default()).into()));
    let confirm_above: Table = [
        ("alerts", Value::from(i64::from(above.alerts))),
        ("clusters", Value::from(i64::from(above.clusters))),
        ("duration", format_duration(above.duration).into()),
    ]
    .into_iter()
    .map(|(key, value)| (key.to_owned(), value))
    .collect();
    entries.push(("confirm_above", Value::Table(confirm_above)));
    if let Some(author) = &policy.author {
        entries.push(("author", text(author)));
    }
    if let Some(journals) = &policy.journals {
        entries.push(("journals", text(&journals.to_string_lossy())));
    }
    Section { header: "[policy.silence]".to_owned(), path: "policy.silence".to_owned(), entries }
}

fn ui(config: &Config) -> Section {
    let mut entries = Vec::new();
    if let Some(theme) = &config.ui.theme {
        entries.push(("theme", text(theme)));
    }
    entries.push(("color", text(config.ui.color.word())));
    entries.push(("refresh", format_duration(config.ui.refresh).into()));
    Section { header: "[ui]".to_owned(), path: "ui".to_owned(), entries }
}

pub(super) fn text(text: &str) -> Value {
    Value::String(text.to_owned())
}

fn header(name: &str, value: &SecretString) -> Value {
    let open = OPEN_HEADERS.iter().any(|open| name.eq_ignore_ascii_case(open));
    text(if open { value.expose_secret() } else { MASK })
}

fn urls(urls: &[Url]) -> Value {
    Value::Array(urls.iter().map(|url| text(url.as_str())).collect())
}

fn auth(auth: &Auth) -> Value {
    let one = |key: &str, value: Value| Value::Table(Table::from_iter([(key.to_owned(), value)]));
    let basic = |user: &str, key: &str, value: Value| {
        let pair = [("user".to_owned(), text(user)), (key.to_owned(), value)];
        one("basic", Value::Table(pair.into_iter().collect()))
    };
    match auth {
        Auth::Bearer(_) => one("bearer", text(MASK)),
        Auth::BearerFile(file) => one("bearer_file", path(file)),
        Auth::Basic { user, .. } => basic(user, "password", text(MASK)),
        Auth::BasicFile { user, password_file } => basic(user, "password_file", path(password_file)),
    }
}

fn tls(tls: &Tls) -> Value {
    let files = [("ca", &tls.ca), ("cert", &tls.cert), ("key", &tls.key)];
    let files = files.into_iter().filter_map(|(key, file)| Some((key.to_owned(), path(file.as_ref()?))));
    let name = tls.server_name.as_deref().map(|name| ("server_name".to_owned(), text(name)));
    Value::Table(files.chain(name).collect())
}

fn path(path: &Path) -> Value {
    text(&path.to_string_lossy())
}

#[cfg(test)]
mod tests;
