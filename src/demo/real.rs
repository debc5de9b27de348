//! The nodes of a demo that are real: `iaasmon serve node` with Sensu definitions and plugins that look at this machine.
//!
//! Both are part of the program, since a demo is started where the program is installed and `fixtures/` is not.

use super::DemoError;
use super::fleet::{Node, Plan};
use super::server::Recipe;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// What a real node's log may grow to before it is begun anew, in bytes: a demo runs for days on some desk.
const LOG_SIZE: &str = "20000000";

/// The file with the number of a node's process.
const PID_FILE: &str = "runner.pid";

/// The definitions, the same on every real node.
const CHECKS: &str = include_str!("../../fixtures/demo/checks.json");

/// The plugins by their names.
const PLUGINS: [(&str, &str); 12] = [
    ("check_clock.sh", include_str!("../../fixtures/demo/check_clock.sh")),
    ("check_disk.sh", include_str!("../../fixtures/demo/check_disk.sh")),
    ("check_disk_ja.sh", include_str!("../../fixtures/demo/check_disk_ja.sh")),
    ("check_load.sh", include_str!("../../fixtures/demo/check_load.sh")),
    ("check_memory.sh", include_str!("../../fixtures/demo/check_memory.sh")),
    ("check_mounts.sh", include_str!("../../fixtures/demo/check_mounts.sh")),
    ("check_pid.sh", include_str!("../../fixtures/demo/check_pid.sh")),
    ("check_port.sh", include_str!("../../fixtures/demo/check_port.sh")),
    ("check_procs.sh", include_str!("../../fixtures/demo/check_procs.sh")),
    ("check_queue.sh", include_str!("../../fixtures/demo/check_queue.sh")),
    ("check_uptime.sh", include_str!("../../fixtures/demo/check_uptime.sh")),
    ("utils.sh", include_str!("../../fixtures/demo/utils.sh")),
];

/// The folder of one cluster's real nodes, with the plugins of all of them.
pub(crate) struct Site<'a> {
    folder: &'a Path,
    plugins: PathBuf,
}

impl<'a> Site<'a> {
    /// Writes the plugins below `folder`, the cluster's own.
    pub(crate) fn prepare(folder: &'a Path) -> Result<Self, DemoError> {
        let plugins = folder.join("plugins");
        make(&plugins)?;
        for (name, text) in PLUGINS {
            write(&plugins.join(name), text)?;
        }
        Ok(Self { folder, plugins })
    }

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
        flag("--check-dir", self.plugins.clone().into());
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

fn make(folder: &Path) -> Result<(), DemoError> {
    std::fs::create_dir_all(folder).map_err(DemoError::file(folder))
}

fn write(file: &Path, text: &str) -> Result<(), DemoError> {
    std::fs::write(file, text).map_err(DemoError::file(file))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_plugin_that_a_definition_names_is_there_and_no_other() {
        let all: serde_json::Value = serde_json::from_str(CHECKS).unwrap();
        let commands =
            all["checks"].as_object().unwrap().values().map(|check| check["command"].as_str().unwrap());
        let mut named: Vec<_> =
            commands.filter_map(|command| command.strip_prefix("sh ")?.split(' ').next()).collect();
        named.push("utils.sh");
        named.sort_unstable();
        named.dedup();
        let mut there: Vec<_> = PLUGINS.iter().map(|(name, _)| *name).collect();
        there.sort_unstable();
        assert_eq!(named, there);
        assert!(
            check_names().len() > named.len() - 1,
            "one plugin serves several checks, and one is missing on purpose"
        );
    }
}
