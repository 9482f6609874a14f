//! Decisions across aggregates, on facts gathered by the caller.

pub mod access;
pub mod admin;

#[cfg(test)]
mod tests;
