//! Repeats an operation with many workers at once and reports what it took.

use std::future::Future;
use std::time::{Duration, Instant};

use sqlx::PgConnection;
use tokio::task::JoinSet;

use crate::machine::Work;

const WARM_UP: Duration = Duration::from_secs(1);
const MEASURED: Duration = Duration::from_secs(6);

/// Somebody who does the same again and again.
pub trait Worker: Send + 'static {
    fn once(&mut self) -> impl Future<Output = ()> + Send;
}

/// What one operation took.
pub struct Report {
    pub per_second: f64,
    pub p50: Duration,
    pub p99: Duration,
    pub count: u64,
    pub work: Work,
}

/// Lets all workers run for the same time. `chancery` is the server's process, if it is not this one.
pub async fn drive<W: Worker>(database: &mut PgConnection, chancery: Option<u32>, workers: Vec<W>) -> Report {
    let (begin, mut tasks) = (Instant::now() + WARM_UP, JoinSet::new());
    let end = begin + MEASURED;
    for mut worker in workers {
        tasks.spawn(async move {
            let mut latencies = Vec::new();
            loop {
                let start = Instant::now();
                if start >= end {
                    // Its connections stay open until the work has been counted.
                    return (worker, latencies);
                }
                worker.once().await;
                if start >= begin {
                    latencies.push(start.elapsed());
                }
            }
        });
    }
    tokio::time::sleep_until(begin.into()).await;
    let before = Work::so_far(database, chancery).await;
    tokio::time::sleep_until(end.into()).await;
    let work = Work::so_far(database, chancery).await.since(&before);
    let (workers, latencies): (Vec<_>, Vec<_>) = tasks.join_all().await.into_iter().unzip();
    drop(workers);
    let mut latencies = latencies.concat();
    latencies.sort_unstable();
    let count = latencies.len();
    Report {
        per_second: count as f64 / MEASURED.as_secs_f64(),
        p50: latencies[count / 2],
        p99: latencies[count * 99 / 100],
        count: count as u64,
        work,
    }
}
