//! A global allocator that zeroes what it frees.
//!
//! Key bytes pass through buffers this project does not own: TLS records, codecs, vectors that
//! grow. With this allocator none of them leaves anything on the heap. Only the binary installs it:
//!
//! ```no_run
//! #[global_allocator]
//! static ALLOCATOR: crypto::ZeroOnFree = crypto::ZeroOnFree;
//! ```
#![allow(unsafe_code)] // Implementing GlobalAlloc is unsafe by nature.

use std::alloc::{GlobalAlloc, Layout, System};

use crate::wipe::wipe;

/// The system's allocator, with every block zeroed before it is given back.
pub struct ZeroOnFree;

// SAFETY: memory comes from and goes back to `System` with unchanged layouts; in between, only
// blocks that the caller is giving up are written to, within their size.
unsafe impl GlobalAlloc for ZeroOnFree {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's obligations are passed on unchanged.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as above.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: the caller gives up `layout.size()` bytes at `block`.
        unsafe {
            wipe(block, layout.size());
            System.dealloc(block, layout);
        }
    }

    /// Never in place: the system might move the block and leave the old one as it was.
    unsafe fn realloc(&self, block: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        // SAFETY: the caller promises that `new_size` is valid for this alignment; the copy stays
        // within both blocks, which are distinct.
        unsafe {
            let moved = System.alloc(Layout::from_size_align_unchecked(new_size, layout.align()));
            if !moved.is_null() {
                moved.copy_from_nonoverlapping(block, layout.size().min(new_size));
                self.dealloc(block, layout);
            }
            moved
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn realloc_keeps_the_content_both_ways() {
        for (old, new) in [(8, 64), (64, 8), (1 << 20, 1 << 21)] {
            let layout = Layout::from_size_align(old, 8).unwrap();
            // SAFETY: blocks are used within their layouts and freed once.
            unsafe {
                let block = ZeroOnFree.alloc(layout);
                block.write_bytes(0x5a, old);
                let moved = ZeroOnFree.realloc(block, layout, new);
                assert!((0..old.min(new)).all(|i| *moved.add(i) == 0x5a));
                ZeroOnFree.dealloc(moved, Layout::from_size_align(new, 8).unwrap());
            }
        }
    }
}
