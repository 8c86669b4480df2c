//! The clock of the machine below a virtual one: what tells that a hypervisor froze this one (CONSISTENCY 1, A1).
//!
//! A guest that is paused sees nothing of it; its boot clock stands still and its lease seems young. Where KVM offers
//! its host's clock (`/dev/ptp_kvm`), every reading for a lease adds what the boot clock has lost against it, so that
//! a lease runs out during the pause. Elsewhere `status` says that a pause is not detectable.
//!
//! Only leases live on this clock: a host whose clock is set forward makes them run out early, which is safe. The
//! barrier counts its waits on the boot clock alone; there the same jump would end a wait too soon.

use std::fs::File;
use std::os::fd::AsFd as _;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::time::{DynamicClockId, Timespec, clock_gettime_dynamic};

/// Where udev puts it.
const DEVICE: &str = "/dev/ptp_kvm";

/// The host's clock, and what the boot clock has lost against it.
pub(crate) struct HostClock {
    device: File,
    /// Host clock minus boot clock at the first reading, in nanoseconds.
    ahead: i128,
    lost: Lost,
}

impl HostClock {
    /// Opens it, where there is one.
    pub fn open(boot_nanos: impl Fn() -> u64) -> Option<Self> {
        let device = File::open(Path::new(DEVICE)).ok()?;
        let host = read(&device)?;
        Some(Self { device, ahead: i128::from(host) - i128::from(boot_nanos()), lost: Lost::default() })
    }

    /// Nanoseconds that the boot clock has lost since the start: never less than said before.
    pub fn lost(&self, boot_nanos: u64) -> u64 {
        // A clock that cannot be read any more says nothing new.
        read(&self.device).map_or(self.lost.so_far(), |host| self.lost.see(host, boot_nanos, self.ahead))
    }
}

fn read(device: &File) -> Option<u64> {
    let Timespec { tv_sec, tv_nsec } = clock_gettime_dynamic(DynamicClockId::Dynamic(device.as_fd())).ok()?;
    let (seconds, nanos) = (u64::try_from(tv_sec).ok()?, u64::try_from(tv_nsec).ok()?);
    seconds.checked_mul(1_000_000_000)?.checked_add(nanos)
}

/// The largest loss seen. It only grows: a clock made of it never goes back.
#[derive(Debug, Default)]
struct Lost(AtomicU64);

impl Lost {
    fn so_far(&self) -> u64 {
        self.0.load(Ordering::Acquire)
    }

    /// The host was read *before* this call and after the boot clock: the difference is at most overestimated.
    fn see(&self, host: u64, boot: u64, ahead: i128) -> u64 {
        let lost = u64::try_from(i128::from(host) - i128::from(boot) - ahead).unwrap_or_default();
        self.0.fetch_max(lost, Ordering::AcqRel).max(lost)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    #[test]
    fn what_was_lost_is_added_once_and_stays() {
        let (lost, ahead) = (Lost::default(), i128::from(1_000 * SECOND));
        assert_eq!(lost.see(1_010 * SECOND, 10 * SECOND, ahead), 0, "both went on together");
        assert_eq!(lost.see(1_050 * SECOND, 20 * SECOND, ahead), 30 * SECOND, "frozen for half a minute");
        assert_eq!(lost.see(1_060 * SECOND, 30 * SECOND, ahead), 30 * SECOND, "and not again");
        assert_eq!(
            lost.see(900 * SECOND, 40 * SECOND, ahead),
            30 * SECOND,
            "a host set back takes nothing back"
        );
        assert_eq!(lost.so_far(), 30 * SECOND);
    }
}
