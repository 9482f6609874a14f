//! What is told about the work, and to whom: traces, metrics and log records at a collector, metrics for Prometheus,
//! and log lines.

mod collector;
mod lines;
mod outbound;
mod prometheus;
mod real_programs;
