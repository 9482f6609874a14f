//! The harness: a server in this process on a database of its own, visitors with cookies, a passkey made of software.

pub mod authenticator;
pub mod browser;
pub mod caddy;
pub mod collector;
pub mod contract;
pub mod ledger;
pub mod load;
pub mod logged;
pub mod mailbox;
pub mod maxmind;
pub mod node;
pub mod port;
pub mod postgres;
pub mod postgres_server;
pub mod process;
pub mod relay;
pub mod server;
pub mod visitor;
