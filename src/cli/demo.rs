//! `iaasmon demo`, and the hidden commands that its processes are.

use crate::demo::fleet::{Fleet, Plan, Scenario, simulate};
use crate::demo::mailbox::{Doors, MAILS, WEBHOOK, receive};
use crate::demo::{Demo, DemoError, MAILED_NODES, Options, guard, servers};
use crate::model::time::parse_duration;
use crate::sys::clock;
use std::ffi::{OsStr, OsString};
use std::io::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// Below this many nodes a scrape every two seconds costs nothing; above, Prometheus' usual pace.
const SMALL_FLEET: u32 = 1_000;
/// The check of a real node that has the most to show: it goes bad and recovers every three minutes.
const TOLD_CHECK: &str = "check_queue";
/// A check that is pushed, as it is named: its group and its name.
const TOLD_JOB: &str = "job=backup,db=main backup_age";
/// The screens ask for the list of nodes once a minute, so they had better find it: usually it is there after eight seconds.
const FIRST_DATA: Duration = Duration::from_secs(20);
/// How often the scenario's part in the servers is looked at.
const TICK: Duration = Duration::from_secs(1);

/// Start real Prometheus and Alertmanager pairs with a simulated fleet on this machine, and look at them.
///
/// One node of each cluster is real: its output and history are those of scripts that run here. What the Alertmanagers tell
/// people comes as mails into the demo's folder. Everything listens on 127.0.0.0/8 only and ends with the demo.
#[derive(Debug, Clone, clap::Args)]
#[command(after_help = "Example:\n  iaasmon demo --scenario storm", after_long_help = scenarios())]
pub struct DemoArgs {
    /// How many clusters: each has two Prometheus and two Alertmanagers.
    #[arg(long, default_value_t = 2, value_name = "N")]
    pub clusters: u8,
    /// How many nodes in all.
    #[arg(long, default_value_t = 200, value_name = "N")]
    pub nodes: u32,
    /// How many nodes of each cluster are real: they run checks that look at this machine, and the scenario spares them.
    #[arg(long, default_value_t = 1, value_name = "N")]
    pub real_nodes: u32,
    /// What happens; `--list-scenarios` tells what each does.
    #[arg(long, default_value = "rack", value_parser = parse_scenario, value_name = "NAME")]
    pub scenario: Scenario,
    /// List the scenarios and end.
    #[arg(long)]
    pub list_scenarios: bool,
    /// Open no screen: print the path of the configuration and run until Ctrl-C.
    #[arg(long)]
    pub headless: bool,
    /// Checks per simulated node.
    #[arg(long, default_value_t = 50, value_name = "N", hide = true)]
    pub checks: u16,
    /// How often Prometheus scrapes and evaluates; 2s for a small fleet, 15s for a large one.
    #[arg(long, value_parser = parse_duration, value_name = "DURATION", hide = true)]
    pub scrape_interval: Option<Duration>,
    /// How much of the scenario has already happened.
    #[arg(long, value_parser = parse_duration, default_value = "0s", value_name = "DURATION", hide = true)]
    pub elapsed: Duration,
    /// Have no mailbox: nobody is told by the Alertmanagers.
    #[arg(long, hide = true)]
    pub no_mailbox: bool,
    /// Have no pushgateways: every check belongs to a node.
    #[arg(long, hide = true)]
    pub no_pushgateway: bool,
    /// Another seed picks other nodes.
    #[arg(long, default_value_t = 1, value_name = "N", hide = true)]
    pub seed: u64,
    /// The folders to look for the server programs in.
    #[arg(long, env = "PATH", hide = true, hide_env = true)]
    pub server_path: Option<OsString>,
    /// The folder that `scripts/servers` fills.
    #[arg(long, env = "IAASMON_SERVER_CACHE", hide = true, hide_env = true)]
    pub server_cache: Option<PathBuf>,
    #[arg(long, env = "XDG_CACHE_HOME", hide = true, hide_env = true)]
    xdg_cache_home: Option<PathBuf>,
    #[arg(long, env = "HOME", hide = true, hide_env = true)]
    home: Option<PathBuf>,
}

/// The process that clears up behind a demo.
#[derive(Debug, Clone, clap::Args)]
pub struct GuardArgs {
    /// The demo's folder.
    pub folder: PathBuf,
}

/// The process that answers for the nodes of a cluster.
#[derive(Debug, Clone, clap::Args)]
pub struct NodesArgs {
    /// The plan, as JSON.
    #[arg(value_parser = parse_plan)]
    pub plan: Plan,
}

/// The process that takes what the Alertmanagers send.
#[derive(Debug, Clone, clap::Args)]
pub struct MailboxArgs {
    /// The demo's folder.
    pub folder: PathBuf,
    /// Where mails come, by SMTP.
    pub mail: SocketAddr,
    /// Where webhook messages come, by HTTP.
    pub webhook: SocketAddr,
}

/// Starts a demo and hands its configuration and a first hint to `open`, or waits for a signal when headless.
///
/// # Errors
/// When the demo cannot be started, or the screen fails.
pub fn run<E: From<DemoFailure>>(
    args: &DemoArgs,
    out: &mut dyn Write,
    err: &mut dyn Write,
    open: impl FnOnce(&Path, Option<String>) -> Result<(), E>,
) -> Result<(), E> {
    if args.list_scenarios {
        return Ok(out.write_all(scenarios().as_bytes()).map_err(DemoFailure::from)?);
    }
    let options = args.options()?;
    let demo = Demo::start(&options, &mut |step| {
        // Progress is a courtesy; a closed pipe must not end the demo.
        let _ = writeln!(err, "demo: {step}");
    })
    .map_err(DemoFailure::from)?;
    let real = real_nodes(&demo);
    let advice = advice(&demo, &called(&options.program, args.server_path.as_deref()), &real);
    if args.headless {
        return Ok(runtime().map_err(DemoFailure::from)?.block_on(stay(&demo, &advice, out, err))?);
    }
    let _ = writeln!(err, "demo: waiting for the first data");
    demo.await_data(FIRST_DATA);
    // Whoever suspends the screens finds it.
    let _ = err.write_all(advice.as_bytes());
    let config = demo.config().to_owned();
    let over = std::sync::mpsc::channel::<()>();
    std::thread::scope(|scope| {
        let (ended, ending) = over;
        scope.spawn(|| {
            let ending = ending;
            while ending.recv_timeout(TICK) == Err(std::sync::mpsc::RecvTimeoutError::Timeout) {
                // The screen belongs to the caller, so there is nowhere to tell; it will be tried again.
                let _ = demo.play(clock::now());
            }
        });
        let outcome = open(&config, hint(&real));
        drop(ended);
        outcome
    })?;
    drop(demo);
    let _ = writeln!(err, "demo: ended, and all that is named above with it");
    Ok(())
}

/// Why a demo ended badly.
#[derive(Debug, thiserror::Error)]
pub enum DemoFailure {
    /// It could not be set up.
    #[error(transparent)]
    Demo(#[from] DemoError),
    /// A terminal or a pipe failed.
    #[error(transparent)]
    Io(#[from] std::io::Error),
}

/// Plays the guard until the demo that holds our standard input is gone.
///
/// # Errors
/// When the folder is not a demo's or cannot be removed.
pub fn run_guard(args: &GuardArgs) -> std::io::Result<()> {
    guard::watch(&mut std::io::stdin().lock(), &args.folder)
}

/// Answers for the nodes of a cluster until it is killed.
///
/// # Errors
/// When the addresses cannot be bound.
pub fn run_nodes(args: &NodesArgs) -> Result<(), DemoFailure> {
    Ok(runtime()?.block_on(simulate(args.plan.clone(), CancellationToken::new()))?)
}

/// Takes mails and webhook messages until it is killed.
///
/// # Errors
/// When the addresses cannot be bound, or there is no place for what comes.
pub fn run_mailbox(args: &MailboxArgs) -> Result<(), DemoFailure> {
    let doors = Doors { mail: args.mail, webhook: args.webhook };
    Ok(runtime()?.block_on(receive(&args.folder, doors, CancellationToken::new()))?)
}

impl DemoArgs {
    fn options(&self) -> Result<Options, DemoFailure> {
        let cache =
            servers::cache_folder(self.server_cache.clone(), self.xdg_cache_home.clone(), self.home.clone());
        let usual = Duration::from_secs(if self.nodes <= SMALL_FLEET { 2 } else { 15 });
        Ok(Options {
            clusters: self.clusters,
            nodes: self.nodes,
            real_nodes: self.real_nodes,
            proxies: true,
            pushgateway: !self.no_pushgateway,
            mailbox: !self.no_mailbox,
            checks: self.checks,
            scenario: self.scenario,
            elapsed: self.elapsed,
            seed: self.seed,
            interval: self.scrape_interval.unwrap_or(usual),
            parent: std::env::temp_dir(),
            program: std::env::current_exe()?,
            servers: servers::find(self.server_path.as_deref().unwrap_or_default(), cache.as_deref())?,
        })
    }
}

/// Returns the names of the real nodes, in order of the clusters.
fn real_nodes(demo: &Demo) -> Vec<String> {
    let fleets = demo.clusters().iter().map(|cluster| Fleet::new(cluster.plan().clone()));
    fleets.flat_map(|fleet| fleet.real_nodes().map(|node| node.name.clone()).collect::<Vec<_>>()).collect()
}

/// Tells what can be tried from another terminal, with `program` as it is called there.
fn advice(demo: &Demo, program: &str, real: &[String]) -> String {
    let mut text = format!(
        "demo: ready; in another terminal:\n  export IAASMON_CONFIG='{}'\n  {program} alerts\n",
        demo.config().display()
    );
    text += &mails(demo);
    text += &pushed(demo, program);
    let Some(node) = real.first() else { return text };
    let check = format!("check {node} {TOLD_CHECK}");
    text += &format!("demo: real checks run on {}:\n", real.join(", "));
    for question in [format!("{check} --history"), format!("{check} --diff"), format!("node {node} --live")] {
        text += &format!("  {program} {question}\n");
    }
    text
}

/// Tells how a check that belongs to no node is named.
fn pushed(demo: &Demo, program: &str) -> String {
    let with_jobs = demo.clusters().iter().find(|cluster| !cluster.push.is_empty());
    with_jobs.map_or_else(String::new, |cluster| {
        format!(
            "  {program} check {TOLD_JOB} --cluster {}    # pushed, of no node\n",
            cluster.plan().cluster_name()
        )
    })
}

/// Tells where the mails and the messages are, and when to look.
fn mails(demo: &Demo) -> String {
    let nodes: u32 = demo.clusters().iter().map(|cluster| cluster.plan().nodes).sum();
    if demo.mailbox().is_none() {
        let many = format!("demo: no mails: more than {MAILED_NODES} nodes have too many alerts\n");
        return if nodes > MAILED_NODES { many } else { String::new() };
    }
    let of = if nodes > MAILED_NODES { " of the real nodes" } else { "" };
    // Scrape, rule and Alertmanager have their times each.
    let first = if nodes > SMALL_FLEET { "two minutes" } else { "half a minute" };
    let [mails, webhook] = [MAILS, WEBHOOK].map(|name| demo.folder().join(name).display().to_string());
    let mut text = format!("  ls -t '{mails}' | head    # mails{of}: the first within {first}\n");
    text += &format!("  ls -t '{webhook}' | head    # what a webhook is told\n");
    text
}

/// Returns how `program` is called: by its name where a folder of `path` has it.
fn called(program: &Path, path: Option<&OsStr>) -> String {
    let name = program.file_name().unwrap_or(program.as_os_str());
    let mut folders = path.map(std::env::split_paths).into_iter().flatten();
    let found = folders.any(|folder| folder.join(name) == program);
    if found { name.to_string_lossy().into_owned() } else { program.display().to_string() }
}

/// Returns what the screens say first.
fn hint(real: &[String]) -> Option<String> {
    let node = real.first()?;
    // Up to the rack a name is as good as whole, and the line fits into the smallest screens.
    let short = node.split('.').next().unwrap_or(node);
    Some(format!("real checks: `:{short}` Enter, {TOLD_CHECK} Enter, [ ] d"))
}

/// Tells where the configuration is, then plays the scenario until Ctrl-C, SIGTERM or the terminal's end.
async fn stay(
    demo: &Demo,
    advice: &str,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> Result<(), DemoFailure> {
    // Before anyone knows that we are ready: whoever reads the path may end us at once.
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut hang_up = signal(SignalKind::hangup())?;
    writeln!(out, "{}", demo.config().display())?;
    out.flush()?;
    err.write_all(advice.as_bytes())?;
    writeln!(err, "demo: Ctrl-C ends it")?;
    let mut ticks = tokio::time::interval(TICK);
    loop {
        tokio::select! {
            _ = interrupt.recv() => return Ok(()),
            _ = terminate.recv() => return Ok(()),
            _ = hang_up.recv() => return Ok(()),
            _ = ticks.tick() => demo.play(clock::now())?,
        }
    }
}

fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()
}

fn parse_scenario(name: &str) -> Result<Scenario, String> {
    let known = Scenario::ALL.map(Scenario::word).join(", ");
    let found = Scenario::ALL.into_iter().find(|scenario| scenario.word() == name);
    found.ok_or_else(|| format!("there is no such scenario; known are {known}"))
}

fn parse_plan(text: &str) -> Result<Plan, String> {
    serde_json::from_str(text).map_err(|error| error.to_string())
}

fn scenarios() -> String {
    let lines = Scenario::ALL.map(|scenario| format!("  {:<8} {}\n", scenario.word(), scenario.story()));
    format!("Scenarios:\n{}", lines.concat())
}

#[cfg(test)]
mod tests {
    use super::{called, hint};
    use std::path::Path;

    #[test]
    fn a_program_is_called_by_its_name_where_that_is_enough() {
        let program = Path::new("/opt/bin/iaasmon");
        assert_eq!(called(program, Some("/usr/bin:/opt/bin".as_ref())), "iaasmon");
        assert_eq!(called(program, Some("/usr/bin".as_ref())), "/opt/bin/iaasmon");
        assert_eq!(called(program, None), "/opt/bin/iaasmon");
    }

    #[test]
    fn the_first_hint_fits_beside_the_row_number_of_a_narrow_screen() {
        let hint = hint(&["hv-20000.r1501.site25".to_owned()]).unwrap();
        assert!(hint.contains("hv-20000`") && hint.len() <= 80 - " row 100/100 ".len(), "{hint}");
    }
}
