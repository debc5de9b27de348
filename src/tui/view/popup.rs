//! What lies over a screen: the keys that are valid there, and the command palette.

use super::pen::{Pen, cell, part};
use crate::model::text;
use crate::tui::state::State;
use crate::tui::state::palette::Palette;
use crate::tui::theme::Role;

/// Draws the keys that are valid here.
pub fn help(state: &State, top: usize, pen: &mut Pen<'_>) {
    let keys = state.keys(true);
    let room = state.help_rows();
    let top = top.min(keys.len().saturating_sub(room));
    let rows = pen.rows().saturating_sub(2);
    let mut pen = pen.below(1, rows);
    pen.clear();
    let last = keys.len().min(top + room);
    pen.titled_rule(0, &format!("keys on this screen, {} to {last} of {} (Esc closes)", top + 1, keys.len()));
    for (i, (key, label)) in keys.iter().skip(top).take(room).enumerate() {
        pen.line(1 + i, &[part(Role::Text, "  "), cell(Role::Key, key, 12), part(Role::Text, *label)]);
    }
    pen.text(rows.saturating_sub(3), Role::Muted, "  everywhere: Ctrl-C quit  Ctrl-Z suspend  Ctrl-L redraw");
    pen.text(
        rows.saturating_sub(2),
        Role::Muted,
        "  > cursor  * marked  ~ old  ! problem  + group  - open group  ? not known",
    );
    pen.text(
        rows.saturating_sub(1),
        Role::Muted,
        "  silenced*: by a silence made here, not yet confirmed by Alertmanager",
    );
}

/// Draws the command palette.
pub fn palette(palette: &Palette, pen: &mut Pen<'_>) {
    let rows = pen.rows().saturating_sub(2);
    let mut pen = pen.below(1, rows);
    pen.clear();
    pen.titled_rule(0, "command, screen, cluster or node (Enter goes, Esc closes)");
    pen.line(
        1,
        &[part(Role::Key, " :"), part(Role::Input, format!("{}_", text::line(palette.input.value())))],
    );
    let room = rows.saturating_sub(2).max(1);
    let top = (palette.at + 1).saturating_sub(room);
    for (i, entry) in palette.entries.iter().enumerate().skip(top).take(room) {
        let row = 2 + i - top;
        let cursor = if i == palette.at { " > " } else { "   " };
        pen.line(
            row,
            &[
                part(Role::Text, cursor),
                cell(Role::Muted, entry.kind, 8),
                part(Role::Text, entry.label.clone()),
            ],
        );
        if i == palette.at {
            pen.highlight(row, Role::Selection);
        }
    }
    if palette.entries.is_empty() {
        pen.text(2, Role::Muted, "   nothing fits");
    }
}
