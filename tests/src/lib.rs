//! The harness: a server in this process on a database of its own, visitors with cookies, a passkey made of software.

pub mod authenticator;
pub mod browser;
pub mod collector;
pub mod contract;
pub mod load;
pub mod mailbox;
pub mod maxmind;
pub mod node;
pub mod postgres;
pub mod process;
pub mod server;
pub mod visitor;
