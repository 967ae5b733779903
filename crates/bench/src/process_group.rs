//! The processor time and the memory of a process group, from Linux's `/proc`.

use std::time::Duration;

use anyhow::Context;

use crate::memory;

/// The unit of times in `/proc` on every architecture (USER_HZ is 100).
const TICK: Duration = Duration::from_millis(10);

/// The processor time, user and system, of all processes of a group since they started.
///
/// # Errors
/// On a system without `/proc`.
pub(crate) fn processor_time(group: u32) -> anyhow::Result<Duration> {
    Ok(members(group)?.into_iter().map(|member| TICK * member.ticks).sum())
}

/// The resident memory of all processes of a group, in bytes.
///
/// # Errors
/// On a system without `/proc`, and when a process belongs to another user.
pub(crate) fn resident_bytes(group: u32) -> anyhow::Result<u64> {
    let sizes = members(group)?.into_iter().map(|member| memory::of_process(member.pid));
    sizes.map(|memory| Ok(memory?.rss_bytes)).sum()
}

#[derive(Debug, PartialEq, Eq)]
struct Member {
    pid: u32,
    group: u32,
    ticks: u32,
}

fn members(group: u32) -> anyhow::Result<Vec<Member>> {
    let processes = std::fs::read_dir("/proc").context("/proc cannot be read")?;
    let all = processes.filter_map(|entry| {
        // An entry that cannot be read is not a process, or the process has ended.
        parse(&std::fs::read_to_string(entry.ok()?.path().join("stat")).ok()?)
    });
    Ok(all.filter(|member| member.group == group).collect())
}

/// Parses `/proc/PID/stat`: pid, (name), state, parent, group; fields 14 and 15 are the times.
fn parse(stat: &str) -> Option<Member> {
    let pid = stat.split_once(' ')?.0.parse().ok()?;
    // The name may hold any character, brackets and blanks included.
    let fields: Vec<&str> = stat.rsplit_once(") ")?.1.split(' ').collect();
    let number = |index: usize| fields.get(index)?.parse::<u32>().ok();
    Some(Member { pid, group: number(2)?, ticks: number(11)? + number(12)? })
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_stat_is_read_whatever_the_name() {
        let line = "42 (a) b (c)) S 1 40 40 0 -1 4194560 9 0 0 0 7 5 0 0 20 0 4 0";
        assert_eq!(parse(line), Some(Member { pid: 42, group: 40, ticks: 12 }));
        assert_eq!(parse("42 (a) S 1"), None);
    }

    #[test]
    fn a_process_of_its_own_group_is_found() {
        use std::os::unix::process::CommandExt;
        let child = std::process::Command::new("sleep").arg("60").process_group(0).spawn();
        let mut child = child.unwrap();
        assert!(resident_bytes(child.id()).unwrap() > 0);
        assert!(processor_time(child.id()).unwrap() < Duration::from_secs(1));
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(resident_bytes(child.id()).unwrap(), 0);
    }
}
