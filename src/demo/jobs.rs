//! What a demo's cluster watches beside its nodes: a pushgateway, and a pusher that runs checks of jobs that have none.

use super::DemoError;
use super::addresses::Push;
use super::fleet::Plan;
use super::real::{LOG_SIZE, make, write};
use super::server::Recipe;
use std::ffi::OsString;
use std::path::Path;

/// The definitions, the same in every cluster.
pub(super) const CHECKS: &str = include_str!("../../fixtures/demo/jobs.json");

/// What the two of one cluster are started from.
pub(super) struct Shop<'a> {
    pub(super) plan: &'a Plan,
    /// The cluster's own folder, with the plugins.
    pub(super) folder: &'a Path,
    pub(super) plugins: &'a Path,
    pub(super) program: &'a Path,
    pub(super) group: i32,
    pub(super) at: Push,
}

impl Shop<'_> {
    /// Returns how the pushgateway is started.
    pub(super) fn pushgateway(&self) -> Result<Recipe, DemoError> {
        let data = self.folder.join("pushgateway");
        make(&data)?;
        let mut args = vec!["serve".into(), "pushgateway".into()];
        let mut flag = |name: &str, value: OsString| args.extend([name.into(), value]);
        flag("--listen", self.at.gateway.to_string().into());
        flag("--persistence.file", data.join("groups.redb").into());
        Ok(Recipe {
            name: format!("{} pushgateway", self.plan.cluster_name()),
            program: self.program.to_owned(),
            args,
            environment: Vec::new(),
            address: self.at.gateway,
            data: Some(data),
            log: self.folder.join("pushgateway.log"),
            group: self.group,
        })
    }

    /// Writes the definitions and returns how the pusher is started.
    pub(super) fn pusher(&self) -> Result<Recipe, DemoError> {
        let folder = self.folder.join("jobs");
        let (definitions, client) = (folder.join("conf.d"), folder.join("client.json"));
        make(&definitions)?;
        write(&client, &self.client_definition())?;
        write(&definitions.join("jobs.json"), CHECKS)?;
        let mut args = vec!["serve".into(), "pusher".into()];
        let mut flag = |name: &str, value: OsString| args.extend([name.into(), value]);
        flag("--listen", self.at.pusher.to_string().into());
        flag("--gateway", format!("http://{}", self.at.gateway).into());
        flag("-c", client.into());
        flag("-d", definitions.into());
        flag("-l", folder.join("pusher.log").into());
        flag("--check-dir", self.plugins.into());
        flag("--state-dir", folder.join("state").into());
        flag("--rotate-size", LOG_SIZE.into());
        flag("--rotate-keep", "1".into());
        Ok(Recipe {
            name: format!("{} pusher", self.plan.cluster_name()),
            program: self.program.to_owned(),
            args,
            // Else a killed one would leave that file behind in a folder that is not the demo's.
            environment: vec![("SENSU_LOADED_TEMPFILE_DIR", folder.clone())],
            address: self.at.pusher,
            data: Some(folder.join("state")),
            log: folder.join("service.log"),
            group: self.group,
        })
    }

    /// Who runs the checks, and what they take from it as tokens.
    fn client_definition(&self) -> String {
        let (env, region) = self.plan.env_and_region();
        serde_json::json!({"client": {
            "name": format!("jobs.{region}"),
            "address": self.at.pusher.ip().to_string(),
            "environment": env,
            "region": region,
            "cluster": self.plan.cluster_name(),
            // As seen from the plugins' folder.
            "iaasmon": {"program": self.program, "config": "../../config.toml"},
            "subscriptions": [],
        }})
        .to_string()
    }
}
