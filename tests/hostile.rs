//! Servers whose every word is an attack on the terminal: nothing of it arrives there raw.

#[path = "faults/server.rs"]
#[allow(dead_code, reason = "tests/faults.rs uses the rest")]
mod server;

use server::Answer;
use std::process::Command;

/// Clears the screen, sets the title, writes the clipboard, reverses the direction, begins a line of its own.
const EVIL: &str = "\\u001b[2J\\u001b]0;title\\u0007\\u001b]52;c;ZXZpbA==\\u0007\\u009b31m\\u202edlrow\\u2066\\r\\nerror: fake";

fn alerts() -> String {
    format!(
        r#"[{{"annotations":{{"summary":"{EVIL}","check_output":"{EVIL}"}},"endsAt":"2026-11-24T04:17:18.178Z",
        "fingerprint":"0123456789abcdef","receivers":[{{"name":"{EVIL}"}}],"startsAt":"2026-11-24T04:12:18.178Z",
        "status":{{"inhibitedBy":["{EVIL}"],"silencedBy":["{EVIL}"],"state":"suppressed"}},
        "updatedAt":"2026-11-24T04:12:18.178Z","generatorURL":"{EVIL}",
        "labels":{{"alertname":"{EVIL}","instance":"{EVIL}","check":"{EVIL}"}}}}]"#
    )
}

fn vector() -> String {
    format!(
        r#"{{"status":"success","warnings":["{EVIL}"],"data":{{"resultType":"vector","result":[
        {{"metric":{{"__name__":"up","instance":"{EVIL}","check":"{EVIL}"}},"value":[1795000000,"1"]}}]}}}}"#
    )
}

/// Runs a command on a cluster of one server of each kind and asserts that what it prints is harmless.
fn assert_harmless(answer: &Answer, args: &[&str]) {
    let address = server::start(answer.clone());
    let dir = tempfile::tempdir().expect("a folder");
    let config = dir.path().join("config.toml");
    let text = format!(
        "[defaults]\ntimeout = \"2s\"\n[[cluster]]\nname = \"c\"\nprometheus = [\"http://{address}\"]\n\
         alertmanager = [\"http://{address}\"]\ndetail_url = \"http://{address}/{{check}}\"\n"
    );
    std::fs::write(&config, text).expect("written");
    let mut command = Command::new(env!("CARGO_BIN_EXE_iaasmon"));
    let output = command.arg("--config").arg(&config).args(args).output().expect("iaasmon runs");
    for (stream, bytes) in [("stdout", &output.stdout), ("stderr", &output.stderr)] {
        let text = String::from_utf8_lossy(bytes);
        let bad = text.chars().find(|c| {
            (c.is_control() && *c != '\n') || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
        });
        assert_eq!(bad, None, "{args:?}: {stream}: {text:?}");
    }
}

#[test]
fn no_word_of_a_server_reaches_the_terminal_raw() {
    let refusal = format!(r#"{{"status":"error","errorType":"bad_data","error":"{EVIL}"}}"#);
    let message = format!(r#"{{"code":400,"message":"{EVIL}"}}"#);
    let answers = [
        Answer::http("400 Bad Request", "Content-Type: application/json\r\n", refusal.as_bytes()),
        Answer::http("400 Bad Request", "Content-Type: application/json\r\n", message.as_bytes()),
        Answer::http("302 Found", "Location: http://other.example/\u{9b}31m\r\n", b""),
        Answer::json(alerts().as_bytes()),
        Answer::json(vector().as_bytes()),
    ];
    let commands: [&[&str]; 14] = [
        &["alerts"],
        &["alerts", "-o", "wide"],
        &["alert", "0123456789abcdef"],
        &["nodes", "-o", "wide"],
        &["node", "x"],
        &["checks"],
        &["check", "x", "y"],
        &["query", "up"],
        &["query", "up", "-o", "wide"],
        &["status", "-o", "wide"],
        &["doctor"],
        &["silence", "list", "-o", "wide"],
        &["silence", "preview", "alertname=~.+"],
        &["silence", "show", "0123456789"],
    ];
    for answer in &answers {
        for command in commands {
            assert_harmless(answer, command);
        }
    }
}
