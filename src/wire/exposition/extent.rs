//! How much memory a body becomes at most when it is read, known by a look at it that takes none: a family a line, labels of one
//! byte and empty messages become a hundred times what they are as bytes, and that is to be known before they do.
//!
//! The numbers are what the types of [`crate::model::family`] take, and growing vectors: up to three times what is in them, in the
//! moment in which they are moved to a larger place.

use super::protobuf::message;
use crate::model::histogram::Span;

/// What a family takes besides its metrics: while it is read, found by name, and as what is made of it.
const FAMILY: usize = 768;
/// What a metric of text takes, three times 112 bytes.
const METRIC: usize = 320;
/// What a label takes: two texts, each maybe with memory of its own.
const LABEL: usize = 96;
/// What a message takes beside the metric that is made of it.
const MESSAGE: usize = 3 * size_of::<message::Metric>() + METRIC;
/// What a bucket or quantile takes, as a message and as a value.
const PART: usize = 4 * size_of::<message::Bucket>();
/// What a span of native buckets takes, likewise, and as it is kept.
const SPAN: usize = 4 * size_of::<message::BucketSpan>() + 4 * size_of::<Span>();
/// What one of their counts takes: as a message, as a value, and as it is kept twice.
const COUNT: usize = 3 * size_of::<i64>() + size_of::<i64>() + 2 * 10;
/// What the first label of a message takes: room for four.
const LABEL_MESSAGE: usize = 4 * size_of::<message::LabelPair>() + LABEL;
/// A number, a bound, and what stands around them.
const VALUE: usize = 96;
/// The lines of a metric that were not pushed: `_sum`, `_count`, and the bucket of all.
const ADDED: usize = 3;

/// What is made of a body at most.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Extent {
    /// So many metrics.
    pub metrics: usize,
    /// So many lines of samples.
    pub lines: usize,
    /// So many bytes those lines have.
    pub text: usize,
    /// So many bytes of memory, the body among them, before it is made text.
    pub held: usize,
}

/// Looks at text.
pub fn of_text(body: &[u8]) -> Extent {
    let (mut families, mut lines, mut labels, mut last, mut added) = (0, 0, 0, &b""[..], 1);
    for line in body.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
        if line.trim_ascii_start().starts_with(b"#") {
            // It may begin a family, and of these types a metric has lines that were not pushed.
            families += 1;
            let has = |kind: &[u8]| {
                line.len() >= kind.len() && line[line.len() - kind.len()..].eq_ignore_ascii_case(kind)
            };
            if has(b"histogram") || has(b"summary") {
                added = ADDED;
            }
            continue;
        }
        let name = &line[..memchr::memchr3(b'{', b' ', b'\t', line).unwrap_or(line.len())];
        // A name that stands elsewhere is taken for another one.
        families += usize::from(name.is_empty() || name != last);
        lines += 1;
        labels += memchr::memchr_iter(b'=', line).count();
        last = name;
    }
    Extent {
        metrics: lines,
        lines: added * lines,
        text: added * (body.len() + lines * VALUE),
        held: body.len() + families * FAMILY + lines * METRIC + labels * LABEL,
    }
}

/// Looks at length-delimited protobuf. What cannot be read has no extent: nor will it be read.
pub fn of_protobuf(mut body: &[u8]) -> Extent {
    let mut extent = Extent { held: body.len(), ..Extent::default() };
    while let Some(family) =
        prost::decode_length_delimiter(&mut body).ok().and_then(|length| take(&mut body, length))
    {
        extent.held += FAMILY + family.len();
        let head: usize = fields(family).filter(|(tag, _)| *tag != 4).map(|(_, text)| 2 * text.len()).sum();
        for (_, metric) in fields(family).filter(|(tag, _)| *tag == 4) {
            let labels = || fields(metric).filter(|(tag, _)| *tag == 1);
            let values = || fields(metric).filter(|(tag, _)| matches!(tag, 4 | 7)).map(|(_, value)| value);
            let parts: usize = values().map(|value| fields(value).filter(|(tag, _)| *tag == 3).count()).sum();
            extent.held += values().map(native).sum::<usize>();
            extent.metrics += 1;
            extent.lines += parts + ADDED;
            // Each line has all labels, in which each byte may need an escape.
            let line = head + labels().map(|(_, label)| 2 * label.len() + 4).sum::<usize>() + VALUE;
            extent.text = extent.text.saturating_add((parts + ADDED).saturating_mul(line));
            extent.held += MESSAGE + labels().count() * LABEL_MESSAGE + parts * PART;
        }
    }
    extent
}

/// Returns how much the native buckets of a histogram take: spans as messages and as values, and eight bytes for what may be one,
/// read, copied, and written once more.
fn native(histogram: &[u8]) -> usize {
    let part = |(tag, field): (u32, &[u8])| match tag {
        9 | 12 => SPAN,
        10 | 13 => COUNT * field.len(),
        11 | 14 => COUNT * field.len().div_ceil(8),
        _ => 0,
    };
    size_of::<message::Histogram>() + fields(histogram).map(part).sum::<usize>()
}

/// Returns the fields of a message with their numbers, up to the first that is none.
fn fields(mut message: &[u8]) -> impl Iterator<Item = (u32, &[u8])> {
    std::iter::from_fn(move || {
        let (tag, kind) = prost::encoding::decode_key(&mut message).ok()?;
        let length = match kind {
            prost::encoding::WireType::LengthDelimited => {
                prost::decode_length_delimiter(&mut message).ok()?
            }
            prost::encoding::WireType::Varint => {
                let mut rest = message;
                prost::encoding::decode_varint(&mut rest).ok()?;
                message.len() - rest.len()
            }
            prost::encoding::WireType::SixtyFourBit => 8,
            prost::encoding::WireType::ThirtyTwoBit => 4,
            // Groups are no part of these messages, and their marks stand alone.
            prost::encoding::WireType::StartGroup | prost::encoding::WireType::EndGroup => 0,
        };
        Some((tag, take(&mut message, length)?))
    })
}

fn take<'a>(bytes: &mut &'a [u8], length: usize) -> Option<&'a [u8]> {
    let (taken, rest) = bytes.split_at_checked(length)?;
    *bytes = rest;
    Some(taken)
}

#[cfg(test)]
mod tests {
    use super::{Extent, of_protobuf, of_text};

    #[test]
    fn a_body_is_no_more_than_it_seems() {
        let of = |body: &str| of_text(body.as_bytes());
        let one = of("m{a=\"b\"} 1\n");
        let (more, other) = (of("m{a=\"b\"} 1\nm{a=\"b\"} 1\n"), of("m{a=\"b\"} 1\nn{a=\"b\"} 1\n"));
        let folded = of("# TYPE h Gauge_Histogram\nh_sum 1\n");
        assert_eq!((one.metrics, more.metrics, more.lines, folded.metrics, folded.lines), (1, 2, 2, 1, 3));
        // A name of its own costs more than another label, and that more than a value.
        assert!(one.held < more.held && more.held < other.held);
        assert!(of("# TYPE a gauge\n# TYPE b gauge\n").held > 2 * super::FAMILY);
        assert!(of("{\"a\"} 1\n{\"b\"} 1\n").held > 2 * super::FAMILY);
    }

    #[test]
    fn what_cannot_be_read_has_no_extent() {
        for body in [&b"\xff"[..], b"\x05\x22", b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"] {
            assert_eq!(of_protobuf(body), Extent { held: body.len(), ..Extent::default() }, "{body:?}");
        }
        // Empty metrics, of two bytes each.
        let extent = of_protobuf(b"\x06\x22\x00\x22\x00\x22\x00");
        assert_eq!(extent.metrics, 3);
        assert!(extent.held > 3 * super::MESSAGE, "{extent:?}");
    }
}
