//! Texts for the terminal's clipboard, by OSC 52: written, never read, and without an answer.

/// What terminals take at most, after encoding; longer texts some drop and some cut.
const MOST: usize = 74_994;

/// Returns the sequence that puts `text` on the terminal's clipboard; none for more than terminals take.
pub fn copy(text: &str) -> Option<Vec<u8>> {
    if text.len().div_ceil(3) * 4 > MOST {
        return None;
    }
    Some([b"\x1b]52;c;", base64(text.as_bytes()).as_slice(), b"\x07"].concat())
}

fn base64(bytes: &[u8]) -> Vec<u8> {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    bytes
        .chunks(3)
        .flat_map(|chunk| {
            let bits =
                chunk.iter().zip([16, 8, 0]).fold(0u32, |bits, (b, shift)| bits | u32::from(*b) << shift);
            let digit = |n: usize| ALPHABET[(bits >> (18 - 6 * n)) as usize & 63];
            [0, 1, 2, 3].map(|n| if n <= chunk.len() { digit(n) } else { b'=' })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_encoded_as_rfc_4648_says() {
        for (text, encoded) in
            [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foobar", "Zm9vYmFy")]
        {
            assert_eq!(base64(text.as_bytes()), encoded.as_bytes(), "{text}");
        }
        assert_eq!(copy("é\x1b").expect("short"), b"\x1b]52;c;w6kb\x07");
        assert!(copy(&"x".repeat(60_000)).is_none());
    }
}
