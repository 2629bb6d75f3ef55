//! How much memory may still be taken.

/// Bytes of memory that a process can take without swapping: what the system counts as available, and no more than what
/// the control group of this process leaves (containers, batch queues). None where the system does not tell (other than
/// Linux).
#[must_use]
pub fn available_bytes() -> Option<u64> {
    #[cfg(target_os = "linux")]
    {
        let system = of_meminfo(&std::fs::read_to_string("/proc/meminfo").ok()?)?;
        Some(group_left().map_or(system, |left| left.min(system)))
    }
    #[cfg(not(target_os = "linux"))]
    None
}

/// The line `MemAvailable: n kB` of Linux' memory statistics.
#[cfg(any(target_os = "linux", test))]
fn of_meminfo(text: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok().map(|kibibytes| kibibytes * 1024)
}

/// What the control group of this process, and those around it, leave of their limits.
#[cfg(target_os = "linux")]
fn group_left() -> Option<u64> {
    use std::path::Path;

    let groups = std::fs::read_to_string("/proc/self/cgroup").ok()?;
    let own = groups.lines().find_map(|line| line.strip_prefix("0::"))?.trim_start_matches('/').to_owned();
    let root = Path::new("/sys/fs/cgroup");
    let folders = Path::new(&own).ancestors().map(|group| root.join(group));
    folders
        .filter_map(|folder| {
            let read = |name: &str| std::fs::read_to_string(folder.join(name)).ok();
            left_of(&read("memory.max")?, &read("memory.current")?, &read("memory.stat").unwrap_or_default())
        })
        .min()
}

/// Limit less use; files that are only cached do not count as use. No limit (`max`) gives nothing.
#[cfg(any(target_os = "linux", test))]
fn left_of(limit: &str, current: &str, stat: &str) -> Option<u64> {
    let limit: u64 = limit.trim().parse().ok()?;
    let current: u64 = current.trim().parse().ok()?;
    let cached = stat.lines().find_map(|line| line.strip_prefix("inactive_file ")?.trim().parse().ok()).unwrap_or(0);
    Some(limit.saturating_sub(current.saturating_sub(cached)))
}

#[cfg(test)]
mod tests {
    use super::{available_bytes, left_of, of_meminfo};

    #[test]
    fn figures_of_the_system_are_read() {
        assert_eq!(of_meminfo("MemTotal: 9 kB\nMemAvailable:    7 kB\n"), Some(7 * 1024));
        assert_eq!(of_meminfo("MemTotal: 9 kB\n"), None);
        assert_eq!(left_of("1000\n", "700\n", "anon 1\ninactive_file 200\n"), Some(500));
        assert_eq!(left_of("1000\n", "1700\n", ""), Some(0));
        assert_eq!(left_of("max\n", "700\n", ""), None);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn some_memory_is_left() {
        assert!(available_bytes().is_some_and(|bytes| bytes > 1 << 20));
    }
}
