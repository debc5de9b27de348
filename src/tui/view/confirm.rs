//! The last look before something is written.

use super::pen::{Pen, part};
use crate::model::text;
use crate::tui::state::confirm::{BROAD_WORD, Confirm, Layout, Level, RemainsAsked};
use crate::tui::theme::Role;

/// Draws the last look.
pub fn draw(confirm: &Confirm, pen: &mut Pen<'_>) {
    let rows = pen.rows().saturating_sub(2);
    let mut pen = pen.below(1, rows);
    pen.clear();
    pen.titled_rule(0, &format!("CONFIRM: {}", confirm.title));
    let Layout { lines, command, room } = confirm.layout(pen.columns(), rows);
    let top = confirm.top.min(lines.len().saturating_sub(room));
    let shown = lines.len().saturating_sub(top).min(room);
    for (i, (danger, line)) in lines[top..top + shown].iter().enumerate() {
        pen.text(2 + i, if *danger { Role::Danger } else { Role::Text }, line.as_str());
    }
    let mut row = 2 + shown;
    if lines.len() > room {
        let says = format!(" rows {}-{} of {}: Down and Up show the rest", top + 1, top + shown, lines.len());
        pen.text(row, Role::Notice, says);
    }
    row += 1;
    for line in command {
        pen.text(row, Role::Muted, line);
        row += 1;
    }
    let ask = match (confirm.armed, confirm.level) {
        (false, _) => vec![part(Role::Muted, " read this first ...")],
        (true, Level::Broad) => vec![
            part(Role::Danger, format!(" type {BROAD_WORD} and Enter to send: ")),
            part(Role::Input, format!("{}_", text::line(confirm.typed.value()))),
            part(Role::Text, "   Esc: cancel"),
        ],
        _ => vec![
            part(Role::Selection, " >[ Cancel: Enter ]< "),
            part(Role::Text, "  "),
            part(Role::Danger, format!(" y: {} ", confirm.verb())),
        ],
    };
    pen.line(rows.saturating_sub(1).min(row + 1), &ask);
}

/// Draws that what is left of operations is being found out.
pub fn remains(asked: &RemainsAsked, pen: &mut Pen<'_>) {
    let mut pen = pen.below(1, pen.rows().saturating_sub(2));
    pen.clear();
    pen.titled_rule(0, &asked.title);
    pen.text(2, Role::Notice, " reading what stands on every cluster and what is left to be sent ...");
    pen.text(4, Role::Muted, " nothing is sent before you say so; Esc cancels");
}
