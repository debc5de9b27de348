//! What an operator or an Alertmanager writes as matchers is read or refused, and what is printed is read alike.
#![no_main]

use iaasmon::model::filter::Filter;
use iaasmon::model::labels::Labels;
use iaasmon::model::matcher::{accepts_all, parse_matchers};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let labels: Labels = [("alertname", "NodeDown"), ("rack", "r114")].into_iter().collect();
    if let Ok(parsed) = parse_matchers(text) {
        let printed: Vec<String> = parsed.matchers.iter().map(ToString::to_string).collect();
        let again = parse_matchers(&printed.join(",")).expect("what we print is read");
        assert_eq!(again.matchers, parsed.matchers);
        accepts_all(&parsed.matchers, &labels);
    }
    match Filter::parse(text) {
        Ok(filter) => drop(filter.to_matchers()),
        Err(error) => assert!(error.pointer().ends_with('^')),
    }
});
