//! What happens to the fleet, as a pure function of the plan, the node, the check and the time.

use super::{Check, Node, Plan, Role, scatter};
use crate::model::status::Status;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// What happens while the demo runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scenario {
    /// A few warnings, nothing new.
    Quiet,
    /// The disks of one rack fill up.
    Rack,
    /// A rack loses power: its nodes stop answering.
    Power,
    /// An alert storm over all clusters.
    Storm,
    /// One node answers slower and slower.
    Slow,
    /// One Prometheus dies.
    Replica,
    /// Rack, power, slow and replica together.
    Mixed,
}

impl Scenario {
    /// Every scenario, in the order of the help text.
    pub const ALL: [Self; 7] =
        [Self::Rack, Self::Power, Self::Storm, Self::Slow, Self::Replica, Self::Mixed, Self::Quiet];

    /// Returns its name on the command line.
    pub fn word(self) -> &'static str {
        match self {
            Self::Quiet => "quiet",
            Self::Rack => "rack",
            Self::Power => "power",
            Self::Storm => "storm",
            Self::Slow => "slow",
            Self::Replica => "replica",
            Self::Mixed => "mixed",
        }
    }

    /// Returns what happens in it, for people.
    pub fn story(self) -> &'static str {
        match self {
            Self::Quiet => "a few old warnings; nothing new happens",
            Self::Rack => "the disks of one rack fill up: WARN after 10 s, CRIT after a minute",
            Self::Power => "a rack loses power after 30 s; its nodes stop answering",
            Self::Storm => "two nodes in five turn critical in every cluster between 20 s and 80 s",
            Self::Slow => "one node takes 1.5 s to answer after 20 s, and too long after two minutes",
            Self::Replica => "the last cluster's second Prometheus dies after a minute",
            Self::Mixed => "rack, power, slow and replica, one after the other",
        }
    }

    /// Reports whether the scenario's Prometheus is dead after `elapsed`.
    pub fn replica_is_dead(self, elapsed: Duration) -> bool {
        match self {
            Self::Replica => elapsed >= Duration::from_secs(60),
            Self::Mixed => elapsed >= Duration::from_secs(180),
            _ => false,
        }
    }

    fn has(self, part: Self) -> bool {
        self == part || (self == Self::Mixed && matches!(part, Self::Rack | Self::Power | Self::Slow))
    }
}

/// Reports whether no scenario picks on the place of `node`, so that a real one can stand there: nothing here reaches that.
///
/// This does not depend on the scenario that is played, so the real nodes have the same names in each. A storm, which hits
/// any place, passes them by.
pub(super) fn spares(plan: &Plan, node: &Node) -> bool {
    let racks = [plan.broken_rack(), neighbour_of_broken(plan)];
    // Those that always have something, and the last one: its runner hangs, and its answer says that all listen.
    let named = matches!(node.index, 0 | 2) || node.index + 1 == plan.nodes;
    !named && !racks.contains(&node.rack_index) && !is_slow_place(plan, node)
}

/// How a node answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// At once.
    Answers,
    /// After a while.
    Slow(Duration),
    /// Never.
    Silent,
}

/// A check's status and since when it has it, in seconds from the scenario's start (often before it).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct State {
    /// The status.
    pub status: Status,
    /// When it became so.
    pub since: i64,
}

impl State {
    const fn new(status: Status, since: i64) -> Self {
        Self { status, since }
    }
}

/// Returns how `node` answers `at` seconds after the start.
pub(super) fn reach(plan: &Plan, node: &Node, at: i64) -> Reach {
    let Some(lost) = power_rack(plan) else { return slowness(plan, node, at) };
    if node.rack_index == lost && at >= 30 + i64::from(node.slot % 5) {
        return Reach::Silent;
    }
    slowness(plan, node, at)
}

/// Reports whether no check of `node` has run for hours: its runner hangs.
pub(super) fn runner_is_stale(plan: &Plan, node: &Node) -> bool {
    plan.scenario != Scenario::Quiet && plan.nodes >= 10 && node.index + 1 == plan.nodes
}

/// Returns the state of `check` on `node` `at` seconds after the start.
pub(super) fn state(plan: &Plan, node: &Node, check: &Check, at: i64) -> State {
    let usual = background(plan, node, check, at);
    let event = filling_disk(plan, node, check, at)
        .or_else(|| failing_power(plan, node, check, at))
        .or_else(|| storm(plan, node, check, at))
        .or_else(|| busy(plan, node, check, at));
    match event {
        Some(event) if event.status.badness() > usual.status.badness() => event,
        _ => usual,
    }
}

/// What is always wrong somewhere: certificates, worn disks, and checks that come and go.
fn background(plan: &Plan, node: &Node, check: &Check, at: i64) -> State {
    const DAY: i64 = 86_400;
    // Who asks for the runs before it is told that all was well.
    let old = |status, since| match at >= since {
        true => State::new(status, since),
        false => State::new(Status::Ok, since - 40 * DAY),
    };
    match (node.index, check.name.as_ref()) {
        (0, "check_cert_expiry") => return old(Status::Warn, -3 * DAY),
        (2, "check_ipmi_sensors") if plan.scenario != Scenario::Quiet => {
            return old(Status::Unknown, -2 * 3600);
        }
        _ => {}
    }
    let chance = scatter(plan.seed, &[plan.cluster.into(), node.index.into(), check.number.into()]);
    let age = i64::try_from(chance >> 44).unwrap_or_default() % (6 * DAY) + 600;
    let loud = plan.scenario != Scenario::Quiet;
    match chance % 20_000 {
        0..=19 => old(Status::Warn, -age),
        20..=21 if loud => old(Status::Crit, -age),
        22..=23 if loud => old(Status::Unknown, -age),
        24..=29 if loud => flapping(at, age),
        _ => State::new(Status::Ok, -40 * DAY - age),
    }
}

/// Bad for 80 s of every 240 s.
fn flapping(at: i64, shift: i64) -> State {
    let phase = (at + shift).rem_euclid(240);
    if phase < 80 { State::new(Status::Warn, at - phase) } else { State::new(Status::Ok, at - phase + 80) }
}

/// The times at which the disk of place `slot` in the rack reaches its two bounds.
pub(super) fn disk_times(slot: u32) -> (i64, i64) {
    let slot = i64::from(slot);
    (10 + 3 * slot, 60 + 5 * slot)
}

/// Reports whether the disk of `node` fills up in this plan.
pub(super) fn disk_fills(plan: &Plan, node: &Node) -> bool {
    plan.scenario.has(Scenario::Rack) && plan.cluster == 0 && node.rack_index == plan.broken_rack()
}

fn filling_disk(plan: &Plan, node: &Node, check: &Check, at: i64) -> Option<State> {
    if !disk_fills(plan, node) {
        return None;
    }
    let (warn, crit) = disk_times(node.slot);
    match check.name.as_ref() {
        "check_disk_var" if at >= crit => Some(State::new(Status::Crit, crit)),
        "check_disk_var" if at >= warn => Some(State::new(Status::Warn, warn)),
        // A full /var takes the journal and then the virtual machines' log files with it.
        "check_journald" if at >= crit + 60 => Some(State::new(Status::Crit, crit + 60)),
        "check_libvirtd" if at >= crit + 120 => Some(State::new(Status::Unknown, crit + 120)),
        _ => None,
    }
}

/// The rack that loses power. In the mixed scenario it is in the last cluster and not the one with the full disks.
fn power_rack(plan: &Plan) -> Option<u32> {
    match plan.scenario {
        Scenario::Power if plan.cluster == 0 => Some(plan.broken_rack()),
        Scenario::Mixed if plan.cluster + 1 == plan.clusters => Some(neighbour_of_broken(plan)),
        _ => None,
    }
}

fn neighbour_of_broken(plan: &Plan) -> u32 {
    (plan.broken_rack() + 1) % plan.racks()
}

fn failing_power(plan: &Plan, node: &Node, check: &Check, at: i64) -> Option<State> {
    let lost = power_rack(plan)?;
    if check.name != "check_ipmi_sensors" || node.rack_index / 2 != lost / 2 || at < 15 {
        return None;
    }
    // The neighbour on the same PDU lives on its second feed.
    let status = if node.rack_index == lost { Status::Crit } else { Status::Warn };
    Some(State::new(status, 15))
}

fn storm(plan: &Plan, node: &Node, check: &Check, at: i64) -> Option<State> {
    if !plan.scenario.has(Scenario::Storm) {
        return None;
    }
    let of_role = match node.role {
        Role::Hypervisor => "check_nova_compute",
        Role::Storage => "check_ceph_osd",
        Role::Kubernetes => "check_kubelet",
        Role::Control => "check_rabbitmq",
    };
    let status = match check.name.as_ref() {
        "check_dns" | "check_gateway_ping" => Status::Crit,
        "check_ntp" | "check_load" => Status::Warn,
        name if name == of_role => Status::Crit,
        _ => return None,
    };
    let chance = scatter(plan.seed, &[plan.cluster.into(), node.index.into(), u64::MAX]);
    let start = 20 + i64::try_from(chance / 100 % 60).unwrap_or_default();
    (chance % 100 < 40 && at >= start).then_some(State::new(status, start))
}

fn is_slow_node(plan: &Plan, node: &Node) -> bool {
    plan.scenario.has(Scenario::Slow) && plan.cluster == 0 && is_slow_place(plan, node)
}

fn is_slow_place(plan: &Plan, node: &Node) -> bool {
    let slow_rack = if plan.broken_rack() == 0 { plan.racks() - 1 } else { 0 };
    node.rack_index == slow_rack && node.slot == 1
}

fn slowness(plan: &Plan, node: &Node, at: i64) -> Reach {
    match at {
        _ if !is_slow_node(plan, node) => Reach::Answers,
        // Longer than any scrape may take: it counts as down, though it would answer a patient reader.
        120.. => Reach::Slow(Duration::from_secs(30)),
        20.. => Reach::Slow(Duration::from_millis(1500)),
        _ => Reach::Answers,
    }
}

fn busy(plan: &Plan, node: &Node, check: &Check, at: i64) -> Option<State> {
    let slow = is_slow_node(plan, node) && check.name == "check_load" && at >= 20;
    slow.then_some(State::new(Status::Crit, 20))
}
