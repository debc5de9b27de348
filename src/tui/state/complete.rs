//! Tab in a filter, as a shell has it: what all names or values share is put in and they are listed, the most
//! frequent first; pressed again it goes through them.

use crate::model::filter::{Field, Filter, Pseudo, RowKind, Scope, Subject, Value};
use crate::tui::state::State;
use std::collections::HashMap;
use std::ops::Range;
use tui_input::Input;

/// What Tab offers for a part of the text, until another key is pressed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Completion {
    /// The text before what is completed.
    before: String,
    /// The text behind the cursor.
    after: String,
    /// What fits and on how many rows it is found; the most frequent first.
    pub offers: Vec<(String, usize)>,
    /// The one that stands in the field; none while only what all share does.
    pub at: Option<usize>,
    /// What all share, or what was typed where that is more.
    stem: String,
}

/// More offers than this help nobody.
const MOST: usize = 50;
/// Comparisons, the longer ones first.
const OPERATORS: [&str; 6] = ["=~", "!=", "!~", "=", "<", ">"];

impl State {
    /// Completes what stands before the cursor of the filter, or goes on to the next offer.
    pub fn complete(&mut self, forward: bool) {
        let next = match self.filters[self.tab].completion.take() {
            Some(old) => old.turned(forward),
            None => match self.offers() {
                Some(new) => new,
                None => return,
            },
        };
        let field = &mut self.filters[self.tab];
        field.input = next.input();
        field.changed(&self.own);
        field.completion = Some(next);
    }

    fn offers(&self) -> Option<Completion> {
        let field = &self.filters[self.tab];
        let kind = field.kind()?;
        let cursor =
            field.text().char_indices().nth(field.input.cursor()).map_or(field.text().len(), |c| c.0);
        let (typed, after) = field.text().split_at(cursor);
        let token = token(typed);
        let scope = Scope { kind: Some(kind), cluster_labels: &self.own.names() };
        // What stands before narrows the rows; where it is no filter yet, every row counts.
        let others = Filter::parse_for(&scope, &typed[..token.start]).unwrap_or_default();
        let word = typed[token.clone()].trim_start_matches('!');
        let (kept, offers) = match operator(word) {
            Some((name, value)) => {
                (typed.len() - value.len(), self.values(kind, &others, name, value.trim_start_matches('"')))
            }
            None => (typed.len() - word.len(), self.names(kind, &others, word)),
        };
        let (before, word, after) = (typed[..kept].to_owned(), &typed[kept..], after.to_owned());
        let shared = shared(&offers);
        let stem = if shared.len() > word.len() { shared } else { word }.to_owned();
        let at = (offers.len() == 1).then_some(0);
        (!offers.is_empty()).then_some(Completion { before, after, offers, at, stem })
    }

    /// Label names by how many rows have them, then fields.
    fn names(&self, kind: RowKind, others: &Filter, typed: &str) -> Vec<(String, usize)> {
        let mut counts: HashMap<String, usize> = HashMap::new();
        self.each_subject(kind, &mut |subject| {
            if others.shows(subject) {
                for (name, _) in subject.labels().iter().filter(|(name, _)| name.starts_with(typed)) {
                    count(&mut counts, name);
                }
            }
        });
        let own = self.own.names();
        let fields = Pseudo::of(kind).map(|pseudo| pseudo.name().to_owned());
        let fields = fields.chain(own.iter().map(|name| (*name).to_owned()));
        let fields = fields.map(|name| format!("@{name}")).filter(|name| name.starts_with(typed));
        let mut offers = ranked(counts);
        offers.extend(fields.map(|name| (name, 0)));
        offers.truncate(MOST);
        offers
    }

    /// Values of a label or field by how many rows have them.
    fn values(&self, kind: RowKind, others: &Filter, name: &str, typed: &str) -> Vec<(String, usize)> {
        let field = match name.strip_prefix('@') {
            Some(name) if self.own.names().contains(&name) => Some(Field::ClusterLabel(name.into())),
            Some(name) => match Pseudo::of(kind).find(|pseudo| pseudo.name() == name) {
                Some(pseudo) => Some(Field::Pseudo(pseudo)),
                None => return Vec::new(),
            },
            None => None,
        };
        let mut counts: HashMap<String, usize> = HashMap::new();
        let mut take = |value: &str| {
            if value.starts_with(typed) && !value.is_empty() {
                count(&mut counts, value);
            }
        };
        self.each_subject(kind, &mut |subject| {
            if !others.shows(subject) {
                return;
            }
            match field.as_ref().map(|field| subject.field(field)) {
                None => take(subject.labels().get(name)),
                Some(Value::Text(text)) => take(&text),
                Some(Value::List(texts)) => texts.iter().for_each(|text| take(text)),
                Some(Value::Texts(texts)) => texts.iter().for_each(|text| take(text)),
                Some(Value::Duration(_) | Value::Number(_) | Value::Flag(_) | Value::Absent) => {}
            }
        });
        let mut offers = ranked(counts);
        offers.iter_mut().for_each(|(value, _)| *value = quoted(value));
        offers.truncate(MOST);
        offers
    }

    /// Shows every row of the lists of `kind` as a filter sees it.
    fn each_subject(&self, kind: RowKind, see: &mut dyn FnMut(&dyn Subject)) {
        let judge = self.judge();
        match kind {
            RowKind::Alert => {
                for cluster in &self.clusters {
                    let rows = cluster.alerts.value.iter().flat_map(|rows| rows.iter());
                    rows.for_each(|row| see(&judge.alert(row, cluster)));
                }
            }
            RowKind::Node => {
                let rows =
                    self.clusters.iter().flat_map(|c| c.nodes.value.iter()).flat_map(|rows| rows.iter());
                rows.for_each(|row| see(&judge.node(row)));
            }
            RowKind::Silence => self.silences.rows.iter().for_each(|row| see(&judge.silence(row))),
            _ => {}
        }
    }
}

impl Completion {
    fn turned(self, forward: bool) -> Self {
        let len = self.offers.len();
        let at = match self.at {
            None => {
                if forward {
                    0
                } else {
                    len - 1
                }
            }
            Some(at) => (at + if forward { 1 } else { len - 1 }) % len,
        };
        Self { at: Some(at), ..self }
    }

    /// Returns the text with the offer in it, the cursor behind the offer.
    fn input(&self) -> Input {
        let word = self.at.map_or(&self.stem, |at| &self.offers[at].0);
        let typed = format!("{}{word}", self.before);
        let cursor = typed.chars().count();
        Input::new(typed + &self.after).with_cursor(cursor)
    }
}

/// Returns the beginning that all offers have in common.
fn shared(offers: &[(String, usize)]) -> &str {
    let Some(((first, _), rest)) = offers.split_first() else { return "" };
    let same = |end: &usize| rest.iter().all(|(word, _)| word.starts_with(&first[..*end]));
    let ends = first.char_indices().map(|(at, c)| at + c.len_utf8());
    let end = ends.take_while(same).last().unwrap_or(0);
    &first[..end]
}

fn count(counts: &mut HashMap<String, usize>, key: &str) {
    match counts.get_mut(key) {
        Some(n) => *n += 1,
        None => {
            counts.insert(key.to_owned(), 1);
        }
    }
}

fn ranked(counts: HashMap<String, usize>) -> Vec<(String, usize)> {
    let mut list: Vec<_> = counts.into_iter().collect();
    list.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    list
}

/// Finds the last term of a text: it starts behind a separator that is not quoted.
fn token(typed: &str) -> Range<usize> {
    let (mut start, mut quoted) = (0, false);
    for (at, c) in typed.char_indices() {
        match c {
            '"' => quoted = !quoted,
            ',' | '{' if !quoted => start = at + 1,
            _ if c.is_whitespace() && !quoted => start = at + c.len_utf8(),
            _ => {}
        }
    }
    start..typed.len()
}

/// Splits a term at its operator.
fn operator(word: &str) -> Option<(&str, &str)> {
    let at = word.find(['=', '<', '>', '!'])?;
    let symbol = OPERATORS.into_iter().find(|symbol| word[at..].starts_with(symbol))?;
    Some((&word[..at], &word[at + symbol.len()..]))
}

/// Quotes a value that would not be read as one word.
fn quoted(value: &str) -> String {
    let plain = |c: char| !c.is_whitespace() && !c.is_control() && !"\"\\,{}'/".contains(c);
    if value.chars().all(plain) {
        return value.to_owned();
    }
    format!("\"{}\"", value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n"))
}

#[cfg(test)]
mod tests {
    use super::{operator, quoted, token};

    #[test]
    fn the_last_term_is_completed() {
        for (typed, last) in [
            ("", ""),
            ("sev", "sev"),
            ("a=b se", "se"),
            ("a=b,rack=r1", "rack=r1"),
            ("{rack", "rack"),
            ("a=\"x y", "a=\"x y"),
            ("a=\"x y\" ", ""),
        ] {
            assert_eq!(&typed[token(typed)], last, "{typed}");
        }
        assert_eq!(operator("rack=~r1"), Some(("rack", "r1")));
        assert_eq!(operator("@age<1"), Some(("@age", "1")));
        assert_eq!(operator("rack"), None);
        assert_eq!(quoted("/var log"), "\"/var log\"");
        assert_eq!(quoted("r114"), "r114");
    }
}
