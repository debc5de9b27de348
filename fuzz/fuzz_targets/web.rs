//! No text makes the reader of web config files panic, and what it refuses it says why.
#![no_main]

use iaasmon::config::web::Web;
use libfuzzer_sys::fuzz_target;
use std::path::Path;

fuzz_target!(|text: &str| {
    if let Err(problems) = Web::parse(text, Path::new("/nonexistent")) {
        assert!(!problems.is_empty());
        assert!(problems.iter().all(|problem| !problem.is_empty()));
    }
});
