//! One cluster of a demo: two Prometheus, two gossiping Alertmanagers, and the nodes and jobs they watch.

use super::DemoError;
use super::addresses::Addresses;
use super::files::{self, Facts, JOB};
use super::fleet::{Fleet, Plan};
use super::jobs::Shop;
use super::plugins;
use super::real::Site;
use super::run::Options;
use super::server::{Recipe, Server};
use super::servers::Programs;
use super::stage::{Stage, run};
use crate::model::time::format_duration;
use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// Prometheus' own default; a larger fleet needs a longer queue or loses alerts.
const MIN_QUEUE: u32 = 10_000;

/// A running cluster; all its servers end when it is dropped.
#[derive(Debug)]
pub struct Cluster {
    name: String,
    plan: Plan,
    /// The simulated nodes: one process for all of them.
    pub nodes: Server,
    /// The real nodes: a process each.
    pub real: Vec<Server>,
    /// Replicas a and b.
    pub prometheus: [Server; 2],
    /// Members 1 and 2.
    pub alertmanager: [Server; 2],
    /// The proxies before them, if there are any.
    pub proxy: Vec<Server>,
    /// The pushgateway and the pusher behind it, if there are any.
    pub push: Vec<Server>,
}

/// What the clusters of one demo have in common.
pub(crate) struct Scene<'a> {
    pub(crate) stage: &'a Stage,
    pub(crate) options: &'a Options,
    /// iaasmon's own configuration.
    pub(crate) config: &'a Path,
    /// Whether the Alertmanagers tell somebody.
    pub(crate) is_mailed: bool,
}

impl Cluster {
    /// Starts every server of the cluster planned as `plan` and returns without waiting for them.
    pub(crate) fn start(scene: &Scene<'_>, plan: Plan, at: &Addresses) -> Result<Self, DemoError> {
        let interval = scene.options.interval;
        let name = plan.cluster_name();
        let folder = scene.stage.folder().join(&name);
        std::fs::create_dir(&folder).map_err(DemoError::file(&folder))?;
        let fleet = Fleet::new(plan.clone());
        let plugins = plugins::place(&folder)?;
        let work = Workshop { scene, folder: &folder, plugins: &plugins, name: &name };
        let (env, region) = plan.env_and_region();
        work.write_files(
            &fleet,
            &Facts {
                cluster: &name,
                env,
                region,
                interval,
                alerting: at.proxy.unwrap_or(at.alertmanager),
                pushgateway: at.push.map(|push| push.gateway),
                rules: &folder.join("rules.yml"),
                targets: &folder.join("targets.json"),
            },
        )?;
        match scene.is_mailed {
            true => work.generate()?,
            false => work.write("alertmanager.yml", files::alertmanager(interval))?,
        }
        let ([am_1, am_2], [gossip_1, gossip_2]) = (at.alertmanager, at.gossip);
        Ok(Self {
            nodes: work.nodes(&fleet)?,
            real: work.real(&fleet)?,
            alertmanager: [
                work.alertmanager('1', am_1, [gossip_1, gossip_2])?,
                work.alertmanager('2', am_2, [gossip_2, gossip_1])?,
            ],
            proxy: match at.proxy {
                Some([first, second]) => vec![work.proxy('1', first)?, work.proxy('2', second)?],
                None => Vec::new(),
            },
            push: match at.push {
                Some(at) => work.push(&Shop {
                    plan: &plan,
                    folder: &folder,
                    plugins: &plugins,
                    program: scene.stage.program(),
                    group: scene.stage.group(),
                    at,
                })?,
                None => Vec::new(),
            },
            prometheus: [
                work.prometheus('a', at.prometheus[0], plan.nodes)?,
                work.prometheus('b', at.prometheus[1], plan.nodes)?,
            ],
            name,
            plan,
        })
    }

    /// Waits until every server is ready.
    pub(crate) fn await_ready(&self) -> Result<(), DemoError> {
        self.servers().try_for_each(Server::await_ready)
    }

    /// Reports whether both Prometheus have scraped every node and have alerts: from then on a look at it shows something.
    pub(crate) fn has_data(&self) -> bool {
        let (nodes, up) = (self.plan.nodes, format!("up{{job=\"{JOB}\"}}"));
        self.prometheus
            .iter()
            .all(|server| server.count(&up) == Some(nodes) && server.count("ALERTS").is_some())
    }

    /// Restarts both Alertmanagers so that neither knows of the other. A restart of either heals it.
    ///
    /// # Errors
    /// When one cannot be restarted.
    pub fn split_gossip(&self) -> Result<(), DemoError> {
        // Both are down at once, or the one still running would find the other again.
        self.alertmanager.iter().try_for_each(Server::terminate)?;
        self.alertmanager.iter().try_for_each(|member| member.relaunch_without("cluster.peer"))?;
        self.alertmanager.iter().try_for_each(Server::await_ready)
    }

    /// Returns its name, such as `prod-east`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the plan of its nodes; [`Fleet::new`] makes the same nodes of it again.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// Returns every process of the cluster.
    pub fn servers(&self) -> impl Iterator<Item = &Server> {
        let watched = std::iter::once(&self.nodes).chain(&self.real);
        watched.chain(&self.push).chain(&self.alertmanager).chain(&self.proxy).chain(&self.prometheus)
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        // In order, so that their checks have ended too: killed, they would leave that to their guards, who take longer
        // than we do. Nothing can be done about a failure here.
        self.real.iter().chain(self.push.iter().rev()).for_each(|runner| drop(runner.terminate()));
    }
}

/// What is at hand while the servers of one cluster are prepared.
struct Workshop<'a> {
    scene: &'a Scene<'a>,
    folder: &'a Path,
    plugins: &'a Path,
    name: &'a str,
}

impl Workshop<'_> {
    fn programs(&self) -> &Programs {
        &self.scene.options.servers
    }

    fn write(&self, file: &str, text: String) -> Result<(), DemoError> {
        let file = self.folder.join(file);
        std::fs::write(&file, text).map_err(DemoError::file(file))
    }

    fn write_files(&self, fleet: &Fleet, facts: &Facts<'_>) -> Result<(), DemoError> {
        // Two missed scrapes: a single one is noise.
        self.write("rules.yml", files::rules(facts.interval * 2))?;
        self.write("targets.json", files::targets(fleet))?;
        self.write("prometheus-a.yml", files::prometheus(facts, 'a'))?;
        self.write("prometheus-b.yml", files::prometheus(facts, 'b'))
    }

    /// Has `iaasmon generate` write the Alertmanagers' configuration and their templates, as it is done at work.
    fn generate(&self) -> Result<(), DemoError> {
        let mut command = Command::new(self.scene.stage.program());
        command.args(self.of_this_cluster()).args(["generate", "alertmanager"]);
        command.arg("--out").arg(self.folder);
        run(&mut command, self.scene.stage.group(), &self.folder.join("generate.log"))
    }

    /// The flags by which iaasmon knows this cluster.
    fn of_this_cluster(&self) -> [OsString; 4] {
        ["--config".into(), self.scene.config.into(), "--cluster".into(), self.name.into()]
    }

    fn nodes(&self, fleet: &Fleet) -> Result<Server, DemoError> {
        let args = std::iter::once("demo-nodes".into())
            .chain(fleet.plan().to_args().into_iter().map(OsString::from));
        let last = fleet.nodes().last().expect("a plan has at least one node");
        Server::start(Recipe {
            name: format!("{} nodes", self.name),
            program: self.scene.stage.program().to_owned(),
            args: args.collect(),
            environment: Vec::new(),
            address: (last.address, fleet.port()).into(),
            data: None,
            log: self.folder.join("nodes.log"),
            group: self.scene.stage.group(),
        })
    }

    fn real(&self, fleet: &Fleet) -> Result<Vec<Server>, DemoError> {
        let nodes = fleet.real_nodes();
        let site = Site { folder: self.folder, plugins: self.plugins };
        let stage = self.scene.stage;
        nodes
            .map(|node| Server::start(site.recipe(fleet.plan(), node, stage.program(), stage.group())?))
            .collect()
    }

    fn push(&self, shop: &Shop<'_>) -> Result<Vec<Server>, DemoError> {
        Ok(vec![Server::start(shop.pushgateway()?)?, Server::start(shop.pusher()?)?])
    }

    fn prometheus(&self, replica: char, address: SocketAddr, nodes: u32) -> Result<Server, DemoError> {
        let data = self.folder.join(format!("prometheus-{replica}"));
        // Alerts expire after four times this when Prometheus dies (rules/alerting.go, sendAlerts).
        let resend = (self.scene.options.interval * 4).min(Duration::from_secs(60));
        let args = vec![
            flag("config.file", self.folder.join(format!("prometheus-{replica}.yml")).display()),
            flag("storage.tsdb.path", data.display()),
            flag("storage.tsdb.retention.time", "6h"),
            flag("web.listen-address", address),
            // Else links in alerts name this machine, where nothing listens outside loopback.
            flag("web.external-url", format_args!("http://{address}/")),
            flag("rules.alert.resend-delay", format_duration(resend)),
            flag("alertmanager.notification-queue-capacity", (nodes * 10).max(MIN_QUEUE)),
        ];
        self.server(format!("prometheus {replica}"), &self.programs().prometheus, args, address, data)
    }

    fn alertmanager(
        &self,
        member: char,
        address: SocketAddr,
        [own, peer]: [SocketAddr; 2],
    ) -> Result<Server, DemoError> {
        let data = self.folder.join(format!("alertmanager-{member}"));
        let args = vec![
            flag("config.file", self.folder.join("alertmanager.yml").display()),
            flag("storage.path", data.display()),
            flag("web.listen-address", address),
            flag("web.external-url", format_args!("http://{address}/")),
            flag("cluster.listen-address", own),
            flag("cluster.advertise-address", own),
            flag("cluster.peer", peer),
            // The defaults (1m, 10s) are for a real network; a demo heals while one watches.
            flag("cluster.pushpull-interval", "5s"),
            flag("cluster.reconnect-interval", "2s"),
        ];
        self.server(format!("alertmanager {member}"), &self.programs().alertmanager, args, address, data)
    }

    fn proxy(&self, which: char, address: SocketAddr) -> Result<Server, DemoError> {
        let data = self.folder.join(format!("proxy-{which}"));
        let mut args = Vec::from(self.of_this_cluster());
        args.extend(["serve".into(), "proxy".into(), flag("listen", address)]);
        args.extend([flag("allow", "127.0.0.0/8"), flag("state-dir", data.display())]);
        self.server(format!("proxy {which}"), self.scene.stage.program(), args, address, data)
    }

    fn server(
        &self,
        what: String,
        program: &Path,
        args: Vec<OsString>,
        address: SocketAddr,
        data: PathBuf,
    ) -> Result<Server, DemoError> {
        let log = self.folder.join(format!("{}.log", what.replace(' ', "-")));
        Server::start(Recipe {
            name: format!("{} {what}", self.name),
            program: program.to_owned(),
            args,
            environment: Vec::new(),
            address,
            data: Some(data),
            log,
            group: self.scene.stage.group(),
        })
    }
}

fn flag(name: &str, value: impl std::fmt::Display) -> OsString {
    format!("--{name}={value}").into()
}
