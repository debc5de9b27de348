//! `iaasmon serve pushgateway` as a process: held to the original's behaviour, beside Debian's, under its official client, and
//! through damage, crashes and clients that mean no good.

#![allow(clippy::unwrap_used, reason = "in a test a panic is a failure")]

#[path = "pushgateway/attack.rs"]
mod attack;
#[path = "pushgateway/clients.rs"]
mod clients;
#[path = "pushgateway/crash.rs"]
mod crash;
#[path = "pushgateway/crowd.rs"]
mod crowd;
#[path = "pushgateway/damage.rs"]
mod damage;
#[path = "pushgateway/details.rs"]
mod details;
#[path = "pushgateway/documented.rs"]
mod documented;
#[path = "pushgateway/full.rs"]
mod full;
#[path = "pushgateway/world.rs"]
mod gate_world;
#[path = "pushgateway/kills.rs"]
mod kills;
#[path = "pushgateway/life.rs"]
mod life;
#[path = "pushgateway/moving.rs"]
mod moving;
#[path = "pushgateway/native.rs"]
mod native;
#[path = "pushgateway/peer.rs"]
mod peer;
#[path = "pushgateway/refusals.rs"]
mod refusals;
mod support;
#[path = "pushgateway/surface.rs"]
mod surface;
