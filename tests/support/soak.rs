//! How long the long profiles are, and the rows that they leave for docs/soak.md.

use std::path::Path;
use std::time::Duration;

/// How many times an ordinary test run is wanted: `scripts/soak` sets it.
pub fn factor() -> u64 {
    std::env::var_os("IAASMON_SOAK_ROUNDS")
        .map_or(1, |factor| factor.to_string_lossy().parse().expect("IAASMON_SOAK_ROUNDS is a whole number"))
}

/// Leaves a row for the table of docs/soak.md where `scripts/soak` asks for one.
pub fn report(what: &str, rounds: u64, looked_at: usize, took: Duration) {
    let Some(dir) = std::env::var_os("IAASMON_SOAK_REPORT") else { return };
    let file = Path::new(&dir).join(what.replace(' ', "-") + ".row");
    let row = format!("| {what} | {rounds} | {looked_at} | {:.1} s |\n", took.as_secs_f64());
    std::fs::write(&file, row).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
}
