//! Resources of this process, read from `/proc` when somebody scrapes. Elsewhere than on Linux
//! there is no `/proc`, and then there are no such metrics.

use std::fs;

use prometheus_client::{
    collector::Collector,
    encoding::DescriptorEncoder,
    metrics::{counter::ConstCounter, gauge::ConstGauge},
};

use super::definitions as def;

/// Clock ticks in a second as `/proc` counts them: USER_HZ, which the kernel's ABI fixes at 100 on
/// every architecture Rust's standard library supports (`man 5 proc_pid_stat`, `man 7 time`).
const USER_HZ: f64 = 100.0;

#[derive(Debug)]
pub(super) struct ProcessCollector;

impl Collector for ProcessCollector {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let usage = Usage::read();
        if let Some(seconds) = usage.cpu_seconds {
            def::PROCESS_CPU.encode(&mut encoder, &ConstCounter::new(seconds))?;
        }
        for (definition, value) in [
            (&def::PROCESS_RESIDENT, usage.resident_bytes),
            (&def::PROCESS_VIRTUAL, usage.virtual_bytes),
            (&def::PROCESS_START, usage.start_seconds),
            (&def::PROCESS_OPEN_FDS, usage.open_fds),
            (&def::PROCESS_MAX_FDS, usage.max_fds),
            (&def::PROCESS_THREADS, usage.threads),
        ] {
            if let Some(value) = value {
                definition.encode(&mut encoder, &ConstGauge::new(value))?;
            }
        }
        Ok(())
    }
}

#[derive(Debug, Default)]
struct Usage {
    cpu_seconds: Option<f64>,
    resident_bytes: Option<f64>,
    virtual_bytes: Option<f64>,
    start_seconds: Option<f64>,
    open_fds: Option<f64>,
    max_fds: Option<f64>,
    threads: Option<f64>,
}

impl Usage {
    fn read() -> Self {
        let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
        let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
        let limits = fs::read_to_string("/proc/self/limits").unwrap_or_default();
        // Field numbers of proc_pid_stat(5): utime 14, stime 15, starttime 22.
        let ticks = |field| stat_field(&stat, field).map(|ticks| ticks / USER_HZ);
        Self {
            cpu_seconds: ticks(14).zip(ticks(15)).map(|(user, system)| user + system),
            start_seconds: ticks(22).zip(boot_seconds()).map(|(up, boot)| boot + up),
            resident_bytes: number_after(&status, "VmRSS:").map(|kib| kib * 1024.0),
            virtual_bytes: number_after(&status, "VmSize:").map(|kib| kib * 1024.0),
            threads: number_after(&status, "Threads:"),
            max_fds: number_after(&limits, "Max open files"),
            open_fds: fs::read_dir("/proc/self/fd").ok().map(|fds| fds.count() as f64),
        }
    }
}

/// Field `number`, counted from 1 as the manual does. The second is the command in parentheses,
/// which may hold spaces and parentheses itself, so counting starts behind the last one.
fn stat_field(stat: &str, number: usize) -> Option<f64> {
    let (_, rest) = stat.rsplit_once(')')?;
    rest.split_ascii_whitespace().nth(number - 3)?.parse().ok()
}

fn number_after(text: &str, key: &str) -> Option<f64> {
    let rest = text.lines().find_map(|line| line.strip_prefix(key))?;
    rest.split_ascii_whitespace().next()?.parse().ok()
}

/// The time the machine was started, in seconds since the Unix epoch.
fn boot_seconds() -> Option<f64> {
    number_after(&fs::read_to_string("/proc/stat").ok()?, "btime")
}

#[cfg(all(test, target_os = "linux"))]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use std::time::{SystemTime, UNIX_EPOCH};

    use super::*;

    #[test]
    fn this_process_has_every_figure() {
        let usage = Usage::read();
        assert!(usage.resident_bytes.unwrap() > 1e6, "{usage:?}");
        assert!(usage.virtual_bytes >= usage.resident_bytes, "{usage:?}");
        assert!(usage.open_fds.unwrap() >= 3.0 && usage.max_fds >= usage.open_fds, "{usage:?}");
        assert!(usage.threads.unwrap() >= 1.0 && usage.cpu_seconds.unwrap() >= 0.0, "{usage:?}");
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs_f64();
        let age = now - usage.start_seconds.unwrap();
        assert!((-2.0..24.0 * 3600.0).contains(&age), "age {age}, {usage:?}");
    }

    #[test]
    fn a_command_with_spaces_and_parentheses_does_not_shift_the_fields() {
        let stat = "7 (a b) c) S 1 7 7 0 -1 0 0 0 0 0 150 50 0 0 20 0 1 0 900 0";
        assert_eq!(stat_field(stat, 14), Some(150.0));
        assert_eq!(stat_field(stat, 22), Some(900.0));
        assert_eq!(stat_field("", 14), None);
    }
}
