//! No node and no configuration file of a Prometheus makes the decoders panic, and no label leaves
//! its place in a detail URL.
#![no_main]

use iaasmon::model::labels::Labels;
use iaasmon::net::expand_detail_url;
use iaasmon::wire::detail::{decode_detail, error_text};
use iaasmon::wire::prom_config::decode_alert_relabelling;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|body: &[u8]| {
    let _ = decode_detail("check", body);
    let _ = error_text(body);
    let Ok(text) = str::from_utf8(body) else { return };
    if let Ok(relabelling) = decode_alert_relabelling(text) {
        let _ = relabelling.apply(&[("alertname", "x")].into_iter().collect());
    }
    let labels: Labels = [("instance", "node:1"), ("check", text)].into_iter().collect();
    if let Ok(url) = expand_detail_url("http://{instance}/api/v1/checks/{check}", &labels) {
        assert_eq!(url.host_str(), Some("node"));
        assert_eq!(url.path_segments().map(Iterator::count), Some(4));
        assert!(url.query().is_none() && url.fragment().is_none());
    }
});
