//! Views of the log and their queries.
//!
//! A view that decisions read is written in the append's own transaction; the others follow along the log (`runner`).
//! The same code rebuilds them all (`rebuild`).

pub mod rebuild;
pub mod runner;
