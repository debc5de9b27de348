//! Fields of bytes one after the other, each with its length in front: how results are kept in the store.

/// Appends fields.
#[derive(Debug, Default)]
pub struct Pack(Vec<u8>);

impl Pack {
    /// Appends bytes.
    pub fn bytes(&mut self, bytes: &[u8]) -> &mut Self {
        let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        self.0.extend(length.to_le_bytes());
        self.0.extend(&bytes[..length as usize]);
        self
    }

    /// Appends a number.
    pub fn number(&mut self, number: i64) -> &mut Self {
        self.0.extend(number.to_le_bytes());
        self
    }

    /// Appends a number that may be missing.
    pub fn float(&mut self, number: Option<f64>) -> &mut Self {
        // No duration is ever NaN.
        self.0.extend(number.unwrap_or(f64::NAN).to_le_bytes());
        self
    }

    /// Returns all of it.
    pub fn done(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.0)
    }
}

/// Reads fields in the order in which they were appended; none where they end early.
pub struct Unpack<'a>(pub &'a [u8]);

impl<'a> Unpack<'a> {
    /// Takes bytes.
    pub fn bytes(&mut self) -> Option<&'a [u8]> {
        let length = u32::from_le_bytes(self.fixed()?) as usize;
        let (bytes, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(bytes)
    }

    /// Takes a number.
    pub fn number(&mut self) -> Option<i64> {
        self.fixed().map(i64::from_le_bytes)
    }

    /// Takes a number that may be missing.
    pub fn float(&mut self) -> Option<Option<f64>> {
        self.fixed().map(f64::from_le_bytes).map(|number| Some(number).filter(|number| !number.is_nan()))
    }

    fn fixed<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (bytes, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*bytes)
    }
}
