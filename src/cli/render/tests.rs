use super::*;
use crate::cli::args::ListArgs;
use proptest::prelude::*;
use serde_json::Value;

#[derive(Debug, Clone, Serialize)]
struct Row {
    name: String,
    count: u32,
    text: String,
}

type C = Column<Row>;

const SHAPE: Shape<Row> = Shape {
    columns: &[
        C::name("name", |row, _| Cell::text(&*row.name)),
        C::number("count", |row, _| Cell::count(row.count, Tone::Bad)).droppable(1),
        C::text("text", |row, _| Cell::text(&*row.text)).droppable(2),
        C::word("more", |row, _| Cell::text(format!("<{}>", row.count))).wide(),
    ],
    name: |row| row.name.clone(),
};

fn row(name: &str, count: u32, text: &str) -> Row {
    Row { name: name.to_owned(), count, text: text.to_owned() }
}

fn rows() -> Vec<Row> {
    vec![
        row("node-0001.rack-114.dc1", 3, "disk \u{1b}[31m91 %\u{1b}[0m full\nand more"),
        row("b", 20, "ディスク使用率"),
        row("c", 0, ""),
    ]
}

fn print(rows: Vec<Row>, args: &ListArgs, view: View) -> Result<String, AppError> {
    let coverage = Coverage::default();
    let listing =
        Listing { shape: &SHAPE, rows, coverage: &coverage, notes: &[], now: Timestamp::UNIX_EPOCH };
    let mut out = Vec::new();
    listing.print(args, view, &mut out)?;
    Ok(String::from_utf8(out).expect("text"))
}

fn as_format(output: Format) -> ListArgs {
    ListArgs { output, ..ListArgs::default() }
}

fn terminal(width: usize) -> View {
    View { width: Some(width), color: false }
}

#[test]
fn a_pipe_gets_whole_names_and_one_line_a_row() {
    let text = print(rows(), &ListArgs::default(), View::default()).expect("printed");
    insta::assert_snapshot!(text, @r"
    NAME                    COUNT  TEXT
    node-0001.rack-114.dc1      3  disk 91 % full and more
    b                          20  ディスク使用率
    c                           0
    ");
}

#[test]
fn a_terminal_gets_what_fits() {
    let text = print(rows(), &ListArgs::default(), terminal(44)).expect("printed");
    insta::assert_snapshot!(text, @r"
    NAME                 COUNT  TEXT
    node-0001..-114.dc1      3  disk 91 % full..
    b                       20  ディスク使用率
    c                        0
    ");
    let text = print(rows(), &ListArgs::default(), terminal(26)).expect("printed");
    insta::assert_snapshot!(text, @r"
    NAME                 COUNT
    node-0001..-114.dc1      3
    b                       20
    c                        0
    ");
}

#[test]
fn wide_shows_every_column_whole() {
    let text = print(rows(), &as_format(Format::Wide), terminal(30)).expect("printed");
    insta::assert_snapshot!(text, @r"
    NAME                    COUNT  TEXT                     MORE
    node-0001.rack-114.dc1      3  disk 91 % full and more  <3>
    b                          20  ディスク使用率           <20>
    c                           0                           <0>
    ");
}

#[test]
fn csv_is_raw_and_complete() {
    let text = print(rows(), &as_format(Format::Csv), View::default()).expect("printed");
    assert_eq!(
        text,
        "name,count,text,more\nnode-0001.rack-114.dc1,3,\"disk \u{1b}[31m91 %\u{1b}[0m full\nand more\",<3>\n\
         b,20,ディスク使用率,<20>\nc,0,,<0>\n"
    );
}

#[test]
fn structured_forms_carry_the_rows_and_their_coverage() {
    let json: Value =
        serde_json::from_str(&print(rows(), &as_format(Format::Json), View::default()).expect("printed"))
            .expect("JSON");
    assert_eq!(
        (&json["v"], &json["coverage"], &json["notes"]),
        (&1.into(), &Value::Array(vec![]), &Value::Array(vec![]))
    );
    assert_eq!(json["data"][1], serde_json::json!({"name": "b", "count": 20, "text": "ディスク使用率"}));
    let lines = print(rows(), &as_format(Format::Jsonl), View::default()).expect("printed");
    let parsed: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(Value::Array(parsed), json["data"]);
    let yaml: Value =
        serde_saphyr::from_str(&print(rows(), &as_format(Format::Yaml), View::default()).expect("printed"))
            .expect("YAML");
    assert_eq!(yaml, json);
}

#[test]
fn sorting_and_limiting_come_before_printing() {
    let args = |sort: &str, limit| ListArgs {
        sort: sort.split(',').map(str::to_owned).collect(),
        limit,
        ..as_format(Format::Name)
    };
    let print = |args: &ListArgs| print(rows(), args, View::default()).expect("printed");
    assert_eq!(print(&args("-count", Some(2))), "b\nnode-0001.rack-114.dc1\n");
    assert_eq!(print(&args("COUNT,name", None)), "c\nnode-0001.rack-114.dc1\nb\n");
}

#[test]
fn an_unknown_column_is_an_error_that_lists_what_there_is() {
    let args = ListArgs { sort: vec!["-cuont".to_owned()], ..ListArgs::default() };
    let error = print(rows(), &args, View::default()).expect_err("unknown");
    assert_eq!(error.complaints[0].message, "--sort: there is no column `cuont`");
    assert_eq!(error.complaints[0].hints, ["did you mean `count`?", "columns are name, count, text, more"]);
}

#[test]
fn colours_surround_words_and_never_the_padding() {
    let view = View { width: Some(80), color: true };
    let text = print(vec![row("a", 1, "x"), row("b", 0, "y")], &ListArgs::default(), view).expect("printed");
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[1], "a         \u{1b}[1m\u{1b}[31m1\u{1b}[0m  x");
    assert_eq!(lines[2], "b         \u{1b}[2m0\u{1b}[0m  y");
}

proptest! {
    #[test]
    fn no_row_is_wider_than_the_terminal_and_none_holds_a_control(
        texts in proptest::collection::vec(("\\PC{0,40}|[\\x00-\\x20a-z\\x{9b}\\x{202e}日]{0,40}", 0u32..1_000_000, any::<String>()), 0..6),
        width in 1usize..100,
        headers in any::<bool>(),
    ) {
        let count = texts.len();
        let rows = texts.into_iter().map(|(name, count, text)| Row { name, count, text }).collect();
        let args = ListArgs { no_headers: !headers, ..ListArgs::default() };
        let text = print(rows, &args, terminal(width)).expect("printed");
        prop_assert_eq!(text.lines().count(), if count == 0 { 0 } else { count + usize::from(headers) });
        for line in text.lines() {
            prop_assert!(crate::model::text::width(line) <= width, "{:?} in {}", line, width);
            prop_assert!(!line.contains(char::is_control), "{:?}", line);
        }
    }
}
