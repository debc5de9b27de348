//! What comes in by sensu-client's local sockets: messages on port 3030 and requests on port 3031, piece by piece.
//!
//! Nothing here knows what a result is: a message is any JSON.

use super::sensu_json::Value;
use std::borrow::Cow;

/// The longest head of a request.
const MOST_HEAD: usize = 16 * 1024;
/// The longest body of a request.
const MOST_BODY: usize = 16 * 1024 * 1024;
/// Shorter messages are looked at whatever they end with.
const SHORT: usize = 4096;

/// What the bytes of a connection on port 3030 come to so far.
#[derive(Debug, Clone, PartialEq)]
pub enum Heard {
    /// Somebody asks whether we are there.
    Ping,
    /// A whole message.
    Message(Value),
    /// None yet; why it is none, where it was looked at.
    Unfinished(Option<String>),
}

/// Tries to make sense of what has come (client/socket.rb: process_data): there is no mark of the end but that it is whole.
///
/// The original parses everything with every piece and takes 0.9 s for 200 kB. A result ends with a bracket, and only short
/// messages are anything else: others are not worth a look.
pub fn hear(buffer: &[u8]) -> Heard {
    let may_be_whole = buffer.len() < SHORT || matches!(buffer.trim_ascii_end().last(), Some(b'}' | b']'));
    if may_be_whole { hear_whole(buffer) } else { Heard::Unfinished(None) }
}

/// As [`hear`], for what nothing comes after: a datagram is one message.
pub fn hear_whole(buffer: &[u8]) -> Heard {
    if buffer.trim_ascii() == b"ping" {
        return Heard::Ping;
    }
    match Value::parse(buffer) {
        Ok(value) => Heard::Message(value),
        Err(error) => Heard::Unfinished(Some(error.to_string())),
    }
}

/// A request on port 3031.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Request<'a> {
    /// `GET` and so on.
    pub method: &'a str,
    /// The target up to its question mark.
    pub path: &'a str,
    /// The target behind it.
    pub query: &'a str,
    /// The value of `Content-Type`, empty where there is none.
    pub content_type: Cow<'a, str>,
    /// The value of `Authorization`, empty where there is none.
    pub authorization: Cow<'a, str>,
    /// The body, as long as `Content-Length` says.
    pub body: &'a [u8],
}

/// What the bytes of a connection on port 3031 come to so far.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Received<'a> {
    /// More must come.
    Unfinished,
    /// A whole request; what follows it is passed over.
    Whole(Request<'a>),
    /// No HTTP, or too large.
    Refused,
}

/// Reads one request.
pub fn receive(buffer: &[u8]) -> Received<'_> {
    let mut headers = [httparse::EMPTY_HEADER; 64];
    let mut parsed = httparse::Request::new(&mut headers);
    let end = match parsed.parse(buffer) {
        Ok(httparse::Status::Complete(end)) if end <= MOST_HEAD => end,
        Ok(httparse::Status::Partial) if buffer.len() <= MOST_HEAD => return Received::Unfinished,
        _ => return Received::Refused,
    };
    let (Some(method), Some(target)) = (parsed.method, parsed.path) else { return Received::Refused };
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let header = |name: &str| {
        let found = parsed.headers.iter().find(|header| header.name.eq_ignore_ascii_case(name));
        found.map(|header| String::from_utf8_lossy(header.value)).unwrap_or_default()
    };
    let length = match header("content-length").trim() {
        "" => Some(0),
        text => text.parse().ok().filter(|length| *length <= MOST_BODY),
    };
    let Some(length) = length else { return Received::Refused };
    let Some(body) = buffer.get(end..end + length) else { return Received::Unfinished };
    let (content_type, authorization) = (header("content-type"), header("authorization"));
    Received::Whole(Request { method, path, query, content_type, authorization, body })
}

#[cfg(test)]
mod tests {
    use super::{Heard, MOST_HEAD, Received, Request, hear, hear_whole, receive};
    use crate::wire::sensu_json::Value;
    use crate::wire::sensu_json::tests::any_value;
    use proptest::prelude::*;

    /// What has come after each piece; `cuts` say where one ends.
    fn pieces<'a>(whole: &'a [u8], cuts: &[prop::sample::Index]) -> Vec<&'a [u8]> {
        let mut ends: Vec<usize> = cuts.iter().map(|cut| cut.index(whole.len() + 1)).collect();
        ends.push(whole.len());
        ends.sort_unstable();
        ends.into_iter().map(|end| &whole[..end]).collect()
    }

    fn cuts() -> impl Strategy<Value = Vec<prop::sample::Index>> {
        proptest::collection::vec(any::<prop::sample::Index>(), 0..6)
    }

    #[test]
    fn messages_are_whole_pings_or_to_be_waited_for() {
        assert_eq!(hear(b" ping\r\n"), Heard::Ping);
        assert_eq!(hear(b"5"), Heard::Message(Value::from(5)));
        for unfinished in [&b"pin"[..], b"{\"name\":", b"", b"{} {}", b"[1] x"] {
            assert!(matches!(hear(unfinished), Heard::Unfinished(Some(_))), "{unfinished:?}");
        }
        let long = [&b"{\"output\":\""[..], &[b'x'; 5000]].concat();
        assert_eq!(hear(&long), Heard::Unfinished(None));
        assert!(matches!(hear_whole(&long), Heard::Unfinished(Some(_))));
        assert!(matches!(hear(&[&long[..], b"\"} \n"].concat()), Heard::Message(_)));
    }

    #[test]
    fn requests_are_whole_or_refused_or_to_be_waited_for() {
        let whole = b"POST /results?a=b HTTP/1.1\r\ncontent-LENGTH: 2\r\nContent-Type: application/json\r\nAuthorization: Basic eA==\r\n\r\n{}more";
        let request = Request {
            method: "POST",
            path: "/results",
            query: "a=b",
            content_type: "application/json".into(),
            authorization: "Basic eA==".into(),
            body: b"{}",
        };
        assert_eq!(receive(whole), Received::Whole(request));
        for unfinished in
            [&b""[..], b"GET", b"GET / HTTP/1.1\r\n", b"POST / HTTP/1.1\r\nContent-Length: 3\r\n\r\n{}"]
        {
            assert_eq!(receive(unfinished), Received::Unfinished, "{unfinished:?}");
        }
        let endless = [&b"GET / HTTP/1.1\r\nA: "[..], &[b'x'; MOST_HEAD]].concat();
        for refused in [
            &b"{\"name\":1}\n"[..],
            b"POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
            b"POST / HTTP/1.1\r\nContent-Length: 99999999999999999999\r\n\r\n",
            b"POST / HTTP/1.1\r\nContent-Length: 16777217\r\n\r\n",
            &endless,
        ] {
            assert_eq!(receive(refused), Received::Refused, "{refused:?}");
        }
    }

    proptest! {
        #[test]
        fn a_result_is_the_same_in_whatever_pieces_it_comes(
            fields in proptest::collection::vec(any_value(), 0..4), long in 0_usize..6000, cuts in cuts(),
        ) {
            let mut items = fields;
            items.push(Value::text("x".repeat(long)));
            let message = Value::Array(items);
            let bytes = message.to_bytes();
            let pieces = pieces(&bytes, &cuts);
            let first = pieces.iter().position(|piece| !matches!(hear(piece), Heard::Unfinished(_)));
            let first = first.expect("the last piece makes it whole");
            prop_assert_eq!(pieces[first].len(), bytes.len());
            prop_assert_eq!(hear(pieces[first]), hear_whole(&bytes));
        }

        #[test]
        fn a_request_is_the_same_in_whatever_pieces_it_comes(
            body in proptest::collection::vec(any::<u8>(), 0..200), name in "[A-Za-z-]{1,12}", value in "[ -~]{0,40}",
            claims in -3_isize..3, garbage in proptest::collection::vec(any::<u8>(), 0..20), cuts in cuts(),
        ) {
            let length = body.len().saturating_add_signed(claims);
            let head = format!("POST /results HTTP/1.1\r\n{name}: {value}\r\nContent-Length: {length}\r\n\r\n");
            for whole in [[head.as_bytes(), &body].concat(), [&garbage, head.as_bytes(), &body].concat(), garbage] {
                let pieces = pieces(&whole, &cuts);
                let first = pieces.iter().map(|piece| receive(piece)).find(|received| *received != Received::Unfinished);
                prop_assert_eq!(first.unwrap_or(Received::Unfinished), receive(&whole));
            }
        }

        #[test]
        fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = (hear(&bytes), receive(&bytes));
        }
    }
}
