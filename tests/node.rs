//! `iaasmon serve node` in its cluster: scraped by a real Prometheus, its alerts at a real Alertmanager, and asked by the
//! commands that people use.

#[path = "node/cluster.rs"]
mod cluster;
#[path = "node/events.rs"]
mod events;
#[path = "node/past.rs"]
mod past;
#[path = "faults/server.rs"]
#[allow(dead_code, reason = "the servers that misbehave belong to other tests")]
mod server;
mod support;
