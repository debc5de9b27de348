//! A result that came by a local socket (client/validators/check.rb:22-37): the first thing that is wrong is told.

use super::check::first_problem_of_result;
use super::rules::{integer, string};
use crate::wire::sensu_json::{Object, field};

/// Looks at a result whose status and time have been filled in.
///
/// # Errors
/// The original's words for the first problem.
pub fn validate_result(check: &Object) -> Result<(), String> {
    if !string(field(check, "output")) {
        return Err("check output must be a string".to_owned());
    }
    if !integer(field(check, "status")) {
        return Err("check status must be an integer".to_owned());
    }
    if !integer(field(check, "executed")) {
        return Err("check executed timestamp must be an integer".to_owned());
    }
    first_problem_of_result(check).map_or(Ok(()), Err)
}
