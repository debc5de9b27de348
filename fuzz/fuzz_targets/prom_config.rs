//! No configuration that a Prometheus shows makes its reader panic, and relabelling with it never does either.
#![no_main]

use iaasmon::model::labels::Labels;
use iaasmon::wire::prom_config::decode_alert_relabelling;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|yaml: &str| {
    if let Ok(relabelling) = decode_alert_relabelling(yaml) {
        let labels: Labels = [("alertname", "NodeDown"), ("instance", "hv-1:9100")].into_iter().collect();
        let once = relabelling.apply(&labels);
        assert_eq!(format!("{once:?}"), format!("{:?}", relabelling.apply(&labels)));
    }
});
