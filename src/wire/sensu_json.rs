//! JSON as Sensu reads and writes it: byte strings, ordered keys, Ruby's number formats.
//!
//! serde_json can neither print raw bytes nor `1e-06`. What is imitated here is oj 2.18.1, the JSON library of
//! sensu-client 1.9: comments are read, the last of equal keys wins in the place of the first, strings may hold any bytes.

mod parse;
mod write;

use indexmap::IndexMap;
pub(in crate::wire) use parse::unescape;
pub use parse::{MAX_DEPTH, SyntaxError};
pub use write::{write_float, write_string};

/// An object: keys in the order in which they first appeared.
pub type Object = IndexMap<Box<[u8]>, Value>;

/// A JSON value. Equality of objects does not regard the order of their keys; compare what is written where it matters.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// `null`
    Null,
    /// `true` or `false`
    Bool(bool),
    /// A whole number, of any size.
    Int(Int),
    /// Any other number; always finite.
    Float(f64),
    /// A string: any bytes, UTF-8 or not.
    String(Box<[u8]>),
    /// A list.
    Array(Vec<Value>),
    /// An object.
    Object(Object),
}

/// A whole number: Ruby's are as large as they need to be, so what does not fit is kept as its digits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Int {
    /// One that fits.
    Small(i64),
    /// The digits of one that does not, with a sign where it is negative.
    Big(Box<str>),
}

impl Value {
    /// Reads one document; an empty one is an error (a file's reader decides what that means).
    pub fn parse(text: &[u8]) -> Result<Self, SyntaxError> {
        parse::document(text)
    }

    /// Appends this value as oj writes it in compact form.
    pub fn write(&self, out: &mut Vec<u8>) {
        write::compact(self, out);
    }

    /// Returns this value as oj writes it in compact form.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::new();
        self.write(&mut out);
        out
    }

    /// Appends this value indented by two spaces a level, without a space behind the colon, as `sensu-client -P` does.
    pub fn write_indented(&self, out: &mut Vec<u8>) {
        write::indented(self, 0, out);
    }

    /// Returns a string value.
    pub fn text(text: impl AsRef<[u8]>) -> Self {
        Self::String(text.as_ref().into())
    }

    /// Returns the bytes of a string.
    pub fn as_bytes(&self) -> Option<&[u8]> {
        match self {
            Self::String(bytes) => Some(bytes),
            _ => None,
        }
    }

    /// Returns a string that is UTF-8.
    pub fn as_str(&self) -> Option<&str> {
        self.as_bytes().and_then(|bytes| std::str::from_utf8(bytes).ok())
    }

    /// Returns a whole number that fits.
    pub fn as_i64(&self) -> Option<i64> {
        match self {
            Self::Int(Int::Small(n)) => Some(*n),
            _ => None,
        }
    }

    /// Returns a number of either kind.
    pub fn as_f64(&self) -> Option<f64> {
        match self {
            Self::Int(Int::Small(n)) => Some(*n as f64),
            Self::Int(Int::Big(digits)) => digits.parse().ok(),
            Self::Float(n) => Some(*n),
            _ => None,
        }
    }

    /// Returns a boolean.
    pub fn as_bool(&self) -> Option<bool> {
        match self {
            Self::Bool(value) => Some(*value),
            _ => None,
        }
    }

    /// Returns the items of a list.
    pub fn as_array(&self) -> Option<&[Value]> {
        match self {
            Self::Array(items) => Some(items),
            _ => None,
        }
    }

    /// Returns the fields of an object.
    pub fn as_object(&self) -> Option<&Object> {
        match self {
            Self::Object(fields) => Some(fields),
            _ => None,
        }
    }

    /// Whether Ruby takes this value for true: everything but `nil` and `false`.
    pub fn is_truthy(&self) -> bool {
        !matches!(self, Self::Null | Self::Bool(false))
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

impl From<i64> for Value {
    fn from(value: i64) -> Self {
        Self::Int(Int::Small(value))
    }
}

impl From<&str> for Value {
    fn from(value: &str) -> Self {
        Self::text(value)
    }
}

impl From<Object> for Value {
    fn from(fields: Object) -> Self {
        Self::Object(fields)
    }
}

/// Returns a field, looked up by its name as text.
pub fn field<'a>(object: &'a Object, name: &str) -> Option<&'a Value> {
    object.get(name.as_bytes())
}

/// Sets a field: in its place where it exists, else at the end, as a Ruby hash does.
pub fn set(object: &mut Object, name: &str, value: impl Into<Value>) {
    object.insert(name.as_bytes().into(), value.into());
}

#[cfg(test)]
pub(crate) mod tests;
