//! Silences on real Alertmanagers: the everyday commands, and the promise that whatever happens on the way, an
//! operation makes one silence per cluster and says what became of it.

#![allow(clippy::unwrap_used, reason = "in a test a panic is a failure")]

#[path = "silence/child.rs"]
mod child;
#[path = "silence/crash.rs"]
mod crash;
#[path = "silence/desk.rs"]
mod desk;
#[path = "silence/everyday.rs"]
mod everyday;
#[path = "silence/faults.rs"]
mod faults;
#[path = "silence/law.rs"]
mod law;
#[path = "silence/others.rs"]
mod others;
#[path = "silence/proxy.rs"]
mod proxy;
mod support;
