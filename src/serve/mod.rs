//! Services for machines: the shared skeleton, and one folder per service.

pub mod runner;
pub mod skeleton;
