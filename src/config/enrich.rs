//! `[[enrich]]`: which alerts the proxy enriches, from where, and with what.

use super::check::Checked;
use super::keys;
use super::origin::{At, List, Origin};
use super::problem::Problem;
use super::read::{Kind, Table};
use super::valid::Enrich;
use super::value::{self, Wrong, quote};
use crate::model::matcher::{Matcher, parse_matcher};

/// One `[[enrich]]`.
#[derive(Debug)]
pub struct EnrichLayer {
    origin: Origin,
    matchers: Option<At<List<Matcher>>>,
    detail_url: Option<At<String>>,
    output_limit: Option<At<u64>>,
    copy: Option<At<List<String>>>,
    annotations: Option<At<List<String>>>,
}

impl EnrichLayer {
    /// Reads all of a file, in their order: the first that fits an alert is the one that holds.
    pub fn read_all(root: &Table<'_>) -> Vec<Self> {
        root.tables("enrich", &keys::ENRICH).map(|table| Self::read(&table)).collect()
    }

    fn read(table: &Table<'_>) -> Self {
        Self {
            origin: table.origin.clone(),
            matchers: table.list("match", matcher),
            detail_url: table.text("detail_url", value::detail_url),
            output_limit: table.value("output_limit", Kind::TextOrNumber, value::size),
            copy: table.list("copy", value::word),
            annotations: table.list("annotations", annotation),
        }
    }
}

/// Parses one matcher, as amtool writes it.
pub(super) fn matcher(text: &str) -> Result<Matcher, Wrong> {
    let parsed =
        parse_matcher(text).map_err(|error| Wrong::new(format!("{} in {}", error.message, quote(text))));
    let matcher = parsed
        .map_err(|wrong| wrong.hint("write it like 'job=\"pushgateway\"' or 'team=~\"db.*\"'"))?
        .matcher;
    match matcher.unsupported() {
        Some(why) => Err(Wrong::new(format!("{why} in {}", quote(text)))),
        None => Ok(matcher),
    }
}

/// Parses the name of an annotation of ours.
fn annotation(text: &str) -> Result<String, Wrong> {
    match text.starts_with("check_") {
        true => Ok(text.to_owned()),
        false => Err(Wrong::new(format!("{} is no annotation that the proxy writes", quote(text))).hint(
            "they begin with check_: check_output, check_status; `copy` takes attributes of the definition",
        )),
    }
}

impl Checked {
    /// Takes the rules over.
    pub(super) fn enrich(&mut self, layers: Vec<EnrichLayer>) {
        for (number, layer) in layers.into_iter().enumerate() {
            let path = |key: &str| format!("enrich.{number}.{key}");
            let mut rule = Enrich::default();
            let items = |written: Option<At<List<String>>>| written.map(super::check::values);
            self.take(&path("match"), &mut rule.matchers, layer.matchers.map(super::check::values));
            self.take_some(&path("detail_url"), &mut rule.detail_url, layer.detail_url);
            self.take(&path("output_limit"), &mut rule.output_limit, layer.output_limit);
            self.take(&path("copy"), &mut rule.copy, items(layer.copy));
            self.take(&path("annotations"), &mut rule.annotations, items(layer.annotations));
            let before = self.config.enrich.iter().position(|before| before.matchers.is_empty());
            if let Some(before) = before {
                let message = format!("this rule is never used: rule {} takes every check", before + 1);
                self.warnings
                    .push(Problem::at(&layer.origin, message).hint("put the rules with `match` first"));
            }
            self.config.enrich.push(rule);
        }
    }
}
