//! The one place that knows how records lie on disk and in the log.
//!
//! Every record is a frame (all numbers big-endian): magic of four bytes, one for each kind of record ‖
//! format byte ‖ schema version u16 ‖ body length u32 ‖ CRC32C u32 over everything else ‖ body. The body is
//! bincode in its fixed-width little-endian form, which `wincode` reads too; bincode is unmaintained
//! (RUSTSEC-2025-0141) and no other module may touch it.
//!
//! Decoding never panics, never allocates more than 1 MiB ahead of the bytes that are there (serde's own
//! bound), and never ignores trailing bytes. Schema 1 is `model`'s own records: golden bytes fail the moment
//! one of them changes its layout, and then the old shape moves here as its own struct. openraft's structs
//! are never stored; see [`records`].

mod frame;
pub mod records;

pub use frame::BadBytes;

use model::command::{Answer, Command};
use model::row::{Row, RowKey};

use frame::Kind;

/// Frames a command.
///
/// # Errors
/// [`BadBytes::TooLong`] beyond the size of any frame.
pub fn encode_command(command: &Command) -> Result<Vec<u8>, BadBytes> {
    frame::encode(Kind::Command, command)
}

/// Reads a framed command.
///
/// # Errors
/// [`BadBytes`] says what is wrong with it.
pub fn decode_command(bytes: &[u8]) -> Result<Command, BadBytes> {
    frame::decode(Kind::Command, bytes)
}

/// An answer as the bytes a keyed hash is taken of; it is never read back.
///
/// # Errors
/// None in practice: an answer is small.
pub fn answer_body(answer: &Answer) -> Result<Vec<u8>, BadBytes> {
    frame::body(answer)
}

/// Frames a row together with its key: a row is never understood without its place.
///
/// # Errors
/// [`BadBytes::TooLong`] beyond the size of any frame.
pub fn encode_row(key: &RowKey, row: &Row) -> Result<Vec<u8>, BadBytes> {
    frame::encode(Kind::Row, &(key, row))
}

/// A row's key as the bytes its stored key is a PRF of.
///
/// # Errors
/// None in practice: a key has a small fixed size.
pub fn row_name(key: &RowKey) -> Result<Vec<u8>, BadBytes> {
    frame::body(key)
}

/// Reads a framed row.
///
/// # Errors
/// [`BadBytes`] says what is wrong with it.
pub fn decode_row(bytes: &[u8]) -> Result<(RowKey, Row), BadBytes> {
    frame::decode(Kind::Row, bytes)
}

/// Frames many rows: a chunk of a snapshot.
///
/// # Errors
/// [`BadBytes::TooLong`] beyond the size of any frame.
pub fn encode_rows(rows: &[(RowKey, Row)]) -> Result<Vec<u8>, BadBytes> {
    frame::encode(Kind::Rows, &rows)
}

/// Reads many framed rows.
///
/// # Errors
/// [`BadBytes`] says what is wrong with them.
pub fn decode_rows(bytes: &[u8]) -> Result<Vec<(RowKey, Row)>, BadBytes> {
    frame::decode(Kind::Rows, bytes)
}
