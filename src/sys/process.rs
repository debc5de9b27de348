//! What the system says about our own process, for `/metrics`.

use std::fs;

/// Our own process.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Process {
    /// Seconds of processor time.
    pub cpu_seconds: f64,
    /// Bytes of memory that are resident.
    pub resident_bytes: f64,
    /// Bytes of address space.
    pub virtual_bytes: f64,
    /// Open files.
    pub open_fds: f64,
    /// How many files may be open.
    pub max_fds: f64,
    /// When it began, in epoch seconds.
    pub start_seconds: f64,
    /// Its threads.
    pub threads: f64,
}

/// Looks at our own process; what the system does not tell is zero.
pub fn look() -> Process {
    let ticks = ticks();
    let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let boot = fs::read_to_string("/proc/stat").unwrap_or_default();
    let boot =
        boot.lines().find_map(|line| line.strip_prefix("btime ")).and_then(|text| text.trim().parse().ok());
    let (_, max_fds) =
        nix::sys::resource::getrlimit(nix::sys::resource::Resource::RLIMIT_NOFILE).unwrap_or_default();
    let open_fds = fs::read_dir("/proc/self/fd").map_or(0, |entries| entries.count().saturating_sub(1));
    let page = nix::unistd::sysconf(nix::unistd::SysconfVar::PAGE_SIZE).ok().flatten().unwrap_or(4096);
    Process {
        open_fds: open_fds as f64,
        max_fds: max_fds as f64,
        ..read(&stat, ticks, page as f64, boot.unwrap_or(0.0))
    }
}

fn ticks() -> f64 {
    nix::unistd::sysconf(nix::unistd::SysconfVar::CLK_TCK).ok().flatten().unwrap_or(100) as f64
}

/// Reads `/proc/PID/stat` (proc(5)): fields are counted from the closing parenthesis of the command.
fn read(stat: &str, ticks: f64, page: f64, boot: f64) -> Process {
    let Some((_, after)) = stat.rsplit_once(") ") else { return Process::default() };
    let fields: Vec<f64> = after.split_ascii_whitespace().map(|field| field.parse().unwrap_or(0.0)).collect();
    let field = |number: usize| fields.get(number - 3).copied().unwrap_or_default();
    Process {
        cpu_seconds: (field(14) + field(15)) / ticks,
        threads: field(20),
        start_seconds: boot + field(22) / ticks,
        virtual_bytes: field(23),
        resident_bytes: field(24) * page,
        ..Process::default()
    }
}

#[cfg(test)]
mod tests {
    use super::{look, read};

    #[test]
    fn the_line_is_read_whatever_the_program_is_called() {
        let stat = "12 (a) b) S 1 12 12 0 -1 0 1 2 3 4 150 50 0 0 20 0 7 0 1000 4096000 300 0";
        let process = read(stat, 100.0, 4096.0, 1_000_000.0);
        assert_eq!((process.cpu_seconds, process.threads), (2.0, 7.0));
        assert_eq!((process.start_seconds, process.virtual_bytes), (1_000_010.0, 4_096_000.0));
        assert_eq!(process.resident_bytes, 300.0 * 4096.0);
        assert_eq!(read("garbage", 100.0, 4096.0, 0.0), super::Process::default());
    }

    #[test]
    fn we_have_memory_and_files() {
        let process = look();
        assert!(
            process.resident_bytes > 1e6 && process.open_fds >= 3.0 && process.start_seconds > 1.7e9,
            "{process:?}"
        );
    }
}
