//! Decisions across aggregates, on facts gathered by the caller.

pub mod access;
pub mod admin;
pub mod allowance;
pub mod command;

#[cfg(test)]
mod tests;
