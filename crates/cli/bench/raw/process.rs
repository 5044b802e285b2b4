//! CPU time and memory of a process, as the kernel counts them.
//!
//! The own process is asked through its CPU clock, which is exact to nanoseconds; another one through
//! `/proc/<pid>`, where CPU time advances in hundredths of a second.

use std::fs;
use std::time::Duration;

use anyhow::{Context as _, Result};
use rustix::time::{ClockId, clock_gettime};

/// Ticks per second of the times in `/proc/<pid>/stat`: fixed by the Linux ABI (`USER_HZ`).
const TICKS_PER_SECOND: u64 = 100;

/// User plus system time that this process has used.
pub(crate) fn own_cpu() -> Duration {
    let spent = clock_gettime(ClockId::ProcessCPUTime);
    let seconds = u64::try_from(spent.tv_sec).unwrap_or(0);
    let nanoseconds = u32::try_from(spent.tv_nsec).unwrap_or(0);
    Duration::new(seconds, nanoseconds)
}

/// User plus system time that the process `pid` has used, to a hundredth of a second.
///
/// # Errors
/// If there is no such process, or the kernel's line does not parse.
pub(crate) fn cpu(pid: u32) -> Result<Duration> {
    let path = format!("/proc/{pid}/stat");
    let stat = fs::read_to_string(&path).with_context(|| format!("read {path}"))?;
    parse_cpu(&stat).with_context(|| format!("no CPU times in {path}: {stat:?}"))
}

/// The most memory that the process `pid` has had resident, in bytes.
///
/// # Errors
/// If there is no such process, or it is one without memory of its own.
pub(crate) fn peak_memory(pid: u32) -> Result<u64> {
    status_field(pid, "VmHWM:")
}

/// Lets the own process's peak memory start again from what is resident now: what was measured before
/// is another figure.
///
/// # Errors
/// If the kernel does not allow it.
pub(crate) fn forget_peak_memory() -> Result<()> {
    // `5` is the kernel's code for the peak alone.
    fs::write("/proc/self/clear_refs", "5").context("reset the peak of the memory")
}

/// The memory of the process `pid` that belongs to no file, in bytes: the page cache that it maps is
/// not counted.
///
/// # Errors
/// If there is no such process, or it is one without memory of its own.
pub(crate) fn anonymous_memory(pid: u32) -> Result<u64> {
    status_field(pid, "RssAnon:")
}

fn status_field(pid: u32, field: &str) -> Result<u64> {
    let path = format!("/proc/{pid}/status");
    let status = fs::read_to_string(&path).with_context(|| format!("read {path}"))?;
    parse_kilobytes(&status, field).with_context(|| format!("no {field} in {path}"))
}

/// The command name stands in parentheses and may hold spaces and parentheses itself, so fields are counted from
/// the last one: the state is field 3, user and system time are fields 14 and 15.
fn parse_cpu(stat: &str) -> Option<Duration> {
    let (_, fields) = stat.rsplit_once(')')?;
    let mut times = fields.split_whitespace().skip(11);
    let user: u64 = times.next()?.parse().ok()?;
    let system: u64 = times.next()?.parse().ok()?;
    let ticks = user.checked_add(system)?;
    Some(Duration::from_millis(
        ticks.checked_mul(1_000 / TICKS_PER_SECOND)?,
    ))
}

fn parse_kilobytes(status: &str, field: &str) -> Option<u64> {
    let rest = status.lines().find_map(|line| line.strip_prefix(field))?;
    let kilobytes: u64 = rest.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kilobytes.checked_mul(1_024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn command_names_with_parentheses_do_not_shift_the_cpu_times() {
        let stat = "7 (a (b) c d) S 1 7 7 0 -1 4194304 100 0 0 0 250 50 0 0 20 0 1 0 9 1 2";
        assert_eq!(parse_cpu(stat), Some(Duration::from_secs(3)));
    }

    #[test]
    fn peak_memory_is_read_in_bytes() {
        let status = "Name:\tx\nVmHWM:\t    2048 kB\nVmRSS:\t    1024 kB\n";
        assert_eq!(parse_kilobytes(status, "VmHWM:"), Some(2_097_152));
        assert_eq!(parse_kilobytes(status, "VmSwap:"), None);
    }

    #[test]
    fn own_process_has_memory_and_cpu_time() {
        let pid = std::process::id();
        assert!(peak_memory(pid).unwrap() >= anonymous_memory(pid).unwrap() / 2);
        assert!(cpu(pid).is_ok());
        assert!(own_cpu() > Duration::ZERO);
    }
}
