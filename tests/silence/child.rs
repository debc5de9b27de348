//! A process that carries out one operation and ends, or stops, itself at a chosen step: the test's own program
//! started again. What it does is the library's own way, the one that the command line takes.

use iaasmon::config::{self, Env};
use iaasmon::fleet::Fleet;
use iaasmon::fleet::silence::{
    Change, Draft, Kind, Limits, OpId, Step, Targets, add, begin, edit, expire, fetch_facts, find, group,
    preview, run,
};
use iaasmon::model::matcher::{MatchOp, Matcher};
use iaasmon::sys::clock;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io::Write as _;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};

/// Names the file that tells a child what to do.
const ORDER: &str = "IAASMON_TEST_ORDER";

/// What a child does.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Order {
    pub config: PathBuf,
    pub journals: PathBuf,
    pub deed: Deed,
    /// The comment of the silence, and the alertname that it names.
    pub comment: String,
    /// The step at which the process is killed, from 0.
    pub kill_at: Option<usize>,
    /// The name of the step at which it is killed, the first time it comes.
    pub kill_on: Option<String>,
    /// The step at which it is stopped.
    pub stop_at: Option<usize>,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize, PartialEq, Eq)]
pub enum Deed {
    /// A new silence on every cluster.
    Add,
    /// Other matchers: a new silence, and the old one ends.
    Edit,
    /// A later end, in place.
    Extend,
    Expire,
}

impl Order {
    fn file(&self, name: &str) -> PathBuf {
        self.journals.with_file_name(name)
    }

    /// Starts a child that obeys.
    pub fn start(&self) -> Child {
        std::fs::create_dir_all(&self.journals).unwrap();
        // An earlier child of this folder may have left its own.
        let _ = std::fs::remove_file(self.file("steps"));
        let order = self.file("order.json");
        std::fs::write(&order, serde_json::to_vec(self).unwrap()).unwrap();
        Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "child::carries_out_an_order_or_fails", "--nocapture"])
            .env(ORDER, order)
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    }

    /// Returns the steps that the child has reported so far.
    pub fn steps(&self) -> Vec<String> {
        let text = std::fs::read_to_string(self.file("steps")).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }
}

/// In a child this is the whole program. In the test's own process it makes sure that a child which cannot do as it
/// is told does not end well.
#[test]
fn carries_out_an_order_or_fails() {
    if let Some(order) = std::env::var_os(ORDER) {
        let order: Order = serde_json::from_slice(&std::fs::read(Path::new(&order)).unwrap()).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        return runtime.block_on(obey(&order));
    }
    let folder = tempfile::tempdir().unwrap();
    let order = Order {
        config: folder.path().join("missing.toml"),
        journals: folder.path().join("journals"),
        deed: Deed::Add,
        comment: "INC-0".into(),
        kill_at: None,
        kill_on: None,
        stop_at: None,
    };
    let output = order.start().wait_with_output().unwrap();
    assert!(!output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains("missing.toml"), "{output:?}");
}

async fn obey(order: &Order) {
    let config = config::load(Some(&order.config), &Env::of_process()).unwrap();
    let fleet = Fleet::new(&config);
    let mut facts = Vec::new();
    for cluster in fleet.clusters() {
        facts.push(fetch_facts(cluster).await);
    }
    let (now, comment) = (clock::now(), order.comment.as_str());
    let op = OpId::new(now);
    let later = |hours| now + chrono::TimeDelta::hours(hours);
    let named = Matcher::new("alertname", MatchOp::Equal, comment);
    let silences = group(facts.iter().flat_map(|f| &f.silences).cloned());
    let old = || {
        let copy = silences.iter().find(|s| s.comment == comment && s.in_force().next().is_some()).unwrap();
        find(&silences, &copy.id).unwrap()
    };
    let operation = match order.deed {
        Deed::Add => {
            let draft = Draft {
                matchers: vec![named],
                starts_at: None,
                ends_at: later(2),
                created_by: "tester".into(),
                comment: comment.into(),
                targets: Targets::All,
            };
            add(&draft, &preview(&draft, &facts), &facts, op, now)
        }
        Deed::Edit => {
            let matchers = Some(vec![named, Matcher::new("rack", MatchOp::Equal, "r1")]);
            edit(old(), &Change { matchers, ..Change::default() }, Kind::Edit, op, now)
        }
        Deed::Extend => {
            edit(old(), &Change { ends_at: Some(later(9)), ..Change::default() }, Kind::Extend, op, now)
        }
        Deed::Expire => expire(old(), op, now),
    };
    let opened = begin(&order.journals, operation).unwrap();
    let number = AtomicUsize::new(0);
    let observe = |step: &Step| {
        let number = Some(number.fetch_add(1, Ordering::SeqCst));
        let what = format!("{:?}", step.what);
        let on = order.kill_on.as_ref().is_some_and(|name| what.starts_with(name));
        let mut file = File::options().create(true).append(true).open(order.file("steps")).unwrap();
        writeln!(file, "{step:?}").unwrap();
        if on {
            kill(Pid::this(), Signal::SIGKILL).unwrap();
        }
        for (at, signal) in [(order.kill_at, Signal::SIGKILL), (order.stop_at, Signal::SIGSTOP)] {
            if at == number {
                kill(Pid::this(), signal).unwrap();
            }
        }
        ControlFlow::Continue(())
    };
    run(&fleet, opened, Limits::default(), &observe).await;
}
