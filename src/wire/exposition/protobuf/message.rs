//! The messages of `io.prometheus.client`, as far as they are kept (metrics.proto of prometheus/client_model).

/// Metrics of one name.
#[derive(Clone, PartialEq, prost::Message)]
pub struct MetricFamily {
    /// Its name.
    #[prost(string, optional, tag = "1")]
    pub name: Option<String>,
    /// What it says about itself.
    #[prost(string, optional, tag = "2")]
    pub help: Option<String>,
    /// What its values mean: a `MetricType`.
    #[prost(int32, optional, tag = "3")]
    pub kind: Option<i32>,
    /// Its metrics.
    #[prost(message, repeated, tag = "4")]
    pub metrics: Vec<Metric>,
}

/// A metric with the value of its family's type.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Metric {
    /// Its labels.
    #[prost(message, repeated, tag = "1")]
    pub labels: Vec<LabelPair>,
    /// The value of a gauge.
    #[prost(message, optional, tag = "2")]
    pub gauge: Option<Number>,
    /// The value of a counter.
    #[prost(message, optional, tag = "3")]
    pub counter: Option<Number>,
    /// The value of a summary.
    #[prost(message, optional, boxed, tag = "4")]
    pub summary: Option<Box<Summary>>,
    /// The value of what has no type.
    #[prost(message, optional, tag = "5")]
    pub untyped: Option<Number>,
    /// Milliseconds since 1970.
    #[prost(int64, optional, tag = "6")]
    pub timestamp_ms: Option<i64>,
    /// The value of a histogram.
    #[prost(message, optional, boxed, tag = "7")]
    pub histogram: Option<Box<Histogram>>,
}

/// A label.
#[derive(Clone, PartialEq, prost::Message)]
pub struct LabelPair {
    /// Its name.
    #[prost(string, optional, tag = "1")]
    pub name: Option<String>,
    /// Its value.
    #[prost(string, optional, tag = "2")]
    pub value: Option<String>,
}

/// What `Gauge`, `Counter` and `Untyped` have in common.
#[derive(Clone, Copy, PartialEq, prost::Message)]
pub struct Number {
    /// The value.
    #[prost(double, optional, tag = "1")]
    pub value: Option<f64>,
}

/// The parts of a summary.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Summary {
    /// How many values there were.
    #[prost(uint64, optional, tag = "1")]
    pub sample_count: Option<u64>,
    /// Their sum.
    #[prost(double, optional, tag = "2")]
    pub sample_sum: Option<f64>,
    /// Quantiles.
    #[prost(message, repeated, tag = "3")]
    pub quantiles: Vec<Quantile>,
}

/// A quantile of a summary.
#[derive(Clone, Copy, PartialEq, prost::Message)]
pub struct Quantile {
    /// Which.
    #[prost(double, optional, tag = "1")]
    pub quantile: Option<f64>,
    /// Its value.
    #[prost(double, optional, tag = "2")]
    pub value: Option<f64>,
}

/// The parts of a histogram.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Histogram {
    /// How many values there were.
    #[prost(uint64, optional, tag = "1")]
    pub sample_count: Option<u64>,
    /// Their sum.
    #[prost(double, optional, tag = "2")]
    pub sample_sum: Option<f64>,
    /// Counts up to bounds.
    #[prost(message, repeated, tag = "3")]
    pub buckets: Vec<Bucket>,
    /// The sum of weights, in place of the count where it is not 0.
    #[prost(double, optional, tag = "4")]
    pub sample_count_float: Option<f64>,
    /// How the bounds of native buckets grow.
    #[prost(sint32, optional, tag = "5")]
    pub schema: Option<i32>,
    /// How far from 0 values are counted as zero.
    #[prost(double, optional, tag = "6")]
    pub zero_threshold: Option<f64>,
    /// How many are.
    #[prost(uint64, optional, tag = "7")]
    pub zero_count: Option<u64>,
    /// The sum of their weights, in place of the count where it is not 0.
    #[prost(double, optional, tag = "8")]
    pub zero_count_float: Option<f64>,
    /// Where the buckets below zero are.
    #[prost(message, repeated, tag = "9")]
    pub negative_spans: Vec<BucketSpan>,
    /// By how much the count of each differs from the one before.
    #[prost(sint64, repeated, tag = "10")]
    pub negative_deltas: Vec<i64>,
    /// Their counts where the sum is one of weights.
    #[prost(double, repeated, tag = "11")]
    pub negative_counts: Vec<f64>,
    /// Where the buckets above zero are.
    #[prost(message, repeated, tag = "12")]
    pub positive_spans: Vec<BucketSpan>,
    /// By how much the count of each differs from the one before.
    #[prost(sint64, repeated, tag = "13")]
    pub positive_deltas: Vec<i64>,
    /// Their counts where the sum is one of weights.
    #[prost(double, repeated, tag = "14")]
    pub positive_counts: Vec<f64>,
}

/// Native buckets that follow each other.
#[derive(Clone, Copy, PartialEq, prost::Message)]
pub struct BucketSpan {
    /// How many are left out before; of the first span where it begins.
    #[prost(sint32, optional, tag = "1")]
    pub offset: Option<i32>,
    /// How many there are.
    #[prost(uint32, optional, tag = "2")]
    pub length: Option<u32>,
}

/// A bucket of a histogram.
#[derive(Clone, Copy, PartialEq, prost::Message)]
pub struct Bucket {
    /// How many values there were up to the bound.
    #[prost(uint64, optional, tag = "1")]
    pub cumulative_count: Option<u64>,
    /// The bound.
    #[prost(double, optional, tag = "2")]
    pub upper_bound: Option<f64>,
    /// The sum of weights, in place of the count where it is not 0.
    #[prost(double, optional, tag = "4")]
    pub cumulative_count_float: Option<f64>,
}
