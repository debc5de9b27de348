//! One cluster of a demo: two Prometheus, two gossiping Alertmanagers, and the nodes they watch.

use super::DemoError;
use super::block::free_port;
use super::files::{self, Entry, Facts};
use super::fleet::{Fleet, Plan};
use super::real::Site;
use super::run::Options;
use super::server::{Recipe, Server};
use super::servers::Programs;
use super::stage::Stage;
use crate::model::time::format_duration;
use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Servers of a cluster, hence addresses: two Prometheus, two Alertmanagers, two proxies.
const SERVERS: u8 = 6;
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
}

impl Cluster {
    /// Starts every server of the cluster planned as `plan` and returns without waiting for them.
    pub(crate) fn start(stage: &Stage, options: &Options, plan: Plan) -> Result<Self, DemoError> {
        let (programs, interval) = (&options.servers, options.interval);
        let name = plan.cluster_name();
        let folder = stage.folder().join(&name);
        std::fs::create_dir(&folder).map_err(DemoError::file(&folder))?;
        let fleet = Fleet::new(plan.clone());
        let work = Workshop { stage, programs, folder: &folder, name: &name, number: plan.cluster, interval };
        let members = [work.endpoint(2, 9093)?, work.endpoint(3, 9093)?];
        let gossip = [work.endpoint(2, 9094)?, work.endpoint(3, 9094)?];
        let proxies = [work.endpoint(4, 10106)?, work.endpoint(5, 10106)?];
        let (env, region) = plan.env_and_region();
        work.write_files(
            &fleet,
            &Facts {
                cluster: &name,
                env,
                region,
                interval,
                alerting: if options.proxies { proxies } else { members },
                rules: &folder.join("rules.yml"),
                targets: &folder.join("targets.json"),
            },
        )?;
        Ok(Self {
            nodes: work.nodes(&fleet)?,
            real: work.real(&fleet)?,
            alertmanager: [
                work.alertmanager('1', members[0], gossip)?,
                work.alertmanager('2', members[1], [gossip[1], gossip[0]])?,
            ],
            proxy: match options.proxies {
                true => vec![work.proxy('1', proxies[0], members)?, work.proxy('2', proxies[1], members)?],
                false => Vec::new(),
            },
            prometheus: [work.prometheus('a', plan.nodes)?, work.prometheus('b', plan.nodes)?],
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
        let nodes = self.plan.nodes;
        self.prometheus
            .iter()
            .all(|server| server.count("up") == Some(nodes) && server.count("ALERTS").is_some())
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
        watched.chain(&self.alertmanager).chain(&self.proxy).chain(&self.prometheus)
    }

    /// Returns what iaasmon's configuration says about it.
    pub(crate) fn entry(&self) -> Entry<'_> {
        let (env, region) = self.plan.env_and_region();
        Entry {
            name: &self.name,
            env,
            region,
            prometheus: self.prometheus.each_ref().map(Server::url),
            alertmanager: self.alertmanager.each_ref().map(Server::url),
            proxy: self.proxy.iter().map(Server::url).collect(),
        }
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        // In order, so that their checks have ended too: killed, they would leave that to their guards, who take longer
        // than we do. Nothing can be done about a failure here.
        self.real.iter().for_each(|node| drop(node.terminate()));
    }
}

/// What is at hand while the servers of one cluster are prepared.
struct Workshop<'a> {
    stage: &'a Stage,
    programs: &'a Programs,
    folder: &'a Path,
    name: &'a str,
    number: u8,
    interval: Duration,
}

impl Workshop<'_> {
    /// Returns an address for server `index` of this cluster, on `port` when that is free.
    fn endpoint(&self, index: u8, port: u16) -> Result<SocketAddr, DemoError> {
        let address = self.stage.block().server(self.number * SERVERS + index);
        Ok((address, free_port(address, port)?).into())
    }

    fn write_files(&self, fleet: &Fleet, facts: &Facts<'_>) -> Result<(), DemoError> {
        let write = |file: &Path, text: String| std::fs::write(file, text).map_err(DemoError::file(file));
        // Two missed scrapes: a single one is noise.
        write(facts.rules, files::rules(self.interval * 2))?;
        write(facts.targets, files::targets(fleet))?;
        write(&self.folder.join("alertmanager.yml"), files::alertmanager(self.interval))?;
        write(&self.folder.join("prometheus-a.yml"), files::prometheus(facts, 'a'))?;
        write(&self.folder.join("prometheus-b.yml"), files::prometheus(facts, 'b'))
    }

    fn nodes(&self, fleet: &Fleet) -> Result<Server, DemoError> {
        let args = std::iter::once("demo-nodes".into())
            .chain(fleet.plan().to_args().into_iter().map(OsString::from));
        let last = fleet.nodes().last().expect("a plan has at least one node");
        Server::start(Recipe {
            name: format!("{} nodes", self.name),
            program: self.stage.program().to_owned(),
            args: args.collect(),
            environment: Vec::new(),
            address: (last.address, fleet.port()).into(),
            data: None,
            log: self.folder.join("nodes.log"),
            group: self.stage.group(),
        })
    }

    fn real(&self, fleet: &Fleet) -> Result<Vec<Server>, DemoError> {
        let mut nodes = fleet.real_nodes().peekable();
        if nodes.peek().is_none() {
            return Ok(Vec::new());
        }
        let site = Site::prepare(self.folder)?;
        nodes
            .map(|node| {
                let recipe = site.recipe(fleet.plan(), node, self.stage.program(), self.stage.group())?;
                Server::start(recipe)
            })
            .collect()
    }

    fn prometheus(&self, replica: char, nodes: u32) -> Result<Server, DemoError> {
        let address = self.endpoint(if replica == 'a' { 0 } else { 1 }, 9090)?;
        let data = self.folder.join(format!("prometheus-{replica}"));
        // Alerts expire after four times this when Prometheus dies (rules/alerting.go, sendAlerts).
        let resend = (self.interval * 4).min(Duration::from_secs(60));
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
        self.server(format!("prometheus {replica}"), &self.programs.prometheus, args, address, data)
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
        self.server(format!("alertmanager {member}"), &self.programs.alertmanager, args, address, data)
    }

    fn proxy(&self, which: char, address: SocketAddr, members: [SocketAddr; 2]) -> Result<Server, DemoError> {
        let data = self.folder.join(format!("proxy-{which}"));
        let mut args: Vec<OsString> = vec!["serve".into(), "proxy".into(), flag("listen", address)];
        args.extend(members.map(|member| flag("alertmanager", format_args!("http://{member}"))));
        // The node's name stands in `instance`, and its address beside it.
        args.push(flag("detail-url", "http://{address}/api/v1/checks/{check}"));
        args.extend([flag("allow", "127.0.0.0/8"), flag("state-dir", data.display())]);
        self.server(format!("proxy {which}"), self.stage.program(), args, address, data)
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
            group: self.stage.group(),
        })
    }
}

fn flag(name: &str, value: impl std::fmt::Display) -> OsString {
    format!("--{name}={value}").into()
}
