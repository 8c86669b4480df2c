//! Zeroing memory that held key bytes, at the speed of the machine's own fill instruction.
//!
//! The crate `zeroize` writes each byte of a slice by itself, with a barrier behind it: for the two buffers
//! of a request that costs as much as deriving its key. Here one fill is followed by one barrier.
#![allow(unsafe_code)] // Writes memory that must not be optimised away.

/// Zeroes these bytes; the compiler cannot drop it as dead.
pub fn bytes(bytes: &mut [u8]) {
    // SAFETY: the slice is writable and borrowed by this call alone.
    unsafe { wipe(bytes.as_mut_ptr(), bytes.len()) };
}

/// Zeroes all that a buffer ever held, its spare capacity too, and empties it. It keeps its memory.
pub fn buffer(buffer: &mut Vec<u8>) {
    buffer.clear();
    // SAFETY: the vector owns `capacity` bytes, and bytes need no initialisation to be overwritten.
    unsafe { wipe(buffer.as_mut_ptr(), buffer.capacity()) };
}

/// Zeroes memory in a way the compiler cannot drop as dead.
///
/// # Safety
/// `start..start + bytes` is writable and nobody else uses it.
pub(crate) unsafe fn wipe(start: *mut u8, bytes: usize) {
    // SAFETY: the caller's promise.
    unsafe {
        start.write_bytes(0, bytes);
        // To the compiler this may read all memory reachable from `start`, so the zeroes must be there.
        std::arch::asm!("/* {0} */", in(reg) start, options(nostack, preserves_flags));
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_wiped_buffer_is_empty_and_zero_to_its_capacity() {
        let mut buffer = vec![0x5a; 300];
        buffer.truncate(100);
        let capacity = buffer.capacity();
        super::buffer(&mut buffer);
        assert!(buffer.is_empty() && buffer.capacity() == capacity);
        // SAFETY: all of the capacity was initialised above, and wiped.
        unsafe { buffer.set_len(300) };
        assert!(buffer.iter().all(|byte| *byte == 0));
    }

    #[test]
    fn only_the_slice_is_wiped() {
        let mut bytes = [1, 2, 3, 4];
        super::bytes(&mut bytes[1..3]);
        assert_eq!(bytes, [1, 0, 0, 4]);
        super::bytes(&mut []);
    }
}
