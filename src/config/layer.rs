//! What one source says: every key optional, every value parsed, nothing defaulted or compared yet.
//!
//! Layers are laid over each other, the stronger on top: scalars one by one, lists and small tables
//! (`labels`, `auth`, `tls`, `headers`) as a whole, clusters by name.

use super::enrich::EnrichLayer;
use super::files::{Content, Paths};
use super::generate::GenerateLayer;
use super::keys;
use super::origin::{At, List, Origin, Pairs};
use super::problem::Problem;
use super::read::{Document, Kind, Table, problem_of};
use super::valid::{Access, Auth, Color, Tls};
use super::value::{self, Wrong};
use crate::model::cluster::ClusterName;
use regex::Regex;
use secrecy::SecretString;
use std::path::PathBuf;
use std::time::Duration;
use url::Url;

/// One source.
#[derive(Debug, Default)]
pub struct Layer {
    /// Whether anything is wrong with it, so that what seems to be missing may be there.
    pub flawed: bool,
    pub defaults: Common,
    pub clusters: Vec<ClusterLayer>,
    pub enrich: Vec<EnrichLayer>,
    pub generate: GenerateLayer,
    pub silence: SilenceLayer,
    pub ui: UiLayer,
}

/// The keys that `[defaults]` and a cluster share.
#[derive(Debug, Default)]
pub struct Common {
    pub timeout: Option<At<Duration>>,
    pub max_body: Option<At<u64>>,
    pub node_label: Option<At<String>>,
    pub check_label: Option<At<String>>,
    pub status_metric: Option<At<String>>,
    pub bad_metric: Option<At<String>>,
}

/// A list of addresses, each with its place.
pub type Servers = Option<At<List<Url>>>;

/// One `[[cluster]]`.
#[derive(Debug)]
pub struct ClusterLayer {
    /// Where it begins.
    pub origin: Origin,
    pub name: At<ClusterName>,
    /// Whether anything is wrong with it: then "no server" might report one mistake twice.
    pub flawed: bool,
    pub labels: Option<At<Pairs<String>>>,
    pub prometheus: Servers,
    pub alertmanager: Servers,
    pub proxy: Servers,
    pub pushgateway: Servers,
    pub pusher: Servers,
    pub detail_url: Option<At<String>>,
    pub drop_labels: Option<At<List<String>>>,
    pub access: Option<At<Access>>,
    pub auth: Option<At<Auth>>,
    pub tls: Option<At<Tls>>,
    pub headers: Option<At<Pairs<SecretString>>>,
    pub http_proxy: Option<At<Url>>,
    pub common: Common,
}

/// `[policy.silence]`.
#[derive(Debug, Default)]
pub struct SilenceLayer {
    pub comment_required: Option<At<bool>>,
    pub comment_pattern: Option<At<Regex>>,
    pub max_duration: Option<At<Option<Duration>>>,
    pub alerts: Option<At<u32>>,
    pub clusters: Option<At<u32>>,
    pub duration: Option<At<Duration>>,
    pub author: Option<At<String>>,
    pub journals: Option<At<PathBuf>>,
}

/// `[ui]`.
#[derive(Debug, Default)]
pub struct UiLayer {
    pub theme: Option<At<String>>,
    pub color: Option<At<Color>>,
    pub refresh: Option<At<Duration>>,
}

impl Layer {
    /// Reads a file's text; whatever is wrong is noted in `document`.
    pub fn read(document: &Document<'_>, paths: &Paths) -> Self {
        let Some(parsed) = document.parse() else {
            return Self { flawed: true, ..Self::default() };
        };
        let root = Table::open(document, parsed.get_ref(), &keys::ROOT, 0..0);
        let silence = root.table("policy", &keys::POLICY).and_then(|t| t.table("silence", &keys::SILENCE));
        let silence = silence.map(|table| SilenceLayer::read(&table, paths));
        let layer = Self {
            flawed: false,
            defaults: root.table("defaults", &keys::DEFAULTS).map(|t| Common::read(&t)).unwrap_or_default(),
            clusters: read_clusters(&root, paths),
            enrich: EnrichLayer::read_all(&root),
            generate: GenerateLayer::read(&root, paths),
            silence: silence.unwrap_or_default(),
            ui: root.table("ui", &keys::UI).map(|t| UiLayer::read(&t)).unwrap_or_default(),
        };
        Self { flawed: document.is_flawed(), ..layer }
    }

    /// Sets one of the keys that a variable or a flag may set.
    pub fn set(&mut self, key: &str, text: &str, origin: Origin) -> Result<(), Wrong> {
        match key {
            "defaults.timeout" => set(&mut self.defaults.timeout, value::timeout(text)?, origin),
            "defaults.max_body" => set(&mut self.defaults.max_body, value::size(text)?, origin),
            "defaults.node_label" => set(&mut self.defaults.node_label, value::label_name(text)?, origin),
            "defaults.check_label" => set(&mut self.defaults.check_label, value::label_name(text)?, origin),
            "policy.silence.author" => set(&mut self.silence.author, value::word(text)?, origin),
            "ui.theme" => set(&mut self.ui.theme, value::word(text)?, origin),
            "ui.color" => set(&mut self.ui.color, value::color(text)?, origin),
            "ui.refresh" => set(&mut self.ui.refresh, value::refresh(text)?, origin),
            _ => return Err(Wrong::new("no variable or flag sets this key")),
        }
        Ok(())
    }

    /// Lays this layer over a weaker one.
    pub fn over(self, lower: Self) -> Self {
        let mut clusters = lower.clusters;
        for upper in self.clusters {
            match clusters.iter().position(|cluster| cluster.name.value == upper.name.value) {
                Some(at) => {
                    let below = clusters.remove(at);
                    clusters.insert(at, upper.over(below));
                }
                None => clusters.push(upper),
            }
        }
        Self {
            flawed: self.flawed || lower.flawed,
            defaults: self.defaults.over(lower.defaults),
            clusters,
            // Their order is what they mean: those of two files cannot be mixed.
            enrich: if self.enrich.is_empty() { lower.enrich } else { self.enrich },
            generate: self.generate.over(lower.generate),
            silence: self.silence.over(lower.silence),
            ui: self.ui.over(lower.ui),
        }
    }
}

fn set<T>(slot: &mut Option<At<T>>, value: T, origin: Origin) {
    *slot = Some(At { value, origin });
}

impl Common {
    fn read(table: &Table<'_>) -> Self {
        Self {
            timeout: table.text("timeout", value::timeout),
            max_body: table.value("max_body", Kind::TextOrNumber, value::size),
            node_label: table.text("node_label", value::label_name),
            check_label: table.text("check_label", value::label_name),
            status_metric: table.text("status_metric", value::metric_name),
            bad_metric: table.text("bad_metric", value::metric_name),
        }
    }

    fn over(self, lower: Self) -> Self {
        Self {
            timeout: self.timeout.or(lower.timeout),
            max_body: self.max_body.or(lower.max_body),
            node_label: self.node_label.or(lower.node_label),
            check_label: self.check_label.or(lower.check_label),
            status_metric: self.status_metric.or(lower.status_metric),
            bad_metric: self.bad_metric.or(lower.bad_metric),
        }
    }
}

/// Reads the clusters of one file, whose names must differ. A cluster without a usable name is checked, then dropped.
fn read_clusters(root: &Table<'_>, paths: &Paths) -> Vec<ClusterLayer> {
    let mut clusters: Vec<ClusterLayer> = Vec::new();
    for table in root.tables("cluster", &keys::CLUSTER) {
        let Some(cluster) = ClusterLayer::read(&table, paths) else { continue };
        let twin = clusters.iter().find(|other| other.name.value == cluster.name.value);
        if let Some(twin) = twin {
            let message = format!("a second cluster named `{}`", cluster.name.value);
            let hint = format!("the first one is at {}", twin.name.origin);
            table.document.report(Problem::at(&cluster.name.origin, message).hint(hint));
        } else {
            clusters.push(cluster);
        }
    }
    clusters
}

impl ClusterLayer {
    fn read(table: &Table<'_>, paths: &Paths) -> Option<Self> {
        let servers = ["prometheus", "alertmanager", "proxy", "pushgateway", "pusher"];
        let [prometheus, alertmanager, proxy, pushgateway, pusher] =
            servers.map(|key| table.list(key, value::url));
        let labels = table.map("labels", value::cluster_label, value::label_value);
        let detail_url = table.text("detail_url", value::detail_url);
        let drop_labels = table.list("drop_labels", value::label_name);
        let access = table.text("access", value::access);
        let auth = table.table("auth", &keys::AUTH).and_then(|auth| read_auth(&auth, paths));
        let tls = table.table("tls", &keys::TLS).map(|tls| read_tls(&tls, paths));
        let headers = table.map("headers", value::header_name, value::secret);
        let http_proxy = table.text("http_proxy", value::url);
        let common = Common::read(table);
        Some(Self {
            origin: table.origin.clone(),
            name: read_name(table)?,
            flawed: table.is_flawed(),
            labels,
            prometheus,
            alertmanager,
            proxy,
            pushgateway,
            pusher,
            detail_url,
            drop_labels,
            access,
            auth,
            tls,
            headers,
            http_proxy,
            common,
        })
    }

    fn over(self, lower: Self) -> Self {
        Self {
            origin: self.origin,
            name: self.name,
            flawed: self.flawed || lower.flawed,
            labels: self.labels.or(lower.labels),
            prometheus: self.prometheus.or(lower.prometheus),
            alertmanager: self.alertmanager.or(lower.alertmanager),
            proxy: self.proxy.or(lower.proxy),
            pushgateway: self.pushgateway.or(lower.pushgateway),
            pusher: self.pusher.or(lower.pusher),
            detail_url: self.detail_url.or(lower.detail_url),
            drop_labels: self.drop_labels.or(lower.drop_labels),
            access: self.access.or(lower.access),
            auth: self.auth.or(lower.auth),
            tls: self.tls.or(lower.tls),
            headers: self.headers.or(lower.headers),
            http_proxy: self.http_proxy.or(lower.http_proxy),
            common: self.common.over(lower.common),
        }
    }
}

fn read_name(table: &Table<'_>) -> Option<At<ClusterName>> {
    if !table.has("name") {
        table.document.report(
            Problem::at(&table.origin, "a cluster without a name")
                .hint("add name = \"prod-east\", one of its own for each"),
        );
    }
    table.text("name", value::cluster_name)
}

/// Reads the name of a file. One that cannot be used is noted: its cluster will say so, the others answer.
fn read_file(table: &Table<'_>, key: &str, paths: &Paths, content: Content) -> Option<At<PathBuf>> {
    let at = table.text(key, |text| paths.resolve(text))?;
    if let Err(wrong) = content.check(&at.value) {
        table.document.report_file(problem_of(key, &at.origin, wrong));
    }
    Some(at)
}

/// Reads `auth`, which must name exactly one way.
fn read_auth(table: &Table<'_>, paths: &Paths) -> Option<At<Auth>> {
    let bearer = table.text("bearer", value::secret).map(|at| Auth::Bearer(at.value));
    let file = read_file(table, "bearer_file", paths, Content::Token);
    let basic = table.table("basic", &keys::BASIC);
    one_way(table, "auth", &["bearer", "bearer_file", "basic"])?;
    let auth = bearer.or(file.map(|at| Auth::BearerFile(at.value))).or_else(|| read_basic(&basic?, paths))?;
    Some(At { value: auth, origin: table.origin.clone() })
}

fn read_basic(table: &Table<'_>, paths: &Paths) -> Option<Auth> {
    let user = table.text("user", value::user);
    if !table.has("user") {
        table.document.report(Problem::at(&table.origin, "auth.basic without `user`"));
    }
    let password = table.text("password", value::password);
    let file = read_file(table, "password_file", paths, Content::Password);
    one_way(table, "auth.basic", &["password", "password_file"])?;
    let user = user?.value;
    match (password, file) {
        (Some(password), _) => Some(Auth::Basic { user, password: password.value }),
        (None, Some(file)) => Some(Auth::BasicFile { user, password_file: file.value }),
        (None, None) => None,
    }
}

/// Notes when not exactly one of `keys` is there; their values may still be wrong.
fn one_way(table: &Table<'_>, name: &str, keys: &[&str]) -> Option<()> {
    let given: Vec<&str> = keys.iter().copied().filter(|key| table.has(key)).collect();
    let choices = keys.join(", ");
    match given[..] {
        [_] => return Some(()),
        // The misspelt one is told already.
        [] if table.has_unknown_keys => {}
        [] => table.document.report(Problem::at(&table.origin, format!("{name} has none of {choices}"))),
        [.., last] => {
            let message = format!("{name} has {} at once", given.join(" and "));
            let problem = Problem::at(&table.origin_of(last), message);
            table.document.report(problem.hint(format!("keep one of: {choices}")));
        }
    }
    None
}

fn read_tls(table: &Table<'_>, paths: &Paths) -> At<Tls> {
    let file = |key: &str, content: Content| read_file(table, key, paths, content).map(|at| at.value);
    let tls = Tls {
        ca: file("ca", Content::Certificates),
        cert: file("cert", Content::Certificates),
        key: file("key", Content::Key),
        server_name: table.text("server_name", value::server_name).map(|at| at.value),
    };
    for (one, other) in [("cert", "key"), ("key", "cert")] {
        if table.has(one) && !table.has(other) {
            let message = format!("tls.{one} without tls.{other}");
            table
                .document
                .report(Problem::at(&table.origin_of(one), message).hint("a client certificate needs both"));
        }
    }
    At { value: tls, origin: table.origin.clone() }
}

impl SilenceLayer {
    fn read(table: &Table<'_>, paths: &Paths) -> Self {
        let above = table.table("confirm_above", &keys::CONFIRM_ABOVE);
        let count = |key: &str| above.as_ref()?.value(key, Kind::Number, value::count);
        Self {
            comment_required: table.switch("comment_required"),
            comment_pattern: table.text("comment_pattern", value::pattern),
            max_duration: table.text("max_duration", value::limit),
            alerts: count("alerts"),
            clusters: count("clusters"),
            duration: above.as_ref().and_then(|above| above.text("duration", value::duration)),
            author: table.text("author", value::word),
            journals: table.text("journals", |text| paths.resolve(text)),
        }
    }

    fn over(self, lower: Self) -> Self {
        Self {
            comment_required: self.comment_required.or(lower.comment_required),
            comment_pattern: self.comment_pattern.or(lower.comment_pattern),
            max_duration: self.max_duration.or(lower.max_duration),
            alerts: self.alerts.or(lower.alerts),
            clusters: self.clusters.or(lower.clusters),
            duration: self.duration.or(lower.duration),
            author: self.author.or(lower.author),
            journals: self.journals.or(lower.journals),
        }
    }
}

impl UiLayer {
    fn read(table: &Table<'_>) -> Self {
        Self {
            theme: table.text("theme", value::word),
            color: table.value("color", Kind::TextOrNumber, value::color),
            refresh: table.text("refresh", value::refresh),
        }
    }

    fn over(self, lower: Self) -> Self {
        Self {
            theme: self.theme.or(lower.theme),
            color: self.color.or(lower.color),
            refresh: self.refresh.or(lower.refresh),
        }
    }
}
