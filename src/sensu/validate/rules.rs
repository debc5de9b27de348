//! What values are asked to be (sensu-settings, rules.rb). "If set" means: not `null` and not absent.

use crate::wire::sensu_json::Value;

fn unset(value: Option<&Value>) -> bool {
    matches!(value, None | Some(Value::Null))
}

pub(super) fn string(value: Option<&Value>) -> bool {
    matches!(value, Some(Value::String(_)))
}

pub(super) fn string_if_set(value: Option<&Value>) -> bool {
    unset(value) || string(value)
}

pub(super) fn boolean_if_set(value: Option<&Value>) -> bool {
    unset(value) || matches!(value, Some(Value::Bool(_)))
}

pub(super) fn integer(value: Option<&Value>) -> bool {
    matches!(value, Some(Value::Int(_)))
}

pub(super) fn integer_if_set(value: Option<&Value>) -> bool {
    unset(value) || integer(value)
}

/// A whole number above 0, of any size.
pub(super) fn positive(value: Option<&Value>) -> bool {
    integer(value) && value.and_then(Value::as_f64).is_some_and(|n| n > 0.0)
}

pub(super) fn number_if_set(value: Option<&Value>) -> bool {
    unset(value) || matches!(value, Some(Value::Int(_) | Value::Float(_)))
}

pub(super) fn object_if_set(value: Option<&Value>) -> bool {
    unset(value) || matches!(value, Some(Value::Object(_)))
}

pub(super) fn array_if_set(value: Option<&Value>) -> bool {
    unset(value) || matches!(value, Some(Value::Array(_)))
}

/// A list of strings, none of them empty; anything but a list passes here, for another rule has it.
pub(super) fn strings_if_array(value: Option<&Value>) -> bool {
    let Some(Value::Array(items)) = value else { return true };
    items.iter().all(|item| item.as_bytes().is_some_and(|text| !text.is_empty()))
}

/// `\A[\w\.-]+\z`, ASCII.
pub(super) fn is_name(text: &[u8]) -> bool {
    !text.is_empty() && text.iter().all(|byte| is_word(*byte) || matches!(byte, b'.' | b'-'))
}

/// `\A[\w\.:|-]+\z`, ASCII.
pub(super) fn is_aggregate(text: &[u8]) -> bool {
    !text.is_empty() && text.iter().all(|byte| is_word(*byte) || matches!(byte, b'.' | b':' | b'|' | b'-'))
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// `\A[\w\.-]*([:]{3}[\w\|\.-]+[:]{3}[\w\.-]*|[\w\.-]+)\z`: a name, or a name with one token in it.
pub(super) fn is_source(text: &[u8]) -> bool {
    if is_name(text) {
        return true;
    }
    let plain = |part: &[u8]| part.is_empty() || is_name(part);
    let Some(open) = memchr::memmem::find(text, b":::") else { return false };
    let rest = &text[open + 3..];
    let Some(close) = memchr::memmem::find(rest, b":::") else { return false };
    let token = &rest[..close];
    let in_token = |byte: &u8| is_word(*byte) || matches!(byte, b'.' | b'-' | b'|');
    plain(&text[..open]) && !token.is_empty() && token.iter().all(in_token) && plain(&rest[close + 3..])
}
