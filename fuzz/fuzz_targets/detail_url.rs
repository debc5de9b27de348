//! No label of an alert leaves its place in a detail URL: host, port, path segments and query stay those of the template.
#![no_main]

use iaasmon::model::labels::Labels;
use iaasmon::net::{detail_url, expand_detail_url};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (&str, &str, &str)| {
    let (template, host, value) = input;
    let labels: Labels =
        [("instance", host), ("check", value), ("source", value)].map(|(n, v)| (n.to_owned(), v.to_owned())).into_iter().collect();
    // A template is the operator's own, so it may be anything but must not make us panic.
    let _ = detail_url(template, &labels);
    let Ok(url) = expand_detail_url("http://{instance}/api/v1/checks/{check}/x?q={source}&last=1", &labels) else { return };
    assert_eq!((url.scheme(), url.username(), url.password(), url.fragment()), ("http", "", None, None));
    let segments: Vec<_> = url.path_segments().expect("http has a path").collect();
    assert_eq!((segments.len(), segments[..3].join("/"), segments[4]), (5, "api/v1/checks".to_owned(), "x"));
    let query: Vec<_> = url.query_pairs().into_owned().collect();
    assert_eq!(query, [("q".to_owned(), value.to_owned()), ("last".to_owned(), "1".to_owned())]);
});
