//! What stands around iaasmon, written from its configuration: pure functions from what is wanted to text.

pub mod rules;

/// The header of every file that is written here: how it was made, so that it can be made again.
pub fn header(command: &str) -> String {
    format!(
        "# Written by `{command}` (iaasmon {}); changes are lost when it is written again.\n",
        env!("CARGO_PKG_VERSION")
    )
}
