//! Prometheus' files of targets (`file_sd_configs`), in JSON or YAML: a list of groups with `targets` and `labels`.

use super::WireError;
use serde::Deserialize;
use std::collections::BTreeMap;
use url::Url;

/// No file names more.
const MOST_TARGETS: usize = 10_000;

#[derive(Deserialize)]
struct Group {
    targets: Vec<String>,
    #[serde(default)]
    labels: BTreeMap<String, String>,
}

/// Reads a file and returns the URL of every target; `__scheme__` among the labels may say `https`.
///
/// # Errors
/// What is wrong with it, with the target that is. Nothing at all is a file that is being written; `[]` names nobody.
pub fn decode_targets(text: &str) -> Result<Vec<Url>, WireError> {
    if text.trim().is_empty() {
        return Err(WireError::Json("it is empty; [] would name nobody".to_owned()));
    }
    // JSON is YAML, but for the words of its errors.
    let groups: Vec<Group> = match text.trim_start().starts_with('[') {
        true => serde_json::from_str(text)?,
        false => serde_saphyr::from_str::<Option<_>>(text)
            .map_err(|error| WireError::Json(error.to_string()))?
            .unwrap_or_default(),
    };
    let mut urls = Vec::new();
    for Group { targets, labels } in groups {
        let scheme = labels.get("__scheme__").map_or("http", String::as_str);
        for target in targets {
            let wrong = |why: String| WireError::Json(format!("target `{target}`: {why}"));
            let url =
                Url::parse(&format!("{scheme}://{target}")).map_err(|error| wrong(error.to_string()))?;
            if !matches!(scheme, "http" | "https")
                || url.path() != "/"
                || url.query().is_some()
                || target.contains('@')
            {
                return Err(wrong("write host:port".to_owned()));
            }
            urls.push(url);
            if urls.len() > MOST_TARGETS {
                return Err(WireError::Json(format!("more than {MOST_TARGETS} targets")));
            }
        }
    }
    Ok(urls)
}

#[cfg(test)]
mod tests {
    use super::decode_targets;
    use proptest::prelude::*;

    #[test]
    fn targets_are_read_from_json_and_yaml() {
        let expected = ["http://am-1:9093/", "https://am-2:9093/", "https://[::1]:9094/"];
        for text in [
            r#"[{"targets": ["am-1:9093"]}, {"targets": ["am-2:9093", "[::1]:9094"], "labels": {"__scheme__": "https", "x": "y"}}]"#,
            "- targets: [am-1:9093]\n- targets:\n  - am-2:9093\n  - '[::1]:9094'\n  labels: {__scheme__: https}\n",
        ] {
            let urls = decode_targets(text).expect(text);
            assert_eq!(urls.iter().map(|url| url.as_str()).collect::<Vec<_>>(), expected, "{text}");
        }
        assert_eq!(decode_targets("[]").expect("empty"), []);
        for (text, why) in [
            (r#"[{"targets": ["am-1/x"]}]"#, "target `am-1/x`: write host:port"),
            (r#"[{"targets": ["a b"]}]"#, "target `a b`"),
            (r#"[{"targets": ["a"], "labels": {"__scheme__": "file"}}]"#, "write host:port"),
            ("- targets: 7", "targets"),
            ("[{", "line 1"),
            ("\n", "it is empty"),
        ] {
            let error = decode_targets(text).expect_err(text).to_string();
            assert!(error.contains(why), "{error}");
        }
    }

    proptest! {
        #[test]
        fn arbitrary_text_never_panics(text in "\\PC{0,80}") {
            let _ = decode_targets(&text);
        }
    }
}
