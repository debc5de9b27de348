//! `iaasmon serve exporter` and `iaasmon serve node` as processes: scraped by a real Prometheus, killed, and fed with
//! everything that happens to a log.

#[path = "exporter/crash.rs"]
mod crash;
#[path = "exporter/disk.rs"]
mod disk;
#[path = "exporter/lines.rs"]
mod lines;
#[path = "exporter/log.rs"]
mod log;
#[path = "exporter/scrape.rs"]
mod scrape;
#[path = "exporter/state.rs"]
mod state;
mod support;
