//! No bytes on the local sockets panic; a result and a request are the same in whatever pieces they come.
#![no_main]

use iaasmon::wire::sensu_json::Value;
use iaasmon::wire::sensu_socket::{Heard, Received, hear, hear_whole, receive};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (&[u8], usize)| {
    let (bytes, cut) = input;
    let cut = cut % (bytes.len() + 1);
    let first = receive(&bytes[..cut]);
    assert!(first == Received::Unfinished || first == receive(bytes), "{first:?}");
    let _ = hear(bytes);
    if let Heard::Message(message @ (Value::Object(_) | Value::Array(_))) = hear_whole(bytes) {
        let sent = message.to_bytes();
        let cut = cut % sent.len();
        assert!(matches!(hear(&sent[..cut]), Heard::Unfinished(_)), "it ends with its last bracket");
        assert!(matches!(hear(&sent), Heard::Message(_)), "what was taken is taken again");
    }
});
