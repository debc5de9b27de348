//! How fast a log is taken in, beside the least that any reader of JSON does: passing over every value (`IgnoredAny`).
//!
//! Two logs: that of a real sensu-client, with every odd output that was thought of, and one of a node whose checks print
//! other numbers at every run.

use std::fmt::Write as _;
use std::hint::black_box;

use chrono::DateTime;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use iaasmon::detail::latest::Latest;
use serde::de::IgnoredAny;

/// What a real sensu-client wrote in three minutes.
const GOLDEN: &[u8] = include_bytes!("../fixtures/golden/sensu-client.log");
/// What is kept of an output unless a flag says otherwise.
const KEEP: usize = 64 * 1024;

/// The log of 50 checks that ran `runs` times.
fn node(runs: usize) -> String {
    let mut log = String::new();
    for run in 0..runs {
        for check in 0..50 {
            let executed = 1_795_416_000 + run * 10;
            let free = (run * 7919 + check * 104_729) % 100_000;
            let status = usize::from(free < 2_000);
            let word = ["OK", "WARNING"][status];
            writeln!(
                log,
                r#"{{"timestamp":"2026-11-23T06:42:{:02}.254162+0000","level":"info","message":"publishing check result","payload":{{"client":"node-00042.example.com","check":{{"command":"/etc/sensu/plugins/check_disk -w 20% -c 10% -p /srv/{check}","handlers":["default","mail"],"interval":10,"standalone":true,"timeout":30,"occurrences":3,"runbook":"https://wiki.example.com/disk/{check}","name":"check_disk_{check}","issued":{executed},"executed":{executed},"duration":0.{:03},"output":"DISK {word} - free space: /srv/{check} {free} MiB ({}% inode=99%);| /srv/{check}={free}MiB;90000;95000;0;100000\n","status":{status}}}}}}}"#,
                run % 60,
                free % 1000,
                free / 1000,
            )
            .expect("a string takes everything");
        }
    }
    log
}

fn ingest(criterion: &mut Criterion) {
    let now = DateTime::from_timestamp(1_795_500_000, 0).expect("a time");
    let node = node(200);
    for (name, log) in [("a sensu-client's log", GOLDEN), ("50 checks", node.as_bytes())] {
        let lines: Vec<&[u8]> = log.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).collect();
        let mut group = criterion.benchmark_group(format!("ingest {name}"));
        group.throughput(Throughput::Bytes(log.len() as u64));
        group.bench_function("exporter", |bench| {
            let mut latest = Latest::new(1, KEEP);
            bench.iter(|| {
                for line in &lines {
                    latest.take(0, black_box(line), now, &mut |key, entry, run, ended| {
                        black_box((key, entry, run, ended));
                    });
                }
            });
        });
        group.bench_function("IgnoredAny", |bench| {
            bench.iter(|| {
                for line in &lines {
                    black_box(serde_json::from_slice::<IgnoredAny>(black_box(line))).ok();
                }
            });
        });
        group.finish();
    }
}

criterion_group!(benches, ingest);
criterion_main!(benches);
