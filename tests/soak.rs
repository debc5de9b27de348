//! The long profiles. In every test run each does a few rounds, so that none of them rots; `scripts/soak`
//! sets `IAASMON_SOAK_ROUNDS` for the long ones and collects what they report in docs/soak.md.
//!
//! A profile is a function `soak_*` (`timing_soak_*` where nothing else may run beside it) that calls [`run`] with one round; a round gets its number as the seed
//! of everything that it does at random, so that a failing round can be had again.

#![allow(clippy::unwrap_used, reason = "in a test a panic is a failure")]

#[path = "soak/alerts.rs"]
mod alerts;
#[path = "silence/child.rs"]
mod child;
#[path = "silence/desk.rs"]
#[allow(dead_code, reason = "shared with tests/silence.rs, which uses all of it")]
mod desk;
#[path = "soak/gate.rs"]
mod gate;
#[path = "pushgateway/kills.rs"]
mod gate_kills;
#[path = "pushgateway/world.rs"]
#[allow(dead_code, reason = "shared with tests/pushgateway.rs, which uses all of it")]
mod gate_world;
#[path = "soak/kills.rs"]
mod kills;
#[path = "silence/law.rs"]
mod law;
#[path = "soak/node.rs"]
mod node;
#[path = "proxy/world.rs"]
#[allow(dead_code, reason = "shared with tests/proxy.rs, which uses all of it")]
mod proxy_world;
#[path = "soak/schedule.rs"]
mod schedule;
#[path = "soak/storm.rs"]
mod storm;
mod support;
#[path = "runner/world.rs"]
#[allow(dead_code, reason = "shared with tests/runner.rs, which uses all of it")]
mod world;

use std::collections::BTreeSet;
use std::sync::Arc;

use iaasmon::fleet::Merged;
use iaasmon::model::labels::{Interner, Labels};
use iaasmon::model::text;
use iaasmon::sys::clock;
use iaasmon::wire::prom_json::{self, Sample};
use iaasmon::wire::{am_v2, detail};
use proptest::prelude::Rng;
use proptest::test_runner::{RngAlgorithm, TestRng};
use support::soak::{factor, report};

/// What one decoder makes of some bytes, written down so that two runs can be compared.
type Decode = fn(&[u8]) -> String;

#[test]
fn soak_damaged_answers_are_read_or_refused_and_never_panic() {
    let alerts: Decode = |body| format!("{:?}", am_v2::decode_alerts(body, am_v2::Annotations::Whole));
    let silences: Decode = |body| format!("{:?}", am_v2::decode_silences(body));
    let status: Decode = |body| format!("{:?}", am_v2::decode_status(body));
    let vector: Decode = |body| format!("{:?}", prom_json::decode_query(body, &mut Interner::default()));
    let check: Decode = |body| format!("{:?}", detail::decode_detail("check_disk", body));
    let answers: [(&[u8], Decode); 7] = [
        (include_bytes!("../fixtures/alertmanager/0.25/alerts.json"), alerts),
        (include_bytes!("../fixtures/alertmanager/0.34/alerts.json"), alerts),
        (include_bytes!("../fixtures/alertmanager/0.25/silences.json"), silences),
        (include_bytes!("../fixtures/alertmanager/0.34/silences.json"), silences),
        (include_bytes!("../fixtures/alertmanager/0.25/status.json"), status),
        (VECTOR.as_bytes(), vector),
        (br#"{"v":1,"check":"check_disk","status":2,"executed":"2026-11-24T01:02:03.004Z","output":"full \u001b[31m"}"#, check),
    ];
    run("damaged answers of every server", 2000, |random| {
        for (whole, decode) in &answers {
            let damaged = damage(random, whole);
            assert_eq!(
                decode(&damaged),
                decode(&damaged),
                "two readings of {}",
                String::from_utf8_lossy(&damaged)
            );
        }
        answers.len()
    });
}

const VECTOR: &str = r#"{"status":"success","data":{"resultType":"vector","result":[
 {"metric":{"__name__":"up","instance":"node-1","job":"n\u006fde"},"value":[1700000000.123,"1"]},
 {"metric":{},"value":[1700000000,"NaN"]}]},"warnings":["slow \"store\""]}"#;

/// Cuts, doubles, overwrites and flips some bytes.
fn damage(random: &mut TestRng, whole: &[u8]) -> Vec<u8> {
    let mut bytes = whole.to_vec();
    for _ in 0..=below(random, 4) {
        let from = below(random, bytes.len());
        let to = (from + 1 + below(random, 40)).min(bytes.len());
        match below(random, 5) {
            0 => bytes.truncate(from),
            1 => drop(bytes.drain(from..to)),
            2 => {
                let again = bytes[from..to].to_vec();
                bytes.splice(from..from, again);
            }
            3 if from < to => bytes[from] = b"\"\\{}[],:0-\xff\x00\x1bu"[below(random, 14)],
            _ if from < to => bytes[from] ^= 1 << below(random, 8),
            _ => {}
        }
    }
    bytes
}

#[test]
fn soak_the_order_of_replies_changes_no_merged_answer() {
    run("merges of four replicas in any order, one of them twice", 200, |random| {
        let mut replies: Vec<Merged> = (0..4).map(|replica| reply(random, replica)).collect();
        let sorted = replies.iter().cloned().fold(Merged::default(), Merged::union);
        replies.push(replies[below(random, 4)].clone());
        shuffle(random, &mut replies);
        let shuffled = replies.iter().cloned().fold(Merged::default(), Merged::union);
        assert_eq!(sorted, shuffled);
        let series: BTreeSet<String> =
            replies.iter().flat_map(Merged::iter).map(|(labels, _)| labels.to_string()).collect();
        assert_eq!(shuffled.len(), series.len(), "a series was dropped or doubled");
        for reply in &replies {
            for (labels, votes) in reply.iter() {
                let kept = shuffled.votes(labels);
                assert!(votes.iter().all(|vote| kept.contains(vote)), "{labels}: a vote was dropped");
            }
        }
        series.len()
    });
}

/// What one replica knows: a part of a hundred series with values of its own.
fn reply(random: &mut TestRng, replica: usize) -> Merged {
    let known = (0..100).filter(|_| below(random, 4) > 0).collect::<Vec<usize>>();
    let samples: Vec<Sample> = known
        .into_iter()
        .map(|node| {
            let node = format!("node-{node}");
            let labels = Labels::new([
                (Arc::from("instance"), Arc::from(node)),
                (Arc::from("replica"), replica.to_string().into()),
            ]);
            let value = [0.0, 1.0, 2.0, 3.0, 17.0, f64::NAN][below(random, 6)];
            Sample { labels, time: 1_700_000_000.0, value }
        })
        .collect();
    Merged::of(&format!("prom-{replica}").into(), &samples, &["replica".to_owned()])
}

#[test]
fn soak_no_text_reaches_the_terminal_with_control_bytes() {
    const PARTS: [&str; 14] = [
        "disk full",
        "\u{1b}[31m",
        "\u{1b}]0;title\u{7}",
        "\u{9b}2J",
        "\u{202e}",
        "\u{200d}",
        "\t",
        "\r\n",
        "\0",
        "日本語",
        "👩‍👩‍👧",
        "e\u{301}",
        "\u{1b}P",
        "\u{1b}\\",
    ];
    run("texts of hostile parts through the display border", 1000, |random| {
        let raw: String = (0..below(random, 30)).map(|_| PARTS[below(random, PARTS.len())]).collect();
        let line = text::line(&raw);
        assert!(!line.chars().any(char::is_control), "{raw:?} became {line:?}");
        assert!(!text::block(&raw).chars().any(|c| c.is_control() && c != '\n'), "{raw:?}");
        let columns = below(random, 40);
        assert_eq!(text::width(&text::pad(&line, columns)), columns, "{line:?}");
        raw.len()
    });
}

fn below(random: &mut TestRng, end: usize) -> usize {
    (random.next_u64() % end.max(1) as u64) as usize
}

fn shuffle<T>(random: &mut TestRng, items: &mut [T]) {
    for at in (1..items.len()).rev() {
        items.swap(at, below(random, at + 1));
    }
}

/// Runs `round` a `few` times, or as often as `IAASMON_SOAK_ROUNDS` times that, and reports.
///
/// A round returns how many things it looked at.
fn run(what: &str, few: u64, mut round: impl FnMut(&mut TestRng) -> usize) {
    let (rounds, began) = (few * factor(), clock::instant());
    let mut looked_at = 0;
    for number in 0..rounds {
        let mut seed = [0; 32];
        seed[..8].copy_from_slice(&number.to_le_bytes());
        let guard = Guard { what, number };
        looked_at += round(&mut TestRng::from_seed(RngAlgorithm::ChaCha, &seed));
        std::mem::forget(guard);
    }
    assert!(looked_at > 0, "{what}: {rounds} rounds looked at nothing");
    report(what, rounds, looked_at, began.elapsed());
}

/// Names the round on the way out of a panic.
struct Guard<'a> {
    what: &'a str,
    number: u64,
}

impl Drop for Guard<'_> {
    #[expect(clippy::print_stderr, reason = "this is what the reader of a failed test needs")]
    fn drop(&mut self) {
        eprintln!("{}: round {} failed", self.what, self.number);
    }
}
