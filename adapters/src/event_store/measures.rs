//! What appending takes, for whoever exports metrics; without a provider the instruments do nothing.

use std::time::Instant;

use opentelemetry::global;
use opentelemetry::metrics::{Counter, Histogram};

use super::StoreError;

/// Seconds: from a commit that costs no flush to the writer's time limits, that for settling included.
const SECONDS: [f64; 12] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 15.0];
const UNITS: [f64; 9] = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0];

pub(super) struct Measures {
    duration: Histogram<f64>,
    units: Histogram<u64>,
    conflicts: Conflicts,
}

/// Units that lost a race.
pub(super) struct Conflicts(Counter<u64>);

impl Measures {
    pub fn new() -> Self {
        let meter = global::meter("chancery");
        let duration = meter.f64_histogram("chancery.append.duration").with_unit("s");
        let units = meter.u64_histogram("chancery.append.batch.size").with_unit("{unit}");
        Self {
            duration: duration
                .with_description("Duration of writing and flushing a batch")
                .with_boundaries(SECONDS.to_vec())
                .build(),
            units: units
                .with_description("Units of work that were committed together")
                .with_boundaries(UNITS.to_vec())
                .build(),
            conflicts: Conflicts::new(),
        }
    }

    pub fn batch(&self, begun: Instant, results: &[Result<i64, StoreError>]) {
        self.duration.record(begun.elapsed().as_secs_f64(), &[]);
        self.units.record(results.len() as u64, &[]);
        self.conflicts.add(results.iter().filter(|result| matches!(result, Err(StoreError::Conflict))).count());
    }
}

impl Conflicts {
    pub fn new() -> Self {
        let says = "Units that lost a race for a stream, and are decided again";
        let meter = global::meter("chancery");
        let counter = meter.u64_counter("chancery.append.conflicts").with_unit("{unit}").with_description(says).build();
        // There from the beginning, so that the first one is an increase.
        counter.add(0, &[]);
        Self(counter)
    }

    pub fn add(&self, count: usize) {
        if count > 0 {
            self.0.add(count as u64, &[]);
        }
    }
}
