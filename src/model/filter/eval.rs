//! Judging rows.

use super::{Field, Filter, Order, Term, Test};
use crate::model::labels::Labels;
use crate::model::matcher::{Matcher, Verdict};
use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

/// What a row answers when it is asked for a field.
#[derive(Debug, Clone, PartialEq)]
pub enum Value<'a> {
    /// One text. The empty text stands for "none".
    Text(Cow<'a, str>),
    /// Several texts that the row holds as they are.
    List(&'a [Arc<str>]),
    /// Several texts put together for the answer.
    Texts(Vec<Cow<'a, str>>),
    /// A duration, also an age.
    Duration(Duration),
    /// A number.
    Number(f64),
    /// Yes or no.
    Flag(bool),
    /// Nothing: as text it is empty, as a number or duration it compares with nothing.
    Absent,
}

/// A row as a filter sees it. Nothing is put together that the filter does not ask for.
pub trait Subject {
    /// Returns the row's labels.
    fn labels(&self) -> &Labels;

    /// Answers for a field.
    fn field(&self, field: &Field) -> Value<'_>;

    /// Reports whether `test` holds for one of the texts that words are searched in, each taken by itself.
    fn any_text(&self, test: &mut dyn FnMut(&str) -> bool) -> bool;

    /// Reports whether `word`, which is in lower case, occurs in one of the texts, whatever its case.
    fn has_folded(&self, word: &str) -> bool {
        self.any_text(&mut |text| text.to_lowercase().contains(word))
    }
}

impl Filter {
    /// Reports whether the row is shown. What cannot be judged here is shown.
    pub fn shows(&self, subject: &dyn Subject) -> bool {
        self.judge(subject) != Verdict::No
    }

    /// Judges a row.
    pub fn judge(&self, subject: &dyn Subject) -> Verdict {
        let mut verdict = Verdict::Yes;
        for term in &self.terms {
            verdict = verdict.and(judge_term(term, subject));
            if verdict == Verdict::No {
                break;
            }
        }
        verdict
    }
}

fn judge_term(term: &Term, subject: &dyn Subject) -> Verdict {
    let holds = match &term.test {
        Test::Label(matcher) => return matcher.accepts(subject.labels()),
        Test::Field(field, matcher) => return judge_text(matcher, &subject.field(field)),
        Test::Duration(field, order, bound) => match subject.field(field) {
            Value::Duration(duration) => compare(*order, &duration, bound),
            _ => return Verdict::No,
        },
        Test::Number(field, order, bound) => match subject.field(field) {
            Value::Number(number) => compare(*order, &number, bound),
            _ => return Verdict::No,
        },
        Test::Flag(field, wanted) => match subject.field(field) {
            Value::Flag(is) => is == *wanted,
            // Nobody has asked, so nobody knows.
            _ => return Verdict::Unknown,
        },
        Test::Folded(word) => subject.has_folded(word),
        Test::Exact(text) => subject.any_text(&mut |t| t.contains(&**text)),
        Test::Pattern(regex) => subject.any_text(&mut |t| regex.is_match(t)),
    };
    if holds != term.negated { Verdict::Yes } else { Verdict::No }
}

fn compare<T: PartialOrd>(order: Order, actual: &T, bound: &T) -> bool {
    match order {
        Order::Less => actual < bound,
        Order::Equal => actual == bound,
        Order::Greater => actual > bound,
    }
}

/// Judges a field of text. Of several texts one must match, or for `!=` and `!~` all must differ.
fn judge_text(matcher: &Matcher, value: &Value<'_>) -> Verdict {
    match value {
        Value::Text(text) => matcher.accepts_value(text),
        Value::List(texts) => judge_each(matcher, texts.iter().map(AsRef::as_ref)),
        Value::Texts(texts) => judge_each(matcher, texts.iter().map(AsRef::as_ref)),
        Value::Absent | Value::Duration(_) | Value::Number(_) | Value::Flag(_) => matcher.accepts_value(""),
    }
}

fn judge_each<'a>(matcher: &Matcher, texts: impl ExactSizeIterator<Item = &'a str>) -> Verdict {
    if texts.len() == 0 {
        return matcher.accepts_value("");
    }
    let verdicts = texts.map(|text| matcher.accepts_value(text));
    if matcher.op.is_negative() {
        return verdicts.fold(Verdict::Yes, Verdict::and);
    }
    verdicts.fold(Verdict::No, |any, one| match (any, one) {
        (Verdict::Yes, _) | (_, Verdict::Yes) => Verdict::Yes,
        (Verdict::Unknown, _) | (_, Verdict::Unknown) => Verdict::Unknown,
        (Verdict::No, Verdict::No) => Verdict::No,
    })
}
