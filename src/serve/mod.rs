//! Services for machines: the shared skeleton, and one folder per service.

pub mod exporter;
pub mod node;
pub mod proxy;
pub mod pusher;
pub mod pushgateway;
pub mod runner;
pub mod skeleton;
