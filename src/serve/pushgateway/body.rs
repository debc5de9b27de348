//! The body of a push: taken in with a bound on what all of them hold, unpacked, and read as text or protobuf.

use super::room::{Held, Room};
use crate::model::family::Family;
use crate::model::names::Names;
use crate::serve::skeleton::http::{Body, HeaderMap, StatusCode, header};
use crate::wire::exposition::extent::{self, Extent};
use crate::wire::exposition::{parse, protobuf};
use flate2::read::MultiGzDecoder;
use futures_util::StreamExt as _;
use snap::read::FrameDecoder;
use std::io::{ErrorKind, Read};

/// The most that one push may hold, packed and unpacked.
pub(super) const MOST_BODY: usize = 64 * 1024 * 1024;
/// What a body has without asking for room: nearly every push.
const SMALL: usize = 64 * 1024;
/// What is asked for first; then as much again as there is.
const PIECE: usize = 1024 * 1024;

/// A refusal in a client's words.
pub(super) type Refusal = (StatusCode, String);

/// Takes a body in.
///
/// # Errors
/// One that is larger than it may be, for which there is no room now, or that ends early.
pub(super) async fn take(room: &Room, body: Body) -> Result<(Vec<u8>, Held), Refusal> {
    let (mut taken, mut held) = (Vec::new(), Held::default());
    let mut body = body.into_data_stream();
    while let Some(data) = body.next().await {
        let data =
            data.map_err(|error| (StatusCode::BAD_REQUEST, format!("the body ended early: {error}")))?;
        let length = taken.len() + data.len();
        if length > MOST_BODY {
            return Err(too_large());
        }
        if length > taken.capacity().max(SMALL) {
            // As a vector grows by itself, but so that its room is there before it is.
            let wanted = (2 * taken.capacity()).clamp(PIECE, MOST_BODY).max(length);
            room.take_for_body(wanted - taken.capacity(), &mut held).await?;
            taken.reserve_exact(wanted - taken.len());
        }
        taken.extend_from_slice(&data);
    }
    Ok((taken, held))
}

fn too_large() -> Refusal {
    (StatusCode::PAYLOAD_TOO_LARGE, format!("a push holds at most {} MiB", MOST_BODY / 1024 / 1024))
}

/// How a body is packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Coding {
    Gzip,
    /// In frames, as a stream.
    Snappy,
}

/// Returns how a body says that it is packed; what it says besides is passed over, as upstream does.
fn coding(headers: &HeaderMap) -> Option<Coding> {
    let coding = headers.get(header::CONTENT_ENCODING)?.to_str().ok()?.trim();
    match coding {
        _ if coding.eq_ignore_ascii_case("gzip") => Some(Coding::Gzip),
        _ if coding.eq_ignore_ascii_case("snappy") => Some(Coding::Snappy),
        _ => None,
    }
}

/// Whether a body says that it is packed.
pub(super) fn is_packed(headers: &HeaderMap) -> bool {
    coding(headers).is_some()
}

/// Unpacks a body where it says that it is packed.
///
/// # Errors
/// In upstream's words, where it is not what it says or not whole.
pub(super) fn unpack(headers: &HeaderMap, body: Vec<u8>) -> Result<Vec<u8>, Refusal> {
    let bad = |why: &str| (StatusCode::BAD_REQUEST, why.to_owned());
    match coding(headers) {
        None => Ok(body),
        Some(Coding::Gzip) if body.len() < 10 => {
            Err(bad(if body.is_empty() { "EOF" } else { "unexpected EOF" }))
        }
        Some(Coding::Gzip) => read_all(MultiGzDecoder::new(&body[..]), |error| match error.kind() {
            ErrorKind::UnexpectedEof => bad("unexpected EOF"),
            ErrorKind::InvalidInput => bad("gzip: invalid header"),
            _ => bad("gzip: invalid checksum or data"),
        }),
        Some(Coding::Snappy) => read_all(FrameDecoder::new(&body[..]), |_| bad("snappy: corrupt input")),
    }
}

fn read_all(packed: impl Read, refusal: impl Fn(std::io::Error) -> Refusal) -> Result<Vec<u8>, Refusal> {
    let mut plain = Vec::new();
    match packed.take(MOST_BODY as u64 + 1).read_to_end(&mut plain) {
        Ok(_) if plain.len() > MOST_BODY => Err(too_large()),
        Ok(_) => Ok(plain),
        Err(error) => Err(refusal(error)),
    }
}

/// Returns how much a body becomes at most.
pub(super) fn extent_of(headers: &HeaderMap, body: &[u8]) -> Extent {
    if is_protobuf(headers) { extent::of_protobuf(body) } else { extent::of_text(body) }
}

fn is_protobuf(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    protobuf::is_announced(kind.unwrap_or_default())
}

/// Reads the families of a body.
///
/// # Errors
/// In upstream's words.
pub(super) fn read<'b>(
    headers: &HeaderMap,
    body: &'b [u8],
    names: Names,
) -> Result<Vec<Family<'b>>, Refusal> {
    let read = match is_protobuf(headers) {
        true => protobuf::parse(body, names).map_err(|error| error.to_string()),
        false => parse::parse(body, names).map_err(|error| error.to_string()),
    };
    read.map_err(|why| (StatusCode::BAD_REQUEST, why))
}

#[cfg(test)]
mod tests {
    use super::{MOST_BODY, unpack};
    use crate::serve::skeleton::http::{HeaderMap, header};
    use flate2::Compression;
    use flate2::write::GzEncoder;
    use std::io::{Read as _, Write as _};

    fn packed(plain: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(plain).and_then(|()| encoder.finish()).expect("memory")
    }

    #[test]
    fn gzip_is_taken_whole_or_not_at_all() {
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_ENCODING, "GZIP".parse().expect("a value"));
        let body = packed(b"m 1\n");
        assert_eq!(unpack(&headers, body.clone()), Ok(b"m 1\n".to_vec()));
        for cut in 1..body.len() {
            let (_, why) = unpack(&headers, body[..cut].to_vec()).expect_err("cut");
            assert!(why.contains("EOF"), "{cut}: {why}");
        }
        let mut wrong = body.clone();
        let trailer = wrong.len() - 8;
        wrong[trailer] ^= 1;
        assert!(unpack(&headers, wrong).is_err());
        assert!(
            unpack(&headers, b"this is no gzip at all".to_vec())
                .expect_err("no gzip")
                .1
                .contains("invalid header")
        );
        let (status, _) = unpack(&headers, packed(&vec![b'#'; MOST_BODY + 1])).expect_err("a bomb");
        assert_eq!(status.as_u16(), 413);
        // Nobody packs like this: what is said of it is passed over.
        headers.insert(header::CONTENT_ENCODING, "zstd".parse().expect("a value"));
        assert_eq!(unpack(&headers, b"m 1\n".to_vec()), Ok(b"m 1\n".to_vec()));
    }

    #[test]
    fn snappy_is_taken_in_frames_and_no_more_than_a_body_may_hold() {
        let framed = |plain: &[u8]| {
            let mut packed = Vec::new();
            snap::read::FrameEncoder::new(plain).read_to_end(&mut packed).expect("memory");
            packed
        };
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_ENCODING, "Snappy".parse().expect("a value"));
        let body = framed(b"m 1\n");
        assert_eq!(unpack(&headers, body.clone()), Ok(b"m 1\n".to_vec()));
        assert_eq!(unpack(&headers, Vec::new()), Ok(Vec::new()));
        // The mark of a stream is ten bytes; where it ends between two frames nobody can tell.
        for cut in (1..body.len()).filter(|cut| *cut != 10) {
            assert!(unpack(&headers, body[..cut].to_vec()).is_err(), "{cut}");
        }
        let block = snap::raw::Encoder::new().compress_vec(b"m 1\n").expect("memory");
        for wrong in [&b"m 1\n"[..], &block] {
            let (status, why) = unpack(&headers, wrong.to_vec()).expect_err("no frames");
            assert_eq!((status.as_u16(), why.as_str()), (400, "snappy: corrupt input"));
        }
        let (status, _) = unpack(&headers, framed(&vec![b'#'; MOST_BODY + 1])).expect_err("a bomb");
        assert_eq!(status.as_u16(), 413);
    }
}
