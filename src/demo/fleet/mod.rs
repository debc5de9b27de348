//! The fleet: nodes with names, racks and roles, made from a plan and nothing else. All but a few are simulated.
//!
//! The process that writes Prometheus' list of targets and the process that answers for the nodes
//! make the same fleet from the same plan.

mod checks;
mod output;
mod scenario;
mod simulate;

pub use checks::Check;
pub use scenario::{Reach, Scenario, State};
pub use simulate::simulate;

use super::block::node_address;
use crate::model::time::Timestamp;
use serde::{Deserialize, Serialize};
use std::net::Ipv4Addr;

/// The clusters that have names of their own; further ones are numbered sites.
const PLACES: [(&str, &str); 4] = [("prod", "east"), ("prod", "west"), ("dev", "east"), ("dev", "west")];
/// Regions beyond the named ones.
const SITES: [&str; 21] = [
    "site05", "site06", "site07", "site08", "site09", "site10", "site11", "site12", "site13", "site14",
    "site15", "site16", "site17", "site18", "site19", "site20", "site21", "site22", "site23", "site24",
    "site25",
];

/// Everything that decides what a cluster's nodes are and what happens to them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// The cluster's number, from 0.
    pub cluster: u8,
    /// How many clusters there are.
    pub clusters: u8,
    /// How many nodes this cluster has.
    pub nodes: u32,
    /// How many of them run real checks, as far as the scenario spares that many.
    pub real: u32,
    /// How many nodes the clusters before it have.
    pub first: u32,
    /// The second byte of every address.
    pub block: u8,
    /// The port of every node.
    pub port: u16,
    /// Checks per node.
    pub checks: u16,
    /// What happens.
    pub scenario: Scenario,
    /// Chooses who misbehaves.
    pub seed: u64,
    /// When the scenario starts or started.
    pub epoch: Timestamp,
}

impl Plan {
    /// Returns the environment and the region of this cluster.
    pub fn env_and_region(&self) -> (&'static str, &'static str) {
        let number = usize::from(self.cluster);
        let further = || ("prod", SITES[(number - PLACES.len()) % SITES.len()]);
        PLACES.get(number).copied().unwrap_or_else(further)
    }

    /// Returns the cluster's name, such as `prod-east`.
    pub fn cluster_name(&self) -> String {
        let (env, region) = self.env_and_region();
        format!("{env}-{region}")
    }

    /// Returns the arguments from which the process of the nodes reads the plan.
    pub(super) fn to_args(&self) -> [String; 1] {
        [serde_json::to_string(self).expect("a plan is plain numbers and words")]
    }

    /// Returns nodes per rack: few in a small fleet, so that every fleet has several racks.
    fn rack_size(&self) -> u32 {
        (self.nodes / 10).clamp(4, 40)
    }

    /// Returns how many racks there are.
    fn racks(&self) -> u32 {
        self.nodes.div_ceil(self.rack_size())
    }

    /// Returns the rack that the scenario picks on: a hypervisor rack in the middle.
    fn broken_rack(&self) -> u32 {
        let middle = self.racks() / 2;
        (middle..self.racks()).find(|rack| Role::of_rack(*rack) == Role::Hypervisor).unwrap_or(0)
    }

    /// Makes node number `index` of this cluster.
    fn node(&self, index: u32) -> Node {
        let rack = index / self.rack_size();
        let role = Role::of_rack(rack);
        // Rack numbers do not repeat across clusters, hence neither do names.
        let per_cluster = if self.racks() < 100 { 100 } else { 1000 };
        let base = (u32::from(self.cluster) + 1) * per_cluster;
        let (_, region) = self.env_and_region();
        Node {
            index,
            name: format!("{}-{:04}.r{}.{region}", role.prefix(), index + 1, base + rack + 1),
            address: node_address(self.block, self.first + index),
            rack: format!("r{}", base + rack + 1),
            rack_index: rack,
            slot: index % self.rack_size(),
            pdu: format!("pdu-{}", base + rack / 2 + 1),
            az: format!("az{}", rack % 3 + 1),
            role,
            real: false,
        }
    }
}

/// What a node is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// Runs virtual machines.
    Hypervisor,
    /// Holds disks.
    Storage,
    /// Runs containers.
    Kubernetes,
    /// Runs the control plane.
    Control,
}

impl Role {
    fn of_rack(rack: u32) -> Self {
        match rack % 5 {
            0 | 1 => Self::Hypervisor,
            2 => Self::Storage,
            3 => Self::Kubernetes,
            _ => Self::Control,
        }
    }

    /// Returns the value of the label `role`.
    pub fn word(self) -> &'static str {
        match self {
            Self::Hypervisor => "hypervisor",
            Self::Storage => "storage",
            Self::Kubernetes => "kubernetes",
            Self::Control => "control",
        }
    }

    /// Returns the value of the label `team`.
    pub fn team(self) -> &'static str {
        match self {
            Self::Hypervisor => "compute",
            Self::Storage => "storage",
            Self::Kubernetes => "platform",
            Self::Control => "cloud",
        }
    }

    fn prefix(self) -> &'static str {
        match self {
            Self::Hypervisor => "hv",
            Self::Storage => "st",
            Self::Kubernetes => "k8",
            Self::Control => "ct",
        }
    }
}

/// A node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// Its number in the cluster, from 0.
    pub index: u32,
    /// Its name, the label `instance`.
    pub name: String,
    /// Its own loopback address.
    pub address: Ipv4Addr,
    /// The label `rack`.
    pub rack: String,
    /// The rack's number, from 0.
    rack_index: u32,
    /// Its place in the rack, from 0.
    slot: u32,
    /// The label `pdu`: two racks share one.
    pub pdu: String,
    /// The label `az`.
    pub az: String,
    /// The label `role`, which decides the checks.
    pub role: Role,
    /// Whether a process of its own runs real checks for it; nothing of it is simulated then.
    pub real: bool,
}

/// The nodes of one cluster.
#[derive(Debug, Clone)]
pub struct Fleet {
    plan: Plan,
    nodes: Vec<Node>,
}

impl Fleet {
    /// Makes the nodes that `plan` describes.
    pub fn new(plan: Plan) -> Self {
        let mut nodes: Vec<Node> = (0..plan.nodes).map(|index| plan.node(index)).collect();
        let spared = nodes.iter_mut().filter(|node| scenario::spares(&plan, node));
        spared.take(plan.real as usize).for_each(|node| node.real = true);
        Self { plan, nodes }
    }

    /// Returns what the fleet was made from.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// Returns the nodes in order of their number.
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// Returns the nodes that run real checks.
    pub fn real_nodes(&self) -> impl Iterator<Item = &Node> {
        self.nodes.iter().filter(|node| node.real)
    }

    /// Returns the port of every node.
    pub fn port(&self) -> u16 {
        self.plan.port
    }

    /// Returns the checks of a node with this role.
    pub fn checks(&self, role: Role) -> Vec<Check> {
        checks::of(role, self.plan.checks)
    }

    /// Returns the node that listens on `address`.
    pub fn node_at(&self, address: Ipv4Addr) -> Option<&Node> {
        // Addresses grow with the index, so this is a search, not a scan.
        self.nodes.binary_search_by_key(&address, |node| node.address).ok().map(|at| &self.nodes[at])
    }
}

/// Returns a number that looks random and depends on its inputs alone (splitmix64).
fn scatter(seed: u64, values: &[u64]) -> u64 {
    values.iter().fold(seed, |state, value| {
        let mut z = (state ^ value.wrapping_mul(0x9e37_79b9_7f4a_7c15)).wrapping_add(0x9e37_79b9_7f4a_7c15);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    })
}

#[cfg(test)]
pub(super) mod tests;
