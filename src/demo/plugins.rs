//! The plugins of a demo's real nodes and of its jobs, which look at this machine.
//!
//! They are part of the program, since a demo is started where the program is installed and `fixtures/` is not.

use super::DemoError;
use super::real::{make, write};
use std::path::{Path, PathBuf};

/// The plugins by their names.
const PLUGINS: [(&str, &str); 15] = [
    ("check_alertmanager.sh", include_str!("../../fixtures/demo/check_alertmanager.sh")),
    ("check_backup.sh", include_str!("../../fixtures/demo/check_backup.sh")),
    ("check_certificate.sh", include_str!("../../fixtures/demo/check_certificate.sh")),
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

/// Writes all of them below `folder`, a cluster's own, and returns where they are.
pub(super) fn place(folder: &Path) -> Result<PathBuf, DemoError> {
    let plugins = folder.join("plugins");
    make(&plugins)?;
    for (name, text) in PLUGINS {
        write(&plugins.join(name), text)?;
    }
    Ok(plugins)
}

#[cfg(test)]
mod tests {
    use super::PLUGINS;
    use crate::demo::{jobs, real};

    #[test]
    fn every_plugin_that_a_definition_names_is_there_and_no_other() {
        let mut named = vec!["utils.sh".to_owned()];
        let mut checks = 0;
        for definitions in [real::CHECKS, jobs::CHECKS] {
            let all: serde_json::Value = serde_json::from_str(definitions).unwrap();
            for check in all["checks"].as_object().unwrap().values() {
                checks += 1;
                let command = check["command"].as_str().unwrap();
                named.extend(
                    command.strip_prefix("sh ").and_then(|rest| rest.split(' ').next()).map(str::to_owned),
                );
            }
        }
        named.sort_unstable();
        named.dedup();
        let mut there: Vec<_> = PLUGINS.iter().map(|(name, _)| *name).collect();
        there.sort_unstable();
        assert_eq!(named, there);
        assert!(checks > named.len() - 1, "one plugin serves several checks, and one is missing on purpose");
    }
}
