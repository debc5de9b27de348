//! Finds the Prometheus and Alertmanager programs on this machine.

use super::DemoError;
use std::path::{Path, PathBuf};

/// Where the server programs are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Programs {
    /// The Prometheus server.
    pub prometheus: PathBuf,
    /// The Alertmanager; Debian calls it `prometheus-alertmanager`.
    pub alertmanager: PathBuf,
}

/// Looks in every folder of `path` (as in `$PATH`), then in `cache`, where `scripts/servers` puts them.
///
/// # Errors
/// When one is not there: the error names the command that installs it.
pub fn find(path: &std::ffi::OsStr, cache: Option<&Path>) -> Result<Programs, DemoError> {
    let folders: Vec<PathBuf> = std::env::split_paths(path).chain(cache.map(Path::to_owned)).collect();
    let first = |names: &[&str]| {
        names
            .iter()
            .find_map(|name| folders.iter().map(|folder| folder.join(name)).find(|file| is_program(file)))
    };
    Ok(Programs {
        prometheus: first(&["prometheus"]).ok_or(DemoError::Missing { program: "prometheus" })?,
        alertmanager: first(&["prometheus-alertmanager", "alertmanager"])
            .ok_or(DemoError::Missing { program: "prometheus-alertmanager" })?,
    })
}

/// Returns the folder that `scripts/servers` fills, from the values of the variables it reads.
pub fn cache_folder(
    own: Option<PathBuf>,
    xdg_cache_home: Option<PathBuf>,
    home: Option<PathBuf>,
) -> Option<PathBuf> {
    let servers = own.or_else(|| {
        let caches = xdg_cache_home.or_else(|| home.map(|home| home.join(".cache")))?;
        Some(caches.join("iaasmon/servers"))
    })?;
    Some(servers.join("usr/bin"))
}

/// Reports whether `file` is there and may be executed.
fn is_program(file: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    std::fs::metadata(file).is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn place(folder: &Path, name: &str, mode: u32) -> PathBuf {
        let file = folder.join(name);
        std::fs::write(&file, "#!/bin/sh\n").unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(mode)).unwrap();
        file
    }

    #[test]
    fn the_path_comes_before_the_cache_and_both_names_are_known() {
        let (path, cache) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let prometheus = place(path.path(), "prometheus", 0o755);
        place(cache.path(), "prometheus", 0o755);
        let alertmanager = place(cache.path(), "alertmanager", 0o755);
        let found = find(path.path().as_os_str(), Some(cache.path())).unwrap();
        assert_eq!(found, Programs { prometheus, alertmanager });
    }

    #[test]
    fn a_missing_program_is_named_with_the_way_to_get_it() {
        let path = tempfile::tempdir().unwrap();
        place(path.path(), "prometheus", 0o755);
        place(path.path(), "alertmanager", 0o644);
        let error = find(path.path().as_os_str(), None).unwrap_err().to_string();
        assert!(error.starts_with("prometheus-alertmanager is not installed"), "{error}");
        assert!(error.contains("apt-get install prometheus prometheus-alertmanager"), "{error}");
    }

    #[test]
    fn the_cache_follows_the_variables_of_the_script() {
        let path = |text: &str| Some(PathBuf::from(text));
        assert_eq!(cache_folder(path("/own"), path("/xdg"), path("/home/me")), path("/own/usr/bin"));
        assert_eq!(cache_folder(None, path("/xdg"), None), path("/xdg/iaasmon/servers/usr/bin"));
        assert_eq!(cache_folder(None, None, path("/me")), path("/me/.cache/iaasmon/servers/usr/bin"));
        assert_eq!(cache_folder(None, None, None), None);
    }
}
