//! What the kernel says about this process.

use std::fs;

/// One look at `/proc/self`; zero for what cannot be read.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Process {
    pub(crate) resident_bytes: u64,
    pub(crate) cpu_seconds: f64,
    pub(crate) open_files: u64,
    pub(crate) threads: u64,
}

/// What the kernel counts CPU time in, on every architecture that we run on.
const TICKS_PER_SECOND: u32 = 100;

impl Process {
    pub(crate) fn read() -> Self {
        let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
        let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
        let open_files = fs::read_dir("/proc/self/fd").map_or(0, Iterator::count);
        Self {
            resident_bytes: status_kib(&status, "VmRSS:").saturating_mul(1_024),
            cpu_seconds: cpu_seconds(&stat).unwrap_or(0.0),
            open_files: u64::try_from(open_files).unwrap_or(u64::MAX),
            threads: status_kib(&status, "Threads:"),
        }
    }
}

/// The number after `name`.
fn status_kib(status: &str, name: &str) -> u64 {
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    let number = line.and_then(|rest| rest.split_whitespace().next());
    number.and_then(|number| number.parse().ok()).unwrap_or(0)
}

/// User and system time: the 14th and 15th field. The second may hold spaces, inside parentheses.
fn cpu_seconds(stat: &str) -> Option<f64> {
    let (_, rest) = stat.rsplit_once(')')?;
    let mut fields = rest.split_whitespace().skip(11);
    let user: u32 = fields.next()?.parse().ok()?;
    let system: u32 = fields.next()?.parse().ok()?;
    Some((f64::from(user) + f64::from(system)) / f64::from(TICKS_PER_SECOND))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_found_behind_an_odd_name() {
        let stat = "7 (a b) c) S 1 2 3 4 5 6 7 8 9 10 150 50 0 0";
        assert_eq!(cpu_seconds(stat), Some(2.0));
        assert_eq!(cpu_seconds("7 (x"), None);
        assert_eq!(status_kib("VmRSS:\t  12 kB\nThreads:\t3\n", "Threads:"), 3);
    }

    #[test]
    fn this_process_has_memory_and_threads() {
        let process = Process::read();
        assert!(process.resident_bytes > 0 && process.threads > 0 && process.open_files > 0);
    }
}
