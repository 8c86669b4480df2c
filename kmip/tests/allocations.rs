//! The hot path allocates a handful of times: one Create+Get batch read and answered.

#![allow(unsafe_code)] // a global allocator is an unsafe trait; this one only counts

mod messages;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use kmip::ttlv::Limits;
use kmip::{
    CryptographicAlgorithm, ObjectType, Operation, RequestMessage, RequestPayload, ResponseHeader,
    ResponseWriter, message::Fit, ops,
};

struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<usize> = const { Cell::new(0) };
}

// SAFETY: every call goes to the system allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.with(|count| count.set(count.get() + 1));
        // SAFETY: the caller's contract is the system allocator's.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the pointer came from `alloc`.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

const UID: &str = "ceabcirtaaaaakqaans7binsamqaaaamqcayfa4eqwdipcejrkfx7vrsoov2uabn";

/// Reads the batch and answers it as a server with a reused buffer would.
fn serve(request: &[u8], out: &mut Vec<u8>) {
    let request = RequestMessage::decode(request, &Limits::DEFAULT).expect("golden");
    let mut writer = ResponseWriter::new(out, &ResponseHeader::new(request.header.version, 0), None);
    for item in &request.items {
        let id = item.id.as_deref();
        match item.decode_payload().expect("golden") {
            RequestPayload::Create(create) => {
                let response = ops::create::Response {
                    object_type: create.object_type,
                    unique_identifier: UID.into(),
                    attributes: None,
                };
                assert_eq!(response.object_type, ObjectType::SymmetricKey);
                assert_eq!(writer.success(Operation::Create, id, &response), Fit::Complete);
            }
            RequestPayload::Get(_) => {
                let derived = writer.success_with(Operation::Get, id, |w| {
                    ops::get::write_symmetric(w, UID, CryptographicAlgorithm::Aes, 256, 32, |key| {
                        key.fill(7);
                        Ok::<(), ()>(())
                    })
                });
                assert_eq!(derived, Ok(Fit::Complete));
            }
            other => panic!("{other:?}"),
        }
    }
    writer.finish();
}

#[test]
fn create_and_get_allocate_a_handful_of_times() {
    let mut out = Vec::with_capacity(4096);
    let before = ALLOCATIONS.with(Cell::get);
    serve(messages::CREATE_GET_REQUEST_2_1, &mut out);
    let spent = ALLOCATIONS.with(Cell::get) - before;
    // The batch, and the template's attributes.
    assert!(spent <= 2, "{spent} allocations");
}
