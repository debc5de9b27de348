//! The silence editor with its preview, the last look, and what became of it.

use super::pen::{Part, Pen, cell, number, part};
use super::words;
use crate::model::text;
use crate::tui::state::State;
use crate::tui::state::confirm::{BROAD_WORD, Confirm, Progress};
use crate::tui::state::editor::{Editor, Field, Where};
use crate::tui::theme::Role;
use tui_input::Input;

/// Draws the editor.
pub fn draw(state: &State, pen: &mut Pen<'_>) {
    let Some(editor) = &state.editor else { return };
    let field = |name: &str, field: Field, input: &Input| {
        let focus = editor.focus == field;
        let mut parts = label(name, focus);
        parts.extend(typed(input, focus, pen.columns().saturating_sub(14)));
        parts
    };
    let rows = [
        field("Matchers", Field::Matchers, &editor.matchers),
        targets(editor),
        field("Duration", Field::Duration, &editor.duration),
        field("Comment", Field::Comment, &editor.comment),
        field("Author", Field::Author, &editor.author),
    ];
    for (i, row) in rows.iter().enumerate() {
        pen.line(i, row);
    }
    if let Ok(draft) = &editor.draft {
        let ends = format!("-> ends {} UTC ", draft.ends_at.format("%d %b %H:%M"));
        let parts = rows[2].clone();
        pen.ends(2, &parts, &[part(Role::Text, ends)]);
    }
    let title =
        format!("PREVIEW: would silence now ({}/{} clusters answered)", editor.known(), editor.facts.len());
    pen.titled_rule(5, &title);
    let bottom = pen.rows().saturating_sub(4);
    let used = preview(editor, &mut pen.below(6, bottom.saturating_sub(6)));
    let row = (6 + used + 1).min(bottom);
    let (role, says) = match editor.obstacle() {
        Some(why) => (Role::Error, format!(" not yet: {}", text::line(&why))),
        None => (Role::Text, " ready to be reviewed".to_owned()),
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
    pen.text(row + 2, Role::Muted, format!(" same as: {}", text::line(&editor.command())));
}

fn label(name: &str, focus: bool) -> Vec<Part> {
    let cursor = if focus { '>' } else { ' ' };
    vec![part(if focus { Role::Title } else { Role::Muted }, format!("{cursor}{name:<10} "))]
}

/// The text of a field, scrolled so that its cursor is seen.
fn typed(input: &Input, focus: bool, columns: usize) -> Vec<Part> {
    let value = text::line(input.value()).into_owned();
    if !focus {
        return vec![part(Role::Text, text::truncate_end(&value, columns).into_owned())];
    }
    let split = value.char_indices().nth(input.cursor()).map_or(value.len(), |(i, _)| i);
    let (before, after) = value.split_at(split);
    let hidden = before.chars().count().saturating_sub(columns.saturating_sub(2));
    let before: String = before.chars().skip(hidden).collect();
    vec![part(Role::Input, format!("{before}_{after}"))]
}

fn targets(editor: &Editor) -> Vec<Part> {
    let focus = editor.focus == Field::Targets;
    let mut parts = label("Clusters", focus);
    let names = editor.selected.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    let mut choice = |target: Where, words: String| {
        let sign = if editor.target == target { "(x)" } else { "( )" };
        parts.push(part(
            if editor.target == target { Role::Title } else { Role::Text },
            format!("{sign} {words}  "),
        ));
    };
    if !editor.selected.is_empty() {
        choice(Where::Selected, format!("of the selection: {}", text::truncate_end(&text::line(&names), 24)));
    }
    choice(Where::Matching, "where it matches now".into());
    choice(Where::All, format!("all {}", editor.facts.len()));
    parts
}

/// Draws what the draft would do; returns how many rows it took.
fn preview(editor: &Editor, pen: &mut Pen<'_>) -> usize {
    let Some(preview) = &editor.preview else { return 0 };
    pen.text(0, Role::Title, "   CLUSTER      FIRING  NODES  SILENCED ALREADY  STILL PAGE  NOTE");
    let mut row = 1;
    let mut others = 0;
    for cluster in &preview.clusters {
        let quiet = !cluster.chosen && cluster.alerts.is_empty() && cluster.reachable;
        if quiet || row + 3 > pen.rows() {
            others += 1;
            continue;
        }
        let count = |n: usize| if cluster.reachable { n.to_string() } else { format!("{n}?") };
        let already = cluster.alerts.iter().filter(|hit| hit.silenced).count();
        let note = match (cluster.skipped, cluster.chosen, cluster.reachable) {
            (Some(skip), ..) => skip.words(),
            (None, true, true) => "",
            (None, true, false) => "! DOES NOT ANSWER: tried all the same",
            (None, false, true) => "not selected",
            (None, false, false) => "! DOES NOT ANSWER: not selected, impact unknown",
        };
        let written = cluster.chosen && cluster.skipped.is_none();
        pen.line(
            row,
            &[
                part(Role::Text, if written { " * " } else { "   " }),
                cell(Role::Text, &text::line(cluster.cluster.as_str()), 12),
                number(Role::Text, &count(cluster.alerts.len()), 6),
                number(Role::Text, &count(cluster.nodes.len()), 6),
                number(Role::Text, &count(already), 17),
                number(Role::Text, &count(cluster.stays_visible), 11),
                part(Role::Notice, format!(" {note}")),
            ],
        );
        row += 1;
    }
    if others > 0 {
        pen.text(row, Role::Muted, format!("   {others} other cluster(s): nothing matches"));
        row += 1;
    }
    let names: Vec<String> = preview
        .hits()
        .take(8)
        .map(|hit| format!("{} {}", hit.name, crate::tui::state::rows::without_port(&hit.node)))
        .collect();
    let more = preview.hits().count().saturating_sub(names.len());
    if !names.is_empty() {
        let more = if more > 0 { format!(" +{more}") } else { String::new() };
        pen.text(row, Role::Text, format!(" hits: {}{more}", text::line(&names.join(", "))));
        row += 1;
    }
    if let Some(overlap) = preview.overlaps.first() {
        let more = preview.overlaps.len() - 1;
        let more = if more > 0 { format!(" +{more}") } else { String::new() };
        let (by, ends) =
            (text::line(&overlap.silence.created_by), overlap.silence.ends_at.format("%d %b %H:%MZ"));
        pen.text(row, Role::Notice, format!(" overlaps a silence by {by} that ends {ends}{more}"));
        row += 1;
    }
    for (matcher, why) in preview.cannot_evaluate.iter().take(1) {
        let says = format!(" cannot evaluate {matcher} here ({why}): Alertmanager judges");
        pen.text(row, Role::Notice, text::line(&says).into_owned());
        row += 1;
    }
    row
}

/// Draws the last look.
pub fn confirm(confirm: &Confirm, pen: &mut Pen<'_>) {
    let rows = pen.rows().saturating_sub(2);
    let mut pen = pen.below(1, rows);
    pen.clear();
    pen.titled_rule(0, &format!("CONFIRM: {}", confirm.title));
    let room = rows.saturating_sub(6);
    for (i, line) in confirm.lines.iter().take(room).enumerate() {
        let role = if line.starts_with('!') { Role::Danger } else { Role::Text };
        pen.text(2 + i, role, format!(" {line}"));
    }
    let row = 3 + confirm.lines.len().min(room);
    pen.text(row, Role::Muted, format!(" same as: {}", confirm.command));
    let ask = match (confirm.armed, confirm.level) {
        (false, _) => vec![part(Role::Muted, " read this first ...")],
        (true, crate::tui::state::confirm::Level::Broad) => vec![
            part(Role::Danger, format!(" type {BROAD_WORD} and Enter to send: ")),
            part(Role::Input, format!("{}_", text::line(confirm.typed.value()))),
        ],
        _ => vec![
            part(Role::Selection, " >[ Cancel: Enter ]< "),
            part(Role::Text, "  "),
            part(Role::Danger, " y: send "),
        ],
    };
    pen.line(row + 2, &ask);
}

/// Draws what becomes of an operation.
pub fn operation(state: &State, pen: &mut Pen<'_>) {
    let Some(run) = &state.run else { return };
    let (well, all) = run.well();
    let (role, result) = match &run.ended {
        None => (Role::Notice, format!("under way: {well} of {all} clusters done")),
        Some(Err(why)) => (Role::Error, format!("FAILED: {why}")),
        Some(Ok(())) if well == all => (Role::Good, format!("DONE on {all} of {all} clusters")),
        Some(Ok(())) => (Role::Error, format!("PARTIAL: done on {well} of {all} clusters")),
    };
    pen.line(0, &[part(Role::Title, format!(" {}", run.title)), part(Role::Muted, format!("   {}", run.op))]);
    pen.text(1, role, format!(" {result}"));
    let wide = words::cluster_columns(state);
    for (i, (cluster, progress)) in run.clusters.iter().enumerate().take(pen.rows().saturating_sub(6)) {
        let (mark, role, words) = match progress {
            Progress::Doing(step) => ("..", Role::Muted, (*step).to_owned()),
            Progress::Done(true, words) => ("ok", Role::Good, words.clone()),
            Progress::Done(false, words) => ("!!", Role::Error, words.clone()),
        };
        pen.line(
            3 + i,
            &[part(Role::Text, " "), cell(role, mark, 2), cell(Role::Text, cluster, wide), part(role, words)],
        );
    }
    let row = 4 + run.clusters.len().min(pen.rows().saturating_sub(6));
    if matches!(run.ended, Some(Ok(()))) && !run.op.is_empty() {
        let next = if well < all { "resume" } else { "undo" };
        pen.text(row, Role::Muted, format!(" {next} it: iaasmon silence {next} {}", run.op));
    }
}
