//! The cluster that a file is for.

use crate::cli::error::AppError;
use crate::config::{Cluster, Config};
use crate::fleet::UnknownCluster;

/// Returns the cluster that `--cluster` names.
pub fn named<'a>(config: &'a Config, names: &[String]) -> Result<Option<&'a Cluster>, AppError> {
    match names {
        [] => Ok(None),
        [name] => match config.clusters.iter().find(|cluster| cluster.name.as_str() == name) {
            Some(cluster) => Ok(Some(cluster)),
            None if config.clusters.is_empty() => {
                Err(AppError::usage(format!("--cluster {name}: there is no configuration that names it")))
            }
            None => {
                let known = config.clusters.iter().map(|cluster| cluster.name.to_string()).collect();
                Err(UnknownCluster { pattern: name.clone(), known }.into())
            }
        },
        several => Err(AppError::usage(format!("it is for one cluster, and not for {}", several.join(", ")))),
    }
}

/// Returns the one that is named, or the only one that there is.
pub fn one<'a>(config: &'a Config, names: &[String]) -> Result<&'a Cluster, AppError> {
    match (named(config, names)?, &*config.clusters) {
        (Some(cluster), _) | (None, [cluster]) => Ok(cluster),
        (None, []) => Err(AppError::usage("there is no configuration that names a cluster")
            .hint("`iaasmon config init` writes an example to begin with")),
        (None, several) => {
            let names: Vec<&str> = several.iter().map(|cluster| cluster.name.as_str()).collect();
            Err(AppError::usage(format!("it is for one cluster, and there are {}", names.join(", ")))
                .hint("--cluster NAME says which"))
        }
    }
}

/// As [`one`] for what can do without a configuration: then a name is taken as it is, and none is none.
pub fn one_if_any(config: &Config, names: &[String]) -> Result<Option<Cluster>, AppError> {
    match (names, &config.clusters[..]) {
        ([], []) => Ok(None),
        ([name], []) => Ok(Some(Cluster::new(name, &config.defaults))),
        _ => one(config, names).map(|cluster| Some(cluster.clone())),
    }
}
