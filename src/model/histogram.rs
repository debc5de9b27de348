//! Histograms: classic ones, whose buckets are series of their own, and native ones, whose buckets are one value.

use std::fmt::Display;

/// The parts of a histogram, as far as they came.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Histogram {
    /// How many values there were.
    pub count: Option<Count>,
    /// Their sum.
    pub sum: Option<f64>,
    /// Upper bounds, with the count of all values up to them, in the order in which they came.
    pub buckets: Vec<(f64, Count)>,
    /// What makes it native, too. No text can hold it.
    pub native: Option<Box<Native>>,
}

/// A count of a histogram, which may be of weighted values.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Count {
    /// A number of values.
    Whole(u64),
    /// A sum of weights.
    Float(f64),
}

/// Buckets whose bounds grow by a factor (metrics.proto of prometheus/client_model).
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Native {
    /// The bounds are the powers of 2^(2^-schema).
    pub schema: i32,
    /// How far from 0, on both sides, values are counted as zero.
    pub zero_threshold: f64,
    /// How many are.
    pub zero_count: Option<Count>,
    /// The buckets of what is below zero.
    pub negative: Buckets,
    /// The buckets of what is above zero.
    pub positive: Buckets,
}

/// The buckets of one side of a native histogram.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Buckets {
    /// Where they are.
    pub spans: Vec<Span>,
    /// How many values each has, in their order.
    pub counts: Counts,
}

/// Buckets that follow each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// How many are left out since the span before, which may be none; of the first one where it begins.
    pub offset: i32,
    /// How many there are.
    pub length: u32,
}

/// The counts of buckets, none of which counts what another one does.
#[derive(Debug, Clone, PartialEq)]
pub enum Counts {
    /// By how much each number of values differs from the one before.
    Deltas(Vec<i64>),
    /// Sums of weights.
    Floats(Vec<f64>),
}

/// One bucket of a native histogram.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bucket {
    /// Its lower bound.
    pub lower: f64,
    /// Its upper bound.
    pub upper: f64,
    /// Which side of zero it is on; the one of zero is on none.
    pub side: Option<Sign>,
    /// How many values it has.
    pub count: Count,
}

/// A side of zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sign {
    /// Below it.
    Negative,
    /// Above it.
    Positive,
}

/// So many buckets and spans one may have on a side. Go's library has 160 as a rule; a Prometheus that scrapes a hundred thousand is
/// busy for half a second with that one, and a million keep it from everything else that the page has.
const MOST_BUCKETS: usize = 10_000;

/// The bounds for which there are formulas (model/histogram/generic.go of Prometheus).
const SCHEMAS: std::ops::RangeInclusive<i32> = -4..=8;

impl Count {
    /// Takes a number for what it is; `None` where it is negative.
    pub fn of(value: f64) -> Option<Self> {
        // 2^64; whatever is below fits when it is whole.
        if (0.0..18_446_744_073_709_551_616.0).contains(&value) && value.fract() == 0.0 {
            return Some(Self::Whole(value as u64));
        }
        (value.is_nan() || value > 0.0).then_some(Self::Float(value))
    }

    /// Returns the number.
    pub fn value(self) -> f64 {
        match self {
            Self::Whole(count) => count as f64,
            Self::Float(count) => count,
        }
    }
}

impl Histogram {
    /// Makes all counts sums of weights where one of them is, as upstream does (normalizeHistogram in expfmt/text_parse.go).
    pub fn unify_counts(&mut self) {
        let mut counts = self.count.iter().chain(self.buckets.iter().map(|(_, count)| count));
        if !counts.any(|count| matches!(count, Count::Float(_))) {
            return;
        }
        for count in self.count.iter_mut().chain(self.buckets.iter_mut().map(|(_, count)| count)) {
            *count = Count::Float(count.value());
        }
    }

    /// Looks whether its native buckets are such as Prometheus takes; one that it does not take fails the whole scrape
    /// (Validate in model/histogram/histogram.go and float_histogram.go).
    ///
    /// # Errors
    /// What is wrong with them.
    pub fn check_native(&self) -> Result<(), String> {
        let Some(native) = &self.native else { return Ok(()) };
        if !SCHEMAS.contains(&native.schema) {
            return Err(format!(
                "schema {} is not one of {} to {}",
                native.schema,
                SCHEMAS.start(),
                SCHEMAS.end()
            ));
        }
        if native.zero_threshold.is_nan() || native.zero_threshold < 0.0 {
            return Err(format!("zero threshold of {}", native.zero_threshold));
        }
        native.negative.check().map_err(|why| format!("negative side: {why}"))?;
        native.positive.check().map_err(|why| format!("positive side: {why}"))?;
        self.check_sum(native)
    }

    fn check_sum(&self, native: &Native) -> Result<(), String> {
        let number = |count: Option<Count>| count.map_or(0.0, Count::value);
        let (Counts::Deltas(below), Counts::Deltas(above)) =
            (&native.negative.counts, &native.positive.counts)
        else {
            let (count, zero) = (number(self.count), number(native.zero_count));
            if !(count >= 0.0 && zero >= 0.0) {
                return Err("a count that is negative or no number".to_owned());
            }
            let sum = |side: &Buckets| side.counts.iter().map(Count::value).sum::<f64>();
            let found = sum(&native.negative) + sum(&native.positive);
            // As 2.42 has it: newer versions do not look, and here the zero bucket is not among them. NaN is no more than anything.
            return if found > count { Err(differs(found, count)) } else { Ok(()) };
        };
        let whole = |count: Option<Count>| match count {
            Some(Count::Whole(count)) => count,
            Some(Count::Float(_)) | None => 0,
        };
        let count = whole(self.count);
        let of_sides = [below, above].into_iter().flat_map(|deltas| absolute(deltas));
        let found = of_sides
            .map(|count| count.unwrap_or_default())
            .try_fold(whole(native.zero_count), u64::checked_add);
        let Some(found) = found else { return Err("more values in buckets than anybody counts".to_owned()) };
        // What is no number is in no bucket, but counts.
        let is_good = if self.sum.is_some_and(f64::is_nan) { found <= count } else { found == count };
        if is_good { Ok(()) } else { Err(differs(found, count)) }
    }
}

fn differs(found: impl Display, count: impl Display) -> String {
    format!("{found} values in buckets, but a count of {count}")
}

/// Returns the counts that follow from their differences; none where one is below 0, as beyond what a count can be.
fn absolute(deltas: &[i64]) -> impl Iterator<Item = Result<u64, i64>> {
    let mut count = 0_i64;
    deltas.iter().map(move |delta| {
        // Beyond its end a count becomes negative, as with Prometheus, which refuses it for that.
        count = count.wrapping_add(*delta);
        u64::try_from(count).map_err(|_| count)
    })
}

impl Native {
    /// Returns its buckets from the lowest to the highest, without those that are empty.
    pub fn buckets(&self) -> Vec<Bucket> {
        let side = |buckets: &Buckets, sign: Sign| -> Vec<Bucket> {
            let found = buckets.indices().zip(buckets.counts.iter());
            let found = found.map(|(index, count)| self.bucket(sign, index, count));
            found.filter(|bucket| bucket.count.value() != 0.0).collect()
        };
        let mut buckets = side(&self.negative, Sign::Negative);
        buckets.reverse();
        let zero = self.zero_count.filter(|count| count.value() != 0.0);
        let bound = self.zero_threshold;
        buckets.extend(zero.map(|count| Bucket { lower: -bound, upper: bound, side: None, count }));
        buckets.extend(side(&self.positive, Sign::Positive));
        buckets
    }

    fn bucket(&self, sign: Sign, index: i64, count: Count) -> Bucket {
        let (near, far) = (bound(index - 1, self.schema), bound(index, self.schema));
        let (lower, upper) = match sign {
            Sign::Positive => (near, far),
            Sign::Negative => (-far, -near),
        };
        Bucket { lower, upper, side: Some(sign), count }
    }
}

impl Buckets {
    /// Returns the number of each bucket: its bound that is farther from 0 is that power.
    fn indices(&self) -> impl Iterator<Item = i64> {
        let mut next = 0_i64;
        self.spans.iter().flat_map(move |span| {
            let first = next + i64::from(span.offset);
            next = first + i64::from(span.length);
            first..next
        })
    }

    fn check(&self) -> Result<(), String> {
        let larger = self.spans.len().max(self.counts.len());
        if larger > MOST_BUCKETS {
            return Err(format!("{larger} buckets or spans, and not {MOST_BUCKETS} at most"));
        }
        if let Some(span) = self.spans.iter().skip(1).find(|span| span.offset < 0) {
            return Err(format!("a span with offset {}", span.offset));
        }
        let wanted: u64 = self.spans.iter().map(|span| u64::from(span.length)).sum();
        let found = self.counts.len();
        if wanted != found as u64 {
            return Err(format!("spans of {wanted} buckets, but {found} counts"));
        }
        let negative =
            |(at, count): (usize, String)| Err(format!("bucket {} has a count of {count}", at + 1));
        match &self.counts {
            Counts::Deltas(deltas) => {
                let bad =
                    absolute(deltas).enumerate().find_map(|(at, count)| Some((at, count.err()?.to_string())));
                bad.map_or(Ok(()), negative)
            }
            Counts::Floats(floats) => {
                let bad = floats.iter().enumerate().find(|(_, count)| **count < 0.0);
                bad.map_or(Ok(()), |(at, count)| negative((at, count.to_string())))
            }
        }
    }
}

impl Default for Counts {
    fn default() -> Self {
        Self::Deltas(Vec::new())
    }
}

impl Counts {
    /// Returns how many values each bucket has.
    fn iter(&self) -> impl Iterator<Item = Count> {
        let (deltas, floats): (&[i64], &[f64]) = match self {
            Self::Deltas(deltas) => (deltas, &[]),
            Self::Floats(floats) => (&[], floats),
        };
        let whole = absolute(deltas).map(|count| Count::Whole(count.unwrap_or_default()));
        whole.chain(floats.iter().copied().map(Count::Float))
    }

    /// Returns how many there are.
    pub fn len(&self) -> usize {
        match self {
            Self::Deltas(deltas) => deltas.len(),
            Self::Floats(floats) => floats.len(),
        }
    }

    /// Reports whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Returns the bound of a bucket that is farther from 0 (getBound in model/histogram/generic.go, which has them in a table whose
/// sixteenth digits are not always the nearest).
fn bound(index: i64, schema: i32) -> f64 {
    // The largest number is no power of any factor, and what is infinite is in the bucket beyond.
    let is_last = |exponent: i64| exponent == 1024;
    let power = |exponent: i64| (exponent as f64).exp2();
    if schema < 0 {
        let exponent = index << -schema;
        return if is_last(exponent) { f64::MAX } else { power(exponent) };
    }
    let (steps, exponent) = (1_i64 << schema, index >> schema);
    let within = index & (steps - 1);
    if within == 0 && is_last(exponent) {
        return f64::MAX;
    }
    (within as f64 / steps as f64).exp2() * power(exponent)
}

#[cfg(test)]
mod tests {
    use super::{Buckets, Count, Counts, Histogram, Native, Sign, Span, bound};

    #[test]
    fn a_count_is_a_number_of_values_where_it_can_be_one() {
        assert_eq!(Count::of(3.0), Some(Count::Whole(3)));
        assert_eq!(Count::of(-0.0), Some(Count::Whole(0)));
        assert_eq!(Count::of(2.5), Some(Count::Float(2.5)));
        assert_eq!(Count::of(1e300), Some(Count::Float(1e300)));
        assert_eq!(Count::of(18_446_744_073_709_549_568.0), Some(Count::Whole(18_446_744_073_709_549_568)));
        assert_eq!(Count::of(f64::INFINITY), Some(Count::Float(f64::INFINITY)));
        assert!(matches!(Count::of(f64::NAN), Some(Count::Float(nan)) if nan.is_nan()));
        assert_eq!((Count::of(-1.0), Count::of(-0.5), Count::of(f64::NEG_INFINITY)), (None, None, None));
    }

    #[test]
    fn one_weighted_count_makes_all_of_them_weighted() {
        let unified = |count, bucket| {
            let buckets = vec![(1.0, bucket)];
            let mut histogram = Histogram { count: Some(count), buckets, ..Histogram::default() };
            histogram.unify_counts();
            (histogram.count, histogram.buckets[0].1)
        };
        let (whole, float) = (Count::Whole(2), Count::Float(0.5));
        assert_eq!(unified(whole, whole), (Some(whole), whole));
        assert_eq!(unified(float, whole), (Some(float), Count::Float(2.0)));
        assert_eq!(unified(whole, float), (Some(Count::Float(2.0)), float));
    }

    fn side(spans: &[(i32, u32)], deltas: &[i64]) -> Buckets {
        let spans = spans.iter().map(|(offset, length)| Span { offset: *offset, length: *length }).collect();
        Buckets { spans, counts: Counts::Deltas(deltas.to_vec()) }
    }

    fn whole(count: u64, zero: u64, negative: Buckets, positive: Buckets) -> Histogram {
        let native = Native {
            schema: 0,
            zero_threshold: 0.001,
            zero_count: Some(Count::Whole(zero)),
            negative,
            positive,
        };
        let (count, sum) = (Some(Count::Whole(count)), Some(1.0));
        Histogram { count, sum, buckets: Vec::new(), native: Some(native.into()) }
    }

    fn weighted(count: f64, zero: f64, floats: &[f64]) -> Histogram {
        let spans = vec![Span { offset: 0, length: floats.len() as u32 }];
        let native = Native {
            zero_count: Some(Count::Float(zero)),
            positive: Buckets { spans, counts: Counts::Floats(floats.to_vec()) },
            negative: Buckets { spans: Vec::new(), counts: Counts::Floats(Vec::new()) },
            ..Native::default()
        };
        let (count, native) = (Some(Count::Float(count)), Some(native.into()));
        Histogram { count, native, ..Histogram::default() }
    }

    #[test]
    fn buckets_are_where_their_spans_say() {
        let histogram = whole(9, 2, side(&[(1, 1)], &[1]), side(&[(-1, 2), (1, 1), (0, 1)], &[1, -1, 2, 1]));
        assert_eq!(histogram.check_native(), Ok(()));
        let native = histogram.native.expect("native");
        let told: Vec<_> =
            native.buckets().iter().map(|b| (b.lower, b.upper, b.side, b.count.value())).collect();
        let (below, above) = (Some(Sign::Negative), Some(Sign::Positive));
        assert_eq!(
            told,
            [
                (-2.0, -1.0, below, 1.0),
                (-0.001, 0.001, None, 2.0),
                (0.25, 0.5, above, 1.0),
                (2.0, 4.0, above, 2.0),
                (4.0, 8.0, above, 3.0)
            ]
        );
    }

    #[test]
    fn bounds_are_those_of_prometheus() {
        for (index, schema, expected) in [
            (0, 0, 1.0),
            (-1, -1, 0.25),
            (1, 1, std::f64::consts::SQRT_2),
            (-1, 2, 0.840_896_415_253_714_5),
            (1, 8, 1.002_711_275_050_202_5),
            (64, -4, f64::MAX),
            (65, -4, f64::INFINITY),
            (1024, 0, f64::MAX),
            (1025, 0, f64::INFINITY),
            (1024 << 8, 8, f64::MAX),
            ((1024 << 8) - 1, 8, 1.792_832_273_450_112_8e308),
            (-1074, 0, 5e-324),
            (-1076, 0, 0.0),
            (i64::from(i32::MAX) * 2, 8, f64::INFINITY),
            (i64::from(i32::MIN), -4, 0.0),
        ] {
            assert_eq!(bound(index, schema), expected, "{index} {schema}");
        }
    }

    #[test]
    fn what_prometheus_does_not_take_is_found() {
        let none = Buckets::default;
        let wrong = |histogram: Histogram| histogram.check_native().expect_err("wrong");
        let with = |change: fn(&mut Histogram, &mut Native)| {
            let mut histogram = whole(3, 1, none(), side(&[(0, 1)], &[2]));
            let mut native = histogram.native.take().expect("native");
            change(&mut histogram, &mut native);
            Histogram { native: Some(native), ..histogram }
        };
        // Whatever is at zero; rounding makes it more than there is.
        assert_eq!(weighted(1.0, 0.75, &[0.5, 0.5]).check_native(), Ok(()));
        assert_eq!(weighted(1.0, 0.5, &[f64::NAN]).check_native(), Ok(()));
        assert_eq!(with(|_, _| {}).check_native(), Ok(()));
        assert_eq!(with(|histogram, _| histogram.sum = Some(f64::NAN)).check_native(), Ok(()));
        assert_eq!(Histogram::default().check_native(), Ok(()));
        for (histogram, why) in [
            (with(|_, native| native.schema = 9), "schema 9 is not one of -4 to 8"),
            (with(|_, native| native.zero_threshold = -1.0), "zero threshold of -1"),
            (with(|_, native| native.zero_threshold = f64::NAN), "zero threshold of NaN"),
            (whole(1, 0, none(), side(&[(0, 2)], &[1])), "positive side: spans of 2 buckets, but 1 counts"),
            (whole(1, 0, side(&[(0, 1), (-1, 1)], &[1, 0]), none()), "negative side: a span with offset -1"),
            (whole(0, 0, none(), side(&[(0, 2)], &[1, -2])), "positive side: bucket 2 has a count of -1"),
            (
                whole(0, 0, none(), side(&[(0, 2)], &[i64::MAX, 1])),
                "positive side: bucket 2 has a count of -9223372036854775808",
            ),
            (whole(4, 1, none(), side(&[(0, 1)], &[2])), "3 values in buckets, but a count of 4"),
            (
                with(|histogram, _| {
                    (histogram.count, histogram.sum) = (Some(Count::Whole(2)), Some(f64::NAN))
                }),
                "3 values in buckets, but a count of 2",
            ),
            (
                whole(u64::MAX, 1, none(), side(&[(0, 3)], &[i64::MAX, 0, 0])),
                "more values in buckets than anybody counts",
            ),
            (
                whole(0, 0, none(), side(&[(0, 10_001)], &[0; 10_001])),
                "positive side: 10001 buckets or spans, and not 10000 at most",
            ),
            (
                whole(0, 0, side(&[(0, 0); 10_001], &[]), none()),
                "negative side: 10001 buckets or spans, and not 10000 at most",
            ),
            (weighted(f64::NAN, 0.5, &[]), "a count that is negative or no number"),
            (weighted(1.0, -1.0, &[]), "a count that is negative or no number"),
            (weighted(1.0, 0.5, &[-0.5]), "positive side: bucket 1 has a count of -0.5"),
            (weighted(1.0, 0.5, &[0.5, 0.75]), "1.25 values in buckets, but a count of 1"),
        ] {
            assert_eq!(wrong(histogram), why);
        }
    }
}
