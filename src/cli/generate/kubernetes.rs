//! `iaasmon generate kubernetes`.

use super::command_line::command_line;
use super::output::OutputArgs;
use super::region::one_if_any;
use crate::cli::error::AppError;
use crate::config::{Cluster, Config, Generate, to_toml};
use crate::generate::File;
use crate::generate::kubernetes::{Component, Options};
use crate::model::network::Network;
use clap::{Args, ValueEnum};

/// What the configuration names where there is none: the Alertmanagers of Prometheus' operator, by a name with all their addresses.
const OPERATOR: &str = "http://alertmanager-operated:9093";
const DETAIL_URL: &str = "http://{instance}/api/v1/checks/{check}";

const EXAMPLES: &str = "\
Examples:
  iaasmon generate kubernetes proxy --cluster prod-east --image registry.example/iaasmon:1 | kubectl apply -f -
  iaasmon generate kubernetes --image registry.example/iaasmon:1 --namespace watch --out deploy      a file for each
  iaasmon generate kubernetes proxy --image registry.example/iaasmon:1 --check proxy.yaml      is it what would be written now";

/// Write manifests for Kubernetes: the proxies of a cluster, serve node on every machine, a pushgateway
///
/// `proxy`: ConfigMap, Deployment, headless Service, PodDisruptionBudget and NetworkPolicy, for a namespace that is restricted.
/// `node`: a privileged DaemonSet, since checks look at the machine and repair it. `pushgateway`: a StatefulSet of one with a disk,
/// and a Service. The ConfigMap holds what the configuration says of
/// the cluster; without a configuration, the Alertmanagers of Prometheus' operator. There is no public image: yours holds
/// /usr/local/bin/iaasmon, and for `node` a shell, cp, mv, mkdir and chroot beside it.
#[derive(Debug, Clone, Args)]
#[command(after_help = EXAMPLES)]
pub struct KubernetesArgs {
    /// What is to run [default: all]
    #[arg(value_name = "COMPONENT", value_enum)]
    pub components: Vec<Component>,
    /// The image that holds iaasmon
    #[arg(long, value_name = "REF")]
    pub image: String,
    /// Where the objects are
    #[arg(long, value_name = "NAME", default_value = "monitoring")]
    pub namespace: String,
    /// Let this network read the output of checks: that of the proxies' pods, and that of people [can be repeated]
    #[arg(long, value_name = "CIDR")]
    pub detail_allow: Vec<Network>,
    /// Where it goes: all documents as one, or with a folder a file for each component.
    #[command(flatten)]
    pub output: OutputArgs,
}

impl ValueEnum for Component {
    fn value_variants<'a>() -> &'a [Self] {
        &Self::ALL
    }

    fn to_possible_value(&self) -> Option<clap::builder::PossibleValue> {
        Some(clap::builder::PossibleValue::new(self.name()))
    }
}

impl KubernetesArgs {
    /// Writes the files: one for each component where they go into a folder, else one of all documents.
    ///
    /// # Errors
    /// When the proxies are wanted and their cluster is not known, or its secrets would stand in the ConfigMap.
    pub fn files(&self, config: &Config, clusters: &[String]) -> Result<Vec<File>, AppError> {
        let wanted = |one: &Component| self.components.is_empty() || self.components.contains(one);
        let components: Vec<Component> = Component::ALL.into_iter().filter(wanted).collect();
        let config = match components.contains(&Component::Proxy) {
            true => of_one_cluster(config, clusters)?,
            false => Config::default(),
        };
        let options = Options {
            image: self.image.clone(),
            namespace: self.namespace.clone(),
            config,
            detail_allow: self.detail_allow.clone(),
        };
        let file = |name: String, components: &[Component]| {
            let command = self.command(components, &options);
            File::new(name, &command, &components.iter().map(|one| one.text(&options)).collect::<String>())
        };
        let compared = self.output.check.as_ref().is_some_and(|path| path.is_dir());
        Ok(match self.output.out.is_some() || compared {
            true => components.iter().map(|one| file(one.file_name(), &[*one])).collect(),
            false => vec![file("iaasmon.yaml".to_owned(), &components)],
        })
    }

    /// The command that writes these components once more.
    fn command(&self, components: &[Component], options: &Options) -> String {
        let mut words = vec!["kubernetes".to_owned()];
        words.extend(components.iter().map(|one| one.name().to_owned()));
        let mut flag = |name: &str, value: &str| words.extend([name.to_owned(), value.to_owned()]);
        flag("--image", &self.image);
        flag("--namespace", &self.namespace);
        if let Some(cluster) = options.config.clusters.first() {
            flag("--cluster", cluster.name.as_str());
        }
        for network in &self.detail_allow {
            flag("--detail-allow", &network.to_string());
        }
        command_line(words.iter().map(String::as_str))
    }
}

/// Leaves one cluster in a configuration, or puts one in.
fn of_one_cluster(config: &Config, names: &[String]) -> Result<Config, AppError> {
    let given = one_if_any(config, names)?;
    let mut cluster = given.unwrap_or_else(|| Cluster::new("main", &config.defaults));
    if config.clusters.is_empty() {
        cluster.alertmanager = vec![OPERATOR.parse().expect("a URL")];
        cluster.detail_url = Some(DETAIL_URL.to_owned());
    }
    let name = cluster.name.clone();
    if cluster.alertmanager.is_empty() {
        return Err(AppError::usage(format!("cluster `{name}` has no Alertmanager, so it needs no proxy")));
    }
    let mut config = Config { clusters: vec![cluster], ..config.clone() };
    // Whom people are told by is Alertmanager's: other words need no other proxies.
    let Generate { group_wait, .. } = config.generate;
    config.generate = Generate { group_wait, ..Generate::default() };
    // What is secret is written as stars, which would be no use to the proxy.
    if to_toml(&config, None).contains("\"***\"") {
        return Err(AppError::usage(format!(
            "cluster `{name}` holds a secret, which would stand in the ConfigMap"
        ))
        .hint("name files (bearer_file, password_file) and mount them from a Secret"));
    }
    Ok(config)
}
