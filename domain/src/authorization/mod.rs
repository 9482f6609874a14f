//! The authorization request: what was asked (`request`), and what the person must still do (`interaction`).

pub mod interaction;
pub mod request;
#[cfg(test)]
mod tests;
