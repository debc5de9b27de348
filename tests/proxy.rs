//! `iaasmon serve proxy` between senders of alerts and real Alertmanagers.

#![allow(clippy::unwrap_used, reason = "in a test a panic is a failure")]

#[path = "proxy/chain.rs"]
mod chain;
#[path = "node/cluster.rs"]
#[allow(dead_code, reason = "the node alone is wanted; the servers belong to its own tests")]
mod cluster;
#[path = "proxy/delivery.rs"]
mod delivery;
#[path = "proxy/enriching.rs"]
mod enriching;
#[path = "proxy/hostile.rs"]
mod hostile;
#[path = "proxy/members.rs"]
mod members;
#[path = "proxy/nodes.rs"]
mod nodes;
#[path = "proxy/prometheus.rs"]
mod prometheus;
#[path = "proxy/pushed.rs"]
mod pushed;
#[path = "proxy/recovery.rs"]
mod recovery;
#[path = "proxy/reload.rs"]
mod reload;
#[path = "proxy/senders.rs"]
mod senders;
mod support;
#[path = "proxy/world.rs"]
mod world;
