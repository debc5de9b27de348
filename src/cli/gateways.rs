//! The pushgateways that something is pushed to: those that flags name, or those of the configuration's clusters.

use super::error::AppError;
use crate::config::{self, Cluster, Config, Env};
use crate::fleet::chosen;
use crate::model::cluster::ReplicaKind;
use crate::model::group::GroupKey;
use crate::net::{Http, PushgatewayClient};
use crate::serve::pusher::grouping_name;
use clap::Args;
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;
use url::Url;

/// Where is pushed to.
#[derive(Debug, Clone, Default, Args)]
pub struct GatewayArgs {
    /// Push to this pushgateway [default: those of the cluster; can be repeated]
    // It is looked at late: a job runs also where a variable of its crontab is empty.
    #[arg(long, value_name = "URL")]
    pub gateway: Vec<String>,
    /// Another label of the group, beside its job [can be repeated]
    #[arg(long, value_name = "NAME=VALUE", value_parser = parse_grouping)]
    pub grouping: Vec<(String, String)>,
}

/// What else says which pushgateways there are.
#[derive(Clone, Copy)]
pub struct Around<'a> {
    /// The configuration that was named.
    pub config: Option<&'a Path>,
    /// The clusters that were named.
    pub clusters: &'a [String],
    /// How long a gateway may take, where that was said.
    pub timeout: Option<Duration>,
    /// The environment.
    pub env: &'a Env,
}

impl GatewayArgs {
    /// Returns the labels beside the job; of one name the last counts.
    pub fn labels(&self) -> BTreeMap<String, String> {
        self.grouping.iter().cloned().collect()
    }

    /// Returns the group of a job.
    pub fn group(&self, job: &str) -> GroupKey {
        GroupKey::new(job, self.grouping.iter().map(|(name, value)| (name.as_str(), value.as_str())))
    }

    /// Returns the gateways.
    ///
    /// # Errors
    /// When there is none, or it is not clear which.
    pub fn clients(&self, around: Around<'_>) -> Result<Vec<PushgatewayClient>, AppError> {
        let clusters = self.clusters(around)?;
        let mut clients = Vec::new();
        for mut cluster in clusters {
            cluster.timeout = around.timeout.unwrap_or(cluster.timeout);
            // The same one twice would get everything twice.
            let mut urls: Vec<Url> = Vec::new();
            for url in &cluster.pushgateway {
                if !urls.contains(url) {
                    urls.push(url.clone());
                }
            }
            let doors = Http::open(&cluster, ReplicaKind::Pushgateway, &urls);
            clients.extend(doors.into_iter().map(PushgatewayClient::new));
        }
        Ok(clients)
    }

    /// Returns clusters with the gateways that are meant, and how those are spoken to.
    fn clusters(&self, around: Around<'_>) -> Result<Vec<Cluster>, AppError> {
        let Around { config, clusters: named, env, .. } = around;
        let by_flags = !self.gateway.is_empty();
        let urls: Vec<Url> = self.gateway.iter().map(|text| parse_gateway(text)).collect::<Result<_, _>>()?;
        // What flags name needs no configuration; one that is named has credentials, of the cluster that is named.
        let config = match by_flags && config.is_none() && named.is_empty() {
            true => Config::default(),
            false => config::load(config, env).map_err(|errors| AppError::from(errors).hint(NAME_IT))?,
        };
        let found = chosen(&config, named)?;
        if by_flags {
            let mut cluster = match &found[..] {
                _ if named.is_empty() => Cluster::new("push", &config.defaults),
                [cluster] => Cluster::clone(cluster),
                _ => {
                    let error = "--gateway takes the credentials of one cluster, and --cluster names several";
                    return Err(AppError::usage(error));
                }
            };
            cluster.pushgateway = urls;
            return Ok(vec![cluster]);
        }
        let with: Vec<Cluster> =
            found.into_iter().filter(|cluster| !cluster.pushgateway.is_empty()).cloned().collect();
        match &with[..] {
            [] => Err(AppError::usage("no pushgateway is named")
                .hint(NAME_IT)
                .hint("or in the configuration: pushgateway = [\"http://push:9091\"] of a [[cluster]]")),
            [_, _, ..] if named.is_empty() => {
                let names: Vec<&str> = with.iter().map(|cluster| cluster.name.as_str()).collect();
                let error = format!("several clusters have pushgateways: {}", names.join(", "));
                Err(AppError::usage(error).hint("--cluster NAME says which"))
            }
            _ => Ok(with),
        }
    }
}

const NAME_IT: &str = "--gateway URL names one";

fn parse_gateway(text: &str) -> Result<Url, AppError> {
    config::server_url(text).map_err(|wrong| {
        let error = AppError::usage(format!("--gateway `{text}`: {}", wrong.message));
        wrong.hint.into_iter().fold(error, AppError::hint)
    })
}

fn parse_grouping(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("write it like db=main")?;
    grouping_name(name)?;
    Ok((name.to_owned(), value.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::{Around, GatewayArgs};
    use crate::config::Env;
    use clap::Parser;

    #[derive(Debug, Parser)]
    struct Typed {
        #[command(flatten)]
        gateways: GatewayArgs,
    }

    const TWO: &str = r#"
        [[cluster]]
        name = "a"
        prometheus = ["http://prom-a:9090"]
        pushgateway = ["http://push-a1:9091", "http://push-a2:9091/p"]
        [[cluster]]
        name = "b"
        prometheus = ["http://prom-b:9090"]
        pushgateway = ["http://push-b:9091"]
        [[cluster]]
        name = "c"
        prometheus = ["http://prom-c:9090"]"#;

    /// The names of the gateways with this configuration, these clusters and these flags.
    fn names(config: Option<&str>, clusters: &[&str], flags: &[&str]) -> Result<Vec<String>, String> {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("config.toml");
        std::fs::write(&file, config.unwrap_or_default()).expect("written");
        let typed = Typed::parse_from(["push"].iter().chain(flags));
        let clusters: Vec<String> = clusters.iter().map(|name| (*name).to_owned()).collect();
        let around = Around {
            config: config.map(|_| file.as_path()),
            clusters: &clusters,
            timeout: None,
            env: &Env::default(),
        };
        let clients = typed.gateways.clients(around);
        let clients = clients.map_err(|error| {
            error.complaints.iter().map(|complaint| complaint.message.as_str()).collect::<String>()
        })?;
        Ok(clients.iter().map(|client| client.replica().to_string()).collect())
    }

    #[test]
    fn gateways_are_those_of_the_flags_or_of_the_clusters_that_are_meant() {
        let flag = ["--gateway", "http://other:9091", "--gateway", "http://other:9091"];
        for (config, clusters, flags, expected) in [
            (None, &[][..], &flag[..], Ok("cluster push: other:9091")),
            (Some(TWO), &[], &flag, Ok("cluster push: other:9091")),
            (None, &[], &["--gateway", ""], Err("--gateway ``: ")),
            (None, &[], &["--gateway", "push:9091"], Err("--gateway `push:9091`: ")),
            (Some(TWO), &["a"], &flag, Ok("cluster a: other:9091")),
            (Some(TWO), &["*"], &flag, Err("the credentials of one cluster")),
            (Some(TWO), &["b"], &[], Ok("cluster b: push-b:9091")),
            (
                Some(TWO),
                &["*"],
                &[],
                Ok("cluster a: push-a1:9091 cluster a: push-a2:9091/p cluster b: push-b:9091"),
            ),
            (Some(TWO), &[], &[], Err("several clusters have pushgateways: a, b")),
            (Some(TWO), &["c"], &[], Err("no pushgateway is named")),
            (Some(TWO), &["d"], &[], Err("no cluster is called `d`")),
        ] {
            let found = names(config, clusters, flags);
            match (found, expected) {
                (Ok(found), Ok(expected)) => assert_eq!(found.join(" "), expected, "{clusters:?} {flags:?}"),
                (Err(found), Err(expected)) => assert!(found.contains(expected), "{found}"),
                (found, _) => panic!("{clusters:?} {flags:?}: {found:?}"),
            }
        }
    }

    #[test]
    fn labels_that_no_group_can_have_are_refused() {
        for bad in ["db", "job=x", "check=x", "__a=x", "a-b=x", "=x"] {
            assert!(Typed::try_parse_from(["push", "--grouping", bad]).is_err(), "{bad}");
        }
        let typed = Typed::parse_from(["push", "--grouping", "db=a=b", "--grouping", "empty="]);
        assert_eq!(format!("{:?}", typed.gateways.group("j")), r#"{"db": "a=b", "empty": "", "job": "j"}"#);
    }
}
