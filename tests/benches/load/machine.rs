//! What the operating system and Postgres tell about the work done: CPU time, memory, statements, transactions, flushes.

use std::collections::HashMap;
use std::process::Command;

use sqlx::{PgConnection, Row};

/// Microseconds of CPU time of a process so far (proc(5): utime and stime, in ticks of 10 ms).
fn cpu_micros(pid: u32) -> Option<u64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let ticks: u64 = fields.get(11)?.parse::<u64>().ok()? + fields.get(12)?.parse::<u64>().ok()?;
    Some(ticks * 10_000)
}

fn children(pid: u32) -> Vec<u32> {
    let listed = Command::new("ps").args(["-o", "pid=", "--ppid", &pid.to_string()]).output().unwrap();
    String::from_utf8_lossy(&listed.stdout).split_whitespace().filter_map(|pid| pid.parse().ok()).collect()
}

/// A line of `/proc/<pid>/status` in MiB: `VmRSS` is the memory in use, `VmHWM` the most there was.
pub fn memory_mib(pid: u32, line: &str) -> f64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let value = status.lines().find_map(|text| text.strip_prefix(line)).unwrap();
    let kib: f64 = value.trim_start_matches(':').trim().trim_end_matches(" kB").parse().unwrap();
    kib / 1024.0
}

/// Counters that only grow.
pub struct Work {
    pub chancery_micros: u64,
    /// Of each of its processes.
    postgres: HashMap<u32, u64>,
    pub generator_micros: u64,
    pub statements: u64,
    pub transactions: u64,
    pub flushes: u64,
}

impl Work {
    /// `chancery` is the server's process, if it is not this one.
    pub async fn so_far(database: &mut PgConnection, chancery: Option<u32>) -> Self {
        let row = sqlx::query(
            "SELECT (SELECT sum(calls)::bigint FROM pg_stat_statements) AS statements,
                    (SELECT sum(xact_commit)::bigint FROM pg_stat_database) AS transactions,
                    (SELECT wal_sync FROM pg_stat_wal) AS flushes,
                    split_part(pg_read_file('postmaster.pid'), E'\\n', 1)::int AS postmaster",
        )
        .fetch_one(database)
        .await
        .unwrap();
        let count = |column: &str| u64::try_from(row.get::<i64, _>(column)).unwrap();
        let postmaster = u32::try_from(row.get::<i32, _>("postmaster")).unwrap();
        let own = cpu_micros(std::process::id()).unwrap();
        Self {
            chancery_micros: chancery.map_or(0, |pid| cpu_micros(pid).unwrap()),
            postgres: children(postmaster).into_iter().filter_map(|pid| Some((pid, cpu_micros(pid)?))).collect(),
            generator_micros: own,
            statements: count("statements"),
            transactions: count("transactions"),
            flushes: count("flushes"),
        }
    }

    pub fn postgres_micros(&self) -> u64 {
        self.postgres.values().sum()
    }

    pub fn since(self, before: &Self) -> Self {
        let so_far = |pid: &u32| before.postgres.get(pid).copied().unwrap_or_default();
        Self {
            chancery_micros: self.chancery_micros - before.chancery_micros,
            postgres: self.postgres.iter().map(|(pid, micros)| (*pid, micros - so_far(pid))).collect(),
            generator_micros: self.generator_micros - before.generator_micros,
            statements: self.statements - before.statements,
            transactions: self.transactions - before.transactions,
            flushes: self.flushes - before.flushes,
        }
    }
}
