//! CPU time of processes, from `/proc/<pid>/stat`.

use std::time::Duration;

/// CPU time the processes used so far, user and system together; `None` when one of them cannot be read.
pub fn used(pids: &[u32]) -> Option<Duration> {
    if pids.is_empty() {
        return None;
    }
    let ticks_per_s = rustix::param::clock_ticks_per_second();
    let mut ticks = 0;
    for pid in pids {
        ticks += parse(&std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)?;
    }
    Some(Duration::from_micros(ticks.saturating_mul(1_000_000) / ticks_per_s))
}

/// Fields 14 and 15, utime and stime (proc_pid_stat(5)). The command in field 2 may contain anything, so
/// counting begins behind its closing parenthesis.
fn parse(stat: &str) -> Option<u64> {
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_whitespace().skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    Some(user + system)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_may_contain_anything() {
        let stat = "42 (a) b (c) S 1 42 42 0 -1 4194560 100 0 0 0 250 50 0 0 20 0 8 0 1000 1 1";
        assert_eq!(parse(stat), Some(300));
        assert_eq!(parse("42 (short) S 1"), None);
    }

    #[test]
    fn our_own_time_grows() {
        let before = used(&[std::process::id()]).expect("our own process");
        let begun = std::time::Instant::now();
        while begun.elapsed() < Duration::from_millis(100) {
            std::hint::black_box(begun);
        }
        assert!(used(&[std::process::id()]).expect("our own process") > before);
        assert_eq!(used(&[]), None);
        assert_eq!(used(&[u32::MAX]), None);
    }
}
