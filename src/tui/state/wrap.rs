//! Lines that are longer than the screen is wide.

use crate::model::text;

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
