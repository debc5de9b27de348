//! No words of a notification, file of alerts or file of mails makes anything panic.
#![no_main]

use iaasmon::model::notice::parse_notice;
use iaasmon::wire::am_message::decode_alert_file;
use iaasmon::wire::mail::decode_mails;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let _ = decode_mails(bytes);
    let Ok(text) = str::from_utf8(bytes) else { return };
    let _ = parse_notice(text);
    let _ = decode_alert_file(text, chrono::DateTime::UNIX_EPOCH);
});
