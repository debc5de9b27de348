//! A log as runner and sensu-client write it, line by line.

use iaasmon::sys::clock;
use std::fs::File;
use std::io::Write as _;
use std::path::Path;

/// A result of now with an interval of an hour, so that none goes stale.
pub fn result(check: &str, status: i64, output: &str) -> String {
    result_at(clock::now().timestamp(), check, status, output)
}

/// A result of a time in epoch seconds.
pub fn result_at(executed: i64, check: &str, status: i64, output: &str) -> String {
    let output = serde_json::Value::from(output);
    format!(
        r#"{{"timestamp":"2026-11-23T06:40:18.408515+0000","level":"info","message":"publishing check result","payload":{{"client":"n1","check":{{"command":"run {check}","interval":3600,"name":"{check}","issued":{executed},"executed":{executed},"duration":0.048,"output":{output},"status":{status}}}}}}}"#
    ) + "\n"
}

/// What the runner says when it begins and after each reload.
pub fn scheduled(checks: &[&str]) -> String {
    let checks = serde_json::Value::from(checks);
    format!(
        r#"{{"timestamp":"2026-11-23T06:40:18.408515+0000","level":"info","message":"scheduled checks","checks":{checks}}}"#
    ) + "\n"
}

/// Appends to a log, which may not be there yet.
pub fn append(log: &Path, text: impl AsRef<[u8]>) {
    let mut file = File::options().create(true).append(true).open(log).expect("opened");
    file.write_all(text.as_ref()).expect("written");
}
