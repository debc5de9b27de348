//! The page for browsers: every group, when it was pushed, what it holds, and a button to delete it.

use super::Shared;
use super::group::{Group, Nanos};
use super::stage::nanos;
use super::writer::sorted;
use crate::model::text;
use crate::model::time::format_duration;
use crate::serve::skeleton::http::{IntoResponse, Response, State, header};
use crate::sys::clock::{self, Moment};
use crate::wire::push_path;
use std::borrow::Cow;
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

/// Deletes what a button says; a page may have no script of its own (its Content-Security-Policy).
const SCRIPT: &str = include_str!("page.js");
const STYLE: &str = include_str!("page.css");
/// So many groups are shown.
const MOST_GROUPS: usize = 1000;
/// So much is shown of the metrics of one, before what has a meaning in HTML is escaped.
const MOST_LINES: usize = 16 * 1024;
/// So many of its checks, whose names are short.
const MOST_CHECKS: usize = 100;
/// So much of its labels.
const MOST_NAME: usize = 1024;

type Gateway = State<Arc<Shared>>;

/// `GET /` and `GET /status`
pub(super) async fn page(State(shared): Gateway) -> Response {
    let head = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (
            header::CONTENT_SECURITY_POLICY,
            "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'",
        ),
        (header::CACHE_CONTROL, "no-store"),
    ];
    let gateway = shared.clone();
    let make = move || {
        let groups = sorted(&gateway.groups);
        (head, gateway.html(&groups, clock::moment())).into_response()
    };
    shared.long.answer(make).await
}

pub(super) async fn script() -> Response {
    ([(header::CONTENT_TYPE, "text/javascript; charset=utf-8")], SCRIPT).into_response()
}

pub(super) async fn style() -> Response {
    ([(header::CONTENT_TYPE, "text/css; charset=utf-8")], STYLE).into_response()
}

impl Shared {
    fn html(&self, groups: &[Arc<Group>], now: Moment) -> String {
        let prefix = &self.options.browsed;
        let mut html = format!(
            "<!doctype html><html lang=en><meta charset=utf-8><title>Pushgateway</title>\
             <link rel=stylesheet href=\"{prefix}/static/page.css\"><script defer src=\"{prefix}/static/page.js\"></script>\
             <h1>Pushgateway</h1><p>{}, up since {}. <a href=\"{prefix}{}\">metrics</a></p>",
            counted(groups.len(), "group"),
            self.started.format("%F %T UTC"),
            escaped(&self.options.telemetry_path),
        );
        if groups.len() > MOST_GROUPS {
            let _ = write!(html, "<p>The first {MOST_GROUPS} are shown; /api/v1/metrics tells all.</p>");
        }
        for group in groups.iter().take(MOST_GROUPS) {
            self.write_group(group, now, &mut html);
        }
        html.push('\n');
        html
    }

    fn write_group(&self, group: &Group, now: Moment, html: &mut String) {
        let labels: Vec<String> =
            group.key.labels().map(|(name, value)| format!("{name}={value:?}")).collect();
        let path = format!(
            "{}{}{}",
            self.options.browsed,
            push_path::PREFIX,
            push_path::write(&group.key, self.options.names)
        );
        let refused = self.refusals.since(&group.key, group.pushed);
        let has_failed = group.failed > group.pushed || refused.is_some();
        let failed = if has_failed { "<strong>last push failed</strong> " } else { "" };
        let checks = group.checks.as_ref().map_or(0, |checks| checks.len());
        let _ = write!(
            html,
            "<details><summary>{} {failed}<small>pushed {}, {}, {}</small> \
             <button data-path=\"{}\">delete</button></summary>",
            escaped(&first_of(&labels.join(", "), MOST_NAME)),
            ago(group.pushed, nanos(now.wall)),
            counted(group.parts().len(), "family"),
            counted(checks, "check"),
            escaped(&path),
        );
        if let Some((why, at)) = refused {
            let ago = ago(at, nanos(now.wall));
            let _ = write!(html, "<p>refused {ago}: {}</p>", escaped(&text::line(&why)));
        }
        html.push_str("<pre>");
        let end = html.len() + MOST_LINES;
        for place in 0..group.parts().len() {
            if html.len() > end {
                html.push_str("...\n");
                break;
            }
            html.push_str(&escaped(&first_of(group.lines(place), end - html.len().min(end) + 1)));
        }
        for (key, entry) in group.checks.iter().flat_map(|checks| checks.iter()).take(MOST_CHECKS) {
            let judged = entry.judge(false, now);
            let stale = if judged.stale { " (stale)" } else { "" };
            let _ = writeln!(html, "check {} {}{stale}", escaped(&key.check), judged.status.word());
        }
        html.push_str("</pre></details>\n");
    }
}

/// A number of things: `1 family`, `2 families`.
fn counted(number: usize, what: &str) -> String {
    match (number, what.strip_suffix('y')) {
        (1, _) => format!("1 {what}"),
        (_, Some(stem)) => format!("{number} {stem}ies"),
        (_, None) => format!("{number} {what}s"),
    }
}

fn ago(pushed: Nanos, now: Nanos) -> String {
    if pushed == 0 {
        return "never".to_owned();
    }
    let seconds = u64::try_from(now - pushed).unwrap_or_default() / 1_000_000_000;
    format!("{} ago", format_duration(Duration::from_secs(seconds)))
}

/// The beginning of a text that is too long to be shown.
fn first_of(text: &str, most: usize) -> Cow<'_, str> {
    if text.len() <= most {
        return text.into();
    }
    format!("{}...\n", &text[..text.floor_char_boundary(most)]).into()
}

/// Text as it can stand anywhere in the page.
fn escaped(text: &str) -> Cow<'_, str> {
    if !text.contains(['&', '<', '>', '"', '\'']) {
        return text.into();
    }
    let mut escaped = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            c => escaped.push(c),
        }
    }
    escaped.into()
}

#[cfg(test)]
mod tests {
    use super::{ago, counted, escaped, first_of};

    #[test]
    fn nothing_that_is_pushed_becomes_part_of_the_page() {
        assert_eq!(escaped("<script>\"a\" & 'b'"), "&lt;script&gt;&quot;a&quot; &amp; &#39;b&#39;");
        assert_eq!(escaped("plain"), "plain");
    }

    #[test]
    fn of_what_is_long_the_beginning_is_shown() {
        assert_eq!(first_of("short", 5), "short");
        assert_eq!(first_of("ééé", 3), "é...\n");
    }

    #[test]
    fn one_thing_is_told_as_one() {
        let told = [
            counted(0, "family"),
            counted(1, "family"),
            counted(2, "family"),
            counted(1, "check"),
            counted(3, "check"),
        ];
        assert_eq!(told, ["0 families", "1 family", "2 families", "1 check", "3 checks"]);
    }

    #[test]
    fn the_age_of_a_push_is_told() {
        assert_eq!(ago(0, 5), "never");
        assert_eq!(ago(1_000_000_000, 91_500_000_000), "1m30s ago");
        assert_eq!(ago(9_000_000_000, 1), "0s ago");
    }
}
