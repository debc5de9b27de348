//! A row of the file with a sum at its end over its key and itself: nothing of it is damaged, nor is it in another one's place.

/// Adds its sum to a row.
pub(super) fn seal(key: &[u8], mut row: Vec<u8>) -> Vec<u8> {
    row.extend(sum(key, &row));
    row
}

/// Returns a row without its sum; none where it is not what was written under this key.
pub(super) fn unseal<'a>(key: &[u8], sealed: &'a [u8]) -> Option<&'a [u8]> {
    let (row, told) = sealed.split_last_chunk()?;
    (sum(key, row) == *told).then_some(row)
}

fn sum(key: &[u8], row: &[u8]) -> [u8; 4] {
    let mut sum = crc32fast::Hasher::new();
    sum.update(key);
    sum.update(row);
    sum.finalize().to_le_bytes()
}
