//! JSON and YAML: the interface to scripts. The shape changes only with its version.

use crate::fleet::Coverage;
use serde::Serialize;
use std::io::{self, BufWriter, Write};

/// The version of the shape of every document.
const VERSION: u8 = 1;

/// Bytes that are put together before they go out.
const BUFFER: usize = 64 * 1024;

/// An answer as a document: `{"v": 1, "data": ..., "coverage": [...], "notes": [...]}`.
#[derive(Debug, Serialize)]
pub struct Document<'a, T> {
    v: u8,
    data: T,
    coverage: &'a Coverage,
    notes: &'a [String],
}

impl<'a, T: Serialize> Document<'a, T> {
    /// Puts a document together.
    pub fn new(data: T, coverage: &'a Coverage, notes: &'a [String]) -> Self {
        Self { v: VERSION, data, coverage, notes }
    }
}

/// Writes JSON for people and programs: indented, a final line break.
pub fn write_json<T: Serialize>(document: &Document<'_, T>, out: &mut dyn Write) -> io::Result<()> {
    // Every brace and comma is a write of its own: into a buffer whose type is known each is a copy of a byte.
    let mut out = BufWriter::with_capacity(BUFFER, out);
    serde_json::to_writer_pretty(&mut out, document).map_err(io::Error::from)?;
    writeln!(out)?;
    out.flush()
}

/// Writes one compact line.
pub fn write_line<T: Serialize>(row: &T, out: &mut dyn Write) -> io::Result<()> {
    serde_json::to_writer(&mut *out, row).map_err(io::Error::from)?;
    writeln!(out)
}

/// Writes YAML.
pub fn write_yaml<T: Serialize>(document: &Document<'_, T>, out: &mut dyn Write) -> io::Result<()> {
    let text = serde_saphyr::to_string(document).map_err(io::Error::other)?;
    out.write_all(text.as_bytes())
}
