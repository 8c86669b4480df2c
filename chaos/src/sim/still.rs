//! Real time stands still for a thread that simulates.
//!
//! Everything of ours takes its time from tokio's paused clock. Two libraries below look at the operating
//! system's: h2 forgets a cancelled stream one second after, hyper writes the date into every answer. Then the
//! speed of the machine decides which frames are sent, and a seed no longer decides everything. So this
//! program's `clock_gettime` is the one here: constant while a thread simulates, the kernel's otherwise.

// A symbol of the C library is replaced, and the kernel asked in its place.
#![allow(unsafe_code)]

use std::cell::Cell;

/// What a still thread reads from every clock, in seconds: far from zero, and some day in 2027.
const STILL_S: libc::time_t = 1_800_000_000;

thread_local! {
    static STILL: Cell<bool> = const { Cell::new(false) };
}

/// Real time stands still for this thread until it is dropped.
pub struct Still(());

impl Still {
    /// From now on.
    pub fn begin() -> Self {
        STILL.set(true);
        Self(())
    }
}

impl Drop for Still {
    fn drop(&mut self) {
        STILL.set(false);
    }
}

/// Takes the place of the C library's.
///
/// # Safety
/// As `clock_gettime(2)`: `out` points to a `timespec` that may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn clock_gettime(clock: libc::clockid_t, out: *mut libc::timespec) -> libc::c_int {
    // A thread that is ending has no such variable any more, and does not simulate.
    if STILL.try_with(Cell::get).unwrap_or(false) {
        // SAFETY: the caller's promise.
        unsafe { out.write(libc::timespec { tv_sec: STILL_S, tv_nsec: 0 }) };
        return 0;
    }
    // SAFETY: the arguments are those of the system call, which is what the C library would make.
    let result = unsafe { libc::syscall(libc::SYS_clock_gettime, clock, out) };
    libc::c_int::try_from(result).unwrap_or(-1)
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant, SystemTime};

    use super::*;

    #[test]
    fn only_a_thread_that_simulates_stands_still() {
        let moves = || {
            let (begun, date) = (Instant::now(), SystemTime::now());
            std::thread::sleep(Duration::from_millis(2));
            (begun.elapsed() > Duration::ZERO, date.elapsed().is_ok_and(|ago| ago > Duration::ZERO))
        };
        assert_eq!(moves(), (true, true));
        let still = Still::begin();
        assert_eq!(moves(), (false, false));
        assert_eq!(std::thread::spawn(moves).join().unwrap(), (true, true));
        drop(still);
        assert_eq!(moves(), (true, true));
    }
}
