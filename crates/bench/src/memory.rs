//! The memory of a process, from Linux's `/proc`.

use anyhow::Context;

/// The memory of a process in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Memory {
    /// Resident set: pages in memory, shared ones in full.
    pub(crate) rss_bytes: u64,
    /// Proportional set: shared pages divided by the number of processes that share them.
    pub(crate) pss_bytes: u64,
}

/// The memory of a process.
///
/// # Errors
/// When the process has ended or belongs to another user, or on a system without `/proc`.
pub(crate) fn of_process(pid: u32) -> anyhow::Result<Memory> {
    let path = format!("/proc/{pid}/smaps_rollup");
    let text = std::fs::read_to_string(&path).with_context(|| format!("{path} cannot be read"))?;
    parse(&text).with_context(|| format!("{path} does not say Rss and Pss"))
}

fn parse(text: &str) -> Option<Memory> {
    let bytes = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
        let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
        Some(kibibytes * 1024)
    };
    Some(Memory { rss_bytes: bytes("Rss")?, pss_bytes: bytes("Pss")? })
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;

    #[test]
    fn the_rollup_is_read() {
        let text = "55d0-7ffd ---p 00000000 00:00 0  [rollup]\nRss:    1844 kB\nPss:    202 kB\n\
                    Pss_Dirty:   104 kB\n";
        assert_eq!(parse(text), Some(Memory { rss_bytes: 1844 * 1024, pss_bytes: 202 * 1024 }));
        assert_eq!(parse("Rss: 1 kB\n"), None);
    }
}
