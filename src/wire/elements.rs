//! The elements of a JSON array, handed on while the rest is still on its way.
//!
//! A member that holds 50,000 alerts with their outputs answers with 100 MB. Read whole, that is what the program
//! needs in memory for a moment; element by element it needs one alert and one chunk.

use super::WireError;

/// Finds where elements begin and end; what is in them is for others to judge.
#[derive(Debug, Default)]
pub struct Elements {
    /// Bytes of an element that has not ended yet.
    rest: Vec<u8>,
    /// How many bytes of `rest` were looked at.
    seen: usize,
    state: State,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum State {
    /// Nothing but white space so far.
    #[default]
    Start,
    /// Behind the opening bracket.
    First,
    /// Behind a comma.
    Next,
    /// In an element, with so many brackets open.
    In(usize),
    /// In a string of an element, with so many brackets open.
    String(usize),
    /// Behind a backslash in such a string.
    Escape(usize),
    /// Behind an element.
    Behind,
    /// Behind the closing bracket.
    End,
    /// It is no array: every byte is kept.
    Other,
}

use State::{Behind, End, Escape, First, In, Next, Other, Start, String};

impl Elements {
    /// Takes the next bytes and hands on every element that ends in them.
    pub fn push(
        &mut self,
        chunk: &[u8],
        mut each: impl FnMut(&[u8]) -> Result<(), WireError>,
    ) -> Result<(), WireError> {
        // What is left of the last chunk is joined with this one; an element within one chunk is never copied.
        let mut rest = std::mem::take(&mut self.rest);
        let joined = !rest.is_empty();
        if joined {
            rest.extend_from_slice(chunk);
        }
        let bytes = if joined { &rest[..] } else { chunk };
        let (mut at, mut from) = (self.seen, 0);
        while at < bytes.len() {
            let (state, step) = self.state.step(&bytes[at..])?;
            let begins = matches!(self.state, First | Next) && matches!(state, In(_) | String(_));
            if begins {
                from = at;
            }
            if self.state.is_inside() && matches!(state, Behind | End) {
                let end = if step == 0 { at } else { at + 1 };
                each(&bytes[from..end])?;
                from = end;
            }
            self.state = state;
            at += step;
        }
        let keep = self.state.is_inside() || self.state == Other;
        let from = if keep { from } else { bytes.len() };
        self.seen = bytes.len() - from;
        if !joined {
            rest.extend_from_slice(&chunk[from..]);
        } else if from > 0 {
            rest.drain(..from);
        }
        self.rest = rest;
        Ok(())
    }

    /// Ends the input: returns the bytes of what is no array, nothing after a whole one.
    pub fn finish(self) -> Result<Option<Vec<u8>>, WireError> {
        match self.state {
            End => Ok(None),
            Other => Ok(Some(self.rest)),
            _ => Err(WireError::Json("it ends in the middle".into())),
        }
    }
}

impl State {
    fn is_inside(self) -> bool {
        matches!(self, In(_) | String(_) | Escape(_))
    }

    /// Looks at the first of `bytes` and returns the state behind it, and how many bytes that covers. An element
    /// without brackets ends before the byte that ends it: no byte is covered.
    fn step(self, bytes: &[u8]) -> Result<(Self, usize), WireError> {
        let byte = bytes[0];
        let space = matches!(byte, b' ' | b'\n' | b'\r' | b'\t');
        Ok(match (self, byte) {
            (String(depth), _) => return Ok(in_string(depth, bytes)),
            (Escape(depth), _) => (String(depth), 1),
            (Other, _) => (Other, bytes.len()),
            (In(0), b',' | b']') => (Behind, 0),
            (In(0), _) if space => (Behind, 0),
            (In(depth), b'"') => (String(depth), 1),
            (In(depth), b'{' | b'[') => (In(depth + 1), 1),
            (In(1), b'}' | b']') => (Behind, 1),
            (In(depth), b'}' | b']') if depth > 1 => (In(depth - 1), 1),
            (In(depth), _) => (In(depth), 1),
            (_, _) if space => (self, 1),
            (Start, b'[') => (First, 1),
            (Start, _) => (Other, bytes.len()),
            (First, b']') | (Behind, b']') => (End, 1),
            (Behind, b',') => (Next, 1),
            (First | Next, b'{' | b'[') => (In(1), 1),
            (First | Next, b'"') => (String(0), 1),
            (First | Next, b',' | b']' | b'}') | (Behind | End, _) => {
                return Err(WireError::Json(format!(
                    "`{}` is out of place",
                    char::from(byte).escape_default()
                )));
            }
            (First | Next, _) => (In(0), 1),
        })
    }
}

/// Skips to the next byte of a string that means something.
fn in_string(depth: usize, bytes: &[u8]) -> (State, usize) {
    match memchr::memchr2(b'"', b'\\', bytes) {
        None => (String(depth), bytes.len()),
        Some(at) if bytes[at] == b'\\' => (Escape(depth), at + 1),
        Some(at) => (In(depth), at + 1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The elements of `body`, which comes in pieces that end at `cuts`; or that it is no array, or broken.
    fn split(body: &[u8], cuts: &[usize]) -> Result<Vec<Vec<u8>>, ()> {
        let mut elements = Elements::default();
        let mut found = Vec::new();
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut % (body.len() + 1)).collect();
        cuts.sort_unstable();
        let bounds =
            [0].into_iter().chain(cuts.iter().copied()).zip(cuts.iter().copied().chain([body.len()]));
        for (from, to) in bounds {
            let take = |element: &[u8]| {
                found.push(element.to_vec());
                Ok(())
            };
            elements.push(&body[from..to], take).map_err(drop)?;
        }
        match elements.finish() {
            Ok(None) => Ok(found),
            _ => Err(()),
        }
    }

    fn whole(body: &[u8]) -> Result<Vec<serde_json::Value>, ()> {
        serde_json::from_slice(body).map_err(drop)
    }

    fn in_pieces(body: &[u8], cuts: &[usize]) -> Result<Vec<serde_json::Value>, ()> {
        split(body, cuts)?.iter().map(|element| serde_json::from_slice(element).map_err(drop)).collect()
    }

    #[test]
    fn elements_are_cut_out_exactly() {
        let found = split(br#" [ {"a":"]}\"\\"} , [1,[2]],3, "x,y" ,null ] "#, &[]).expect("an array");
        let expected: [&[u8]; 5] = [br#"{"a":"]}\"\\"}"#, b"[1,[2]]", b"3", br#""x,y""#, b"null"];
        assert_eq!(found, expected);
        for broken in
            ["[", "[1", "[1,]", "[,1]", "[1 2]", "[1]]", "[1],", "[}", "", "{}", "[\"a", "[{\"a\":1]"]
        {
            assert!(in_pieces(broken.as_bytes(), &[]).is_err(), "{broken}");
        }
    }

    proptest! {
        #[test]
        fn pieces_and_the_whole_say_the_same(
            body in "[\\[\\]{}\",:1 \\\\a]{0,24}|\\[(\\{\"a\":\"(\\\\\"|\\\\\\\\|é|[a\\]},])*\"\\}(, )?){0,4}\\]",
            cuts in prop::collection::vec(0usize..200, 0..6),
        ) {
            prop_assert_eq!(in_pieces(body.as_bytes(), &cuts), whole(body.as_bytes()));
        }
    }
}
