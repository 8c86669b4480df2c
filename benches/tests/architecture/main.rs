//! The shape of the house, held by plain tests: arrows only point down, heavy dependencies have one
//! home, the lowest floor is pure, and sources stay readable.
//!
//! It lives on the top floor, which may see everything, and links nothing of what it judges.

#![allow(clippy::unwrap_used, reason = "tests stop at a surprise")]

mod floors;
mod homes;
mod sources;
mod workspace;
