//! Answers for every node of a fleet that is not real: `/metrics`, the detail API and readiness, each node on its own
//! address.

use super::output::{self, Run};
use super::scenario::{self, Reach, State};
use super::{Check, Fleet, Node, Plan, Role, scatter};
use crate::demo::DemoError;
use crate::model::status::Status;
use crate::model::time::Timestamp;
use crate::serve::skeleton::http::{
    Bytes, Extension, IntoResponse, Path, Query, Response, Router, State as Shared, StatusCode, get, header,
};
use crate::serve::skeleton::{Limits, LocalAddress, serve};
use crate::sys::clock;
use chrono::{SecondsFormat, TimeDelta};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use std::collections::HashMap;
use std::fmt::Write as _;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// A silent node holds a connection for as long as anyone would wait, then gives it back.
const SILENCE: Duration = Duration::from_secs(60);
/// A detail is cut here, as the exporter does it.
const MAX_OUTPUT: usize = 64 * 1024;
/// Runs of a history, where the reader does not say how many.
const USUAL_RUNS: usize = 100;
/// Runs of a history at most.
const MAX_RUNS: usize = 1000;
/// Statuses that a detail tells, as many as the exporter does it.
const STATUSES: i64 = 21;
/// Where the status stays the same, the output of one run in so many seconds is kept.
const OUTPUT_EVERY: i64 = 300;
/// Pages of metrics kept; there are few distinct ones, unless a storm makes many.
const MAX_PAGES: usize = 20_000;
/// Two Prometheus and an operator per node, when connections are kept.
const CONNECTIONS_PER_NODE: usize = 3;
/// File descriptors that are not sockets of nodes.
const SPARE_FILES: usize = 200;

/// A page of metrics is decided by a node's role and its checks' states alone.
type PageKey = (Role, bool, Vec<u8>);

/// What all requests share.
struct Simulation {
    fleet: Fleet,
    checks: HashMap<Role, Vec<Check>>,
    pages: Mutex<HashMap<PageKey, Bytes>>,
}

/// Answers for all simulated nodes of `plan` until `stop` is cancelled.
///
/// # Errors
/// When an address cannot be bound, most often because the process may not open enough files.
pub async fn simulate(plan: Plan, stop: CancellationToken) -> Result<(), DemoError> {
    let fleet = Fleet::new(plan);
    let files = allow_files();
    let listeners = listen(&fleet).await?;
    // Where files are few, connections are closed after each answer: a listener per node comes first.
    let wanted = listeners.len() * CONNECTIONS_PER_NODE;
    let keep_alive = files.saturating_sub(SPARE_FILES + listeners.len()) >= wanted;
    let connections = files.saturating_sub(SPARE_FILES / 2 + listeners.len()).max(1);
    let limits = Limits { connections, keep_alive, grace: Duration::from_millis(200), ..Limits::default() };
    serve(listeners, routes(fleet), limits, stop).await;
    Ok(())
}

/// Raises the limit of open files as far as it goes without privileges, and returns it.
fn allow_files() -> usize {
    use nix::sys::resource::{Resource, getrlimit, setrlimit};
    let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE) else { return 1024 };
    let reached = if setrlimit(Resource::RLIMIT_NOFILE, hard, hard).is_ok() { hard } else { soft };
    usize::try_from(reached).unwrap_or(usize::MAX)
}

async fn listen(fleet: &Fleet) -> Result<Vec<TcpListener>, DemoError> {
    let mut listeners = Vec::with_capacity(fleet.nodes().len());
    // The last node's is bound last: when it answers, all do.
    for node in fleet.nodes().iter().filter(|node| !node.real) {
        let address = (node.address, fleet.port());
        let listener = TcpListener::bind(address).await;
        listeners.push(listener.map_err(DemoError::file(format!("{}:{}", node.address, fleet.port())))?);
    }
    Ok(listeners)
}

fn routes(fleet: Fleet) -> Router {
    let roles = [Role::Hypervisor, Role::Storage, Role::Kubernetes, Role::Control];
    let checks = roles.into_iter().map(|role| (role, fleet.checks(role))).collect();
    let simulation = Arc::new(Simulation { fleet, checks, pages: Mutex::default() });
    Router::new()
        .route("/metrics", get(metrics))
        .route("/api/v1/checks", get(list))
        .route("/api/v1/checks/{check}", get(detail))
        .route("/api/v1/checks/{check}/history", get(history))
        .route("/-/ready", get(async || "ready\n"))
        .route("/-/healthy", get(async || "healthy\n"))
        .with_state(simulation)
}

type Sim = Shared<Arc<Simulation>>;
type To = Extension<LocalAddress>;

async fn metrics(Shared(simulation): Sim, Extension(to): To) -> Response {
    match simulation.visit(to).await {
        Ok((node, at)) => {
            let kind = [(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")];
            (kind, simulation.page(node, at)).into_response()
        }
        Err(refusal) => refusal,
    }
}

async fn list(Shared(simulation): Sim, Extension(to): To) -> Response {
    match simulation.visit(to).await {
        Ok((node, at)) => json_answer(StatusCode::OK, &simulation.list(node, at)),
        Err(refusal) => refusal,
    }
}

async fn detail(Shared(simulation): Sim, Extension(to): To, Path(name): Path<String>) -> Response {
    of_check(&simulation, to, &name, |node, check, at| simulation.detail(node, check, at)).await
}

/// How many runs are wanted.
#[derive(serde::Deserialize)]
struct Wanted {
    limit: Option<usize>,
}

async fn history(
    Shared(simulation): Sim,
    Extension(to): To,
    Path(name): Path<String>,
    Query(wanted): Query<Wanted>,
) -> Response {
    let limit = wanted.limit.unwrap_or(USUAL_RUNS).min(MAX_RUNS);
    of_check(&simulation, to, &name, |node, check, at| simulation.history(node, check, at, limit)).await
}

/// Answers about one check of the node that was asked.
async fn of_check(
    simulation: &Simulation,
    to: LocalAddress,
    name: &str,
    answer: impl Fn(&Node, &Check, i64) -> Value,
) -> Response {
    let (node, at) = match simulation.visit(to).await {
        Ok(visit) => visit,
        Err(refusal) => return refusal,
    };
    let checks = simulation.checks(node);
    match checks.iter().find(|check| check.name == name) {
        Some(check) => json_answer(StatusCode::OK, &answer(node, check, at)),
        None => {
            let error = format!("unknown check `{name}`");
            json_answer(StatusCode::NOT_FOUND, &json!({"v": 1, "error": error, "known": checks.len()}))
        }
    }
}

fn json_answer(status: StatusCode, value: &Value) -> Response {
    (status, [(header::CONTENT_TYPE, "application/json")], value.to_string()).into_response()
}

impl Simulation {
    /// Finds the node that was asked and makes the caller wait as long as the scenario wants.
    async fn visit(&self, LocalAddress(to): LocalAddress) -> Result<(&Node, i64), Response> {
        let node = match to.ip() {
            IpAddr::V4(address) => self.fleet.node_at(address),
            IpAddr::V6(_) => None,
        };
        let Some(node) = node else { return Err(StatusCode::NOT_FOUND.into_response()) };
        match scenario::reach(self.fleet.plan(), node, self.elapsed()) {
            Reach::Answers => {}
            Reach::Slow(delay) => tokio::time::sleep(delay).await,
            Reach::Silent => {
                tokio::time::sleep(SILENCE).await;
                return Err(StatusCode::SERVICE_UNAVAILABLE.into_response());
            }
        }
        Ok((node, self.elapsed()))
    }

    fn elapsed(&self) -> i64 {
        (clock::now() - self.fleet.plan().epoch).num_seconds()
    }

    fn checks(&self, node: &Node) -> &[Check] {
        &self.checks[&node.role]
    }

    /// Returns when `check` last ran on `node`, and its state then.
    fn last_run(&self, node: &Node, check: &Check, at: i64) -> (i64, State) {
        let plan = self.fleet.plan();
        let interval = i64::from(check.interval);
        let phase = self.chance(node, check, 0) % u64::from(check.interval);
        let latest = at - (at - i64::try_from(phase).unwrap_or_default()).rem_euclid(interval);
        let stale = scenario::runner_is_stale(plan, node);
        let ran = if stale { latest.min(-7200) } else { latest };
        (ran, scenario::state(plan, node, check, ran))
    }

    fn chance(&self, node: &Node, check: &Check, run: i64) -> u64 {
        let plan = self.fleet.plan();
        scatter(plan.seed, &[plan.cluster.into(), node.index.into(), check.number.into(), run.unsigned_abs()])
    }

    /// Returns the page of metrics; the same bytes for all nodes in the same state.
    fn page(&self, node: &Node, at: i64) -> Bytes {
        let checks = self.checks(node);
        let states = checks.iter().map(|check| self.last_run(node, check, at).1.status.value()).collect();
        let stale = scenario::runner_is_stale(self.fleet.plan(), node);
        let key = (node.role, stale, states);
        let mut pages = self.pages.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(page) = pages.get(&key) {
            return page.clone();
        }
        if pages.len() >= MAX_PAGES {
            pages.clear();
        }
        let page = Bytes::from(write_page(checks, &key.2, stale));
        pages.insert(key, page.clone());
        page
    }

    fn list(&self, node: &Node, at: i64) -> Value {
        let checks: Vec<_> = self.checks(node).iter().map(|check| self.summary(node, check, at)).collect();
        json!({"v": 1, "node": node.name, "checks": checks})
    }

    fn summary(&self, node: &Node, check: &Check, at: i64) -> Value {
        let (ran, state) = self.last_run(node, check, at);
        json!({
            "check": check.name,
            "status": state.status.value(),
            "executed": self.time(ran),
            "interval": check.interval,
            "duration": duration(self.chance(node, check, ran)),
            "stale": scenario::runner_is_stale(self.fleet.plan(), node),
        })
    }

    fn detail(&self, node: &Node, check: &Check, at: i64) -> Value {
        let (ran, state) = self.last_run(node, check, at);
        let mut text = self.output(node, check, ran, state);
        let bytes = text.len();
        text.truncate(text.floor_char_boundary(MAX_OUTPUT));
        let mut value = self.summary(node, check, at);
        let more = json!({
            "v": 1,
            "client": node.name,
            "address": node.address.to_string(),
            "output": text,
            "output_bytes": bytes,
            "output_truncated": bytes > MAX_OUTPUT,
            "command": output::command(check),
            "issued": self.time(ran),
            "handlers": ["mail", "slack"],
            "occurrences": (ran - state.since) / i64::from(check.interval) + 1,
            "history": self.statuses(node, check, ran),
            "last_ok": self.time(self.last_ok(node, check, ran)),
            "status_since": self.time(state.since),
            "team": node.role.team(),
            "runbook": format!("https://runbooks.example.net/{}", check.name),
        });
        if let (Value::Object(all), Value::Object(more)) = (&mut value, more) {
            all.extend(more);
        }
        value
    }

    /// Returns the statuses of the newest runs up to `ran`, the oldest first.
    fn statuses(&self, node: &Node, check: &Check, ran: i64) -> Vec<u8> {
        let runs = (0..STATUSES).rev().map(|ago| ran - ago * i64::from(check.interval));
        runs.map(|ran| scenario::state(self.fleet.plan(), node, check, ran).status.value()).collect()
    }

    /// Returns when the newest run up to `ran` was that was well.
    fn last_ok(&self, node: &Node, check: &Check, ran: i64) -> i64 {
        let interval = i64::from(check.interval);
        let (mut ran, mut state) = (ran, scenario::state(self.fleet.plan(), node, check, ran));
        while state.status != Status::Ok {
            // The run before the first one of this status: it may have been bad in another way.
            ran -= ((ran - state.since) / interval + 1) * interval;
            state = scenario::state(self.fleet.plan(), node, check, ran);
        }
        ran
    }

    fn output(&self, node: &Node, check: &Check, ran: i64, state: State) -> String {
        let chance = self.chance(node, check, ran);
        output::text(&Run { plan: self.fleet.plan(), node, check, state, at: ran, chance })
    }

    /// Returns the last runs, the newest first. As the exporter does it, an output is kept at each change of status,
    /// otherwise now and then.
    fn history(&self, node: &Node, check: &Check, at: i64, limit: usize) -> Value {
        let interval = i64::from(check.interval);
        let (newest, _) = self.last_run(node, check, at);
        let state = |ran| scenario::state(self.fleet.plan(), node, check, ran);
        let runs = std::iter::successors(Some(newest), |ran| Some(ran - interval)).take(limit);
        let runs = runs.map(|ran| {
            let (now, before) = (state(ran), state(ran - interval));
            let text = self.output(node, check, ran, now);
            let mut run = json!({
                "executed": self.time(ran),
                "status": now.status.value(),
                "duration": duration(self.chance(node, check, ran)),
                "output_sha256": sha256(&text),
            });
            let turn = ran.div_euclid(OUTPUT_EVERY) != (ran - interval).div_euclid(OUTPUT_EVERY);
            if turn || now.status != before.status {
                run["output"] = text[..text.floor_char_boundary(MAX_OUTPUT)].into();
            }
            run
        });
        json!({"v": 1, "check": check.name, "runs": runs.collect::<Vec<_>>()})
    }

    /// Writes a time given in seconds from the scenario's start.
    fn time(&self, at: i64) -> String {
        let time: Timestamp = self.fleet.plan().epoch + TimeDelta::seconds(at);
        time.to_rfc3339_opts(SecondsFormat::Millis, true)
    }
}

fn sha256(text: &str) -> String {
    Sha256::digest(text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Returns a believable run time: 10 ms to 2 s.
fn duration(chance: u64) -> f64 {
    let millis = 10 + u32::try_from(chance >> 32).unwrap_or_default() % 1990;
    f64::from(millis) / 1000.0
}

fn write_page(checks: &[Check], states: &[u8], stale: bool) -> String {
    let mut page = String::from(
        "# HELP iaasmon_check_status Status of a check: 0 OK, 1 WARN, 2 CRIT, 3 UNKNOWN.\n# TYPE iaasmon_check_status gauge\n",
    );
    for (check, state) in checks.iter().zip(states) {
        writeln!(page, "iaasmon_check_status{{check=\"{}\"}} {state}", check.name)
            .expect("a string takes everything");
    }
    write!(
        page,
        "# HELP iaasmon_runner_stale Whether no check has a result within its bound.\n\
         # TYPE iaasmon_runner_stale gauge\niaasmon_runner_stale {}\n\
         # HELP iaasmon_build_info The program that answers.\n\
         # TYPE iaasmon_build_info gauge\niaasmon_build_info{{version=\"{}\"}} 1\n",
        u8::from(stale),
        env!("CARGO_PKG_VERSION")
    )
    .expect("a string takes everything");
    page
}

#[cfg(test)]
mod tests;
