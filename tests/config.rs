//! The corpus of configuration files: what is valid loads, what is not says everything that is wrong.
//!
//! Each file in `tests/configs/invalid` begins with its problems, one `# expect: ` a line in order of place:
//! `line:column: message -- hint`, counted in the whole file.

use iaasmon::config::{self, ConfigErrors, EXAMPLE, Env, Loaded, to_json, to_toml};
use proptest::prelude::*;
use std::fs;
use std::path::{Path, PathBuf};

fn corpus(kind: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/configs").join(kind);
    let entries = fs::read_dir(folder).expect("the corpus is there");
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.expect("readable").path()).collect();
    files.sort();
    assert!(files.len() >= 6, "{kind}: only {} files", files.len());
    files
}

fn load(file: &Path) -> Result<Loaded, ConfigErrors> {
    config::load_with(Some(file), &[], &Env::default()).and_then(Loaded::with_files)
}

/// Returns the problems as the corpus writes them.
fn lines_of(errors: &ConfigErrors, file: &Path) -> Vec<String> {
    let prefix = format!("{}:", file.display());
    let folder = format!("{}/", file.parent().expect("a folder").display());
    let line = |problem: &config::Problem| {
        let text = problem.to_string().replace("\n  hint: ", " -- ").replace(&prefix, "");
        text.replace(&folder, "")
    };
    errors.problems().iter().map(line).collect()
}

#[test]
fn every_valid_file_loads() {
    for file in corpus("valid") {
        let loaded = load(&file).unwrap_or_else(|errors| panic!("{errors}"));
        assert!(!loaded.config.clusters.is_empty(), "{}", file.display());
        assert_eq!(loaded.config.source, [file]);
    }
}

#[test]
fn every_invalid_file_says_all_that_is_wrong_with_it_and_nothing_else() {
    let mut report = String::new();
    for file in corpus("invalid") {
        let text = fs::read_to_string(&file).expect("readable");
        let expected: Vec<&str> = text.lines().map_while(|line| line.strip_prefix("# expect: ")).collect();
        assert!(!expected.is_empty(), "{} expects nothing", file.display());
        let found = match load(&file) {
            Ok(_) => Vec::new(),
            Err(errors) => lines_of(&errors, &file),
        };
        if found != expected {
            let listed = |lines: Vec<&str>| lines.join("\n    ");
            let found = found.iter().map(String::as_str).collect();
            report += &format!(
                "{}:\n  found\n    {}\n  expected\n    {}\n",
                file.display(),
                listed(found),
                listed(expected)
            );
        }
    }
    assert!(report.is_empty(), "{report}");
}

/// Loads a text in the folder of the valid files, so that what it refers to is there.
fn parse(text: &str) -> Result<Loaded, ConfigErrors> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/configs/valid/text.toml");
    config::parse(text, &file, &Env::default())
}

#[test]
fn what_show_prints_loads_again_as_the_same() {
    let texts = corpus("valid").into_iter().map(|file| fs::read_to_string(file).expect("readable"));
    for text in texts.chain([EXAMPLE.to_owned()]) {
        let first = parse(&text).unwrap_or_else(|errors| panic!("{errors}"));
        for origins in [None, Some(&first.origins)] {
            let shown = to_toml(&first.config, origins);
            let second = parse(&shown).unwrap_or_else(|errors| panic!("{errors}\n{shown}"));
            // `Debug` hides secrets, which `show` does not print either, and shows all the rest.
            assert_eq!(format!("{:?}", second.config), format!("{:?}", first.config), "{shown}");
            assert_eq!(to_json(&second.config, None), to_json(&first.config, None));
        }
    }
}

#[test]
fn no_secret_is_ever_shown() {
    let text = r#"
        [[cluster]]
        name = "a"
        prometheus = ["https://a:9090"]
        auth = { basic = { user = "reader", password = "hunter2" } }
        headers = { X-Api-Key = "hunter2" }
        [[cluster]]
        name = "b"
        prometheus = ["https://b:9090"]
        auth = { bearer = "hunter2" }
    "#;
    let loaded = parse(text).expect("valid");
    let shown = to_toml(&loaded.config, Some(&loaded.origins));
    assert!(shown.contains(r#"auth = { basic = { password = "***", user = "reader" } }"#), "{shown}");
    let json = to_json(&loaded.config, Some(&loaded.origins)).to_string();
    for output in [shown, json, format!("{:?}", loaded.config)] {
        assert!(!output.contains("hunter2"), "{output}");
    }
    // Nor where it stands in the wrong place.
    for wrong in [
        r#"prometheus = ["http://u:hunter2@a:99999"]"#,
        r#"prometheus = ["u:hunter2@a:9090"]"#,
        r#"prometheus = ["http://u:hunter2@a b"]"#,
        r#"prometheus = "http://u:hunter2@a:9090""#,
        r#"detail_url = "http://u:hunter2@{instance}/api""#,
        r#"detail_url = "http://u:hunter2@{instance/api""#,
        r#"auth = { bearer = "hunter2\n" }"#,
        r#"auth = { bearer = ["hunter2"] }"#,
        r#"headers = { X-Api-Key = "hunter2\u0000" }"#,
    ] {
        let errors = parse(&format!("[[cluster]]\nname = \"a\"\n{wrong}\n")).expect_err(wrong).to_string();
        assert!(!errors.contains("hunter2"), "{errors}");
    }
}

proptest! {
    #[test]
    fn no_text_makes_the_loader_panic(text in "(?s).{0,200}") {
        let _ = parse(&text);
    }

    #[test]
    fn no_toml_like_text_makes_the_loader_panic(
        pieces in proptest::collection::vec(
            prop_oneof![
                "[a-z_.]{1,12}",
                "[0-9a-zé\n\"'#={}\\[\\],. -]{0,8}",
                proptest::sample::select(vec![
                    "[[cluster]]\n", "[defaults]\n", "[policy.silence]\n", "[ui]\n", "name = \"a\"\n", "timeout = ",
                    "prometheus = [", "\"http://{a}:9090\"", "]\n", "auth = {", "basic = {", "}\n", "labels.x = ",
                    "confirm_above = {", "\"\"\"", "true", "1979-05-27", "0xff", "nan", "\u{feff}", "\r\n",
                ]).prop_map(str::to_owned),
            ],
            0..40,
        )
    ) {
        let _ = parse(&pieces.concat());
    }

    /// A broken file names at least one problem, and every place lies within the text.
    #[test]
    fn a_mutated_file_loads_or_says_where_it_is_wrong(
        which in 0usize..6,
        cuts in proptest::collection::vec((any::<proptest::sample::Index>(), 0usize..6, "[\\[\\]{}\"=a-z0-9\n]{0,3}"), 1..4),
    ) {
        let mut text: Vec<char> = fs::read_to_string(&corpus("valid")[which]).expect("readable").chars().collect();
        for (at, length, new) in cuts {
            let from = at.index(text.len() + 1);
            let to = (from + length).min(text.len());
            text.splice(from..to, new.chars());
        }
        let text: String = text.into_iter().collect();
        if let Err(errors) = parse(&text) {
            prop_assert!(!errors.problems().is_empty());
            for problem in errors.problems() {
                if let Some(config::origin::Origin::File(place)) = &problem.origin {
                    let line = text.split('\n').nth(place.line - 1);
                    let width = line.map(|line| line.chars().count());
                    prop_assert!(width.is_some_and(|width| place.column <= width + 1), "{}", problem);
                }
            }
        }
    }
}
