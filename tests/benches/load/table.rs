//! The table of the results, as `docs/BENCHMARKS.md` shows it.

use std::time::Duration;

use crate::drive::Report;

/// What was measured, beside the plain client.
pub struct Table {
    /// Single-row inserts a second by the plain client.
    pub inserts: f64,
    pub reports: Vec<(&'static str, f64, Report)>,
}

impl Table {
    pub fn add(&mut self, name: &'static str, target: f64, report: Report) {
        println!("{name}: {:.0}/s", report.per_second);
        self.reports.push((name, target, report));
    }

    pub fn print(&self) {
        let columns = [
            "operation",
            "a second",
            "of I",
            "target",
            "p50 ms",
            "p99 ms",
            "statements",
            "transactions",
            "flushes",
            "Chancery µs",
            "Postgres µs",
            "generator µs",
        ];
        println!("\n| {} |\n|{}", columns.join(" | "), "---|".repeat(columns.len()));
        for (name, target, Report { per_second, p50, p99, count, work }) in &self.reports {
            let each = |work: u64| work as f64 / *count as f64;
            let millis = |duration: &Duration| duration.as_secs_f64() * 1e3;
            println!(
                "| {name} | {per_second:.0} | {:.2} | {target} | {:.1} | {:.1} | {:.2} | {:.2} | {:.3} | {:.0} | {:.0} | {:.0} |",
                per_second / self.inserts,
                millis(p50),
                millis(p99),
                each(work.statements),
                each(work.transactions),
                each(work.flushes),
                each(work.chancery_micros),
                each(work.postgres_micros()),
                each(work.generator_micros),
            );
        }
    }
}
