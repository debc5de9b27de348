//! The last look before something is written.

use super::pen::{Pen, part};
use crate::model::text;
use crate::tui::state::confirm::{BROAD_WORD, Confirm, Level};
use crate::tui::theme::Role;

/// How far continued rows are moved in, so that what a line is about stands alone in its column.
const INDENT: usize = 11;

/// Draws the last look.
pub fn draw(confirm: &Confirm, pen: &mut Pen<'_>) {
    let rows = pen.rows().saturating_sub(2);
    let mut pen = pen.below(1, rows);
    pen.clear();
    pen.titled_rule(0, &format!("CONFIRM: {}", confirm.title));
    let columns = pen.columns();
    let lines: Vec<(Role, String)> = confirm
        .lines
        .iter()
        .flat_map(|line| {
            let role = if line.starts_with('!') { Role::Danger } else { Role::Text };
            wrapped(&format!(" {line}"), columns, INDENT).into_iter().map(move |row| (role, row))
        })
        .collect();
    // What is written is worth more rows than how it would be typed.
    let left = rows.saturating_sub(5 + lines.len()).max(2);
    let command = cut(wrapped(&format!(" same as: {}", confirm.command), columns, 10), left);
    let room = rows.saturating_sub(5 + command.len());
    let top = confirm.top.min(lines.len().saturating_sub(room));
    let shown = lines.len().saturating_sub(top).min(room);
    for (i, (role, line)) in lines[top..top + shown].iter().enumerate() {
        pen.text(2 + i, *role, line.as_str());
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
            part(Role::Danger, " y: send "),
        ],
    };
    pen.line(rows.saturating_sub(1).min(row + 1), &ask);
}

/// Keeps the first `most` rows and says that there are more.
pub fn cut(mut rows: Vec<String>, most: usize) -> Vec<String> {
    if rows.len() > most {
        rows.truncate(most);
        if let Some(last) = rows.last_mut() {
            let columns = text::width(last);
            *last = format!("{} ...", text::split_at_width(last, columns.saturating_sub(4).max(1)).0);
        }
    }
    rows
}

/// Breaks a line into rows of at most `columns`, at blanks where there are any; rows after the first are moved in.
pub fn wrapped(line: &str, columns: usize, indent: usize) -> Vec<String> {
    let mut rows = Vec::new();
    let mut rest = line.to_owned();
    let indent = " ".repeat(indent.min(columns / 2));
    while text::width(&rest) > columns.max(2) {
        let (head, _) = text::split_at_width(&rest, columns.max(2));
        // A break near the beginning would leave a row nearly empty.
        let blank = head.rfind(' ').filter(|at| *at > head.len() / 2).unwrap_or(head.len());
        let (head, tail) = rest.split_at(blank);
        let next = format!("{indent}{}", tail.trim_start());
        rows.push(head.to_owned());
        if tail.trim_start().is_empty() || text::width(&next) >= text::width(&rest) {
            return rows;
        }
        rest = next;
    }
    rows.push(rest);
    rows
}

#[cfg(test)]
mod tests {
    use super::wrapped;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn wrapping_loses_nothing_but_blanks(line in "[a-z \"=]{0,200}", columns in 20usize..100) {
            let rows = wrapped(&line, columns, 8);
            let squeeze = |text: &str| text.replace(' ', "");
            prop_assert_eq!(squeeze(&rows.concat()), squeeze(&line));
            prop_assert!(rows.iter().all(|row| crate::model::text::width(row) <= columns));
        }
    }
}
