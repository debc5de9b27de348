//! Inventories as tables: RFC 4180, the first row naming the columns.

use super::{Node, bounded, label_name, put, target};
use std::collections::BTreeMap;

/// The columns that may hold the address, the best first.
const ADDRESS: [&str; 4] = ["instance", "address", "host", "name"];

/// A field and the line that it begins on.
type Row = (usize, Vec<String>);

/// Takes the rows of a table: the column `instance`, `address`, `host` or `name` is the address, all others are labels. `file`
/// is how places are named, `checks` the labels that name checks.
///
/// # Errors
/// Everything that is wrong with it, with line and column.
pub fn from_csv(text: &str, file: &str, checks: &[&str]) -> Result<Vec<Node>, Vec<String>> {
    let rows =
        rows(text).map_err(|(line, column, why)| vec![format!("{file}:{line}: column {column}: {why}")])?;
    let Some(((first, names), rows)) = rows.split_first() else {
        return Err(vec![format!("{file}: there is no row: the first one names the columns")]);
    };
    let at = |name: &str| names.iter().position(|column| column.trim().eq_ignore_ascii_case(name));
    let Some(address) = ADDRESS.iter().find_map(|name| at(name)) else {
        return Err(vec![format!(
            "{file}:{first}: no column of the first row is called instance, address, host or name"
        )]);
    };
    let mut problems = Vec::new();
    let mut labels: BTreeMap<usize, String> = BTreeMap::new();
    for (column, name) in names.iter().enumerate().filter(|(column, _)| *column != address) {
        match label_name(name, checks) {
            Ok(label) if labels.values().any(|other| *other == label) => {
                problems.push(format!(
                    "{file}:{first}: column {}: the label `{label}` is there twice",
                    column + 1
                ));
            }
            Ok(label) => _ = labels.insert(column, label),
            Err(why) => problems.push(format!("{file}:{first}: column {}: {why}", column + 1)),
        }
    }
    if !problems.is_empty() {
        return Err(bounded(problems));
    }
    let mut nodes = Vec::new();
    for (line, fields) in rows {
        if fields.len() != names.len() {
            let (is, should) = (fields.len(), names.len());
            problems.push(format!("{file}:{line}: {is} fields, where the first row has {should}"));
            continue;
        }
        match node(fields, address, &labels) {
            Ok((target, labels)) => nodes.push(Node { target, labels, place: format!("{file}:{line}") }),
            Err((column, why)) => problems.push(format!("{file}:{line}: column {}: {why}", column + 1)),
        }
    }
    if problems.is_empty() { Ok(nodes) } else { Err(bounded(problems)) }
}

type Built = (String, BTreeMap<String, String>);

fn node(
    fields: &[String],
    address: usize,
    names: &BTreeMap<usize, String>,
) -> Result<Built, (usize, String)> {
    let target = target(&fields[address]).map_err(|why| (address, why))?;
    let mut labels = BTreeMap::new();
    for (column, name) in names {
        put(&mut labels, name.clone(), &fields[*column]).map_err(|why| (*column, why))?;
    }
    Ok((target, labels))
}

/// Splits a table into rows; empty lines are none. What is wrong is told with line and column.
fn rows(text: &str) -> Result<Vec<Row>, (usize, usize, &'static str)> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut rows: Vec<Row> = Vec::new();
    let mut fields: Vec<String> = Vec::new();
    let (mut line, mut begun) = (1, 1);
    let mut chars = text.chars().peekable();
    while chars.peek().is_some() {
        let mut field = String::new();
        let column = fields.len() + 1;
        if chars.next_if_eq(&'"').is_some() {
            let opened = line;
            loop {
                match chars.next() {
                    Some('"') if chars.next_if_eq(&'"').is_some() => field.push('"'),
                    Some('"') => break,
                    Some(c) => {
                        line += usize::from(c == '\n');
                        field.push(c);
                    }
                    None => return Err((opened, column, "the quotes are not closed")),
                }
            }
        } else {
            while let Some(c) = chars.next_if(|c| !matches!(c, ',' | '\n' | '\r')) {
                if c == '"' {
                    return Err((
                        line,
                        column,
                        "quotes inside a field: quote the whole field, and write them twice",
                    ));
                }
                field.push(c);
            }
        }
        fields.push(field);
        let ends = match chars.next() {
            // A row that ends with a comma has an empty field behind it.
            Some(',') if chars.peek().is_none() => {
                fields.push(String::new());
                true
            }
            Some(',') => false,
            Some('\r') => chars.next_if_eq(&'\n').is_some() || chars.peek().is_none(),
            Some('\n') | None => true,
            Some(_) => return Err((line, column, "something stands behind the closing quotes")),
        };
        if ends {
            if fields != [""] {
                rows.push((begun, std::mem::take(&mut fields)));
            }
            fields.clear();
            line += 1;
            begun = line;
        }
    }
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Vec<String> {
        let nodes = from_csv(text, "f.csv", &["check"]).expect("nodes");
        let label = |(name, value): (&String, &String)| format!("{name}={value}");
        let labels = |node: &Node| node.labels.iter().map(label).collect::<Vec<_>>().join(",");
        nodes.iter().map(|node| format!("{} {} {}", node.place, node.target, labels(node))).collect()
    }

    #[test]
    fn rows_become_nodes_and_columns_labels() {
        let text = "\u{feff}Host,Rack No,owner\r\nweb-1,r1,\"a, \"\"b\"\"\"\r\n\r\nweb-2:99,\"two\nlines\",\r\nweb-3,,x";
        let expected = [
            "f.csv:2 web-1:10105 Rack_No=r1,owner=a, \"b\"",
            "f.csv:4 web-2:99 Rack_No=two lines",
            "f.csv:6 web-3:10105 owner=x",
        ];
        assert_eq!(read(text), expected);
        assert_eq!(
            read("name,address\na,10.0.0.1\n"),
            ["f.csv:2 10.0.0.1:10105 name=a"],
            "an address is better"
        );
        assert_eq!(read("host,x\na,"), ["f.csv:2 a:10105 "]);
    }

    #[test]
    fn what_is_wrong_is_told_with_its_place() {
        for (text, expected) in [
            ("", "f.csv: there is no row"),
            ("rack,owner\n", "f.csv:1: no column"),
            ("host,rack\na\n", "f.csv:2: 1 fields, where the first row has 2"),
            ("host,rack\na,\"b\n\nc", "f.csv:2: column 2: the quotes are not closed"),
            ("host,rack\n\na,\"b\"c\n", "f.csv:3: column 2: something stands behind"),
            ("host,rack\na,b\"c\n", "f.csv:2: column 2: quotes inside"),
            ("host,rack\na b,c\n", "f.csv:2: column 1: `a b` is no address"),
            ("host,a b,a_b\n", "f.csv:1: column 3: the label `a_b` is there twice"),
            ("host,job\n", "f.csv:1: column 2: a label `job`"),
            ("host,__x\n", "f.csv:1: column 2: the label `__x`"),
            ("host,rack,check\n", "f.csv:1: column 3: the label `check` names the check"),
            ("host,rack,severity\n", "f.csv:1: column 3: the label `severity` is one that alerts"),
        ] {
            let problems = from_csv(text, "f.csv", &["check"]).expect_err(text);
            assert!(problems[0].starts_with(expected), "{problems:?}");
        }
        let many = format!("host\n{}", "a b\n".repeat(50));
        let problems = from_csv(&many, "f.csv", &[]).expect_err("refused");
        assert_eq!((problems.len(), problems[20].as_str()), (21, "and 30 more"));
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "[a,\"\n\r x]{0,40}") {
            let _ = from_csv(&text, "f", &["check"]);
        }

        #[test]
        fn what_is_quoted_comes_back(fields in proptest::collection::vec("[a,\"\n x]{0,6}", 2..4)) {
            let quoted: Vec<String> = fields.iter().map(|f| format!("\"{}\"", f.replace('"', "\"\""))).collect();
            let read = rows(&quoted.join(",")).expect("one row");
            proptest::prop_assert_eq!(&read[0].1, &fields);
        }
    }
}
