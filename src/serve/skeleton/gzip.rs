//! Answers in gzip, for clients that ask and where it pays.

use axum::body::{Body, HttpBody as _, to_bytes};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::Response;
use flate2::Compression;
use flate2::write::GzEncoder;
use std::io::{self, Write as _};

/// A smaller answer fits into one packet anyway.
const SMALLEST: u64 = 1024;
/// A larger one is sent as it is: it would be held twice.
const LARGEST: u64 = 16 << 20;
/// From this size on it is done off the serving thread: 64 KiB take about a millisecond.
const LARGE: u64 = 64 << 10;

/// Reports whether a client that sends these headers takes gzip.
pub(super) fn is_wanted(headers: &HeaderMap) -> bool {
    let wishes = headers.get_all(header::ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
    wishes.flat_map(|value| value.split(',')).any(|wish| {
        let mut parts = wish.split(';').map(str::trim);
        let refused = |part: &str| {
            let weight = part.strip_prefix("q=").and_then(|weight| weight.parse::<f32>().ok());
            weight.is_some_and(|weight| weight <= 0.0)
        };
        parts.next().is_some_and(|coding| coding.eq_ignore_ascii_case("gzip")) && !parts.any(refused)
    })
}

/// Compresses the body, unless that is no gain.
pub(super) async fn compress(response: Response) -> Response {
    let size = response.body().size_hint().exact().unwrap_or_default();
    let coded = response.headers().contains_key(header::CONTENT_ENCODING);
    if coded || !(SMALLEST..=LARGEST).contains(&size) {
        return response;
    }
    let (mut parts, body) = response.into_parts();
    let Ok(plain) = to_bytes(body, usize::try_from(LARGEST).unwrap_or(usize::MAX)).await else {
        // A body whose size is known is in memory, and reading it cannot fail.
        return Response::builder()
            .status(StatusCode::INTERNAL_SERVER_ERROR)
            .body(Body::empty())
            .unwrap_or_default();
    };
    let packed = if size < LARGE {
        gzip(&plain)
    } else {
        let plain = plain.clone();
        tokio::task::spawn_blocking(move || gzip(&plain))
            .await
            .unwrap_or_else(|why| Err(io::Error::other(why)))
    };
    let Ok(packed) = packed else { return Response::from_parts(parts, Body::from(plain)) };
    parts.headers.remove(header::CONTENT_LENGTH);
    parts.headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    parts.headers.append(header::VARY, HeaderValue::from_static("accept-encoding"));
    Response::from_parts(parts, Body::from(packed))
}

fn gzip(plain: &[u8]) -> io::Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::with_capacity(plain.len() / 4), Compression::fast());
    encoder.write_all(plain)?;
    encoder.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gzip_is_wanted_by_those_who_say_so() {
        let wanted = |text: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_str(text).unwrap());
            is_wanted(&headers)
        };
        for yes in ["gzip", "deflate, GZIP;q=0.5", "gzip, deflate, br, zstd"] {
            assert!(wanted(yes), "{yes}");
        }
        for no in ["", "identity", "gzip;q=0", "deflate, gzip; q=0.0", "xgzip", "*"] {
            assert!(!wanted(no), "{no}");
        }
        assert!(!is_wanted(&HeaderMap::new()));
    }

    #[tokio::test]
    async fn only_answers_of_a_size_that_pays_are_compressed() {
        for (size, packed) in
            [(10, false), (1023, false), (1024, true), (100_000, true), ((16 << 20) + 1, false)]
        {
            let answer = compress(Response::new(Body::from("x".repeat(size)))).await;
            assert_eq!(answer.headers().contains_key(header::CONTENT_ENCODING), packed, "{size}");
            assert_eq!(answer.body().size_hint().exact() == Some(size as u64), !packed);
        }
    }
}
