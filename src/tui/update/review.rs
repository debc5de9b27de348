//! What the last look says: who, what, where, until when, and how many alerts.

use crate::config::Access;
use crate::fleet::silence::{ClusterPreview, Draft, LogicalSilence, judge_expiry};
use crate::model::text;
use crate::model::time::{Timestamp, age, both_clocks, format_left};
use crate::tui::msg::Effect;
use crate::tui::state::confirm::Deed;
use crate::tui::state::editor::Editor;
use crate::tui::state::list::RowKey;
use crate::tui::state::silences::SilenceRow;
use crate::tui::state::{Screen, State, twin};
use crate::tui::theme::Role;
use crate::tui::update::confirm::{Question, ask};
use crate::tui::update::silence::{forbidden, recompute};
use std::time::Duration;

/// Opens the last look on what stands in the editor now, frozen.
pub fn review(state: &mut State) -> Vec<Effect> {
    let effects = recompute(state, Duration::ZERO);
    let Some(editor) = &mut state.editor else { return Vec::new() };
    // The last look opens as soon as it is known what to say there.
    editor.hurried = editor.draft.is_ok() && editor.is_waiting();
    if editor.hurried {
        state.message = Some((Role::Notice, editor.awaited()));
        return effects;
    }
    if let Some(why) = editor.obstacle(state.now) {
        state.message = Some((Role::Error, text::line(&why).into_owned()));
        return effects;
    }
    state.message = None;
    let Some(question) = question(editor, state.now) else { return Vec::new() };
    ask(state, question)
}

fn question(editor: &Editor, now: Timestamp) -> Option<Question> {
    let (draft, preview) = (editor.draft.as_ref().ok()?, editor.preview.as_ref()?);
    let judgement = editor.judgement.as_ref()?;
    let hits = preview.hits().count();
    let written = preview.written().count();
    let mut lines = lines_of(editor, draft, now);
    for c in preview.unknown() {
        lines.push(format!(
            "! {} does not answer: nothing is written there, what matches there still pages",
            c.cluster
        ));
    }
    for c in preview.written().filter(|c| !c.reachable) {
        lines.push(format!("! {} does not answer: it is tried, what it hits is not known", c.cluster));
    }
    let skipped = preview.clusters.iter().filter(|c| c.chosen);
    lines.extend(skipped.filter_map(|c| Some(format!("! {} is skipped: {}", c.cluster, c.skipped?.words()))));
    for (matcher, why) in &preview.cannot_evaluate {
        lines.push(format!("! cannot evaluate {matcher} here ({why}): Alertmanager judges"));
    }
    lines.extend(judgement.why().map(|why| format!("! {}: {why}", judgement.level.word())));
    let on = format!("on {}", plural(written, "cluster"));
    let (title, deed) = match editor.change(now) {
        None => {
            let facts = editor.all_facts()?;
            let deed = Deed::Add { draft: draft.clone(), preview: preview.clone(), facts };
            (format!("silence {} {on}", plural(hits, "alert")), deed)
        }
        Some((change, kind)) => {
            let silence = Box::new(editor.changed_silence()?.clone());
            (format!("{} a silence {on}", kind.word()), Deed::Change { silence, change, kind })
        }
    };
    Some(Question { deed, title, lines, command: editor.command(), level: judgement.level })
}

/// Who, what, where, until when and how much.
fn lines_of(editor: &Editor, draft: &Draft, now: Timestamp) -> Vec<String> {
    let matchers = |list: &[crate::model::matcher::Matcher]| {
        list.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
    };
    let preview = editor.preview.iter().flat_map(|p| p.written());
    let places: Vec<String> = preview.map(place).collect();
    let old = editor.changed_silence();
    let mut lines = vec![format!("what      {}", matchers(&draft.matchers))];
    let new_matchers = editor.change(now).and_then(|(change, _)| change.matchers).is_some();
    if let Some(old) = old.filter(|_| new_matchers) {
        lines.push(format!("instead   {}", matchers(&old.matchers)));
        lines.push("          new silences are made first, the old ones are expired after".into());
    }
    lines.push(format!("where     {}: {}", plural(places.len(), "cluster"), places.join(", ")));
    if let Some(start) = draft.starts_at {
        lines.push(format!("from      {}", both_clocks(start)));
    }
    let length = format_left(age(now, draft.ends_at));
    lines.push(format!("until     {} (in {length})", both_clocks(draft.ends_at)));
    if let Some(old) = old.filter(|old| old.ends_at.timestamp() != draft.ends_at.timestamp()) {
        lines.push(format!("instead   {}", both_clocks(old.ends_at)));
        if old.ends_at <= now {
            lines.push("          it has ended: it is made anew, with a new id".into());
        }
    }
    lines.push(format!("who       {}", draft.created_by));
    lines.push(format!("why       {}", draft.comment));
    let (alerts, nodes) = editor
        .preview
        .as_ref()
        .map_or((0, 0), |p| (p.hits().count(), p.written().map(|c| c.nodes.len()).sum()));
    lines.push(format!(
        "silences  {} on {}; future alerts that match will be silent too",
        plural(alerts, "firing alert"),
        plural(nodes, "node")
    ));
    let visible: usize = editor.preview.iter().flat_map(|p| p.written()).map(|c| c.stays_visible).sum();
    if visible > 0 {
        let goes = if visible == 1 { "goes" } else { "go" };
        lines
            .push(format!("          {} on the same nodes {goes} on paging", plural(visible, "other alert")));
    }
    lines
}

fn place(cluster: &ClusterPreview) -> String {
    let alerts = plural(cluster.alerts.len(), "alert");
    let doubt = if cluster.reachable { "" } else { " or more" };
    format!("{} ({alerts}{doubt})", cluster.cluster)
}

/// Writes a count with its noun.
pub fn plural(count: usize, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}

/// Opens the last look on the end of the silence under the cursor, or of all that are marked.
pub fn expire(state: &mut State) -> Vec<Effect> {
    if let Some(why) = forbidden(state) {
        state.message = Some((Role::Error, why));
        return Vec::new();
    }
    let marks = &state.page().list.marks;
    let ids: Vec<_> = match (state.screen(), state.current()) {
        (Screen::Silence(id), _) => vec![id.clone()],
        (_, current) => {
            let keys = marks.iter().cloned().chain(current.filter(|_| marks.is_empty()));
            keys.filter_map(|key| match key {
                RowKey::Silence(id) => Some(id),
                _ => None,
            })
            .collect()
        }
    };
    let rows: Vec<&SilenceRow> = ids.iter().filter_map(|id| state.silences.find(id)).collect();
    let writable = |silence: &LogicalSilence| silence.in_force().any(|copy| !is_read_only(state, copy));
    let rows: Vec<&SilenceRow> = rows.into_iter().filter(|row| writable(&row.silence)).collect();
    if rows.is_empty() {
        let says =
            if ids.is_empty() { "no silence is chosen" } else { "nothing is in force there to expire" };
        state.message = Some((Role::Notice, says.into()));
        return Vec::new();
    }
    let (mut lines, pages) = expire_lines(state, &rows);
    let judgement = judge_expiry(pages, &state.policy);
    lines.extend(judgement.why().map(|why| format!("! {}: {why}", judgement.level.word())));
    let title = match rows.as_slice() {
        [one] => format!("expire a silence on {}", plural(one.silence.clusters().len(), "cluster")),
        many => format!("expire {} silences", many.len()),
    };
    let silences: Vec<LogicalSilence> = rows.iter().map(|row| row.silence.clone()).collect();
    let command = twin::expire(silences.iter());
    ask(state, Question { deed: Deed::Expire(silences), title, lines, command, level: judgement.level })
}

fn is_read_only(state: &State, copy: &crate::fleet::silences::SilenceCopy) -> bool {
    state.clusters.iter().any(|c| c.raw_name == copy.cluster && c.access == Access::Ro)
}

/// What ends, and which alerts page again: the reason to think twice; and how many do.
fn expire_lines(state: &State, rows: &[&SilenceRow]) -> (Vec<String>, usize) {
    let mut lines = Vec::new();
    for row in rows {
        let copies: Vec<String> = row.silence.in_force().map(|copy| copy.cluster.to_string()).collect();
        lines.push(format!("what      {}", row.matchers));
        lines.push(format!(
            "where     {}: {}",
            plural(copies.len(), "copy").replace("copys", "copies"),
            copies.join(", ")
        ));
        lines.push(format!("would end {}", both_clocks(row.silence.ends_at)));
        lines.push(format!("made by   {}: {}", row.author, row.comment));
        let left = row.silence.in_force().filter(|copy| is_read_only(state, copy));
        lines.extend(left.map(|copy| format!("! {} is read only: the copy there stays", copy.cluster)));
    }
    let all = state.clusters.iter().flat_map(|c| c.alerts.value.iter().flat_map(|list| list.iter()));
    let again: Vec<_> = all.filter(|alert| SilenceRow::all_hold_alone(rows, alert)).collect();
    lines.push(match again.len() {
        0 => "pages     nothing that fires now".into(),
        n => format!("pages     {} again at once:", plural(n, "alert")),
    });
    lines.extend(again.iter().take(8).map(|a| {
        let (severity, cluster) = (a.alert.severity.word(), state.cluster_name(a.cluster));
        format!("          {severity} {} {} {cluster}", a.name, a.place())
    }));
    if again.len() > 8 {
        lines.push(format!("          and {} more", again.len() - 8));
    }
    let stale = |c: &&u16| state.is_stale(**c);
    let mut names: Vec<&str> = rows
        .iter()
        .flat_map(|row| row.clusters.iter().filter(stale))
        .map(|c| state.cluster_name(*c))
        .collect();
    names.sort_unstable();
    names.dedup();
    if !names.is_empty() {
        lines.push(format!("! what pages there is not known: {} does not answer", names.join(", ")));
    }
    (lines, again.len())
}
