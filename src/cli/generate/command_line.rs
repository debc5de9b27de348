//! The command that a header names, so that the file can be made again.

use crate::model::text::line;

/// Joins words as a shell reads them, on one line whatever they hold.
pub fn command_line<'a>(words: impl IntoIterator<Item = &'a str>) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.:/@,+=".contains(c);
    let word = |word: &str| match !word.is_empty() && word.chars().all(plain) {
        true => word.to_owned(),
        false => format!("'{}'", line(word).replace('\'', r"'\''")),
    };
    let words: Vec<String> = words.into_iter().map(word).collect();
    format!("iaasmon generate {}", words.join(" "))
}

#[cfg(test)]
mod tests {
    use super::command_line;

    #[test]
    fn it_is_one_line_that_a_shell_splits_into_the_same_words() {
        assert_eq!(command_line(["rules", "--job", "a b"]), "iaasmon generate rules --job 'a b'");
        assert_eq!(command_line(["", "it's"]), r"iaasmon generate '' 'it'\''s'");
        assert_eq!(command_line(["a\nb"]).lines().count(), 1);
    }
}
