//! A check's output on the screen: its lines, and where they come from.

use crate::fleet::detail::DetailSource;
use crate::model::alert::Alert;
use crate::model::text;
use crate::model::time::Timestamp;
use crate::tui::state::trust::ago;

/// No more than this of an output is kept for the screen.
const MOST_BYTES: usize = 1024 * 1024;

/// An output.
#[derive(Debug, Clone, Default)]
pub struct Output {
    /// Whether the answer has come.
    pub here: bool,
    /// Where it comes from and how old it is, safe; or why there is none.
    pub source: String,
    /// When the check ran, where the node says so.
    pub ran: Option<Timestamp>,
    /// Whether it is from somewhere else than the node itself.
    pub second_hand: bool,
    /// Facts of the run, safe.
    pub facts: String,
    /// The first line on the screen.
    pub top: usize,
    /// Whether long lines are broken.
    pub wrap: bool,
    text: String,
    starts: Vec<usize>,
}

impl Output {
    /// Builds an output that is still under way.
    pub fn waiting() -> Self {
        Self { wrap: true, source: "output: asking the node".into(), ..Self::default() }
    }

    /// Takes what came; keeps place and wrapping.
    pub fn take(&mut self, source: &DetailSource, now: Timestamp) {
        self.here = true;
        self.facts.clear();
        self.second_hand = true;
        self.ran = None;
        match source {
            DetailSource::Node(detail) => {
                self.second_hand = false;
                self.ran = detail.executed;
                let stale = if detail.stale { ", STALE result" } else { "" };
                self.source = format!("output from the node{stale}");
                self.facts = facts(detail);
                self.set(&detail.output);
                if detail.output_truncated {
                    self.add_note("(the node cut the rest)");
                }
            }
            DetailSource::Alert { why, alert } => {
                let old = alert.updated_at.map_or_else(String::new, |at| format!(", {} old", ago(at, now)));
                self.source = text::line(&format!("output from the alert{old}; node: {why}")).into_owned();
                self.set(&annotations(alert));
            }
            DetailSource::Nothing { why } => {
                self.source = text::line(&format!("no output: {why}")).into_owned();
                self.set("");
            }
        }
    }

    /// Returns how many lines there are.
    pub fn len(&self) -> usize {
        self.starts.len()
    }

    /// Reports whether there is no line.
    pub fn is_empty(&self) -> bool {
        self.starts.is_empty()
    }

    /// Returns a line, safe.
    pub fn line(&self, index: usize) -> Option<&str> {
        let start = *self.starts.get(index)?;
        let end = self.starts.get(index + 1).map_or(self.text.len(), |next| next - 1);
        self.text.get(start..end)
    }

    fn set(&mut self, raw: &str) {
        let cut = raw.floor_char_boundary(MOST_BYTES.min(raw.len()));
        let mut text = text::block(&raw[..cut]).into_owned();
        text.truncate(text.trim_end_matches('\n').len());
        let ends = text.bytes().enumerate().filter(|(_, b)| *b == b'\n').map(|(i, _)| i + 1);
        self.starts = if text.is_empty() { Vec::new() } else { std::iter::once(0).chain(ends).collect() };
        self.text = text;
        if cut < raw.len() {
            self.add_note("(cut here: the rest is above 1 MiB)");
        }
        self.top = self.top.min(self.starts.len().saturating_sub(1));
    }

    fn add_note(&mut self, note: &str) {
        self.text.push('\n');
        self.starts.push(self.text.len());
        self.text.push_str(note);
        if self.starts.len() == 1 {
            self.starts.insert(0, 0);
        }
    }
}

fn facts(detail: &crate::model::check::Detail) -> String {
    let mut facts = Vec::new();
    if let Some(status) = detail.status {
        facts.push(format!("{} (exit {})", status.word(), status.value()));
    }
    if let Some(took) = detail.duration {
        facts.push(format!("took {took:.1}s"));
    }
    if let Some(interval) = detail.interval {
        facts.push(format!("every {interval:.0}s"));
    }
    if let Some(command) = &detail.command {
        facts.push(format!("command {command}"));
    }
    text::line(&facts.join("  ")).into_owned()
}

/// The alert's own texts: the output as it was sent with the alert, if it was, and the rest.
fn annotations(alert: &Alert) -> String {
    let output = ["output", "check_output"].iter().map(|n| alert.annotations.get(n)).find(|t| !t.is_empty());
    let others = alert.annotations.iter().filter(|(_, value)| Some(*value) != output);
    let mut text = output.map(|o| format!("{o}\n\n")).unwrap_or_default();
    for (name, value) in others {
        text.push_str(&format!("{name}: {value}\n"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_found_by_number_and_are_safe() {
        let mut output = Output::waiting();
        for (raw, lines) in [
            ("", &[][..]),
            ("one", &["one"]),
            ("one\n", &["one"]),
            ("a\n\nb\r\nc\u{1b}[31md\n\n", &["a", "", "b", "cd"]),
        ] {
            output.set(raw);
            let got: Vec<&str> = (0..output.len()).filter_map(|i| output.line(i)).collect();
            assert_eq!(got, lines, "{raw:?}");
        }
        output.set(&"x\n".repeat(MOST_BYTES));
        assert_eq!(output.line(output.len() - 1), Some("(cut here: the rest is above 1 MiB)"));
    }
}
