//! Troubles of a disk, told apart from mistakes.

use std::io::{self, ErrorKind};

/// Whether a file is refused for the state that its disk is in: full, read-only, failing. The same call works once that is
/// over; a path that can never be one does not get better.
pub fn is_trouble(error: &io::Error) -> bool {
    let kinds = [ErrorKind::StorageFull, ErrorKind::QuotaExceeded, ErrorKind::ReadOnlyFilesystem];
    kinds.contains(&error.kind()) || error.raw_os_error() == Some(nix::libc::EIO)
}

#[cfg(test)]
mod tests {
    use super::is_trouble;
    use nix::libc::{EACCES, EDQUOT, EIO, ENOENT, ENOSPC, ENOTDIR, EROFS};
    use std::io;

    #[test]
    fn a_disk_in_trouble_is_no_mistake_of_the_one_who_named_the_file() {
        let is = |code| is_trouble(&io::Error::from_raw_os_error(code));
        assert!([ENOSPC, EDQUOT, EROFS, EIO].into_iter().all(is));
        assert!(![ENOENT, ENOTDIR, EACCES].into_iter().any(is));
    }
}
