//! Decisions across aggregates, on facts gathered by the caller.

pub mod access;
pub mod admin;
pub mod allowance;

#[cfg(test)]
mod tests;
