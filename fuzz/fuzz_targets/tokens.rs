//! No text makes token substitution, subdue or the cron reader panic; the next time of a cron line lies ahead.
#![no_main]

use chrono::{Local, TimeZone as _};
use iaasmon::sensu::{cron::Cron, subdue, time_of_day::TimeOfDay, tokens::substitute};
use iaasmon::wire::sensu_json::{Value, field};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (&[u8], &[u8], &str, u32)| {
    let (check, client, text, seconds) = input;
    let now = Local.timestamp_opt(seconds.into(), 0).single().expect("a time");
    if let Some(next) = Cron::parse(text).and_then(|cron| cron.next_after(&now)) {
        assert!(next > now);
    }
    let _ = TimeOfDay::parse(text).and_then(|time| time.at(&now));
    if let (Ok(Value::Object(check)), Ok(Value::Object(client))) = (Value::parse(check), Value::parse(client))
    {
        let _ = subdue::is_subdued(&check, &now);
        let substituted = substitute(&check, &client);
        assert_eq!(substituted.check.len(), check.len());
        assert_eq!(field(&substituted.check, "interval").is_some(), field(&check, "interval").is_some());
    }
});
