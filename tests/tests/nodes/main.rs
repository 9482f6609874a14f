//! Several nodes on one database: restarted, killed, stopped, cut off, overrun, and its server replaced under them.
//!
//! R3 to R7, R13 and R14 of the reliability plan. The short versions are tests like any other; `scripts/nodes.sh` repeats
//! them and runs those that take longer. What they measured is in docs/NODES.md.

mod burst;
mod cluster;
mod cut;
mod failover;
mod figures;
mod killed;
mod revocation;
mod rolling;
