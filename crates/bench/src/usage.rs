//! What this process has used so far.

/// Seconds of CPU time of all threads of this process, user and system; none where the system does not tell.
#[must_use]
pub fn cpu_secs() -> Option<f64> {
    platform::cpu_secs()
}

/// Largest resident memory of this process so far, in bytes; none where the system does not tell. A [`crate::Workload`]
/// that is sampled lets the count start again on Linux.
///
/// On Linux this is `VmHWM` of `/proc/self/status`; on other Unix systems `ru_maxrss` of `getrusage`.
#[must_use]
pub fn peak_bytes() -> Option<u64> {
    platform::peak_bytes()
}

/// Makes [`peak_bytes`] start again from what is resident now; false where the system does not do that (Linux does).
pub(crate) fn reset_peak() -> bool {
    // The kernel's word for "forget the peak of the resident memory".
    cfg!(target_os = "linux") && std::fs::write("/proc/self/clear_refs", "5").is_ok()
}

/// Mean number of processes that wanted to run in the last minute; none where the system does not tell in a file.
#[must_use]
pub fn load_average() -> Option<f64> {
    let text = std::fs::read_to_string("/proc/loadavg").ok()?;
    text.split_whitespace().next()?.parse().ok()
}

/// Resident memory of this process now that no file stands behind, in bytes: what it has allocated and used. None where
/// the system does not tell (all but Linux).
#[must_use]
pub fn anonymous_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    kibibytes(&status, "RssAnon:")
}

#[cfg(unix)]
mod platform {
    use nix::sys::resource::{Usage, UsageWho, getrusage};
    use nix::sys::time::TimeVal;

    fn usage() -> Option<Usage> {
        getrusage(UsageWho::RUSAGE_SELF).ok()
    }

    pub(super) fn cpu_secs() -> Option<f64> {
        let secs = |t: TimeVal| t.tv_sec() as f64 + t.tv_usec() as f64 * 1e-6;
        usage().map(|usage| secs(usage.user_time()) + secs(usage.system_time()))
    }

    pub(super) fn peak_bytes() -> Option<u64> {
        // `ru_maxrss` of a Linux process starts with the peak of the program that started it; `VmHWM` does not.
        #[cfg(target_os = "linux")]
        if let Some(peak) = std::fs::read_to_string("/proc/self/status").ok().as_deref().and_then(super::high_water) {
            return Some(peak);
        }
        // Apple counts bytes, the others kibibytes.
        let unit = if cfg!(target_vendor = "apple") { 1 } else { 1024 };
        usage().and_then(|usage| u64::try_from(usage.max_rss()).ok()).map(|n| n * unit)
    }
}

#[cfg(not(unix))]
mod platform {
    pub(super) fn cpu_secs() -> Option<f64> {
        None
    }

    pub(super) fn peak_bytes() -> Option<u64> {
        None
    }
}

/// Bytes of the line `VmHWM: n kB` of a Linux process status.
#[cfg(any(target_os = "linux", test))]
fn high_water(status: &str) -> Option<u64> {
    kibibytes(status, "VmHWM:")
}

/// Bytes of a line `NAME n kB`.
fn kibibytes(status: &str, name: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok().map(|kibibytes| kibibytes * 1024)
}

#[cfg(test)]
mod tests {
    use super::{anonymous_bytes, cpu_secs, high_water, peak_bytes, reset_peak};

    #[test]
    fn reads_the_status_of_a_process() {
        assert_eq!(high_water("Name:\tx\nVmPeak:\t  900 kB\nVmHWM:\t  12 kB\n"), Some(12 * 1024));
        assert_eq!(high_water("Name:\tx\n"), None);
        assert_eq!(high_water("VmHWM:\t many kB\n"), None);
    }

    #[test]
    #[cfg(unix)]
    fn use_grows() {
        let (cpu, peak) = (cpu_secs().unwrap(), peak_bytes().unwrap());
        let block = vec![1u8; 64 << 20];
        let sum: u64 = block.iter().map(|&x| u64::from(x)).sum();
        assert_eq!(sum, 64 << 20);
        assert!(peak_bytes().unwrap() >= peak.max(64 << 20));
        assert!(anonymous_bytes().is_none_or(|bytes| bytes >= 64 << 20 && bytes <= peak_bytes().unwrap()));
        assert!(cpu_secs().unwrap() >= cpu);
        drop(block);
        if reset_peak() {
            assert!(peak_bytes().unwrap() < 64 << 20);
        }
    }
}
