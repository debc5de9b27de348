//! Definitions in a folder of their own, and a pusher that runs them.

use super::gateway::Gateway;
use super::support::service::{Place, Running};
use std::process::Command;

pub struct World {
    pub place: Place,
}

impl World {
    /// One without checks.
    pub fn new() -> Self {
        let place = Place::new();
        std::fs::create_dir(place.path("jobs.d")).expect("created");
        let world = Self { place };
        world.define(
            "client",
            r#"{"client": {"name": "ops-1", "address": "127.0.0.1", "subscriptions": [], "site": "fra"}}"#,
        );
        world
    }

    /// Writes one file of definitions.
    pub fn define(&self, name: &str, json: &str) {
        self.place.write(&format!("jobs.d/{name}.json"), json);
    }

    /// Defines a check that runs each second.
    pub fn check(&self, name: &str, command: &str) {
        let check = serde_json::json!({"command": command, "interval": 1, "standalone": true});
        self.define(name, &serde_json::json!({"checks": {name: check}}).to_string());
    }

    /// Removes one.
    pub fn forget(&self, name: &str) {
        std::fs::remove_file(self.place.path(&format!("jobs.d/{name}.json"))).expect("removed");
    }

    /// The command line of a pusher for these gateways.
    pub fn command(&self, gateways: &[&Gateway], more: &[&str]) -> Command {
        let urls: Vec<String> = gateways.iter().map(|gateway| gateway.url()).collect();
        let mut args = vec!["pusher", "-d", "jobs.d", "-l", "log", "--timeout", "1s"];
        urls.iter().for_each(|url| args.extend(["--gateway", url.as_str()]));
        args.extend(more);
        let mut command = self.place.command(&args);
        command.env("TMPDIR", self.place.path(""));
        command
    }

    /// Starts a pusher for these gateways.
    pub fn serve(&self, gateways: &[&Gateway], more: &[&str]) -> Running {
        self.place.await_answer(self.place.spawn(&mut self.command(gateways, more)))
    }

    /// Returns one of the pusher's metrics about a gateway.
    pub fn metric(&self, name: &str, gateway: &Gateway, more: &str) -> f64 {
        let series = format!("{name}{{gateway=\"{}\"{more}}}", gateway.name());
        self.place.metric(&series).unwrap_or_else(|| panic!("no {series}"))
    }

    /// Returns how many results had this outcome at a gateway.
    pub fn outcome(&self, gateway: &Gateway, outcome: &str) -> f64 {
        self.metric("iaasmon_pusher_pushes_total", gateway, &format!(",outcome=\"{outcome}\""))
    }

    /// Waits until so many results that wait for a gateway are on disk.
    pub fn await_kept(&self, gateway: &Gateway, results: f64) {
        let series = format!("iaasmon_pusher_spool_kept{{gateway=\"{}\"}}", gateway.name());
        self.place.await_metric(&series, results);
    }
}
