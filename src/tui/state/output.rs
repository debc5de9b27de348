//! A check's output on the screen: its lines, and where they come from.

use crate::fleet::detail::DetailSource;
use crate::model::alert::Alert;
use crate::model::check::History;
use crate::model::text;
use crate::model::time::{Timestamp, format_took};
use crate::tui::state::past::{Past, View};
use crate::tui::state::trust::ago;

/// No more than this of an output is kept for the screen.
const MOST_BYTES: usize = 1024 * 1024;

/// An output that is empty.
const NOTHING: &str = "(nothing)";
/// A run whose output the node did not keep.
const NOT_KEPT: &str = "(no output kept for this run: kept are changes of status, else one in 5m)";
/// No line differs.
const SAME: &str = "(the output is that of the last ok run)";

/// An output.
#[derive(Debug, Clone, Default)]
pub struct Output {
    /// Whether the answer has come.
    pub here: bool,
    /// Where it comes from and how old it is, safe; or why there is none.
    pub source: String,
    /// When the check ran, where that is said.
    pub ran: Option<Timestamp>,
    /// When the run ended that this one is compared with.
    pub against: Option<Timestamp>,
    /// Facts of the run, safe.
    pub facts: String,
    /// What stands in the place of an output without a line.
    pub empty: &'static str,
    /// The first line on the screen.
    pub top: usize,
    /// Whether long lines are broken.
    pub wrap: bool,
    /// The newest output, as it came.
    newest: Newest,
    /// Earlier runs and what is shown of them.
    pub past: Past,
    text: String,
    starts: Vec<usize>,
}

/// The newest output, as it came.
#[derive(Debug, Clone, Default)]
struct Newest {
    source: String,
    ran: Option<Timestamp>,
    facts: String,
    raw: String,
    /// Whether it is from somewhere else than the node itself.
    second_hand: bool,
    truncated: bool,
}

impl Output {
    /// Builds an output that is still under way.
    pub fn waiting() -> Self {
        Self { wrap: true, source: "output: asking for it".into(), empty: NOTHING, ..Self::default() }
    }

    /// Takes what came; keeps place and wrapping. Once there was an output, a newer one is shown as it is.
    pub fn take(&mut self, source: &DetailSource, now: Timestamp) {
        if self.here {
            self.past = Past::default();
        }
        self.here = true;
        self.newest = match source {
            DetailSource::Node(detail) | DetailSource::Pushgateway(detail) => {
                let is_pushed = matches!(source, DetailSource::Pushgateway(_));
                let keeper = if is_pushed { "pushgateway" } else { "node" };
                let stale = if detail.stale { ", STALE result" } else { "" };
                Newest {
                    source: format!("output from the {keeper}{stale}"),
                    ran: detail.executed,
                    facts: facts(detail),
                    raw: detail.output.clone(),
                    second_hand: false,
                    truncated: detail.output_truncated,
                }
            }
            DetailSource::Alert { why, alert } => {
                // What was sent again a moment ago may tell of a run that was long before.
                let ran = alert
                    .executed()
                    .map(|at| format!(", ran {} ({} ago)", at.format("%H:%M:%SZ"), ago(at, now)));
                let old = || alert.updated_at.map(|at| format!(", {} old", ago(at, now)));
                let when = ran.or_else(old).unwrap_or_default();
                Newest {
                    source: text::line(&format!("output from the alert{when}; {why}")).into_owned(),
                    raw: annotations(alert),
                    second_hand: true,
                    ..Newest::default()
                }
            }
            DetailSource::Nothing { why } => Newest {
                source: text::line(&format!("no output: {why}")).into_owned(),
                second_hand: true,
                ..Newest::default()
            },
        };
        self.show();
    }

    /// Shows the newest output, an earlier one, or a difference, as it is wished.
    pub(super) fn show(&mut self) {
        self.empty = NOTHING;
        self.against = None;
        match self.past.view(self.newest.ran, self.own()) {
            View::Newest => {
                let newest = std::mem::take(&mut self.newest);
                self.tell(&newest.source, newest.ran, &newest.facts);
                self.set(&newest.raw);
                if newest.truncated {
                    self.add_note("(the rest was cut)");
                }
                self.newest = newest;
            }
            View::Asking => self.source = "asking for earlier runs".into(),
            View::Run { source, ran, facts, output } => {
                self.tell(&source, ran, &facts);
                match output {
                    Some(output) => self.set(&output),
                    None => {
                        self.empty = NOT_KEPT;
                        self.set("");
                    }
                }
            }
            View::Diff { source, ran, against, facts, diff } => {
                let newest = std::mem::take(&mut self.newest);
                self.tell(&source, ran, facts.as_deref().unwrap_or(&newest.facts));
                self.newest = newest;
                self.against = against;
                if diff.is_empty() {
                    self.empty = SAME;
                }
                self.set(&diff);
            }
        }
    }

    /// The newest output where it is the check's own.
    fn own(&self) -> Option<&str> {
        (self.here && !self.newest.second_hand).then_some(&*self.newest.raw)
    }

    fn tell(&mut self, source: &str, ran: Option<Timestamp>, facts: &str) {
        self.source = source.to_owned();
        self.ran = ran;
        self.facts = facts.to_owned();
    }

    /// Goes to an older (`true`) or newer run; returns why not, or whether its history must be asked for.
    pub fn step_run(&mut self, older: bool) -> Result<bool, &'static str> {
        let ask = self.past.step(older, self.newest.ran)?;
        self.show();
        Ok(ask)
    }

    /// Shows or hides the difference to the last run that was well; returns why not, or whether the history must be
    /// asked for.
    pub fn toggle_diff(&mut self) -> Result<bool, &'static str> {
        let ask = self.past.toggle(self.newest.ran)?;
        self.top = 0;
        self.show();
        Ok(ask)
    }

    /// Takes the earlier runs; returns why what was wished for cannot be shown, safe.
    pub fn take_history(&mut self, history: Result<&History, &str>) -> Option<String> {
        let complaint = self.past.take(history, self.newest.ran);
        self.show();
        complaint
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
        let code = detail.exit_status().unwrap_or(status.value().into());
        facts.push(format!("{} (exit {code})", status.word()));
    }
    if let Some(took) = detail.duration {
        facts.push(format!("took {}", format_took(took)));
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
