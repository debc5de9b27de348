//! The nodes of a demo that are real: `iaasmon serve node` with Sensu definitions and plugins that look at this machine.

use super::DemoError;
use super::fleet::{Node, Plan};
use super::server::Recipe;
use std::ffi::OsString;
use std::path::Path;

/// What the log of a real node may grow to before it is begun anew, in bytes: a demo runs for days on some desk.
pub(super) const LOG_SIZE: &str = "20000000";

/// The file with the number of a node's process.
const PID_FILE: &str = "runner.pid";

/// The definitions, the same on every real node.
pub(super) const CHECKS: &str = include_str!("../../fixtures/demo/checks.json");

/// Where one cluster's real nodes have their folders, and the plugins of all of them.
pub(crate) struct Site<'a> {
    pub(crate) folder: &'a Path,
    pub(crate) plugins: &'a Path,
}

impl Site<'_> {
    /// Writes the definitions of `node` and returns how it is started; what it says goes to its own folder.
    pub(crate) fn recipe(
        &self,
        plan: &Plan,
        node: &Node,
        program: &Path,
        group: i32,
    ) -> Result<Recipe, DemoError> {
        let folder = self.folder.join(&node.name);
        let (definitions, client) = (folder.join("conf.d"), folder.join("client.json"));
        make(&definitions)?;
        write(&client, &client_definition(plan, node))?;
        write(&definitions.join("checks.json"), CHECKS)?;
        let mut args = vec!["serve".into(), "node".into()];
        let mut flag = |name: &str, value: OsString| args.extend([name.into(), value]);
        flag("--listen", format!("{}:{}", node.address, plan.port).into());
        flag("-c", client.into());
        flag("-d", definitions.into());
        flag("-l", folder.join("runner.log").into());
        flag("-p", folder.join(PID_FILE).into());
        // A client that is at work on this machine has the usual sockets, and is no reason not to start.
        flag("--only", check_names().join(",").into());
        flag("--check-dir", self.plugins.into());
        flag("--state-dir", folder.join("state").into());
        flag("--rotate-size", LOG_SIZE.into());
        flag("--rotate-keep", "1".into());
        Ok(Recipe {
            name: format!("{} {}", plan.cluster_name(), node.name),
            program: program.to_owned(),
            args,
            // Else a killed node would leave that file behind in a folder that is not the demo's.
            environment: vec![("SENSU_LOADED_TEMPFILE_DIR", folder.clone())],
            address: (node.address, plan.port).into(),
            data: Some(folder.join("state")),
            log: folder.join("service.log"),
            group,
        })
    }
}

/// The client as Sensu knows it; the definitions take tokens from it.
fn client_definition(plan: &Plan, node: &Node) -> String {
    let (env, region) = plan.env_and_region();
    serde_json::json!({"client": {
        "name": node.name,
        "address": node.address,
        "port": plan.port,
        // As seen from the plugins' folder.
        "pid_file": format!("../{}/{PID_FILE}", node.name),
        "environment": env,
        "region": region,
        "rack": node.rack,
        "subscriptions": [node.role.word()],
    }})
    .to_string()
}

/// Returns the names of the checks that are defined.
fn check_names() -> Vec<String> {
    let all: serde_json::Value = serde_json::from_str(CHECKS).expect("a test reads it");
    all["checks"].as_object().into_iter().flat_map(|checks| checks.keys().cloned()).collect()
}

pub(super) fn make(folder: &Path) -> Result<(), DemoError> {
    std::fs::create_dir_all(folder).map_err(DemoError::file(folder))
}

pub(super) fn write(file: &Path, text: &str) -> Result<(), DemoError> {
    std::fs::write(file, text).map_err(DemoError::file(file))
}
