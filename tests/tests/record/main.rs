//! The record: what the event store, the vault and the views promise, on a real Postgres.

mod backup;
mod catalogue;
mod crash;
mod doctor;
mod encryption_key;
mod faults;
mod flush;
mod following;
mod full_disk;
mod log;
mod memory;
mod migrations;
mod queued;
mod support;
mod upgrade;
mod vault;
