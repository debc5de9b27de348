//! A whole demo: all clusters started, iaasmon's configuration written, events of the scenario played.

use super::addresses::Addresses;
use super::block::{self, Block};
use super::cluster::{Cluster, Scene};
use super::files::{self, Mailing, Told};
use super::fleet::{Fleet, Plan, Scenario};
use super::mailbox::Doors;
use super::servers::Programs;
use super::stage::Stage;
use super::{DemoError, Server};
use crate::model::time::Timestamp;
use crate::sys::clock;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// More than anyone can look at; each needs up to nine processes, and one for each real node.
const MAX_CLUSTERS: u8 = 25;
/// The largest fleet of which all alerts are told by mail and webhook; of a larger one those of the real nodes are.
///
/// A storm over so many is 4,000 mails and as many messages within a minute, which costs a fifth of a core (measured).
pub const MAILED_NODES: u32 = 2_000;
/// How often a start is tried when another program takes a port in between.
const ATTEMPTS: u32 = 3;

/// What a demo consists of.
#[derive(Debug, Clone)]
pub struct Options {
    /// How many clusters.
    pub clusters: u8,
    /// How many nodes in all, spread evenly over the clusters.
    pub nodes: u32,
    /// How many nodes of each cluster run real checks.
    pub real_nodes: u32,
    /// Whether alerts go through two proxies a cluster, which put the output of the checks into them.
    pub proxies: bool,
    /// Whether each cluster has a pushgateway, and a pusher with checks that belong to no node.
    pub pushgateway: bool,
    /// Whether there is a mailbox, which the Alertmanagers send mails and webhook messages to.
    pub mailbox: bool,
    /// How many checks each simulated node has.
    pub checks: u16,
    /// What happens.
    pub scenario: Scenario,
    /// How much of the scenario has already happened.
    pub elapsed: Duration,
    /// Chooses which nodes misbehave; the same seed gives the same fleet.
    pub seed: u64,
    /// How often Prometheus scrapes and evaluates its rules.
    pub interval: Duration,
    /// The folder to make the demo's own folder in.
    pub parent: PathBuf,
    /// iaasmon's own program file, started as guard and as nodes, the real ones too.
    pub program: PathBuf,
    /// The server programs.
    pub servers: Programs,
}

/// A running demo. Dropping it ends every process and removes the folder.
#[derive(Debug)]
pub struct Demo {
    // Dropped in this order: the servers end before the guard is told.
    clusters: Vec<Cluster>,
    mailbox: Option<Server>,
    config: PathBuf,
    epoch: Timestamp,
    scenario: Scenario,
    stage: Stage,
}

impl Demo {
    /// Starts everything and waits until it is ready; `progress` is told about each step.
    ///
    /// # Errors
    /// When the options are wrong, a server cannot be started, or one is not ready in time.
    pub fn start(options: &Options, progress: &mut dyn FnMut(&str)) -> Result<Self, DemoError> {
        check(options)?;
        let mut attempt = 1;
        loop {
            match Self::attempt(options, progress) {
                Err(DemoError::NotReady { log, .. })
                    if attempt < ATTEMPTS && log.to_lowercase().contains("address already in use") =>
                {
                    attempt += 1;
                    progress("another program took a port: once more");
                }
                outcome => return outcome,
            }
        }
    }

    fn attempt(options: &Options, progress: &mut dyn FnMut(&str)) -> Result<Self, DemoError> {
        let stage = Stage::set(&options.parent, &options.program)?;
        let now = clock::now();
        let epoch = now - chrono::TimeDelta::from_std(options.elapsed).unwrap_or_default();
        let plans = plans(options, stage.block(), epoch)?;
        let mailing = mailing(options, stage.block(), plans.iter().map(|(plan, _)| plan))?;
        // Before the servers: the Alertmanagers' own configuration is made from it.
        let config = stage.folder().join("config.toml");
        write_private(&config, &files::config(&plans, mailing.as_ref()))?;
        let mailbox = mailing.map(|mailing| mailing.doors.open(&stage)).transpose()?;
        let mut clusters = Vec::new();
        for (plan, at) in plans {
            progress(&format!(
                "{}: {} nodes, 2 Prometheus, 2 Alertmanagers{}{}",
                plan.cluster_name(),
                plan.nodes,
                if options.proxies { ", 2 proxies" } else { "" },
                if options.pushgateway { ", a pushgateway" } else { "" }
            ));
            let scene = Scene { stage: &stage, options, config: &config, is_mailed: mailbox.is_some() };
            clusters.push(Cluster::start(&scene, plan, &at)?);
        }
        progress("waiting until all servers are ready");
        mailbox.iter().try_for_each(Server::await_ready)?;
        clusters.iter().try_for_each(Cluster::await_ready)?;
        Ok(Self { clusters, mailbox, config, epoch, scenario: options.scenario, stage })
    }

    /// Waits until there is something to look at, at most as long as `patience`: targets reach Prometheus' scraper late.
    pub fn await_data(&self, patience: Duration) {
        let started = clock::instant();
        while started.elapsed() < patience && !self.clusters.iter().all(Cluster::has_data) {
            std::thread::sleep(Duration::from_millis(200));
        }
    }

    /// Returns iaasmon's configuration file for this demo.
    pub fn config(&self) -> &Path {
        &self.config
    }

    /// Returns the demo's folder.
    pub fn folder(&self) -> &Path {
        self.stage.folder()
    }

    /// Returns the clusters, in the order of the configuration.
    pub fn clusters(&self) -> &[Cluster] {
        &self.clusters
    }

    /// Returns the process that takes mails and webhook messages, where there is one.
    pub fn mailbox(&self) -> Option<&Server> {
        self.mailbox.as_ref()
    }

    /// Plays the scenario's part in the servers as of `now`: one Prometheus may have to die.
    ///
    /// Call it every second or so; the nodes follow the scenario by themselves.
    ///
    /// # Errors
    /// When the server cannot be killed.
    pub fn play(&self, now: Timestamp) -> Result<(), DemoError> {
        let elapsed = (now - self.epoch).to_std().unwrap_or_default();
        match self.victim() {
            Some(victim) if self.scenario.replica_is_dead(elapsed) && victim.is_alive() => victim.kill(),
            _ => Ok(()),
        }
    }

    /// The replica that dies, where the scenario has one: the last cluster's second Prometheus.
    fn victim(&self) -> Option<&Server> {
        self.clusters.last().map(|cluster| &cluster.prometheus[1])
    }
}

/// Plans the clusters: the same number of nodes for each, and one more for the first ones where it does not come out even.
fn plans(options: &Options, block: &Block, epoch: Timestamp) -> Result<Vec<(Plan, Addresses)>, DemoError> {
    let (clusters, port) = (u32::from(options.clusters), block.node_port()?);
    let mut first = 0;
    let plan = |number: u8| {
        let plan = Plan {
            cluster: number,
            clusters: options.clusters,
            nodes: options.nodes / clusters + u32::from(u32::from(number) < options.nodes % clusters),
            real: options.real_nodes,
            first,
            block: block.second(),
            port,
            checks: options.checks,
            scenario: options.scenario,
            seed: options.seed,
            epoch,
        };
        first += plan.nodes;
        Ok((plan, Addresses::choose(block, number, options)?))
    };
    (0..options.clusters).map(plan).collect()
}

/// Decides what the Alertmanagers tell a mailbox of, if there is to be one.
fn mailing<'a>(
    options: &Options,
    block: &Block,
    plans: impl Iterator<Item = &'a Plan>,
) -> Result<Option<Mailing>, DemoError> {
    if !options.mailbox {
        return Ok(None);
    }
    let is_large = options.nodes > MAILED_NODES;
    // What is generated mutes the warning of a check that is critical, for which an Alertmanager 0.25 compares each warning
    // with each critical alert: its list of 10,000 alerts takes 4 s then, and 0.2 s without (measured).
    if is_large && options.scenario == Scenario::Storm {
        return Ok(None);
    }
    let fleets = plans.map(|plan| Fleet::new(plan.clone()));
    let real: Vec<String> = fleets
        .flat_map(|fleet| fleet.real_nodes().map(|node| node.name.clone()).collect::<Vec<_>>())
        .collect();
    let told = match is_large {
        false => Told::All,
        true if real.is_empty() => return Ok(None),
        true => Told::Nodes(real),
    };
    Ok(Some(Mailing { doors: Doors::choose(block)?, told, interval: options.interval }))
}

fn check(options: &Options) -> Result<(), DemoError> {
    let wrong = |text: String| Err(DemoError::Options(text));
    if !(1..=MAX_CLUSTERS).contains(&options.clusters) {
        return wrong(format!("--clusters must be between 1 and {MAX_CLUSTERS}"));
    }
    if !(u32::from(options.clusters)..=block::MAX_NODES).contains(&options.nodes) {
        return wrong(format!("--nodes must be between {} and {}", options.clusters, block::MAX_NODES));
    }
    if options.checks == 0 || options.interval < Duration::from_millis(100) {
        return wrong("--checks must be at least 1 and --scrape-interval at least 100ms".to_owned());
    }
    Ok(())
}

/// Writes a file that only its owner can read, as iaasmon asks of a configuration.
fn write_private(path: &Path, text: &str) -> Result<(), DemoError> {
    std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .and_then(|mut file| file.write_all(text.as_bytes()))
        .map_err(DemoError::file(path))
}
