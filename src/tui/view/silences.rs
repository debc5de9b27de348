//! The list of logical silences, and one of them.

use super::pen::{Part, Pen, cell, number, part};
use super::words;
use crate::model::silence::SilenceState;
use crate::model::text;
use crate::model::time::{age, both_clocks, format_left};
use crate::tui::state::State;
use crate::tui::state::list::RowKey;
use crate::tui::state::silences::SilenceRow;
use crate::tui::state::wrap::wrapped;
use crate::tui::theme::Role;

/// Draws the list.
pub fn draw(state: &State, pen: &mut Pen<'_>) {
    let shown = state.silences.shown.len();
    let copies: usize = (0..shown).filter_map(|i| state.silence(i)).map(|row| row.silence.copies.len()).sum();
    let which =
        if state.silences.expired { "all, expired ones last" } else { "active and pending (z: expired)" };
    let right = match (shown, copies) {
        (1, 1) => "1 silence ".to_owned(),
        (1, n) => format!("1 silence, {n} copies "),
        (silences, copies) => format!("{silences} silences, {copies} copies "),
    };
    pen.ends(0, &[part(Role::Muted, format!(" {which}; first to end first"))], &[part(Role::Text, right)]);
    let wide = pen.columns().saturating_sub(40 + text::width(&id_cell(state, Role::Text, "").1));
    let matchers = (wide * 3 / 5).max(16);
    pen.line(
        1,
        &[
            part(Role::Title, "   "),
            id_cell(state, Role::Title, "ID"),
            cell(Role::Title, "ENDS IN", 7),
            cell(Role::Title, "STATE", 7),
            cell(Role::Title, "AUTHOR", 10),
            cell(Role::Title, "ON", 3),
            cell(Role::Title, "HOLDS", 5),
            cell(Role::Title, "MATCHERS", matchers),
            part(Role::Title, "COMMENT"),
        ],
    );
    if shown == 0 {
        return empty(state, pen);
    }
    let list = &state.page().list;
    for i in list.top..shown.min(list.top + state.list_rows()) {
        let row = 2 + i - list.top;
        let Some(silence) = state.silence(i) else { continue };
        draw_row(state, silence, i == list.at, matchers, row, pen);
        if i == list.at {
            pen.highlight(row, Role::Selection);
        }
    }
}

/// The column of ids; not there where the screen is too narrow for it.
fn id_cell(state: &State, role: Role, id: &str) -> Part {
    if state.size.0 < 120 { part(role, "") } else { cell(role, &text::line(id), 8) }
}

fn empty(state: &State, pen: &mut Pen<'_>) {
    let loading = state.clusters.iter().any(|c| c.servers.1 > 0 && !c.silences.answered);
    let silent = state.unknown_silences();
    let says = match (loading, silent, state.filter().text().is_empty()) {
        (true, ..) => "loading ...".to_owned(),
        (_, 0, true) => "No silences (n: new)".to_owned(),
        (_, 0, false) => "No silence fits the filter (/ to edit, Backspace to drop it)".to_owned(),
        (_, 1, _) => "None seen; a cluster did not answer (key 5: clusters)".to_owned(),
        _ => format!("None seen; {silent} clusters did not answer (key 5: clusters)"),
    };
    pen.text(3, Role::Text, format!("   {says}"));
}

fn ends(state: &State, silence: &SilenceRow) -> String {
    let now = state.now;
    match silence.state(now) {
        SilenceState::Active => format_left(age(now, silence.silence.ends_at)),
        SilenceState::Pending => format!("in {}", format_left(age(now, silence.silence.starts_at))),
        SilenceState::Expired => format!("-{}", format_left(age(silence.silence.ends_at, now))),
    }
}

fn draw_row(
    state: &State,
    silence: &SilenceRow,
    cursor: bool,
    matchers: usize,
    row: usize,
    pen: &mut Pen<'_>,
) {
    let stands = silence.state(state.now);
    let soon = silence.silence.ends_at - state.now < chrono::TimeDelta::minutes(30);
    let marked = state.page().list.marks.contains(&RowKey::Silence(silence.silence.id.clone()));
    let mark = if marked {
        '*'
    } else if silence.kept || silence.clusters.iter().any(|c| state.is_stale(*c)) {
        '~'
    } else if !silence.drift.is_empty() || (stands == SilenceState::Active && soon && silence.hits > 0) {
        '!'
    } else {
        ' '
    };
    let role = if stands == SilenceState::Active { Role::Text } else { Role::Muted };
    let differs = if silence.drift.is_empty() { "" } else { "differs: " };
    pen.line(
        row,
        &[
            part(Role::Text, words::marks(cursor, mark)),
            id_cell(state, role, silence.silence.short_id()),
            cell(role, &ends(state, silence), 7),
            cell(role, stands.word(), 7),
            cell(role, &silence.author, 10),
            number(role, &silence.silence.clusters().len().to_string(), 3),
            number(role, &silence.hits.to_string(), 5),
            cell(role, &silence.matchers, matchers),
            part(Role::Notice, differs),
            part(role, silence.comment.to_string()),
        ],
    );
}

/// Draws one silence.
pub fn one(state: &State, id: &str, pen: &mut Pen<'_>) {
    let Some(silence) = state.silences.find(id) else {
        return pen.text(0, Role::Notice, " This silence is no longer there.");
    };
    let room = pen.columns().saturating_sub(11);
    let fact = |name: &'static str, value: String| {
        let rows = wrapped(&value, room, 0).into_iter().enumerate();
        rows.map(move |(i, row)| {
            let name = if i == 0 { name } else { "" };
            vec![part(Role::Muted, format!(" {name:<9} ")), part(Role::Text, row)]
        })
    };
    let stands = format!("{} ({})", silence.state(state.now).word(), ends(state, silence));
    let facts = [
        fact("id", text::line(&silence.silence.id).into_owned()),
        fact("state", stands),
        fact("matchers", silence.matchers.to_string()),
        fact("comment", silence.comment.to_string()),
        fact("author", silence.author.to_string()),
        fact("starts", both_clocks(silence.silence.starts_at)),
        fact("ends", both_clocks(silence.silence.ends_at)),
    ];
    let mut lines: Vec<Vec<Part>> = facts.into_iter().flatten().collect();
    for drift in &silence.drift {
        let said = wrapped(&format!(" ! {drift} (R makes them alike)"), pen.columns(), 3);
        lines.extend(said.into_iter().map(|row| vec![part(Role::Notice, row)]));
    }
    lines.push(Vec::new());
    lines.push(vec![part(
        Role::Title,
        " CLUSTER       ID                                    STATE    ENDS      KNOWN TO",
    )]);
    for copy in &silence.silence.copies {
        lines.push(vec![
            part(Role::Text, " "),
            cell(Role::Text, &text::line(copy.cluster.as_str()), 13),
            cell(Role::Text, &text::line(&copy.silence.id), 37),
            cell(Role::Text, copy.silence.state.word(), 8),
            cell(Role::Text, &copy.silence.ends_at.format("%H:%M:%SZ").to_string(), 9),
            part(Role::Text, text::line(&copy.seen_by.join(" ")).into_owned()),
        ]);
    }
    lines.push(Vec::new());
    lines.push(vec![part(Role::Title, format!(" HELD BACK NOW: {}", state.count(silence.hits)))]);
    for row in state.held_by(silence).take(pen.rows()) {
        lines.push(vec![
            part(words::severity(row.alert.severity), format!(" {} ", row.alert.severity.word())),
            cell(Role::Text, &row.name, 24),
            cell(Role::Text, &row.place(), 20),
            part(Role::Text, state.cluster_name(row.cluster).to_owned()),
        ]);
    }
    for (i, line) in lines.iter().enumerate().take(pen.rows()) {
        pen.line(i, line);
    }
}
