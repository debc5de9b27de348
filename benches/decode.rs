//! How fast answers of the size of a whole fleet become values, and how two of them become one.

use std::fmt::Write;
use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use iaasmon::fleet::Merged;
use iaasmon::model::labels::Interner;
use iaasmon::wire::{am_v2, prom_json};

/// An instant vector of `nodes` nodes with `checks` checks each, as Prometheus writes it.
fn vector(nodes: usize, checks: usize) -> String {
    let mut body = String::from(r#"{"status":"success","data":{"resultType":"vector","result":["#);
    for node in 0..nodes {
        for check in 0..checks {
            let comma = if node + check == 0 { "" } else { "," };
            write!(
                body,
                r#"{comma}{{"metric":{{"__name__":"iaasmon_check_status","check":"check_disk_{check}","cluster":"prod-east","env":"prod","instance":"node-{node:05}.example.com:10105","job":"node","rack":"r{}","region":"east","role":"compute"}},"value":[1700000000.123,"{}"]}}"#,
                node / 40,
                (node * 7 + check) % 4,
            )
            .expect("a string takes everything");
        }
    }
    body.push_str("]}}");
    body
}

/// `count` alerts with three lines of output each, as Alertmanager writes them.
fn alerts(count: usize) -> String {
    let one = |i: usize| {
        format!(
            r#"{{"annotations":{{"output":"DISK CRITICAL - free space: /var {i} MB (3% inode=91%)\nsecond line of the output, with what the script knew\nthird line","summary":"check_disk on node-{i:05}"}},"endsAt":"2026-11-23T06:26:40.000Z","fingerprint":"{:016x}","receivers":[{{"name":"mail"}}],"startsAt":"2026-11-23T06:22:40.000Z","status":{{"inhibitedBy":[],"silencedBy":[],"state":"active"}},"updatedAt":"2026-11-23T06:22:40.000Z","generatorURL":"http://prom-a:9090/graph","labels":{{"alertname":"CheckFailed","check":"check_disk_{}","cluster":"prod-east","instance":"node-{i:05}.example.com:10105","job":"node","severity":"critical"}}}}"#,
            i * 7919,
            i % 50,
        )
    };
    format!("[{}]", (0..count).map(one).collect::<Vec<_>>().join(","))
}

fn decode(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("decode");
    group.sample_size(10);
    let body = vector(4000, 50);
    group.throughput(Throughput::Bytes(body.len() as u64));
    group.bench_function("a vector of 200,000 series", |bench| {
        bench.iter(|| {
            prom_json::decode_vector(black_box(body.as_bytes()), &mut Interner::default()).expect("vector")
        });
    });
    let body = alerts(50_000);
    group.throughput(Throughput::Bytes(body.len() as u64));
    group.bench_function("50,000 alerts with output", |bench| {
        bench.iter(|| {
            let keep = am_v2::Annotations::FirstLine;
            am_v2::decode_alerts(black_box(body.as_bytes()), keep).expect("alerts")
        });
    });
    group.finish();
}

fn merge(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("merge");
    group.sample_size(20);
    let body = vector(20_000, 1);
    let samples = prom_json::decode_vector(body.as_bytes(), &mut Interner::default()).expect("vector").value;
    group.bench_function("20,000 series of two replicas", |bench| {
        bench.iter(|| {
            let mut merged = Merged::default();
            for replica in ["prom-a", "prom-b"] {
                merged.add(&replica.into(), black_box(&samples), &[]);
            }
            merged
        });
    });
    group.finish();
}

criterion_group!(benches, decode, merge);
criterion_main!(benches);
