//! One chunk of secret memory, with an unreadable page before and after it.
//!
//! `memfd_secret(2)` takes its pages out of the kernel's direct map. The fallback is anonymous
//! memory, locked, kept out of core dumps and wiped in a forked child; a debugger with rights can
//! read that one, hence the logged downgrade. This module never looks at what is stored.
#![allow(unsafe_code)] // System calls on raw addresses; each block says why it is sound.

use std::ffi::c_void;
use std::os::fd::{FromRawFd, OwnedFd};
use std::ptr::NonNull;

use rustix::io::Errno;
use rustix::mm::{self, Advice, MapFlags, ProtFlags};

use super::ArenaError;

/// The kind of memory behind an arena, best first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ArenaMode {
    /// `memfd_secret(2)`: unreadable even through `/proc/self/mem`.
    SecretMemory,
    /// `mlock` + `MADV_DONTDUMP` + `MADV_WIPEONFORK`: never swapped nor dumped, but readable by a
    /// debugger that may attach.
    LockedAnonymous,
}

/// One mapped chunk; lives as long as the process.
pub(super) struct Mapping {
    start: NonNull<u8>,
    bytes: usize,
    mode: ArenaMode,
}

// SAFETY: a mapping is a pair of numbers about memory that no thread owns.
unsafe impl Send for Mapping {}

impl Mapping {
    /// Maps `bytes` (a multiple of the page size) of zeroed secret memory.
    pub(super) fn new(bytes: usize) -> Result<Self, ArenaError> {
        let refused = |errno: Errno| ArenaError::Refused { bytes, errno: errno.raw_os_error() };
        let start = reserve(bytes).map_err(refused)?;
        let mode = match map_secret(start, bytes) {
            Ok(()) => ArenaMode::SecretMemory,
            Err(errno) => {
                map_locked(start, bytes).inspect_err(|_| give_back(start, bytes)).map_err(refused)?;
                tracing::warn!(
                    %errno,
                    "memfd_secret is not available: keys rest in locked memory that a debugger could read"
                );
                ArenaMode::LockedAnonymous
            }
        };
        let start = NonNull::new(start.cast()).expect("the kernel never maps address zero");
        Ok(Self { start, bytes, mode })
    }

    pub(super) fn mode(&self) -> ArenaMode {
        self.mode
    }

    /// The addresses of the chunk's slots, in order.
    pub(super) fn slots(&self, slot_bytes: usize) -> impl DoubleEndedIterator<Item = NonNull<u8>> + use<> {
        let start = self.start;
        // SAFETY: every offset lies below the mapping's length.
        (0..self.bytes / slot_bytes).map(move |i| unsafe { start.add(i * slot_bytes) })
    }
}

/// Reserves unreadable address space for the chunk and a guard page on both sides.
fn reserve(bytes: usize) -> Result<*mut c_void, Errno> {
    let page = rustix::param::page_size();
    assert!(bytes.is_multiple_of(page), "a chunk is a whole number of pages");
    // SAFETY: a fresh mapping at an address of the kernel's choice touches no existing memory.
    let low = unsafe {
        mm::mmap_anonymous(std::ptr::null_mut(), bytes + 2 * page, ProtFlags::empty(), MapFlags::PRIVATE)?
    };
    // SAFETY: the reservation is longer than one page.
    Ok(unsafe { low.add(page) })
}

/// Undoes [`reserve`], whatever was laid over it: a refusal may repeat, and must not use up addresses.
fn give_back(start: *mut c_void, bytes: usize) {
    let page = rustix::param::page_size();
    // SAFETY: the range is our own reservation, and nothing refers to it yet.
    let unmapped = unsafe { mm::munmap(start.sub(page), bytes + 2 * page) };
    debug_assert_eq!(unmapped, Ok(()), "unmapping our own range cannot fail");
}

/// Lays secret memory over the reservation.
fn map_secret(start: *mut c_void, bytes: usize) -> Result<(), Errno> {
    let file = memfd_secret()?;
    rustix::fs::ftruncate(&file, bytes as u64)?;
    let read_write = ProtFlags::READ | ProtFlags::WRITE;
    // SAFETY: `start..start + bytes` is our own reservation, which nothing refers to yet.
    unsafe { mm::mmap(start, bytes, read_write, MapFlags::SHARED | MapFlags::FIXED, &file, 0)? };
    // A child gets no copy of the mapping at all: shared memory cannot be wiped on fork.
    // SAFETY: advice about our own mapping; no memory is accessed.
    unsafe { mm::madvise(start, bytes, Advice::LinuxDontFork)? };
    // SAFETY: the mapping is ours and writable. Touching every page now makes a lack of memory show
    // itself here rather than in the middle of an unwrap.
    unsafe { std::ptr::write_bytes(start.cast::<u8>(), 0, bytes) };
    Ok(())
}

/// Lays locked anonymous memory over the reservation.
fn map_locked(start: *mut c_void, bytes: usize) -> Result<(), Errno> {
    let read_write = ProtFlags::READ | ProtFlags::WRITE;
    // SAFETY: as in `map_secret`: our own reservation, advised and locked, never accessed here.
    unsafe {
        mm::mmap_anonymous(start, bytes, read_write, MapFlags::PRIVATE | MapFlags::FIXED)?;
        mm::madvise(start, bytes, Advice::LinuxDontDump)?;
        mm::madvise(start, bytes, Advice::LinuxWipeOnFork)?;
        mm::mlock(start, bytes)
    }
}

fn memfd_secret() -> Result<OwnedFd, Errno> {
    #[cfg(feature = "danger-known-keys")]
    if crate::danger::arena_is_open() {
        return Err(Errno::PERM);
    }
    // SAFETY: the call takes one flag word and returns a new descriptor or -1.
    let fd = unsafe { libc::syscall(libc::SYS_memfd_secret, libc::O_CLOEXEC) };
    match i32::try_from(fd) {
        // SAFETY: a fresh descriptor that nobody else owns.
        Ok(fd) if fd >= 0 => Ok(unsafe { OwnedFd::from_raw_fd(fd) }),
        _ => Err(Errno::from_io_error(&std::io::Error::last_os_error()).unwrap_or(Errno::NOSYS)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The kernel's flags of the mapping that begins at `start` (`VmFlags` in `smaps`, proc(5)).
    fn vm_flags(start: *const u8) -> Vec<String> {
        let smaps = std::fs::read_to_string("/proc/self/smaps").unwrap();
        let head = format!("{:x}-", start as usize);
        let flags = smaps.lines().skip_while(|line| !line.starts_with(&head));
        let flags = flags.skip(1).find_map(|line| line.strip_prefix("VmFlags:")).unwrap();
        flags.split_whitespace().map(str::to_owned).collect()
    }

    fn check_flags(start: *const u8, expected: &[&str]) {
        let flags = vm_flags(start);
        for flag in expected {
            assert!(flags.iter().any(|f| f == flag), "{flag} is missing in {flags:?}");
        }
    }

    #[test]
    fn a_chunk_is_locked_not_dumped_and_not_inherited() {
        let chunk = Mapping::new(1 << 16).unwrap();
        match chunk.mode() {
            ArenaMode::SecretMemory => check_flags(chunk.start.as_ptr(), &["lo", "dd", "dc"]),
            ArenaMode::LockedAnonymous => check_flags(chunk.start.as_ptr(), &["lo", "dd", "wf"]),
        }
        assert_eq!(chunk.slots(32).count(), 2048);
    }

    #[test]
    fn the_fallback_is_locked_not_dumped_and_wiped_on_fork() {
        let start = reserve(1 << 16).unwrap();
        map_locked(start, 1 << 16).unwrap();
        check_flags(start.cast(), &["lo", "dd", "wf"]);
    }
}
