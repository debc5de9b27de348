//! The silence editor with its preview, the prompt of an extension, the choice of clusters.

use super::pen::{Part, Pen, cell, number, part};
use crate::model::text;
use crate::model::time::both_clocks;
use crate::tui::state::State;
use crate::tui::state::confirm::Level;
use crate::tui::state::editor::{Editor, Field, Mode, Where};
use crate::tui::state::wrap::{cut, wrapped};
use crate::tui::theme::Role;
use tui_input::Input;

/// Draws the editor.
pub fn draw(state: &State, pen: &mut Pen<'_>) {
    let Some(editor) = &state.editor else { return };
    let field = |name: &str, field: Field, input: &Input| {
        let focus = editor.focus == field;
        let mut parts = label(name, focus);
        parts.extend(typed(input, focus, editor.fresh, pen.columns().saturating_sub(14)));
        parts
    };
    let edits = editor.changed_silence().is_some();
    let rows = [
        field("Matchers", Field::Matchers, &editor.texts.matchers),
        targets(editor),
        field(if edits { "Ends in" } else { "Duration" }, Field::Duration, &editor.texts.duration),
        field("Comment", Field::Comment, &editor.texts.comment),
        field("Author", Field::Author, &editor.texts.author),
    ];
    for (i, row) in rows.iter().enumerate() {
        pen.line(i, row);
    }
    // What does not fit its line is worth more rows where there are many.
    let mut hidden = Vec::new();
    let typed = text::line(editor.texts.matchers.value()).into_owned();
    if text::width(&typed) + 14 > pen.columns() {
        hidden = wrapped(&format!(" all of it: {typed}"), pen.columns(), 12);
    }
    let hidden = cut(hidden, if pen.rows() > 24 { 8 } else { 3 });
    if let Ok(draft) = &editor.draft {
        pen.ends(2, &rows[2], &[part(Role::Text, format!("-> ends {} ", both_clocks(draft.ends_at)))]);
    }
    let answered = match editor.is_searching() {
        true => "as it was: being worked out anew".to_owned(),
        false => format!("{}/{} answered", editor.known(), editor.facts.len()),
    };
    pen.titled_rule(5, &format!("PREVIEW of now; future alerts that match will be silent too ({answered})"));
    for (i, line) in hidden.iter().enumerate() {
        pen.text(6 + i, Role::Muted, line.as_str());
    }
    let top = 6 + hidden.len();
    let columns = pen.columns();
    let command = wrapped(&format!(" same as: {}", text::line(&editor.command())), columns, 10);
    // The preview is worth more rows than the command, which C-y copies whole.
    let command = cut(command, if pen.rows() > 24 { 6 } else { 2 });
    let bottom = pen.rows().saturating_sub(3 + command.len());
    let used = preview(state, editor, &mut pen.below(top, bottom.saturating_sub(top)));
    let row = (top + used + usize::from(top + used < bottom)).min(bottom);
    let (role, says) = match editor.obstacle(state.now) {
        Some(_) if editor.hurried => (Role::Notice, format!(" {}", editor.awaited())),
        Some(why) => (Role::Error, format!(" not yet: {}", text::line(&why))),
        None => (Role::Good, " ready to be reviewed".to_owned()),
    };
    pen.text(row, role, says);
    let button = |field: Field, name: &str| {
        let focus = editor.focus == field;
        let text = if focus { format!(">[ {name} ]<") } else { format!(" [ {name} ] ") };
        part(if focus { Role::Selection } else { Role::Text }, text)
    };
    pen.line(
        row + 1,
        &[
            part(Role::Text, "   "),
            button(Field::Cancel, "Cancel"),
            part(Role::Text, "   "),
            button(Field::Review, "Review & send"),
        ],
    );
    for (i, line) in command.into_iter().enumerate() {
        pen.text(row + 2 + i, Role::Muted, line);
    }
}

fn label(name: &str, focus: bool) -> Vec<Part> {
    let cursor = if focus { '>' } else { ' ' };
    vec![part(if focus { Role::Title } else { Role::Muted }, format!("{cursor}{name:<10} "))]
}

/// The text of a field, scrolled so that its cursor is seen; one that typing replaces looks selected.
fn typed(input: &Input, focus: bool, fresh: bool, columns: usize) -> Vec<Part> {
    let value = text::line(input.value()).into_owned();
    if !focus {
        return vec![part(Role::Text, text::truncate_end(&value, columns).into_owned())];
    }
    if fresh {
        return vec![part(Role::Selection, value), part(Role::Input, "_")];
    }
    let split = value.char_indices().nth(input.cursor()).map_or(value.len(), |(i, _)| i);
    let (before, after) = value.split_at(split);
    let hidden = before.chars().count().saturating_sub(columns.saturating_sub(2));
    let before: String = before.chars().skip(hidden).collect();
    vec![part(Role::Input, format!("{before}_{after}"))]
}

fn targets(editor: &Editor) -> Vec<Part> {
    let mut parts = label("Clusters", editor.focus == Field::Targets);
    let names = |list: &[crate::model::cluster::ClusterName], room: usize| {
        let all = list.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
        text::truncate_end(&text::line(&all), room).into_owned()
    };
    if let Some(silence) = editor.changed_silence() {
        let says = format!("{}  (as it is; d makes another elsewhere)", names(&silence.clusters(), 40));
        parts.push(part(Role::Text, says));
        return parts;
    }
    let mut choice = |target: Where, words: String| {
        let (sign, role) = if editor.target == target { ("(x)", Role::Title) } else { ("( )", Role::Text) };
        parts.push(part(role, format!("{sign} {words}  ")));
    };
    if !editor.selected.is_empty() {
        choice(Where::Selected, names(&editor.selected, 22));
    }
    choice(Where::Matching, "where it matches".into());
    choice(Where::All, format!("all {}", editor.facts.len()));
    match (editor.target, editor.chosen.len()) {
        (Where::Choose, 0) => choice(Where::Choose, "Enter: choose".into()),
        (Where::Choose, n) => choice(Where::Choose, format!("{n} chosen (Enter)")),
        _ => choice(Where::Choose, "choose...".into()),
    }
    parts
}

/// Draws what the draft would do; returns how many rows it took.
fn preview(state: &State, editor: &Editor, pen: &mut Pen<'_>) -> usize {
    let mut row = 0;
    let columns = pen.columns();
    for note in editor.notes.iter().chain(&editor.other_reading) {
        for line in cut(wrapped(&format!(" ! {}", text::line(note)), columns, 3), 3) {
            pen.text(row, Role::Notice, line);
            row += 1;
        }
    }
    let Some(preview) = &editor.preview else { return row };
    let wide = super::words::cluster_columns(state);
    pen.line(
        row,
        &[
            part(Role::Title, "   "),
            cell(Role::Title, "CLUSTER", wide),
            part(Role::Title, "FIRING  NODES SILENCED PAGE ON  NOTE"),
        ],
    );
    row += 1;
    let mut others = 0;
    for (place, cluster) in preview.clusters.iter().enumerate() {
        let concerns = editor.concerns(place);
        let quiet = !cluster.chosen && cluster.alerts.is_empty() && concerns.is_empty();
        if quiet || row + 3 > pen.rows() {
            others += 1;
            continue;
        }
        let count = |n: usize| if cluster.reachable { n.to_string() } else { format!("{n}?") };
        let already = cluster.alerts.iter().filter(|hit| hit.silenced).count();
        let written = cluster.chosen && cluster.skipped.is_none();
        let note = match (written, concerns.is_empty(), cluster.reachable) {
            (true, false, false) => "! NO ANSWER: tried, impact unknown".to_owned(),
            (_, false, _) => concerns,
            (true, true, _) => String::new(),
            (false, true, _) => "not selected".to_owned(),
        };
        pen.line(
            row,
            &[
                part(Role::Text, if written { " * " } else { "   " }),
                cell(Role::Text, &text::line(cluster.cluster.as_str()), wide),
                number(Role::Text, &count(cluster.alerts.len()), 6),
                number(Role::Text, &count(cluster.nodes.len()), 6),
                number(Role::Text, &count(already), 8),
                number(Role::Text, &count(cluster.stays_visible), 7),
                part(Role::Notice, format!(" {note}")),
            ],
        );
        row += 1;
    }
    if others > 0 {
        pen.text(row, Role::Muted, format!("   {others} other cluster(s): not selected, nothing matches"));
        row += 1;
    }
    row + remarks(editor, &mut pen.below(row, usize::MAX))
}

/// Draws what is hit, what is like it, and what the policy says, as far as it fits.
fn remarks(editor: &Editor, pen: &mut Pen<'_>) -> usize {
    let Some(preview) = &editor.preview else { return 0 };
    let mut lines: Vec<(Role, String)> = Vec::new();
    // What forbids it stands beside the buttons.
    if let Some(judgement) = editor.judgement.as_ref().filter(|j| j.level != Level::Refused) {
        let whys = judgement.why().map(|why| format!("{} ({})", text::line(why), judgement.level.word()));
        let whys = whys.collect::<Vec<_>>().join("; ");
        if !whys.is_empty() {
            lines.push((Role::Notice, format!(" ! {whys}")));
        }
    }
    let names = preview.hits().map(|hit| format!("{} {}", hit.name, hit.place));
    let names: Vec<String> = names.take(100).collect();
    if !names.is_empty() {
        let (mut line, mut shown) = (" hits:".to_owned(), 0);
        for name in &names {
            let longer = format!("{line} {},", text::line(name));
            if text::width(&longer) + 8 > pen.columns() {
                break;
            }
            (line, shown) = (longer, shown + 1);
        }
        let more = preview.hits().count() - shown;
        let line = line.trim_end_matches(',').to_owned();
        lines.push((Role::Text, if more > 0 { format!("{line} +{more}") } else { line }));
    }
    if let Some(overlap) = preview.overlaps.first() {
        let more = preview.overlaps.len() - 1;
        let more = if more > 0 { format!(" +{more}") } else { String::new() };
        let silence = &overlap.silence;
        let (by, ends) = (text::line(&silence.created_by), silence.ends_at.format("%d %b %H:%MZ"));
        let id = text::line(silence.short_id());
        lines.push((Role::Notice, format!(" like {id} by {by}, which ends {ends}{more}")));
    }
    for (matcher, why) in preview.cannot_evaluate.iter().take(1) {
        let says = format!(" cannot evaluate {matcher} here ({why}): Alertmanager judges");
        lines.push((Role::Notice, text::line(&says).into_owned()));
    }
    lines.truncate(pen.rows());
    for (row, (role, line)) in lines.iter().enumerate() {
        pen.text(row, *role, line.as_str());
    }
    lines.len()
}

/// Draws what is asked before the last look of an extension or acknowledgement.
pub fn prompt(state: &State, pen: &mut Pen<'_>) {
    let Some(editor) = &state.editor else { return };
    let mut pen = pen.below(pen.rows().saturating_sub(12), 9);
    pen.clear();
    let title = if editor.mode == Mode::Ack { "ACKNOWLEDGE" } else { "EXTEND: how much longer?" };
    pen.titled_rule(0, title);
    pen.text(1, Role::Text, format!(" {}", text::line(editor.texts.matchers.value())));
    if matches!(editor.mode, Mode::Extend(_)) {
        let mut parts = label("Longer by", true);
        parts.extend(typed(&editor.texts.duration, true, editor.fresh, 20));
        pen.line(3, &parts);
    }
    match (&editor.draft, editor.hurried || editor.mode == Mode::Ack) {
        (Err(why), _) => pen.text(4, Role::Error, format!(" {}", text::line(why))),
        (Ok(draft), _) => pen.text(4, Role::Text, format!(" -> ends {}", both_clocks(draft.ends_at))),
    }
    let (known, all) = (editor.known(), editor.facts.len());
    if known < all {
        pen.text(6, Role::Notice, format!(" asking every cluster: {known}/{all} answered"));
    }
    let keys = editor.prompt_keys().map(|(key, label)| format!(" {key} {label}"));
    pen.text(7, Role::Muted, keys.collect::<Vec<_>>().join("  "));
}

/// Draws the clusters that can be chosen.
pub fn clusters(state: &State, at: usize, pen: &mut Pen<'_>) {
    let Some(editor) = &state.editor else { return };
    let rows = pen.rows().saturating_sub(2);
    let mut pen = pen.below(1, rows);
    pen.clear();
    pen.titled_rule(0, "clusters (Space takes or leaves out, Enter or Esc closes)");
    let wide = super::words::cluster_columns(state);
    pen.line(
        1,
        &[
            part(Role::Title, "       "),
            cell(Role::Title, "CLUSTER", wide),
            part(Role::Title, "FIRING  NODES  NOTE"),
        ],
    );
    let room = rows.saturating_sub(2).max(1);
    let top = (at + 1).saturating_sub(room);
    for (i, name) in editor.clusters.iter().enumerate().skip(top).take(room) {
        let row = 2 + i - top;
        let cursor = if i == at { " > " } else { "   " };
        let sign = if editor.chosen.contains(name) { "[x] " } else { "[ ] " };
        let (alerts, nodes) = editor.impact(i).filter(|c| c.reachable).map_or_else(
            || ("?".to_owned(), "?".to_owned()),
            |c| (c.alerts.len().to_string(), c.nodes.len().to_string()),
        );
        pen.line(
            row,
            &[
                part(Role::Text, format!("{cursor}{sign}")),
                cell(Role::Text, &text::line(name.as_str()), wide),
                number(Role::Text, &alerts, 6),
                number(Role::Text, &nodes, 6),
                part(Role::Notice, format!(" {}", editor.concerns(i))),
            ],
        );
        if i == at {
            pen.highlight(row, Role::Selection);
        }
    }
}
