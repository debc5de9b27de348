//! The watch hears what it should; what it misses, the poll interval brings.

use std::fs;
use std::time::Duration;

use super::super::watch::Watch;
use super::{Logs, append};

/// Long enough that no test passes by polling.
const NEVER: Duration = Duration::from_secs(600);

async fn hears(watch: &mut Watch) -> bool {
    tokio::time::timeout(Duration::from_secs(10), watch.changed()).await.is_ok()
}

#[tokio::test]
async fn new_logs_and_renames_are_heard() {
    let logs = Logs::new();
    let mut watch = Watch::new(&[logs.log()], NEVER);
    assert!(watch.is_live());
    assert!(hears(&mut watch).await, "what was before the watch is worth a look");
    logs.append("one\n");
    assert!(hears(&mut watch).await);
    logs.rotate("sensu-client.log.1");
    assert!(hears(&mut watch).await);
}

#[tokio::test]
async fn other_files_and_more_lines_are_not_heard() {
    let logs = Logs::new();
    logs.append("one\n");
    let mut watch = Watch::new(&[logs.log()], NEVER);
    assert!(hears(&mut watch).await);
    append(&logs.path("other.log"), b"one\n");
    logs.append("two\n");
    let heard = tokio::time::timeout(Duration::from_millis(100), watch.changed()).await;
    assert!(heard.is_err());
}

#[tokio::test]
async fn a_change_seen_by_a_dropped_wait_is_told_by_the_next() {
    let logs = Logs::new();
    let mut watch = Watch::new(&[logs.log()], NEVER);
    assert!(hears(&mut watch).await);
    logs.append("one\n");
    let dropped = tokio::time::timeout(Duration::from_millis(5), watch.changed()).await;
    assert!(dropped.is_err(), "the wait lasts longer than the time for a storm to calm");
    assert!(hears(&mut watch).await);
}

#[tokio::test]
async fn a_folder_that_is_made_again_is_watched_again() {
    let logs = Logs::new();
    let folder = logs.path("logs");
    let log = folder.join("sensu-client.log");
    let mut watch = Watch::new(&[&log], Duration::from_millis(50));
    assert!(!watch.is_live());
    for remove in [
        |folder: &std::path::Path| fs::remove_dir_all(folder),
        |folder: &std::path::Path| fs::rename(folder, folder.with_extension("moved")),
    ] {
        fs::create_dir(&folder).expect("made");
        while !watch.is_live() {
            watch.changed().await;
        }
        append(&log, b"one\n");
        assert!(hears(&mut watch).await);
        remove(&folder).expect("removed");
        while watch.is_live() {
            watch.changed().await;
        }
    }
}

#[tokio::test]
async fn a_storm_wakes_a_bounded_number_of_times() {
    let logs = Logs::new();
    let mut watch = Watch::new(&[logs.log()], NEVER);
    assert!(hears(&mut watch).await);
    let (mut woken, started) = (0, crate::sys::clock::instant());
    while started.elapsed() < Duration::from_millis(300) {
        logs.append("x\n");
        logs.rotate("sensu-client.log.1");
        assert!(hears(&mut watch).await);
        woken += 1;
    }
    assert!((2..=31).contains(&woken), "{woken}");
}

/// More events than the kernel queues, none of them ours: what it threw away may have been.
#[tokio::test]
async fn events_that_the_kernel_dropped_are_worth_a_look() {
    let logs = Logs::new();
    let mut watch = Watch::new(&[logs.log()], NEVER);
    assert!(hears(&mut watch).await);
    let limit = fs::read_to_string("/proc/sys/fs/inotify/max_queued_events").expect("every Linux has it");
    let limit: usize = limit.trim().parse().expect("a number");
    // The same event twice in a row is queued once.
    let others = [logs.path("one"), logs.path("other")].map(|path| fs::File::create(path).expect("created"));
    for at in 0..limit + 100 {
        std::io::Write::write_all(&mut &others[at % 2], b"x").expect("written");
    }
    // Nobody hears of this one.
    logs.append("one\n");
    assert!(hears(&mut watch).await);
}

#[tokio::test]
async fn without_events_the_poll_interval_remains() {
    let missing = std::path::Path::new("/nonexistent/folder/sensu-client.log");
    let mut watch = Watch::new(&[missing], Duration::from_millis(20));
    assert!(!watch.is_live());
    assert!(hears(&mut watch).await);
}
