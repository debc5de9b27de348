//! `deploy/` holds what is generated without a configuration.

use super::{files_of, written};
use std::path::Path;

#[test]
fn deploy_holds_what_is_generated() {
    let folder = tempfile::tempdir().unwrap();
    let below = |name: &str| folder.path().join(name).display().to_string();
    written(&["generate", "systemd", "--out", &below("systemd")]);
    let image = format!("registry.example/iaasmon:{}", env!("CARGO_PKG_VERSION"));
    written(&["generate", "kubernetes", "--image", &image, "--out", &below("kubernetes")]);
    written(&["generate", "logrotate", "--out", &below("logrotate.d")]);
    let want = files_of(folder.path());
    let mut have = files_of(&Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy"));
    // It says what this test holds.
    have.remove("README.md").expect("deploy/README.md");
    let names: Vec<&String> = want.keys().filter(|name| want.get(*name) != have.get(*name)).collect();
    let renew = "run the commands of deploy/README.md";
    assert!(names.is_empty(), "{names:?} are not what is generated now: {renew}");
    assert_eq!(want.keys().collect::<Vec<_>>(), have.keys().collect::<Vec<_>>(), "{renew}");
}
