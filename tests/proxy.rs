//! `iaasmon serve proxy` between senders of alerts and real Alertmanagers.

#![allow(clippy::unwrap_used, reason = "in a test a panic is a failure")]

#[path = "proxy/delivery.rs"]
mod delivery;
#[path = "proxy/enriching.rs"]
mod enriching;
mod support;
#[path = "proxy/world.rs"]
mod world;
