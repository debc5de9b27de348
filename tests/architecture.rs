//! Holds the sources to the tables of ARCHITECTURE.md and to the rules that no compiler checks.

#[path = "architecture/source.rs"]
mod source;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use source::{Named, files_below, project, relative, rust_files_below};

/// A file longer than this does more than one thing.
const MOST_LINES: usize = 1000;

#[test]
fn imports_follow_the_table_of_architecture_md() {
    let rooms = Rooms::read();
    let mut broken = Vec::new();
    for (file, text) in sources() {
        let module = source::module_of(&file);
        if module.is_empty() {
            continue; // lib.rs and main.rs are the roof over all rooms
        }
        for named in source::own_paths(&text, &module) {
            if let Err(rule) = rooms.judge(&module, &named) {
                broken.push(format!("{file}:{}: {rule}", named.line));
            }
        }
    }
    report(&broken, "imports that the table \"Rooms\" of ARCHITECTURE.md does not allow");
}

#[test]
fn every_room_stands_in_the_table_and_every_row_stands_for_a_room() {
    let rooms = Rooms::read();
    let mut broken = Vec::new();
    for path in fs::read_dir(project().join("src"))
        .expect("src is there")
        .map(|entry| entry.expect("readable").path())
    {
        let name = path.file_name().expect("an entry has a name").to_string_lossy().into_owned();
        let known = if path.is_dir() {
            rooms.rows.contains_key(&name)
        } else {
            name == "lib.rs" || name == "main.rs"
        };
        if !known {
            broken.push(format!("src/{name}: no row in ARCHITECTURE.md"));
        }
    }
    for (room, row) in &rooms.rows {
        let there =
            project().join("src").join(room).is_dir() || project().join(format!("src/{room}.rs")).is_file();
        match (there, row.planned) {
            (true, true) => {
                broken.push(format!("ARCHITECTURE.md: `{room}` exists and is still called planned"))
            }
            (false, false) if !room.contains('/') => {
                broken.push(format!("ARCHITECTURE.md: there is no src/{room}"))
            }
            _ => {}
        }
        for other in row.may.iter().flatten().filter(|other| !rooms.rows.contains_key(room_of(other))) {
            broken.push(format!("ARCHITECTURE.md: `{room}` may import `{other}`, which is no room"));
        }
    }
    report(&broken, "rooms and the table \"Rooms\" of ARCHITECTURE.md differ");
}

#[test]
fn crates_that_belong_to_one_room_stay_there() {
    let homes: BTreeMap<String, Vec<String>> = table("crate")
        .into_iter()
        .map(|row| (quoted(&row[0]).concat().replace('-', "_"), quoted(&row[1])))
        .collect();
    let names: Vec<String> = homes.keys().cloned().collect();
    assert!(!names.is_empty(), "the table of crates in ARCHITECTURE.md was not found");
    let mut broken = Vec::new();
    for (file, text) in sources() {
        let module = source::module_of(&file);
        for (name, named) in source::foreign_crates(&text, &module, &names) {
            let home = &homes[&name];
            if !named.in_tests && !home.iter().any(|home| is_below(&module, home)) {
                broken.push(format!("{file}:{}: `{name}` is named in {} only", named.line, home.join(", ")));
            }
        }
    }
    report(&broken, "crates outside their room");
}

#[test]
fn no_file_does_too_much() {
    let mut broken = Vec::new();
    for (file, text) in sources() {
        let lines = text.lines().count();
        if lines > MOST_LINES {
            broken.push(format!(
                "{file}: {lines} lines; the most is {MOST_LINES}: split it, or move its tests to tests.rs"
            ));
        }
    }
    report(&broken, "files that are too long");
}

#[test]
fn no_fixture_is_forgotten() {
    let readers: Vec<String> = ["src", "tests", "benches"]
        .iter()
        .flat_map(|dir| rust_files_below(&project().join(dir)))
        .map(|path| read(&path))
        .collect();
    let mut broken = Vec::new();
    for path in files_below(&project().join("fixtures")) {
        let file = relative(&path);
        let (folder, name) = file.rsplit_once('/').expect("a fixture has a folder");
        // The name alone is not enough: two versions of a server have files of the same name.
        let short = format!("{}/{name}", folder.rsplit('/').next().unwrap_or(folder));
        // A folder that is read whole says so in a comment: `fixtures/sensu/*`.
        let whole = format!("{folder}/*");
        if name != "README.md" && !readers.iter().any(|text| text.contains(&short) || text.contains(&whole)) {
            broken
                .push(format!("{file}: no source or test names `{short}` (or says that it reads `{whole}`)"));
        }
    }
    report(&broken, "fixtures that nothing reads");
}

#[test]
fn no_test_is_switched_off() {
    let mut broken = Vec::new();
    for path in ["src", "tests", "benches"].iter().flat_map(|dir| rust_files_below(&project().join(dir))) {
        for line in source::ignored_tests(&read(&path)) {
            broken.push(format!("{}:{line}: a test that is not run proves nothing", relative(&path)));
        }
    }
    report(&broken, "tests that are switched off");
}

#[test]
fn no_path_of_one_machine_is_committed() {
    let mut paths = vec![format!("{}/", project().display()), format!("/{}/", "root")];
    paths.extend(
        std::env::var_os("HOME").map(|home| format!("{}/", home.to_string_lossy())).filter(|h| h.len() > 2),
    );
    let folders = ["src", "tests", "benches", "scripts", "docs", "man", "themes", "deploy", ".ci", ".config"];
    let top =
        fs::read_dir(project()).expect("the project is there").map(|entry| entry.expect("readable").path());
    let top = top.filter(|path| path.extension().is_some_and(|ext| ext == "md" || ext == "toml"));
    let mut broken = Vec::new();
    for path in folders.iter().flat_map(|dir| files_below(&project().join(dir))).chain(top) {
        let text = String::from_utf8_lossy(&fs::read(&path).expect("file is readable")).into_owned();
        for (number, line) in text.lines().enumerate() {
            if let Some(found) = paths.iter().find(|found| line.contains(found.as_str())) {
                broken.push(format!("{}:{}: names `{found}`", relative(&path), number + 1));
            }
        }
    }
    report(&broken, "paths that exist on one machine only");
}

/// The table "Rooms" of ARCHITECTURE.md.
struct Rooms {
    rows: BTreeMap<String, Row>,
}

struct Row {
    /// The rooms or parts of rooms that may be imported; `None` is everything.
    may: Option<Vec<String>>,
    planned: bool,
}

impl Rooms {
    fn read() -> Rooms {
        let rows: BTreeMap<String, Row> = table("room")
            .into_iter()
            .map(|row| {
                let may = (row[1] != "everything").then(|| quoted(&row[1]));
                (quoted(&row[0]).concat(), Row { may, planned: row[2].starts_with("*planned*") })
            })
            .collect();
        assert!(rows.contains_key("model"), "the table of rooms in ARCHITECTURE.md was not found");
        Rooms { rows }
    }

    /// Says which rule a path breaks that is named in `module`.
    fn judge(&self, module: &[String], named: &Named) -> Result<(), String> {
        let Some(target) = named.path.first().filter(|name| name.as_str() != "*") else {
            return Err("imports the crate's root: name the room".to_owned());
        };
        if !self.rows.contains_key(target) {
            return Err(format!("`crate::{target}` is no room: name the room that it comes from"));
        }
        let rows = self.rows.iter().filter(|(room, _)| is_below(module, room));
        for (room, row) in rows {
            let allowed = match &row.may {
                None => true,
                Some(may) => is_below(&named.path, room) || may.iter().any(|may| is_below(&named.path, may)),
            };
            if !allowed {
                let may = row.may.iter().flatten().cloned().collect::<Vec<_>>().join(" ");
                let may = if may.is_empty() { "nothing of ours" } else { &may };
                return Err(format!(
                    "`{room}` may not import `crate::{}` (it may: {may})",
                    named.path.join("::")
                ));
            }
        }
        Ok(())
    }
}

/// Whether a path of modules lies in `room`, which is written `a` or `a/b`.
fn is_below(path: &[String], room: &str) -> bool {
    let parts: Vec<&str> = room.split('/').collect();
    path.len() >= parts.len() && parts.iter().zip(path).all(|(part, have)| part == have)
}

fn room_of(path: &str) -> &str {
    path.split('/').next().unwrap_or(path)
}

/// The rows of the table of ARCHITECTURE.md whose first column is headed `head`.
fn table(head: &str) -> Vec<Vec<String>> {
    let text = read(&project().join("ARCHITECTURE.md"));
    let lines = text.lines().skip_while(|line| !line.starts_with(&format!("| {head} |")));
    lines
        .skip(2)
        .take_while(|line| line.starts_with('|'))
        .map(|line| line.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect())
        .collect()
}

/// The words in backticks of a cell.
fn quoted(cell: &str) -> Vec<String> {
    cell.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

/// Every file below src with its text.
fn sources() -> Vec<(String, String)> {
    rust_files_below(&project().join("src")).iter().map(|path| (relative(path), read(path))).collect()
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn report(broken: &[String], what: &str) {
    assert!(broken.is_empty(), "{what}:\n  {}\n", broken.join("\n  "));
}

#[test]
fn the_judge_knows_right_from_wrong() {
    let rooms = Rooms::read();
    let judge = |module: &str, path: &str| {
        let parts =
            |text: &str| text.split('/').filter(|p| !p.is_empty()).map(str::to_owned).collect::<Vec<_>>();
        rooms.judge(&parts(module), &Named { line: 1, path: parts(path), in_tests: false })
    };
    assert_eq!(judge("net/http", "wire/prom_json"), Ok(()));
    assert_eq!(judge("net/http", "net/error"), Ok(()));
    assert_eq!(judge("cli/alerts", "tui/runtime"), Ok(()));
    assert_eq!(judge("tui/view/nodes", "tui/state/nodes"), Ok(()));
    assert!(judge("model/alert", "wire/am_v2").expect_err("upwards").contains("nothing of ours"));
    assert!(judge("tui/view/nodes", "fleet/nodes").expect_err("past the state").contains("`tui/view`"));
    assert!(judge("tui/view/nodes", "tui/runtime").is_err());
    assert!(judge("tui/state", "wire/prom_json").expect_err("past the fleet").contains("`tui`"));
    assert!(judge("net/http", "").expect_err("root").contains("root"));
    assert!(judge("net/http", "run").expect_err("not a room").contains("no room"));
}
